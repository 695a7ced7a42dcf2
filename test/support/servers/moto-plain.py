"""moto, with an S3 whose conditional puts are atomic, on a free port."""

import moto_base  # noqa: F401
from moto.server import main

main(["-H", "127.0.0.1", "-p", "0"])
