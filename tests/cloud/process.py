# SPDX-License-Identifier: Apache-2.0
"""Processes that outlive the command that starts them, found again by pid.

A pid file holds the pid and the kernel's start time of the process, so that a
pid used again by somebody else is never taken for ours: nothing here can stop
a process that it did not start. Every service leads a session of its own, and
stopping it ends that session's processes.

Only the standard library is used: this runs before anything is installed.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pathlib
import random
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

ROOT = pathlib.Path(__file__).resolve().parents[2]
STATE = pathlib.Path(os.environ.get("WATCHER_STATE", ROOT / ".state")).resolve()
ADDRESS = "127.0.0.1"

# Below the range from which the kernel takes the ports of outgoing
# connections: a service that is stopped finds its port free again.
PORTS = range(20000, 32000)

Command = Sequence[str | pathlib.Path]


def say(text: str) -> None:
    """Write one line for whoever ran the command."""
    print(text, flush=True)


def pause(seconds: float) -> None:
    """Wait without work."""
    threading.Event().wait(seconds)


@contextlib.contextmanager
def step(text: str) -> Iterator[None]:
    """Say what was done and how many seconds it took."""
    began = time.monotonic()
    outcome = "FAILED"
    try:
        yield
        outcome = "ok"
    finally:
        say(f"{text:<52} {outcome:<6} {time.monotonic() - began:6.1f}s")


@contextlib.contextmanager
def locked(name: str) -> Iterator[None]:
    """Let one command at a time change the services under STATE."""
    STATE.mkdir(parents=True, exist_ok=True)
    with open(STATE / f"{name}.lock", "w", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def run(
    command: Command,
    env: Mapping[str, str] | None = None,
    cwd: pathlib.Path | None = None,
) -> str:
    """Run a command to its end and return what it said; SystemExit if it failed."""
    words = [str(word) for word in command]
    done = subprocess.run(
        words,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **(env or {})},
        cwd=cwd,
        check=False,
    )
    if done.returncode:
        raise SystemExit(
            f"{done.stdout[-3000:]}\nexit status {done.returncode} from: {' '.join(words)}"
        )
    return done.stdout


def listening(port: int) -> bool:
    """Does anything accept connections on this port of the loopback?"""
    try:
        socket.create_connection((ADDRESS, port), timeout=1).close()
    except OSError:
        return False
    return True


def free_port(taken: Iterable[int] = ()) -> int:
    """A port that nothing listens on and that is not among the TAKEN ones."""
    avoid = set(taken)
    for port in random.sample(PORTS, len(PORTS)):
        if port in avoid:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((ADDRESS, port))
            except OSError:
                continue
            return port
    raise SystemExit(f"no free port between {PORTS.start} and {PORTS.stop}")


def wait_for(
    what: str,
    check: Callable[[], object],
    timeout_s: float = 180,
    every_s: float = 0.25,
    alive: Callable[[], str | None] = lambda: None,
) -> None:
    """Wait until CHECK() is true; ALIVE() names a process that died, if any."""
    deadline = time.monotonic() + timeout_s
    while not check():
        dead = alive()
        if dead:
            raise SystemExit(f"{dead} died while waiting for {what}")
        if time.monotonic() > deadline:
            raise SystemExit(f"gave up after {timeout_s:.0f} s waiting for {what}")
        pause(every_s)


def _stat(pid: int) -> tuple[str, int, int] | None:
    """(state, session, start time) of a process, or None if there is none."""
    try:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return fields[0], int(fields[3]), int(fields[19])


def _alive(pid: int) -> bool:
    found = _stat(pid)
    return found is not None and found[0] not in "ZX"


def family(leader: int) -> list[int]:
    """Every live process of the session that LEADER leads."""
    pids = (int(path.name) for path in pathlib.Path("/proc").iterdir() if path.name.isdigit())
    found = ((pid, _stat(pid)) for pid in pids)
    return [pid for pid, stat in found if stat and stat[1] == leader and stat[0] not in "ZX"]


class Processes:
    """The services whose pid files are in one folder.

    ``folder`` gets ``run/NAME.pid`` and ``log/NAME.log`` for each of them.
    """

    def __init__(self, folder: pathlib.Path) -> None:
        self.run_dir = folder / "run"
        self.log_dir = folder / "log"
        for path in (self.run_dir, self.log_dir):
            path.mkdir(parents=True, exist_ok=True)

    def log(self, name: str) -> pathlib.Path:
        """Where the service writes what it says."""
        return self.log_dir / f"{name}.log"

    def names(self) -> list[str]:
        """The services started and not stopped since, dead ones too."""
        return sorted(path.stem for path in self.run_dir.glob("*.pid"))

    def pid(self, name: str) -> int | None:
        """The pid of a service that runs, or None."""
        try:
            pid, start = json.loads((self.run_dir / f"{name}.pid").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        found = _stat(pid)
        return pid if found and found[0] not in "ZX" and found[2] == start else None

    def remember(self, name: str, pid: int) -> None:
        """Take a process that was started elsewhere into care; SystemExit if it is gone."""
        found = _stat(pid)
        if found is None:
            raise SystemExit(f"{name} ended at once, see {self.log(name)}")
        (self.run_dir / f"{name}.pid").write_text(json.dumps([pid, found[2]]), encoding="utf-8")

    def start(
        self,
        name: str,
        command: Command,
        env: Mapping[str, str] | None = None,
        cwd: pathlib.Path | None = None,
    ) -> None:
        """Start a service in a session of its own, unless it runs already."""
        if self.pid(name):
            return
        with open(self.log(name), "ab") as log:
            process = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=cwd,
                start_new_session=True,
                env={**os.environ, "PYTHONWARNINGS": "ignore", **(env or {})},
            )
        self.remember(name, process.pid)
        # Not waited for here: it outlives this command and init reaps it.
        process.returncode = 0

    def dead(self, names: Iterable[str] = ()) -> str | None:
        """The name of one of these (default: of all that were started) that runs no longer."""
        return next((name for name in names or self.names() if not self.pid(name)), None)

    def stop(
        self,
        names: Iterable[str],
        timeout_s: float = 20,
        by: signal.Signals = signal.SIGTERM,
    ) -> list[str]:
        """Send a signal to all at once, SIGKILL to what is left; return who ran."""
        leaders = {name: pid for name in names if (pid := self.pid(name))}
        members = [pid for leader in leaders.values() for pid in family(leader)]
        for pid in leaders.values():
            os.kill(pid, by)
        deadline = time.monotonic() + timeout_s
        while any(map(_alive, members)) and time.monotonic() < deadline:
            pause(0.1)
        for pid in filter(_alive, members):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for name in names:
            (self.run_dir / f"{name}.pid").unlink(missing_ok=True)
        return sorted(leaders)

    def memory_mb(self, name: str) -> float:
        """MiB that the service's processes hold, shared pages divided among their users."""
        total_kb = 0
        for pid in family(self.pid(name) or -1):
            try:
                text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8")
            except OSError:
                continue
            total_kb += sum(
                int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")
            )
        return total_kb / 1024


def apt_install(missing: Sequence[str]) -> None:
    """Install Debian packages without letting any of them start a daemon.

    A policy-rc.d that answers 101 is Debian's own way to forbid that; one that
    is there already is left alone.
    """
    if os.geteuid():
        raise SystemExit(f"missing Debian packages, install them first: {' '.join(missing)}")
    policy = pathlib.Path("/usr/sbin/policy-rc.d")
    ours = not policy.exists()
    if ours:
        policy.write_text("#!/bin/sh\nexit 101\n", encoding="utf-8")
        policy.chmod(0o755)
    env = {"DEBIAN_FRONTEND": "noninteractive"}
    try:
        with step(f"apt-get install {' '.join(missing)}"):
            run(["apt-get", "update", "-qq"], env)
            run(["apt-get", "install", "-qq", "-y", "--no-install-recommends", *missing], env)
    finally:
        if ours:
            policy.unlink(missing_ok=True)
