# SPDX-License-Identifier: Apache-2.0
"""The simulated cloud behind one port of 127.0.0.1."""

import socket
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cheroot import wsgi

from watcher.core.cluster import Cluster
from watcher.core.errors import NotFound
from watcher.simulator import migrations
from watcher.simulator.cinder import Cinder
from watcher.simulator.clock import Clock
from watcher.simulator.cloud import Cloud
from watcher.simulator.columns import Loads, loads, to_cluster
from watcher.simulator.faults import Faults
from watcher.simulator.influx import DATABASE, Influx
from watcher.simulator.ironic import Ironic
from watcher.simulator.keystone import Keystone
from watcher.simulator.nova import Nova
from watcher.simulator.placement import Placement
from watcher.simulator.world import World


@dataclass(frozen=True, slots=True)
class Urls:
    """Where the services are."""

    identity: str
    compute: str
    placement: str
    influxdb: str
    influxdb_database: str = DATABASE


class Simulator:
    """A cloud that answers HTTP from ``start()`` to ``stop()``.

    :param speed: how much faster than real everything lasts: 20 makes 20 s one second
    :param infra_optim_url: what the catalogue says of Watcher's API
    :param passwords: of Keystone users; a user that is not in it logs in with any password
    :param influx_users: of the metric history; none means no authentication

    Users are admin, watcher (both admin), member and reader; projects are those of the world.
    """

    def __init__(
        self,
        world: World,
        *,
        speed: float = 1.0,
        port: int = 0,
        infra_optim_url: str | None = None,
        passwords: Mapping[str, str] | None = None,
        influx_users: Mapping[str, str] | None = None,
    ) -> None:
        self.world = world
        self.cloud = Cloud(world, Clock(speed))
        endpoints = {
            "identity": "{root}/identity",
            "compute": "{root}/compute/v2.1",
            "placement": "{root}/placement",
            "block-storage": "{root}/block-storage/v3",
            "baremetal": "{root}/baremetal",
        }
        if infra_optim_url:
            endpoints["infra-optim"] = infra_optim_url
        self.keystone = Keystone(self.cloud, endpoints, passwords)
        self.influx = Influx(self.cloud, influx_users)
        self.cinder = Cinder(self.cloud, self.keystone)
        self.ironic = Ironic(self.cloud, self.keystone)
        self._apps = {
            "identity": self.keystone,
            "compute": Nova(self.cloud, self.keystone),
            "placement": Placement(self.cloud, self.keystone),
            "influxdb": self.influx,
            "block-storage": self.cinder,
            "baremetal": self.ironic,
        }
        self._port = port
        self._server: wsgi.Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def faults(self) -> Faults:
        """What goes wrong."""
        return self.cloud.faults

    @property
    def requests(self) -> Counter[tuple[str, str, str]]:
        """How often each (service, method, route) was asked so far."""
        return self.cloud.requests

    def start(self) -> Urls:
        """Listen and answer, in threads of this process."""
        server = wsgi.Server(("127.0.0.1", self._port), self._dispatch, numthreads=8)
        server.gateway = _Gateway
        server.shutdown_timeout = 1
        server.expiration_interval = 0.05  # how soon stop() is noticed
        server.prepare()
        self._server = server
        self._thread = threading.Thread(target=server.serve, name="simulator", daemon=True)
        self._thread.start()
        root = f"http://127.0.0.1:{server.bind_addr[1]}"
        self.urls = Urls(
            f"{root}/identity", f"{root}/compute/v2.1", f"{root}/placement", f"{root}/influxdb"
        )
        return self.urls

    def stop(self) -> None:
        """Stop listening; delayed answers are not waited for."""
        self.cloud.stopping.set()
        if self._server is not None and self._thread is not None:
            self._server.stop()
            self._thread.join()

    def __enter__(self) -> "Simulator":
        self.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop()

    def register(self, service_type: str, url: str) -> None:
        """Put a service into the catalogue, or change where it is."""
        with self.cloud.lock:
            self.keystone.endpoints[service_type] = url

    def look(self) -> tuple[Cluster, Loads]:
        """The cloud at this moment, without HTTP: for pictures and for checks."""
        with self.cloud.lock:
            migrations.advance(self.world, self.cloud.clock.now())
            return to_cluster(self.world), loads(self.world)

    def delete_server(self, server_uuid: str) -> None:
        """An instance is gone, as if somebody else had deleted it."""
        with self.cloud.lock:
            server = self.world.servers.get(server_uuid)
            if server is None:
                raise NotFound("Instance", server_uuid)
            migrations.delete(self.world, server, self.cloud.clock.now())

    def host_down(self, name: str) -> None:
        """A host loses its power; its moves fail, its metrics end."""
        self._host(name, up=False)

    def host_up(self, name: str) -> None:
        """A host comes back."""
        self._host(name, up=True)

    def _host(self, name: str, *, up: bool) -> None:
        with self.cloud.lock:
            if name not in self.world.hosts:
                raise NotFound("Compute host", name)
            if up:
                self.world.hosts[name].up = True
            else:
                migrations.host_down(self.world, name, self.cloud.clock.now())

    def _dispatch(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> list[bytes]:
        """Hand a request to the service named by the first part of its path."""
        _empty, prefix, *_rest = environ["PATH_INFO"].split("/", 2)
        app = self._apps.get(prefix)
        if app is None:
            start_response("404 Not Found", [("Content-Length", "0")])
            return []
        environ["SCRIPT_NAME"] = f"/{prefix}"
        environ["PATH_INFO"] = environ["PATH_INFO"][len(prefix) + 1 :] or "/"
        return app(environ, start_response)


class _Gateway(wsgi.Gateway_10):
    """cheroot's gateway, which lets an application cut the connection."""

    def get_environ(self) -> dict[str, Any]:  # type: ignore[override]
        environ: dict[str, Any] = super().get_environ()
        environ["simulator.cut"] = self._cut
        return environ

    def _cut(self) -> None:
        self.req.close_connection = True
        self.req.sent_headers = True  # none will be
        self.req.conn.socket.shutdown(socket.SHUT_RDWR)
