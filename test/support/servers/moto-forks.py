"""Starts moto servers: python3 moto-forks.py SOCKET.

For a request {"script", "args", "log", "lasting"}, a fork sends its pid and runs the script, a server of this directory, with
its output in the log.
"""

import importlib
import os
import random
import runpy
import sys

import forks
import moto.server  # noqa: F401
from moto.ec2.models import ec2_backends
from moto.moto_api._internal import mock_random

SERVICES = ("ec2", "iam", "s3", "sdb", "secretsmanager", "sqs", "ssm", "sts")
for service in SERVICES:
    for module in ("models", "responses", "urls"):
        importlib.import_module(f"moto.{service}.{module}")

# The first EC2 backend reads the list of images, which takes a fifth of a second: not in each fork.
ec2_backends["000000000000"]["us-east-1"]
del ec2_backends["000000000000"]


def run(connection, request):
    # Otherwise all forks would make the same ids.
    random.seed()
    mock_random.seed()
    output = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(output, 1)
    os.dup2(output, 2)
    connection.sendall(b"%d\n" % os.getpid())
    sys.argv = [request["script"], *request["args"]]
    runpy.run_path(request["script"], run_name="__main__")


forks.serve(sys.argv[1], run)
