# SPDX-License-Identifier: Apache-2.0
"""An applier's parts on SQLite, an in-process bus and the simulated cloud."""

import itertools
import pathlib
from collections.abc import Iterator

import pytest
from oslo_config import cfg
from oslo_messaging import conffixture

from tests.functional.applier.plans import Watcher
from watcher import config
from watcher.applier import service
from watcher.clients.session import Clients
from watcher.simulator import scheduler
from watcher.simulator.generate import generate
from watcher.simulator.server import Simulator
from watcher.simulator.world import Server

EXCHANGES = itertools.count()


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """8 hosts, 16 servers; a live migration lasts some hundredths of a second."""
    with Simulator(generate(7, 8, 16), speed=100) as simulator:
        yield simulator


@pytest.fixture
def conf(simulator: Simulator, tmp_path: pathlib.Path) -> Iterator[cfg.ConfigOpts]:
    file = tmp_path / "watcher.conf"
    file.write_text(
        f"""
[DEFAULT]
transport_url = fake://
control_exchange = applier-{next(EXCHANGES)}
host = here
[database]
connection = sqlite:///{tmp_path}/watcher.sqlite
[oslo_messaging_notifications]
driver = test
[watcher_clients_auth]
auth_type = password
auth_url = {simulator.urls.identity}
username = watcher
password = watcher
project_name = service
user_domain_name = Default
project_domain_name = Default
[nova]
migration_interval = 0.1
migration_max_retries = 100
http_retries = 1
[cinder]
migration_interval = 0.1
migration_max_retries = 30
migration_seconds_per_gb = 0.1
[ironic]
power_interval = 0.1
power_max_retries = 30
"""
    )
    conf = cfg.ConfigOpts()
    with conffixture.ConfFixture(conf):
        config.load(conf, ["--config-file", str(file)])
        yield conf


@pytest.fixture
def clients(conf: cfg.ConfigOpts) -> Clients:
    return Clients(conf)


@pytest.fixture
def lab(
    conf: cfg.ConfigOpts,
    clients: Clients,
    simulator: Simulator,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator["Lab"]:
    monkeypatch.setattr(service, "LOOK_S", 0.2)
    lab = Lab(conf, clients, simulator)
    yield lab
    lab.close()


class Lab(Watcher):
    """All that, with the simulated cloud."""

    def __init__(self, conf: cfg.ConfigOpts, clients: Clients, simulator: Simulator) -> None:
        super().__init__(conf, clients)
        self.simulator = simulator

    def server(self) -> Server:
        """The first server that some other host would accept."""
        return self.servers(1)[0]

    def servers(self, number: int) -> list[Server]:
        """So many of them."""
        found = [
            one
            for one in self.simulator.world.servers.values()
            if one.vm_state == "active" and not one.locked and self._hosts(one)
        ]
        assert len(found) >= number
        return found[:number]

    def roomy(self, server: Server) -> str:
        """A host that would accept the server."""
        return self._hosts(server)[0]

    def _hosts(self, server: Server) -> list[str]:
        world = self.simulator.world
        return [
            name
            for name in world.hosts
            if not scheduler.refusals(world, server, world.hosts[name], server.needs())
        ]
