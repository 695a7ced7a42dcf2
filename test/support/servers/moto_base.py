"""Differences of all moto servers here from moto's own server."""

import functools
import http.client
import io
import os
import string
import sys
import tempfile
import threading
import traceback
from types import SimpleNamespace

from botocore.exceptions import ClientError
from flask import Response
from jinja2 import FileSystemBytecodeCache
from moto import backends, server
from moto.core import responses
from moto.moto_api._internal.moto_random import MotoRandom
from moto.moto_server import werkzeug_app
from moto.s3.models import S3Backend
from moto.s3.responses import S3Response
from werkzeug.exceptions import HTTPException, InternalServerError
from werkzeug.serving import WSGIRequestHandler
from werkzeug.wrappers import Request

# moto checks a condition and puts the object in two steps, so that two racing threads could win. Here, puts are serialized.
turn = threading.RLock()


def one_at_a_time(method):
    def alone(self, *args, **kwargs):
        with turn:
            return method(self, *args, **kwargs)

    return alone


for name in ("_key_response_put", "_key_response_post"):
    setattr(S3Response, name, one_at_a_time(getattr(S3Response, name)))

# --- The rest saves CPU: a usual request to S3 takes 0.4 ms instead of 2.2.

# For each request, moto lists its own source files, looks at every method of a class, and matches each service's patterns.
modules = frozenset(backends.list_of_moto_modules())
backends.list_of_moto_modules = lambda: modules
responses.method_names_from_class = functools.cache(responses.method_names_from_class)
Dispatcher = werkzeug_app.DomainDispatcherApplication
Dispatcher.get_backend_for_host = functools.cache(Dispatcher.get_backend_for_host)
# Tests name every bucket in the path.
S3Response.subdomain_based_buckets = lambda self, request: False
# No test sends requests from a page of another origin.
werkzeug_app.DISABLE_GLOBAL_CORS = True


list_objects = S3Backend.list_objects


def list_below(self, bucket, prefix, *args, **options):
    """Passes only keys with the prefix: moto makes several calls for every key of the bucket."""
    keys = {name: versions[-1] for name, versions in dict(bucket.keys).items() if name.startswith(prefix or "")}
    return list_objects(self, SimpleNamespace(keys=keys), prefix, *args, **options)


S3Backend.list_objects = list_below


# Responses are Jinja templates. Each is compiled once in a run, not by each server; Jinja checks that its source is the same.
compiled = os.path.join(tempfile.gettempdir(), "moto-templates")
os.makedirs(compiled, exist_ok=True)
responses.Environment = functools.partial(responses.Environment, bytecode_cache=FileSystemBytecodeCache(compiled))


def plain_app(service):
    app = werkzeug_app.create_backend_app(service)
    # Flask's debug mode makes a class for each request.
    app.debug = False
    return app


server.create_backend_app = plain_app


def random_string(self, length=20, include_digits=True, lower_case=False):
    text = "".join(self.choices(string.ascii_letters + string.digits * include_digits, k=length))
    return text.lower() if lower_case else text


MotoRandom.get_random_string = random_string


class Headers(dict):
    """A request's headers, by case-insensitive name."""

    def get(self, name, default=None):
        return dict.get(self, name.lower(), default)

    def __contains__(self, name):
        return dict.__contains__(self, name.lower())

    def __getitem__(self, name):
        return dict.__getitem__(self, name.lower())


def handle_one_request(self):
    """Reads a request without Python's mail parser. No client of moto folds header lines."""
    line = self.rfile.readline(65_536)
    if not line:
        self.close_connection = True
        return
    self.command, self.path, self.request_version = line.decode("latin-1").split()
    self.headers = headers = Headers()
    while line := self.rfile.readline().strip():
        name, _, value = line.decode("latin-1").partition(":")
        name, value = name.lower(), value.strip()
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    self.close_connection = headers.get("connection", "").lower() == "close"
    if headers.get("expect", "").lower() == "100-continue":
        self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    self.run_wsgi()


class Usual:
    """A usual request to S3, as moto's functions read it: with its bucket in the path, and a signature in a header."""

    def __init__(self, method, url, headers, body):
        self.method = method
        self.url = url
        self.headers = headers
        self.body = body


def head_object(self, bucket_name, query, key_name, headers, head=S3Response.head_object):
    """S3 gives the checksum that it has of an object to a HEAD that asks for it (S3API/API_HeadObject)."""
    status, fields, content = head(self, bucket_name, query, key_name, headers)
    if status == 200 and headers.get("x-amz-checksum-mode") == "ENABLED":
        key = self.backend.head_object(bucket_name, key_name, version_id=query.get("versionId", [None])[0])
        if key.checksum_algorithm and key.checksum_value:
            fields[f"x-amz-checksum-{key.checksum_algorithm.lower()}"] = key.checksum_value
    return status, fields, content


