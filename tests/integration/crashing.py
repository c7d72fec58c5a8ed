# SPDX-License-Identifier: Apache-2.0
"""watcher-decision-engine that dies by SIGKILL at the step CRASH_AT of its first audit.

A step is a statement that writes or locks, the moment before and after each commit, and the
beginning of each part of a run; only what the threads of audits do is counted.
"""

import itertools
import os
import re
import signal
import sys
import threading
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.orm import Session

from watcher.cmd import decision_engine
from watcher.decision_engine.audits import Runner

CRASH_AT = int(os.environ["CRASH_AT"])
STEPS = itertools.count(1)
WRITES = re.compile(r"\s*(INSERT|UPDATE|DELETE|SELECT.*FOR UPDATE)", re.DOTALL)


def step(*_: Any) -> None:
    """One more; with the last one the process and its supervisor are gone."""
    if threading.current_thread().name.startswith("audit") and next(STEPS) == CRASH_AT:
        os.killpg(0, signal.SIGKILL)


def on_statement(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
    """A statement is about to be sent."""
    if WRITES.match(statement):
        step()


def stepping(method: Any) -> Any:
    """A part of a run that is a step."""

    def wrapped(*arguments: Any, **named: Any) -> Any:
        step()
        return method(*arguments, **named)

    return wrapped


event.listen(Engine, "before_cursor_execute", on_statement)
event.listen(Session, "before_commit", step)
event.listen(Session, "after_commit", step)
for part in ("gather", "solve", "order", "record", "_launch"):
    setattr(Runner, part, stepping(getattr(Runner, part)))

if __name__ == "__main__":
    sys.exit(decision_engine.main())
