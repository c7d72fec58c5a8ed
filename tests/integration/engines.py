# SPDX-License-Identifier: Apache-2.0
"""Decision engines as processes on MariaDB and RabbitMQ, on a simulated cloud in this process."""

from __future__ import annotations

import os
import pathlib
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from oslo_config import cfg
from oslo_messaging import conffixture

from tests.cloud.process import pause
from tests.integration.runner import Runner, Running
from tests.integration.settings import simulated
from watcher import config
from watcher.db import clock, store
from watcher.db.engine import Database
from watcher.db.models import ActionPlan, Audit, Goal
from watcher.decision_engine import sync
from watcher.messaging.rpc import DecisionEngine
from watcher.messaging.transport import Bus
from watcher.simulator.generate import generate
from watcher.simulator.server import Simulator

LONG = bool(os.environ.get("WATCHER_LONG"))
BIN = pathlib.Path(sys.executable).parent
PROGRAM = "watcher-decision-engine"
HEARTBEAT_S, DOWN_S, LOOK_S = 1, 4, 1


class Engines:
    """The processes by host name, and the rows they work on."""

    def __init__(
        self, runner: Runner, simulator: Simulator, database: str, transport: str
    ) -> None:
        self.simulator, self.running = simulator, dict[str, Running]()
        self._runner = runner
        self._wires = database, transport
        self.database = Database(database)
        self.database.upgrade()
        sync.sync(self.database)

    def start(self, host: str, *, crash_at: int = 0, ready: bool = True) -> Running:
        """An engine of this host; with ``crash_at`` it dies at that step of its first audit."""
        command = [BIN / PROGRAM]
        if crash_at:
            command = [sys.executable, "-m", "tests.integration.crashing"]
        env = {"CRASH_AT": str(crash_at), "PYTHONPATH": os.getcwd()}
        words = [*command, "--config-file", self.file(host)]
        self.running[host] = self._runner.start(host, words, env)
        if ready:
            self.running[host].wait_for_log("is ready on", 90)
        return self.running[host]

    def file(self, host: str) -> pathlib.Path:
        """Its configuration."""
        path = self._runner.folder / f"{host}.conf"
        text = simulated(
            self.simulator,
            *self._wires,
            host,
            DEFAULT__periodic_interval=HEARTBEAT_S,
            DEFAULT__service_down_time=DOWN_S,
            watcher_decision_engine__continuous_audit_interval=LOOK_S,
        )
        path.write_text(text, encoding="utf-8")
        return path

    def signal(self, host: str, number: signal.Signals) -> None:
        """Send a signal to all processes of an engine."""
        os.killpg(self.running[host].pid, number)

    def slow_cloud(self, delay_s: float) -> None:
        """Every reading of the cloud takes so long, so that audits are met while they run."""
        with self.simulator.cloud.lock:
            self.simulator.faults.add(
                service="compute", path="os-hypervisors", delay_s=delay_s, times=None
            )

    @contextmanager
    def doorbell(self) -> Iterator[Callable[[str], None]]:
        """Ring for an audit, as the API does."""
        conf = cfg.ConfigOpts()
        with conffixture.ConfFixture(conf):
            config.load(conf, ["--config-file", str(self.file("bell"))])
            client = DecisionEngine(Bus(conf))
            yield lambda uuid: client.trigger_audit(config_context(), uuid)

    def now(self) -> datetime:
        """The database's clock."""
        with self.database.reading() as session:
            return clock.now(session)

    def add(self, name: str, **values: Any) -> str:
        """The uuid of a new audit of the dummy goal that nobody is told of."""
        with self.database.writing() as session:
            given = {"audit_type": "ONESHOT", "goal_id": store.get(session, Goal, "dummy").id}
            return store.add(session, Audit(name=name, **{**given, **values})).uuid

    def audits(self) -> dict[str, Audit]:
        """All audits by name."""
        with self.database.reading() as session:
            return {row.name: row for row in store.every(session, Audit)}

    def plans(self) -> dict[str, list[ActionPlan]]:
        """All plans by the name of their audit, oldest first."""
        found: dict[str, list[ActionPlan]] = {}
        with self.database.reading() as session:
            for plan in store.every(session, ActionPlan, load=("audit",)):
                found.setdefault(plan.audit.name, []).append(plan)
        return found

    def until(self, come: Callable[[], object], what: str, timeout_s: float = 120) -> None:
        """Wait for something to be true."""
        deadline = time.monotonic() + timeout_s
        while not come():
            assert time.monotonic() < deadline, f"no {what} within {timeout_s} s: {self.told()}"
            pause(0.2)

    def told(self) -> str:
        """The audits in short, for a failed test."""
        return "\n".join(
            f"{row.name} {row.state} {row.hostname} {row.running_since} {row.status_message}"
            for row in self.audits().values()
            if row.state in ("PENDING", "ONGOING", "FAILED")
        )


def config_context() -> Any:
    """The context of somebody who rings."""
    from watcher.context import RequestContext

    return RequestContext(user_id="u", project_id="p")


@contextmanager
def engines(runner: Runner, database: str, transport: str) -> Iterator[Engines]:
    """No engine yet, on a small simulated cloud."""
    with Simulator(generate(seed=5, hosts=4, instances=10), speed=100) as simulator:
        made = Engines(runner, simulator, database, transport)
        try:
            yield made
        finally:
            for host in made.running:
                if made.running[host].process.poll() is None:
                    made.signal(host, signal.SIGCONT)
            runner.close()
            made.database.dispose()
