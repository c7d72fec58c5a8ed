# SPDX-License-Identifier: Apache-2.0
"""watcher-standalone: API, decision engine and applier in one process.

For a first look and for a small cloud: with SQLite and the in-process bus (``fake://``) there is
no service to install. The configuration file is the same; only the defaults of transport_url and
of the schema differ: the database is brought up to date at the start.
"""

import logging
import signal
import sys
import threading
from pathlib import Path

from oslo_config import cfg

from watcher.applier.service import ApplierService
from watcher.cmd import daemon, meditation
from watcher.cmd.api import ApiServer
from watcher.core.errors import Invalid
from watcher.decision_engine.service import DecisionEngineService
from watcher.messaging.transport import set_default_url

LOG = logging.getLogger(__name__)

PROGRAM = "watcher-standalone"


def run(conf: cfg.ConfigOpts, stop: threading.Event) -> None:
    """Run all three until ``stop`` is set."""
    wires = daemon.Wires.connect(conf)
    wires.database.upgrade()
    parts = (wires.conf, wires.database, wires.bus, wires.announcer, wires.clients)
    services = (ApplierService(*parts), DecisionEngineService(*parts), ApiServer(wires))
    started = []
    endpoint = daemon.beside(wires, services)
    try:
        for service in services:
            service.start()
            started.append(service)
        LOG.info("%s serves on port %d", PROGRAM, services[-1].port)
        stop.wait()
    finally:
        for service in reversed(started):
            service.stop()
        for service in reversed(started):
            service.wait()
        if endpoint is not None:
            endpoint.stop()


def _make_folder(path: Path) -> None:
    """The folder of the default SQLite database."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Invalid(f"[DEFAULT] state_path {path} cannot be made: {error.strerror}") from error


def main() -> int:
    """Run until SIGTERM or SIGINT; SIGHUP reads mutable options again."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    signal.signal(signal.SIGHUP, lambda *_: daemon.reread(cfg.CONF))

    def work() -> None:
        set_default_url(cfg.CONF, "fake://")
        conf = daemon.prepare(PROGRAM)
        if not conf.database.connection:
            _make_folder(Path(conf.state_path))
        meditation.answer(conf, PROGRAM, {})
        run(conf, stop)

    return daemon.one_line(PROGRAM, work)


if __name__ == "__main__":
    sys.exit(main())
