"""What every moto here differs in from moto's own server."""

import functools
import threading

from moto import backends
from moto.core import responses
from moto.s3.responses import S3Response

# moto checks a condition and puts the object in two steps, so that of racing threads two could win: one at a time here.
turn = threading.RLock()


def one_at_a_time(method):
    def alone(self, *args, **kwargs):
        with turn:
            return method(self, *args, **kwargs)

    return alone


for name in ("_key_response_put", "_key_response_post"):
    setattr(S3Response, name, one_at_a_time(getattr(S3Response, name)))

# At each request it lists its own source files and looks at every method of a class: half of a request's time.
modules = frozenset(backends.list_of_moto_modules())
backends.list_of_moto_modules = lambda: modules
responses.method_names_from_class = functools.cache(responses.method_names_from_class)
