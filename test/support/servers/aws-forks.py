"""Runs Debian's AWS CLI: python3 aws-forks.py SOCKET. Its client is boot/bin/aws.

For a request {"args", "cwd", "env"} with the client's streams, a fork runs the command there and sends its exit code.
"""

import functools
import gc
import os
import sys

import awscli.clidriver
import awscli.customizations.s3.subcommands  # noqa: F401
import awscli.s3transfer.manager  # noqa: F401
import botocore.hooks
import botocore.loaders
import forks


def cached(method):
    """Caches results, because each command makes a session, which reads the services' models again."""
    known = {}

    def remember(self, *args, **named):
        key = (*args, *named.values())
        if key not in known:
            known[key] = method(self, *args, **named)
        return known[key]

    return remember


for of, name in ((botocore.loaders.JSONFileLoader, "load_file"), (botocore.loaders.Loader, "list_available_services")):
    setattr(of, name, cached(getattr(of, name)))
botocore.hooks.accepts_kwargs = functools.cache(botocore.hooks.accepts_kwargs)

# Loads the common parts of commands. Running a command here would start threads, which forks don't have.
loader = awscli.clidriver.create_clidriver().session.get_component("data_loader")
for kind in ("service-2", "paginators-1", "waiters-2", "endpoint-rule-set-1"):
    for service in {"autoscaling", "s3", "sdb"}.intersection(loader.list_available_services(kind)):
        loader.load_service_model(service, kind)
for name in ("endpoints", "partitions"):
    loader.load_data(name)
# A command ends before it leaves much garbage.
gc.disable()
gc.freeze()


def run(connection, request):
    os.chdir(request["cwd"])
    # awscli sets this when it is loaded.
    data = os.environ["AWS_DATA_PATH"]
    os.environ.clear()
    os.environ.update(request["env"], AWS_DATA_PATH=data)
    sys.argv = ["aws", *request["args"]]
    try:
        code = awscli.clidriver.main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    connection.sendall(b"%d\n" % (code or 0))


forks.serve(sys.argv[1], run)
