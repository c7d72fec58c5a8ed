# SPDX-License-Identifier: Apache-2.0
"""The command line clients, each command in a process of its own.

``openstack`` and ``watcher`` import for a second or two at every start. Here a fork server has
them imported, and each command is a fork of it: as separate as a command in a shell, and cheap
enough to run them all.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import multiprocessing
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MODULES = {"openstack": "openstackclient.shell", "watcher": "watcherclient.shell"}
LOADED = (
    *("pytest", *MODULES.values(), "watcherclient.osc.plugin", "watcherclient.v1.audit_shell"),
    *("openstack.connection", "keystoneauth1.identity.v3", "cliff.formatters.json_format"),
)


@dataclass(frozen=True)
class Said:
    """What a command printed, and its exit status."""

    words: Sequence[str]
    status: int
    out: str
    err: str


def _run(module: str, words: Sequence[str], environment: Mapping[str, str]) -> Said:
    """In the fork: the command with its output kept."""
    os.environ.clear()
    os.environ.update(environment)
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            status = importlib.import_module(module).main(list(words))
        except SystemExit as left:
            status = left.code
    return Said(words, int(status or 0), out.getvalue(), err.getvalue())


class Clients:
    """Runs commands, several at a time."""

    def __init__(self, processes: int = 3) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(list(LOADED))
        self.pool = context.Pool(processes, maxtasksperchild=1)

    def close(self) -> None:
        """End the processes."""
        self.pool.terminate()
        self.pool.join()


class Front:
    """One of the two programs, as one user, in one API version.

    ``ran`` collects the words of the commands that were run, ``("audit", "list", ...)``.
    """

    def __init__(
        self, clients: Clients, program: str, environment: Mapping[str, str], version: str = "1.7"
    ) -> None:
        self.clients = clients
        self.program = program
        self.environment = {**environment, "OS_INFRA_OPTIM_API_VERSION": version}
        self.ran: list[Sequence[str]] = []

    def run(self, *commands: Sequence[str]) -> list[Said]:
        """The commands, at the same time; what each said, in their order."""
        first = ["optimize"] if self.program == "openstack" else []
        self.ran.extend(commands)
        begun = [
            self.clients.pool.apply_async(
                _run, (MODULES[self.program], [*first, *words], self.environment)
            )
            for words in commands
        ]
        return [one.get(timeout=120) for one in begun]

    def tables(self, *commands: Sequence[str]) -> list[str]:
        """What commands print for people; all must succeed."""
        said = self.run(*commands)
        for one in said:
            assert one.status == 0, one
        return [one.out for one in said]

    def all(self, *commands: Sequence[str]) -> list[Any]:
        """What commands tell as JSON; all must succeed."""
        found = self.tables(*((*words, "-f", "json") for words in commands))
        return [json.loads(text) for text in found]

    def __call__(self, *words: str) -> Any:
        """What one command tells as JSON; it must succeed."""
        return self.all(words)[0]

    def quiet(self, *words: str) -> None:
        """A command that must succeed and print nothing, as deletes do."""
        assert self.tables(words) == [""]

    def refused(self, *words: str) -> str:
        """What a command says that must fail with status 1."""
        (said,) = self.run(words)
        assert said.status == 1, said
        assert "Traceback" not in said.err, said
        return said.err
