# SPDX-License-Identifier: Apache-2.0
"""What every entry point does: configuration, logging, wires; and one line for an error."""

import logging
import os
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import cotyledon
from oslo_config import cfg
from oslo_log import _options, log

from watcher import config
from watcher.clients.session import Clients
from watcher.cmd import meditation
from watcher.core.errors import Unavailable, WatcherError
from watcher.db.engine import Database
from watcher.exporter import endpoint
from watcher.exporter.endpoint import Endpoint
from watcher.messaging.notifications import Announcer, make_announcer
from watcher.messaging.transport import Bus
from watcher.telemetry.gauges import Part
from watcher.version import VERSION

LOG = logging.getLogger(__name__)

AGAIN, NEVER = 75, 78
"""Exit statuses of a worker that could not start: sysexits(3) TEMPFAIL and CONFIG."""


@dataclass(frozen=True)
class Wires:
    """What a daemon is connected to; made after the fork, in the process that uses it."""

    conf: cfg.ConfigOpts
    database: Database
    bus: Bus
    announcer: Announcer
    clients: Clients

    @classmethod
    def connect(cls, conf: cfg.ConfigOpts) -> "Wires":
        """Connect; nothing is sent yet but what the libraries need to know their peers."""
        bus = Bus(conf)
        announcer = make_announcer(conf, bus)
        return cls(conf, Database(conf, announcer.announce), bus, announcer, Clients(conf))


LINE = "%(asctime)s.%(msecs)03d %(process)d %(levelname)s %(name)s"
WHO = "%(global_request_id)s %(request_id)s %(user_identity)s"
ABOUT = f"{LINE} [{WHO}] [%(resource)s] %(message)s"
"""A line within a request or a job: its request, and the audit or plan, and action, or a dash."""
NOTHING = f"{LINE} [-] [-] %(message)s"


def set_log_defaults() -> None:
    """Our defaults of oslo.log's options: lines name what they are about."""
    log.set_defaults(
        logging_context_format_string=ABOUT,
        default_log_levels=[*log.get_default_log_levels(), "watcher=INFO"],
    )
    cfg.set_defaults(  # no public way
        _options.log_opts,
        logging_default_format_string=NOTHING,
        instance_uuid_format="[%(uuid)s] ",  # for formats of an operator's own
    )


def prepare(program: str, arguments: Sequence[str] | None = None) -> cfg.ConfigOpts:
    """Read the configuration and set up logging; exits with one line when a file is wrong."""
    conf = cfg.CONF
    set_log_defaults()
    log.register_options(conf)  # before the files are read: oslo.log is set up from them
    config.load(conf, sys.argv[1:] if arguments is None else arguments, program)
    log.setup(conf, "watcher")
    if os.environ.get("OS_WATCHER_DISABLE_EVENTLET_PATCHING", "").lower() in ("false", "0", "no"):
        LOG.warning("green threads are not supported; native threads are used")
    LOG.info("%s %s", program, VERSION)
    return conf


def reread(conf: cfg.ConfigOpts) -> None:
    """Read mutable options again; files that are wrong now change nothing."""
    trial = cfg.ConfigOpts()
    log.register_options(trial)
    try:
        config.load(trial, sys.argv[1:], conf.prog)
    except cfg.Error as error:
        LOG.error("the configuration stays as it was: %s", " ".join(str(error).split()))
        return
    conf.mutate_config_files()
    LOG.info("the configuration was read again")


def beside(wires: Wires, parts: Sequence[Part]) -> Endpoint | None:
    """The endpoint for metrics and health of these parts, started; None when it is not wanted.

    Raises ServiceDown when its port is taken.
    """
    conf = wires.conf
    ports = endpoint.ports(conf, conf.prog)
    if not ports:
        return None
    made = Endpoint(conf.prog, conf, wires.database, wires.bus, parts, ports)
    made.start()
    return made


def one_line(program: str, work: Callable[[], Any]) -> int:
    """Run ``work``; an error that was expected ends as one line on stderr and exit status 1."""
    try:
        work()
    except (WatcherError, cfg.Error) as error:
        print(f"{program}: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


class Daemon(cotyledon.Service):
    """A process that builds its service after the fork and runs it until it is told to stop."""

    def __init__(
        self, worker_id: Any, conf: cfg.ConfigOpts, build: Callable[[Wires], Any]
    ) -> None:
        super().__init__(worker_id)
        self._conf = conf
        self._build = build
        self._service: Any = None
        self._endpoint: Endpoint | None = None
        meditation.answer(conf, conf.prog, {"Data models": self._data_models})

    def run(self) -> None:
        """Connect, build and start.

        What does not answer may do so at the next try: the supervisor makes one. What is wrong
        stays wrong: that ends the daemon.
        """
        try:
            wires = Wires.connect(self._conf)
            service = self._build(wires)
            self._endpoint = beside(wires, [service])
            self._service = service
            service.start()
        except (WatcherError, cfg.Error) as error:
            LOG.critical("%s", error)
            raise SystemExit(AGAIN if isinstance(error, Unavailable) else NEVER) from error

    def _data_models(self) -> dict[str, Any]:
        """The snapshots of a decision engine, by kind, for a report."""
        questions = getattr(self._service, "questions", None)
        if questions is None:
            return {}
        try:
            return {"compute": questions.data_model("compute", None)}
        except WatcherError as error:
            return {"compute": str(error)}

    def terminate(self) -> None:
        """Stop taking work, then wait for what runs."""
        if self._service is not None:
            self._service.stop()
            self._service.wait()
        if self._endpoint is not None:
            self._endpoint.stop()

    def reload(self) -> None:
        """SIGHUP: read mutable options again."""
        reread(self._conf)


def serve(
    program: str,
    build: Callable[[Wires], Any],
    *,
    workers: int | None = None,
    before: Callable[[cfg.ConfigOpts], None] | None = None,
) -> int:
    """The life of a daemon: read, check that the database can be used, fork, supervise.

    ``workers`` is the number of processes, [api] workers when it is not given; ``before`` may
    refuse the start.
    """

    def work() -> None:
        conf = prepare(program)
        if before is not None:
            before(conf)
        endpoint.check(conf, program)
        Database(conf).require_schema()
        manager = cotyledon.ServiceManager(graceful_shutdown_timeout=60)
        count = conf.api.workers if workers is None else workers
        manager.add(Daemon, workers=count, args=(conf, build))
        refused = threading.Event()

        def died(_service: Any, _worker: Any, status: int) -> None:
            if status == NEVER:
                refused.set()
                manager.shutdown()

        meditation.pass_on()
        manager.register_hooks(on_reload=lambda: reread(conf), on_dead_worker=died)
        try:
            manager.run()
        except SystemExit as ended:
            raise SystemExit(1 if refused.is_set() else ended.code) from ended

    return one_line(program, work)
