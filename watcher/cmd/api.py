# SPDX-License-Identifier: Apache-2.0
"""watcher-api, and the WSGI application for uWSGI, gunicorn or mod_wsgi.

``watcher.cmd.api:application`` reads its configuration at the first request. The command serves
the same application with cheroot: threads, TLS and clean shutdown in a maintained library, able to
run inside another process, which ``watcher-standalone`` and the simulator need.
"""

import argparse
import logging
import socket
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Any

from cheroot import wsgi
from cheroot.ssl.builtin import BuiltinSSLAdapter
from oslo_config import cfg

from watcher.api.app import make_app
from watcher.cmd import daemon
from watcher.core.errors import Invalid, ServiceDown, WatcherError
from watcher.telemetry import gauges
from watcher.telemetry.gauges import Reading
from watcher.telemetry.pulse import Pulse

LOG = logging.getLogger(__name__)

PROGRAM = "watcher-api"


class ApiServer:
    """One process that serves the API, on [api] host and port unless told where."""

    def __init__(
        self,
        wires: daemon.Wires,
        *,
        shared_port: bool = False,
        address: tuple[str, int] | None = None,
    ) -> None:
        options = wires.conf.api
        application = make_app(wires.conf, wires.database, wires.bus)
        self._server = wsgi.Server(
            address or (options.host, options.port),
            application,
            numthreads=options.threads,
            server_name=PROGRAM,
            reuse_port=shared_port,
        )
        if options.enable_ssl_api:
            ssl = wires.conf.ssl
            try:
                self._server.ssl_adapter = BuiltinSSLAdapter(
                    ssl.cert_file, ssl.key_file, ssl.ca_file
                )
            except (OSError, TypeError) as error:
                raise Invalid(f"[ssl] cert_file, key_file, ca_file: {error}") from error
        self._thread = threading.Thread(target=self._server.serve, name="http", daemon=True)

    def start(self) -> None:
        """Bind, then serve in a thread of its own; ServiceDown when the port is taken."""
        try:
            self._server.prepare()
        except OSError as error:
            raise ServiceDown(f"[api] host and port cannot be used: {error}") from error
        self._thread.start()

    @property
    def port(self) -> int:
        """The port in use, also when port 0 was asked for."""
        return int(self._server.bind_addr[1])

    @property
    def pulses(self) -> Iterator[Pulse]:
        """It has no loops of its own."""
        yield from ()

    def readings(self) -> Iterator[Reading]:
        """How busy it is."""
        threads, pool = self._server.numthreads, self._server.requests
        yield gauges.THREADS(threads, "requests")
        yield gauges.BUSY(max(0, threads - pool.idle), "requests")
        yield gauges.QUEUED(pool.qsize, "requests")

    def stop(self) -> None:
        """Close the port and end the requests that run."""
        self._server.stop()

    def wait(self, timeout_s: float | None = 30) -> None:
        """Until the last request has been answered."""
        self._thread.join(timeout_s)


def main() -> int:
    """Serve with [api] workers processes on one port."""
    return daemon.serve(PROGRAM, lambda wires: ApiServer(wires, shared_port=True), before=_free)


def _free(conf: cfg.ConfigOpts) -> None:
    """Raise ServiceDown when somebody has the port: our workers, who share it, would not see."""
    try:
        found = socket.getaddrinfo(
            conf.api.host, conf.api.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        family, *_, address = found[0]
        socket.create_server(address[:2], family=family).close()
    except OSError as error:
        where = f"{conf.api.host}:{conf.api.port}"
        raise ServiceDown(f"[api] host and port: {where} cannot be used: {error}") from error


@cache
def _conf() -> cfg.ConfigOpts:
    return daemon.prepare(PROGRAM, [])


@cache
def _application() -> Any:
    wires = daemon.Wires.connect(_conf())
    try:
        daemon.beside(wires, ())
    except WatcherError as error:  # a web server may have more processes than there are ports
        LOG.warning("this process shows no metrics: %s", error)
    return make_app(wires.conf, wires.database, wires.bus)


_MAKING = threading.Lock()


def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """The WSGI entry point; a start that fails is tried again at the next request."""
    with _MAKING:  # first requests come several at once, and a cache does not lock
        made = _application()
    answer: Iterable[bytes] = made(environ, start_response)
    return answer


def try_out(arguments: Sequence[str] | None = None) -> int:
    """``watcher-api-wsgi`` run directly: one process that serves on a port, to try it out.

    A web server takes the file of this command for its WSGI application instead. What follows
    ``--`` is for oslo.config, such as ``--config-file``.
    """
    parser = argparse.ArgumentParser("watcher-api-wsgi", description="For testing only.")
    parser.add_argument("--port", "-p", type=int, default=8000, help="TCP port (default: 8000).")
    anywhere = "0.0.0.0"  # noqa: S104 - what this command is known to do
    parser.add_argument("--host", "-b", default=anywhere, help="Address (default: any).")
    parser.add_argument("options", nargs="*", metavar="-- OPTION", help="For oslo.config.")
    chosen = parser.parse_args(arguments)

    def work() -> None:
        wires = daemon.Wires.connect(daemon.prepare(PROGRAM, chosen.options))
        wires.database.require_schema()
        server = ApiServer(wires, address=(chosen.host, chosen.port))
        server.start()
        print(f"for testing only: http://{chosen.host}:{server.port}/", flush=True)
        server.wait(None)

    return daemon.one_line("watcher-api-wsgi", work)


if __name__ == "__main__":
    sys.exit(main())
