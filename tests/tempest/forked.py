#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""An ``openstack`` that starts at once.

The client imports for a second or two at every start, and its functional tests start it some
two hundred times. ``forked.py serve`` has it imported, and forks for each command: the program of
the package, in a process of its own, with the arguments, environment and files of the caller. What
callers start is ``forked.py`` under the name ``openstack``, with the server's socket beside it.
"""

from __future__ import annotations

import json
import os
import pathlib
import signal
import socket
import sys

SOCKET = "openstack.socket"


def call(folder: pathlib.Path) -> int:
    """Let the server run this command line; its exit status."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as server:
        server.connect(str(folder / SOCKET))
        message = json.dumps([sys.argv, dict(os.environ), os.getcwd()]).encode()
        socket.send_fds(server, [message], [0, 1, 2])
        return int(server.recv(16) or b"1")


def serve(folder: pathlib.Path) -> None:
    """Run the commands that come, until this process is ended."""
    # What the first command would import beyond these is little.
    import cliff.formatters.table  # noqa: F401
    import keystoneauth1.identity.v3  # noqa: F401
    import openstack.connection  # noqa: F401
    import openstackclient.shell
    import watcherclient.osc.plugin
    import watcherclient.v1.audit_shell  # noqa: F401

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the forks
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(str(folder / SOCKET))
        listener.listen(64)
        while True:
            caller, _ = listener.accept()
            if os.fork() == 0:
                _answer(caller, openstackclient.shell.main)
            caller.close()


def _answer(caller: socket.socket, main: object) -> None:
    """In the fork: become the command of the caller."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    message, files, _, _ = socket.recv_fds(caller, 1 << 20, 3)
    for number, file in enumerate(files):
        os.dup2(file, number)
    sys.argv, environment, folder = json.loads(message)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    status: object = 1
    try:
        status = main(sys.argv[1:])  # type: ignore[operator]
    except SystemExit as left:
        status = left.code
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        caller.sendall(str(status or 0).encode())
        os._exit(0)


if __name__ == "__main__":
    here = pathlib.Path(sys.argv[0]).absolute().parent
    if sys.argv[1:2] == ["serve"]:
        serve(pathlib.Path(sys.argv[2]))
    else:
        sys.exit(call(here))