S3Response.head_object = head_object
of_bucket = S3Response.method_dispatch(S3Response.bucket_response)
of_key = S3Response.method_dispatch(S3Response.key_response)


def usual_of(self, body):
    """The function of S3 that handles this request, and its argument; None if the request is not a usual one."""
    headers = self.headers
    if "/s3/aws4_request" not in headers.get("authorization", "") or headers.get("content-type", "").startswith("multipart/"):
        return None
    path, _, query = self.path.partition("?")
    if "//" in path or not path.startswith("/") or path.startswith(("/moto-api", "/latest/", "/v20180820/")):
        return None
    # Flask decodes a plus as a space, and moto's own parser doesn't.
    url = f"http://{headers.get('host', '')}{path}?{query.replace('+', '%20')}"
    answers = of_key if path.strip("/").count("/") > 0 else of_bucket
    return answers, Usual(self.command, url, headers, body)


def answer_of_s3(function, request):
    """The status, headers and content of S3's response, with Flask's default content type if moto sets none."""
    try:
        status, headers, content = function(request, request.url, request.headers)
    except HTTPException as error:
        response = error.get_response()
        return response.status, list(response.headers.items()), response.get_data()
    except Exception:
        traceback.print_exc()
        status, headers, content = 500, {}, b""
    fields = list(headers.items())
    if not any(name.lower() == "content-type" for name in headers):
        fields.append(("Content-Type", "text/html; charset=utf-8"))
    return f"{status} {http.HTTPStatus(status).phrase}", fields, content.encode() if isinstance(content, str) else content


def ask(motos, environ):
    """The response to a request, as a WSGI application: calls moto's function as Flask does, but without Flask's contexts,
    request proxies and session."""
    app = motos.get_application(environ)
    if app.service == "moto_api":
        # The only service that reads Flask's request.
        return app
    request = Request(environ)
    try:
        endpoint, _ = app.url_map.bind_to_environ(environ).match()
        try:
            result = app.view_functions[endpoint].callback(request, request.url, dict(request.headers))
        except ClientError as error:
            result = 400, {}, error.response["Error"]["Message"]
    except HTTPException as error:
        return error.get_response(environ)
    except Exception:
        traceback.print_exc()
        return InternalServerError().get_response(environ)
    status, headers, content = result if len(result) == 3 else (200, {}, result)
    response = Response(response=content, status=status, headers=headers)
    if request.method == "HEAD" and "content-length" in headers:
        response.headers["Content-Length"] = headers["content-length"]
    return response


def answer_of_flask(self, body):
    """The status, headers and content of moto's response to any request; `body` is None if it is chunked."""
    self.environ = environ = self.make_environ()
    environ["wsgi.input"] = io.BytesIO(environ["wsgi.input"].read() if body is None else body)
    started = []
    parts = ask(self.server.app, environ)(environ, lambda status, headers, error=None: started.append((status, headers)))
    content = b"".join(parts)
    parts.close()
    return *started[-1], content


def answer(self):
    """Responds to a request and keeps the connection open, as AWS does. werkzeug closes it, and so needs a connection and a
    thread for each request."""
    size = int(self.headers.get("content-length") or 0)
    body = None if "transfer-encoding" in self.headers else self.rfile.read(size)
    if body is not None and len(body) < size:
        # The client disconnected before it sent the whole body.
        self.close_connection = True
        return
    usual = body is not None and usual_of(self, body)
    status, headers, content = answer_of_s3(*usual) if usual else answer_of_flask(self, body)
    head = [f"HTTP/1.1 {status}", f"Date: {self.date_time_string()}", *(f"{name}: {value}" for name, value in headers)]
    if self.command == "HEAD" or status[:3] in ("204", "304"):
        content = b""
    if status[:3] not in ("204", "304") and not any(name.lower() == "content-length" for name, _ in headers):
        head.append(f"Content-Length: {len(content)}")
    self.wfile.write("\r\n".join([*head, "", ""]).encode("latin-1") + content)
    sys.stderr.write(f"{self.command} {self.path} {status}\n")


WSGIRequestHandler.handle_one_request = handle_one_request
WSGIRequestHandler.run_wsgi = answer
WSGIRequestHandler.protocol_version = "HTTP/1.1"
WSGIRequestHandler.disable_nagle_algorithm = True
