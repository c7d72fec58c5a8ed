# SPDX-License-Identifier: Apache-2.0
"""watcher-sync: installed plugins -> goals and strategies tables, by hand."""

import sys

from watcher.cmd import daemon
from watcher.db.engine import Database
from watcher.decision_engine.sync import sync

PROGRAM = "watcher-sync"


def main() -> int:
    """Synchronise once; prints nothing, logs what changed."""
    return daemon.one_line(PROGRAM, lambda: sync(Database(daemon.prepare(PROGRAM))))


if __name__ == "__main__":
    sys.exit(main())
