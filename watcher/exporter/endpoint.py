# SPDX-License-Identifier: Apache-2.0
"""The HTTP server beside a daemon: ``/metrics`` and ``/healthcheck``, on a port of its own.

Each process has a port: prometheus_client's mode for several processes has no gauges that are
found when asked for, and a port that several processes share would show one of them at random.
"""

import logging
import threading
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Any

from cheroot import wsgi
from oslo_config import cfg
from prometheus_client import CollectorRegistry, make_wsgi_app

from watcher import config
from watcher.core.errors import Invalid, ServiceDown
from watcher.db.engine import Database
from watcher.exporter.bounded import Bounded
from watcher.exporter.collector import Gauges
from watcher.exporter.health import Health
from watcher.messaging.transport import Bus
from watcher.telemetry import meters
from watcher.telemetry.gauges import Part

LOG = logging.getLogger(__name__)

API, ENGINE, APPLIER, STANDALONE = (
    *("watcher-api", "watcher-decision-engine"),
    *("watcher-applier", "watcher-standalone"),
)
MOST = 65536
BIND_S = 10.0
THREADS = 3
"""One may wait for the database, one for the bus."""

OPTIONS = config.Group(
    "metrics",
    "Metrics for Prometheus, and health, of each daemon",
    [
        cfg.BoolOpt(
            "enabled",
            default=False,
            help="Serve /metrics and /healthcheck over HTTP, without authentication.",
        ),
        cfg.HostAddressOpt(
            "host", default="127.0.0.1", help="Address that they are served on, by all daemons."
        ),
        cfg.PortOpt(
            "decision_engine_port", default=19322, help="Port of watcher-decision-engine."
        ),
        cfg.PortOpt("applier_port", default=19323, help="Port of watcher-applier."),
        cfg.PortOpt("standalone_port", default=19324, help="Port of watcher-standalone."),
        cfg.PortOpt(
            "api_port",
            default=19330,
            help="Port of the first process of watcher-api. The others, [api] workers in all, have"
            " the following ones: each process counts its own requests.",
        ),
    ],
)


def ports(conf: cfg.ConfigOpts, program: str) -> list[int]:
    """The ports of the processes of a daemon; none when metrics are not served.

    Raises Invalid when there are not enough ports.
    """
    OPTIONS.register(conf)
    chosen = conf.metrics
    if not chosen.enabled:
        return []
    if program == API:
        after = chosen.api_port + conf.api.workers
        if after > MOST:
            raise Invalid(f"[metrics] api_port: [api] workers need ports up to {after - 1}")
        return list(range(chosen.api_port, after))
    named = {
        ENGINE: chosen.decision_engine_port,
        APPLIER: chosen.applier_port,
        STANDALONE: chosen.standalone_port,
    }
    return [named[program]]


class Endpoint:
    """Serves what a process shows of itself, on the first of ``ports`` that is free."""

    def __init__(
        self,
        program: str,
        conf: cfg.ConfigOpts,
        database: Database,
        bus: Bus,
        parts: Sequence[Part],
        ports: Sequence[int],
    ) -> None:
        registry = CollectorRegistry()
        registry.register(meters.REGISTRY)
        registry.register(Gauges(program, conf, database, parts, counts=program != API))
        self._metrics = make_wsgi_app(registry)
        self._health = Health(program, conf.host, database, bus, parts)
        self._server = _bound(conf.metrics.host, ports, self._application)
        self._thread = threading.Thread(target=self._server.serve, name="metrics", daemon=True)

    @property
    def port(self) -> int:
        """The port in use."""
        return int(self._server.bind_addr[1])

    def start(self) -> None:
        """Serve in a thread of its own."""
        self._thread.start()
        LOG.info("metrics and health are served on port %d", self.port)

    def stop(self) -> None:
        """Serve no more."""
        self._server.stop()

    def _application(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path == "/metrics":
            found: Iterable[bytes] = self._metrics(environ, start_response)
            return found
        if path == "/healthcheck":
            status, body = self._health.answer()
        else:
            status, body = HTTPStatus.NOT_FOUND, b'"there are /metrics and /healthcheck"'
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        start_response(f"{status.value} {status.phrase}", headers)
        return [body]


def check(conf: cfg.ConfigOpts, program: str) -> None:
    """Raise ServiceDown when somebody has one of the ports: before workers are started."""
    for port in ports(conf, program):
        _bound(conf.metrics.host, [port], None).stop()


def _bound(host: str, ports: Sequence[int], application: Any) -> Any:
    """A server that listens on the first free port; ServiceDown when there is none."""
    errors = []
    for port in ports:
        server = wsgi.Server((host, port), application, numthreads=THREADS, server_name="watcher")
        try:
            # In a daemon thread, so that cheroot's workers are such as well: they end with a
            # process that somebody else has started, such as a web server's.
            Bounded("metrics", server.prepare, BIND_S).ask()
        except (OSError, ServiceDown) as error:
            errors.append(str(error))
            continue
        return server
    where = f"{host}:{'-'.join(map(str, sorted({ports[0], ports[-1]})))}"
    raise ServiceDown(f"[metrics] host and port: {where} cannot be used: {errors[-1]}")
