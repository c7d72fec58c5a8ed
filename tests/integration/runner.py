# SPDX-License-Identifier: Apache-2.0
"""Runs commands beside a test: each with a log file, awaited, stopped by its pid."""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence

from tests.cloud.process import listening, pause


class Running:
    """One command that runs."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], log: pathlib.Path) -> None:
        self.name = name
        self.process = process
        self.log = log

    @property
    def pid(self) -> int:
        """Its process id, which is also that of its process group."""
        return self.process.pid

    def said(self) -> str:
        """All it wrote to its log so far."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def wait_for(self, check: Callable[[], object], what: str, timeout_s: float = 60) -> None:
        """Wait until CHECK() is true.

        Raises:
            AssertionError: the command ended, or the time is over; with the end of the log.
        """
        deadline = time.monotonic() + timeout_s
        while not check():
            status = self.process.poll()
            over = time.monotonic() > deadline
            if status is not None or over:
                state = "still runs" if status is None else f"ended with {status}"
                raise AssertionError(
                    f"{self.name}: no {what} in {timeout_s:.0f} s, it {state}\n{self.said()[-3000:]}"
                )
            pause(0.1)

    def wait_for_log(self, text: str, timeout_s: float = 60) -> None:
        """Wait until the log has this text."""
        self.wait_for(lambda: text in self.said(), f"{text!r} in its log", timeout_s)

    def wait_for_port(self, port: int, timeout_s: float = 60) -> None:
        """Wait until something accepts connections on a port of 127.0.0.1."""
        self.wait_for(lambda: listening(port), f"listener on port {port}", timeout_s)

    def wait(self, timeout_s: float = 60) -> int:
        """Wait for its end and return its exit status."""
        return self.process.wait(timeout_s)

    def kill(self) -> None:
        """End it and its children at once, as a power failure would."""
        self._signal(signal.SIGKILL)
        self.process.wait()

    def stop(self, timeout_s: float = 20) -> int:
        """SIGTERM, SIGKILL if that does not help; return the exit status."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return self.process.wait(timeout_s) if self._signal(signal.SIGKILL) else -1
        finally:
            self._signal(signal.SIGKILL)  # what it left behind

    def _signal(self, number: signal.Signals) -> bool:
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            return False
        return True


class Runner:
    """Starts commands and stops what still runs at the end, the newest first."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.started: list[Running] = []

    def start(
        self,
        name: str,
        command: Sequence[str | pathlib.Path],
        env: Mapping[str, str] | None = None,
        cwd: pathlib.Path | None = None,
    ) -> Running:
        """Start a command with its output in ``<folder>/<name>-<n>.log``."""
        path = self.folder / f"{name}-{len(self.started)}.log"
        with open(path, "wb") as log:
            process = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(env or {})},
                cwd=cwd or self.folder,
                start_new_session=True,
            )
        running = Running(name, process, path)
        self.started.append(running)
        return running

    def close(self) -> None:
        """Stop everything that still runs."""
        for running in reversed(self.started):
            running.stop()
