"""Runs Debian's AWS CLI: python3 aws-forks.py SOCKET. Its client is boot/bin/aws.

Asked {"args", "cwd", "env"}, with the client's streams, a fork runs the command there and sends its exit code.
"""

import os
import sys

import awscli.clidriver
import awscli.customizations.s3.subcommands  # noqa: F401
import awscli.s3transfer.manager  # noqa: F401
import forks

# This loads what commands have in common. To run one here would start threads, which a fork lacks.
awscli.clidriver.create_clidriver()


def run(connection, asked):
    os.chdir(asked["cwd"])
    # awscli says itself, once loaded, where its data is.
    data = os.environ["AWS_DATA_PATH"]
    os.environ.clear()
    os.environ.update(asked["env"], AWS_DATA_PATH=data)
    sys.argv = ["aws", *asked["args"]]
    try:
        code = awscli.clidriver.main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    connection.sendall(b"%d\n" % (code or 0))


forks.serve(sys.argv[1], run)
