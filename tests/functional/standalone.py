# SPDX-License-Identifier: Apache-2.0
"""All of Watcher in this process, over ``fake://`` and SQLite, on the simulated cloud."""

import itertools
import pathlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from oslo_config import cfg
from oslo_messaging import conffixture
from oslo_policy import opts as policy_opts
from webtest import TestApp, TestResponse

from tests.cloud.process import pause
from watcher import config
from watcher.api.app import make_app
from watcher.applier.service import ApplierService
from watcher.clients.session import Clients
from watcher.db.engine import Database
from watcher.decision_engine.service import DecisionEngineService
from watcher.messaging.notifications import make_announcer
from watcher.messaging.transport import Bus
from watcher.simulator.generate import generate
from watcher.simulator.server import Simulator
from watcher.simulator.world import World

ADMIN = {"X-Roles": "admin", "X-User-Id": "u", "X-Project-Id": "p"}
LATEST = {"OpenStack-API-Version": "infra-optim 1.7"}
EXCHANGES = itertools.count()

CONFIGURATION = """
[DEFAULT]
transport_url = fake://
control_exchange = watcher-{number}
host = here
enable_authentication = false
[database]
connection = sqlite:///{folder}/watcher.sqlite
[watcher_clients_auth]
auth_type = password
auth_url = {identity}
username = watcher
password = watcher
project_name = service
user_domain_name = Default
project_domain_name = Default
[nova]
migration_interval = 0.1
http_retries = 1
[collector]
api_query_max_retries = 1
[watcher_decision_engine]
continuous_audit_interval = 1
[watcher_datasources]
datasources = influxdb
query_max_retries = 1
[influxdb]
url = {influxdb}
database = telegraf
{more}
"""


class Standalone:
    """The services, and the API as an administrator calls it."""

    def __init__(self, conf: cfg.ConfigOpts, simulator: Simulator) -> None:
        self.simulator = simulator
        self.bus = Bus(conf)
        self.announcer = make_announcer(conf, self.bus)
        self.database = Database(conf, self.announcer.announce)
        self.database.upgrade()
        parts = (conf, self.database, self.bus, self.announcer, Clients(conf))
        self.applier = ApplierService(*parts)
        self.engine = DecisionEngineService(*parts)
        self.app = TestApp(make_app(conf, self.database, self.bus))

    def start(self) -> None:
        for service in (self.applier, self.engine):
            service.start()

    def stop(self) -> None:
        for service in (self.engine, self.applier):
            service.stop()
        for service in (self.engine, self.applier):
            service.wait()
        self.database.dispose()

    def get(self, path: str) -> Any:
        return self.app.get(path, headers={**ADMIN, **LATEST}).json

    def post(self, path: str, body: Any, status: int = 201) -> Any:
        reply = self.app.post_json(path, body, headers={**ADMIN, **LATEST}, status=status)
        return reply.json

    def answered(self, path: str, body: Any) -> TestResponse:
        """The whole answer to a POST."""
        return self.app.post_json(path, body, headers={**ADMIN, **LATEST})

    def ended(self, kind: str, uuid: str, timeout_s: float = 60) -> dict[str, Any]:
        """The row of an audit or plan when it has ended."""
        deadline = time.monotonic() + timeout_s
        while True:
            row = self.get(f"/v1/{kind}/{uuid}")
            if row["state"] in ("SUCCEEDED", "FAILED", "CANCELLED", "SUPERSEDED"):
                return dict(row)
            assert time.monotonic() < deadline, row
            pause(0.05)

    def audit(self, goal: str, strategy: str | None = None, **body: Any) -> dict[str, Any]:
        """A ONESHOT audit when it has ended."""
        asked = {"audit_type": "ONESHOT", "goal": goal, "strategy": strategy, **body}
        return self.ended("audits", self.post("/v1/audits", asked)["uuid"])

    def plan_of(self, audit: dict[str, Any]) -> dict[str, Any]:
        (plan,) = self.get(f"/v1/action_plans/detail?audit_uuid={audit['uuid']}")["action_plans"]
        return dict(plan)

    def actions_of(self, plan: dict[str, Any]) -> list[dict[str, Any]]:
        return list(self.get(f"/v1/actions/detail?action_plan_uuid={plan['uuid']}")["actions"])

    def execute(self, plan: dict[str, Any]) -> dict[str, Any]:
        """Start a plan and wait for its end."""
        self.post(f"/v1/action_plans/{plan['uuid']}/start", {}, status=200)
        return self.ended("action_plans", plan["uuid"])


@contextmanager
def standalone(
    folder: pathlib.Path, world: World | None = None, more: str = ""
) -> Iterator[Standalone]:
    """Everything running on a simulated cloud of 8 hosts and 40 instances unless told otherwise."""
    world = world or generate(seed=3, hosts=8, instances=40)
    with Simulator(world, speed=100) as simulator:
        urls = simulator.urls
        file = folder / "watcher.conf"
        file.write_text(
            CONFIGURATION.format(
                number=next(EXCHANGES),
                folder=folder,
                identity=urls.identity,
                influxdb=urls.influxdb,
                more=more,
            )
        )
        conf = cfg.ConfigOpts()
        with conffixture.ConfFixture(conf):
            policy_opts.set_defaults(conf)
            config.load(conf, ["--config-file", str(file)])
            running = Standalone(conf, simulator)
            running.start()
            try:
                yield running
            finally:
                running.stop()
