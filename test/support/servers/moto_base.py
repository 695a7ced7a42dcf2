"""What every moto here differs in from moto's own server."""

import functools
import http.client
import io
import string
import sys
import threading
import traceback

from botocore.exceptions import ClientError
from flask import Response
from moto import backends, server
from moto.core import responses
from moto.moto_api._internal.moto_random import MotoRandom
from moto.moto_server import werkzeug_app
from moto.s3.responses import S3Response
from werkzeug.exceptions import HTTPException, InternalServerError
from werkzeug.serving import WSGIRequestHandler
from werkzeug.wrappers import Request

# moto checks a condition and puts the object in two steps, so that of racing threads two could win: one at a time here.
turn = threading.RLock()


def one_at_a_time(method):
    def alone(self, *args, **kwargs):
        with turn:
            return method(self, *args, **kwargs)

    return alone


for name in ("_key_response_put", "_key_response_post"):
    setattr(S3Response, name, one_at_a_time(getattr(S3Response, name)))

# --- What follows saves CPU: a request takes 1.0 ms of it, and took 2.2.

# At each request moto lists its own source files, looks at every method of a class, and matches each service's patterns.
modules = frozenset(backends.list_of_moto_modules())
backends.list_of_moto_modules = lambda: modules
responses.method_names_from_class = functools.cache(responses.method_names_from_class)
Dispatcher = werkzeug_app.DomainDispatcherApplication
Dispatcher.get_backend_for_host = functools.cache(Dispatcher.get_backend_for_host)
# Tests name every bucket in the path.
S3Response.subdomain_based_buckets = lambda self, request: False
# No test asks from a page of another origin.
werkzeug_app.DISABLE_GLOBAL_CORS = True


def plain_app(service):
    app = werkzeug_app.create_backend_app(service)
    # Flask's debug mode makes a class at each request.
    app.debug = False
    return app


server.create_backend_app = plain_app


def random_string(self, length=20, include_digits=True, lower_case=False):
    text = "".join(self.choices(string.ascii_letters + string.digits * include_digits, k=length))
    return text.lower() if lower_case else text


MotoRandom.get_random_string = random_string


def read_headers(file, _class):
    """Without Python's parser of mail. Nothing that calls moto folds a line."""
    headers = _class()
    while line := file.readline().strip():
        name, _, value = line.decode("latin-1").partition(":")
        headers.set_raw(name, value.lstrip())
    return headers


http.client.parse_headers = read_headers


def ask(motos, environ):
    """The answer to a request, as a WSGI application: the function that moto has for it is called as Flask calls it, but
    without Flask's contexts, its proxy at each look at the request, and its session."""
    app = motos.get_application(environ)
    if app.service == "moto_api":
        # The only one that asks Flask for its request.
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


def answer(self):
    """Answers one request of a connection and leaves it open for the next, as AWS does. werkzeug closes it, and so makes a
    connection and a thread for each."""
    self.environ = environ = self.make_environ()
    size = -1 if environ.get("wsgi.input_terminated") else int(environ.get("CONTENT_LENGTH") or 0)
    body = environ["wsgi.input"].read(size)
    if len(body) < size:
        # The client has gone before it had sent all.
        self.close_connection = True
        return
    environ["wsgi.input"] = io.BytesIO(body)
    started = []
    parts = ask(self.server.app, environ)(environ, lambda status, headers, error=None: started.append((status, headers)))
    content = b"".join(parts)
    parts.close()
    status, headers = started[-1]
    head = [f"HTTP/1.1 {status}", f"Date: {self.date_time_string()}", *(f"{name}: {value}" for name, value in headers)]
    if self.command == "HEAD" or status[:3] in ("204", "304"):
        content = b""
    elif not any(name.lower() == "content-length" for name, _ in headers):
        head.append(f"Content-Length: {len(content)}")
    self.wfile.write("\r\n".join([*head, "", ""]).encode("latin-1") + content)
    sys.stderr.write(f"{self.command} {self.path} {status}\n")


WSGIRequestHandler.run_wsgi = answer
WSGIRequestHandler.protocol_version = "HTTP/1.1"
WSGIRequestHandler.disable_nagle_algorithm = True
