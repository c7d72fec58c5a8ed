# SPDX-License-Identifier: Apache-2.0
"""APIs, decision engines and appliers as processes, on one database, one bus and one cloud."""

from __future__ import annotations

import itertools
import os
import pathlib
import signal
import sys
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import requests
from sqlalchemy.engine import make_url

from tests.cloud.process import free_port, pause
from tests.integration.relay import Relay
from tests.integration.runner import Runner, Running
from tests.integration.settings import simulated
from watcher.db.engine import Database
from watcher.decision_engine import sync
from watcher.simulator.generate import generate
from watcher.simulator.server import Simulator

BIN = pathlib.Path(sys.executable).parent
PROGRAMS = {
    "api": "watcher-api",
    "engine": "watcher-decision-engine",
    "applier": "watcher-applier",
}
HEARTBEAT_S, DOWN_S = 1, 5
HOSTS, INSTANCES = 60, 400
"""Room for a hundred plans that move two instances each, no instance twice."""
SPEED = 20
"""How much faster than real the cloud is: a live migration is over in a fifth of a second."""


class Site:
    """The processes by name (``engine-1``), the cloud, and the wires that can be cut."""

    def __init__(self, folder: pathlib.Path, database: str, transport: str, *, seed: int) -> None:
        self.simulator = Simulator(generate(seed, hosts=HOSTS, instances=INSTANCES), speed=SPEED)
        self.simulator.start()
        self.runner, self.running = Runner(folder), dict[str, Running]()
        self.ports: dict[str, int] = {}
        self.options: dict[str, object] = {}
        """More of the configuration of the processes to be started, as ``group__option``."""
        url, bus = make_url(database), urlsplit(transport)
        self.database_wire = Relay(str(url.host), int(url.port or 3306))
        self.bus_wire = Relay(str(bus.hostname), int(bus.port or 5672))
        self._wires = (
            url.set(port=self.database_wire.port).render_as_string(hide_password=False),
            transport.replace(f":{bus.port}", f":{self.bus_wire.port}"),
        )
        self.database = Database(database)
        self.database.upgrade()
        sync.sync(self.database)
        self._token = ""

    def start(self, name: str, *, ready: bool = True, **environment: str) -> None:
        """Start a process; ``ready`` waits until it works."""
        kind = name.partition("-")[0]
        if kind == "api":
            self.ports.setdefault(name, free_port(self.ports.values()))
        port = self.ports.get(name, 0)
        file = self.runner.folder / f"{name}.conf"
        options: dict[str, object] = {
            "DEFAULT__periodic_interval": HEARTBEAT_S,
            "DEFAULT__service_down_time": DOWN_S,
            "api__host": "127.0.0.1",
            "api__port": port or 9322,
            "api__workers": 1,
            "watcher_decision_engine__continuous_audit_interval": 1,
            "nova__migration_interval": 0.2,
            "nova__migration_max_retries": 40,
            **self.options,
        }
        text = simulated(self.simulator, *self._wires, name, **options)
        file.write_text(text, encoding="utf-8")
        self.running[name] = self.runner.start(
            name, [BIN / PROGRAMS[kind], "--config-file", file], environment
        )
        if ready and port:
            self.running[name].wait_for_port(port, 90)
        elif ready:
            self.running[name].wait_for_log("is ready", 90)

    def begin(self, apis: int, engines: int, appliers: int) -> None:
        """Start so many of each."""
        counts = {"api": apis, "engine": engines, "applier": appliers}
        names = [f"{kind}-{n}" for kind, many in counts.items() for n in range(1, many + 1)]
        for name in names:
            self.start(name, ready=False)
        for name in names:
            if name in self.ports:
                self.running[name].wait_for_port(self.ports[name], 120)
            else:
                self.running[name].wait_for_log("is ready", 120)

    def kill(self, name: str) -> None:
        """As a power failure would."""
        self.running[name].kill()

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to all processes of a daemon."""
        os.killpg(self.running[name].pid, number)

    def ask(self, method: str, path: str, body: Any = None) -> requests.Response | None:
        """The answer of the first API that gives one; None while none does.

        An answer of 5xx is none: whoever asks may ask again.
        """
        for name in itertools.chain(self.ports):
            try:
                answer = requests.request(
                    method,
                    f"http://127.0.0.1:{self.ports[name]}{path}",
                    json=body,
                    headers={
                        "X-Auth-Token": self.token(),
                        "OpenStack-API-Version": "infra-optim 1.7",
                    },
                    timeout=10,
                )
            except requests.RequestException:
                continue
            if answer.status_code < 500:
                return answer
        return None

    def token(self) -> str:
        """A token of the cloud's admin."""
        if not self._token:
            user = {"name": "admin", "domain": {"name": "Default"}, "password": "admin"}
            project = {"name": "admin", "domain": {"name": "Default"}}
            identity = {"methods": ["password"], "password": {"user": user}}
            answer = requests.post(
                f"{self.simulator.urls.identity}/v3/auth/tokens",
                json={"auth": {"identity": identity, "scope": {"project": project}}},
                timeout=10,
            )
            self._token = answer.headers["X-Subject-Token"]
        return self._token

    def until(self, come: Callable[[], object], timeout_s: float) -> bool:
        """Whether something came true in time."""
        deadline = time.monotonic() + timeout_s
        while not come():
            if time.monotonic() > deadline:
                return False
            pause(0.3)
        return True

    def close(self) -> None:
        """Stop everything."""
        for running in self.running.values():
            if running.process.poll() is None:
                os.killpg(running.pid, signal.SIGCONT)
        self.runner.close()
        self.simulator.stop()
        for wire in (self.database_wire, self.bus_wire):
            wire.cut()
        self.database.dispose()
