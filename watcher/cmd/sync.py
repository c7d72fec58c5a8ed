# SPDX-License-Identifier: Apache-2.0
"""watcher-sync: installed plugins -> goals and strategies tables, by hand."""

import sys

from oslo_config import cfg
from oslo_log import log

from watcher.cmd import daemon
from watcher.db.engine import Database
from watcher.decision_engine.sync import sync

PROGRAM = "watcher-sync"


def main() -> int:
    """Synchronise once; prints nothing on stdout, logs what changed."""
    log.register_options(cfg.CONF)
    cfg.CONF.set_default("use_stderr", True)
    return daemon.one_line(PROGRAM, lambda: sync(Database(daemon.prepare(PROGRAM))))


if __name__ == "__main__":
    sys.exit(main())
