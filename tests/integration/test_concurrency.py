# SPDX-License-Identifier: Apache-2.0
"""Thirty-two clients at the same resources, through two API servers on one real database.

No 5xx; no change lost that was accepted; no move outside the lifecycles; no name twice.
"""

import json
import os
import random
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.client import HTTPConnection
from typing import Any

import pytest
from cheroot import wsgi
from oslo_config import cfg
from sqlalchemy import select

from tests.functional.api.bench import Bench, Listener, replace
from tests.functional.api.conftest import conf, far_end, fill  # noqa: F401 - fixtures
from watcher.api.app import make_app
from watcher.core import states
from watcher.db import models
from watcher.db.changes import Change
from watcher.db.engine import Database
from watcher.messaging.transport import Bus

CLIENTS = 32
STEPS = 200 if os.environ.get("WATCHER_LONG") else 20
NAMES = 4
PLANS = 12
STATES = {
    "audits": [state for state in states.AUDIT.states if state != "PENDING"],
    "action_plans": ["PENDING", "CANCELLED", "CANCELLING"],
    "actions": ["SKIPPED"],
}


@dataclass(frozen=True)
class Write:
    """An accepted change of one value of one row, and when it was asked for and answered."""

    value: Any
    asked: float
    answered: float


@dataclass
class Record:
    """What all clients saw."""

    answers: Counter[tuple[str, int]] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    writes: dict[tuple[str, str], list[Write]] = field(default_factory=lambda: defaultdict(list))
    created: list[tuple[str, str]] = field(default_factory=list)


class Client:
    """Sends a seeded series of requests over one connection."""

    def __init__(self, number: int, ports: list[int], plans: list[Any], record: Record) -> None:
        self.number = number
        self.random = random.Random(number)
        self.connection = HTTPConnection("127.0.0.1", ports[number % len(ports)], timeout=120)
        self.plans = plans
        self.record = record

    def run(self) -> None:
        deeds = (self.create, self.create, self.change, self.change, self.change, self.move)
        deeds += (self.delete, self.begin, self.skip, self.look)
        for step in range(STEPS):
            self.random.choice(deeds)(f"{self.number}.{step}")
        self.connection.close()

    def send(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """One request; a 5xx is noted."""
        headers = {"Content-Type": "application/json", "OpenStack-API-Version": "infra-optim 1.7"}
        self.connection.request(method, path, body and json.dumps(body), headers)
        answer = self.connection.getresponse()
        text = answer.read()
        self.record.answers[method, answer.status] += 1
        if answer.status >= 500:
            self.record.failures.append(f"{method} {path} {body}: {answer.status} {text!r}")
        return answer.status, json.loads(text) if text else None

    def collection(self) -> tuple[str, str]:
        return self.random.choice((("audits", "audit"), ("audit_templates", "template")))

    def found(self, collection: str) -> Any:
        """One of the live rows of a collection, as a list shows them; None when there is none."""
        _, page = self.send("GET", f"/v1/{collection}/detail?limit=20")
        return self.random.choice(page[collection] or [None])

    def create(self, _mark: str) -> None:
        collection, word = self.collection()
        body = {"name": f"{word}-{self.random.randrange(NAMES)}", "goal": "dummy"}
        body["strategy"] = "dummy"
        if collection == "audits":
            body["audit_type"] = self.random.choice(("ONESHOT", "EVENT"))
        status, answer = self.send("POST", f"/v1/{collection}", body)
        assert status in (201, 409), answer
        if status == 201:
            self.record.created.append((collection, answer["uuid"]))

    def change(self, mark: str) -> None:
        """Change one member of a value that others change at the same time."""
        collection, _ = self.collection()
        row = self.found(collection)
        if row is None:
            return
        name = "parameters" if collection == "audits" else "default_parameters"
        member, value = self.random.choice((("para1", 1 + self.number / 10), ("para2", mark)))
        asked = time.monotonic()
        patch = [{"op": "add", "path": f"/{name}/{member}", "value": value}]
        status, answer = self.send("PATCH", f"/v1/{collection}/{row['uuid']}", patch)
        assert status in (200, 404), answer
        if status == 200:
            assert answer[name][member] == value
            write = Write(value, asked, time.monotonic())
            self.record.writes[row["uuid"], member].append(write)

    def move(self, _mark: str) -> None:
        """Ask for any state of an audit or a plan."""
        collection = self.random.choice(("audits", "action_plans"))
        row = self.found(collection)
        if row is not None:
            patch = [replace("/state", self.random.choice(STATES[collection]))]
            status, answer = self.send("PATCH", f"/v1/{collection}/{row['uuid']}", patch)
            assert status in (200, 400, 404), answer

    def delete(self, _mark: str) -> None:
        collection, _ = self.random.choice((self.collection(), ("action_plans", "")))
        row = self.found(collection)
        if row is not None:
            status, answer = self.send("DELETE", f"/v1/{collection}/{row['uuid']}")
            assert status in (204, 400, 404), answer

    def begin(self, _mark: str) -> None:
        plan = self.random.choice(self.plans)
        status, answer = self.send("POST", f"/v1/action_plans/{plan.uuid}/start", {})
        assert status in (200, 400, 404), answer

    def skip(self, _mark: str) -> None:
        row = self.found("actions")
        if row is not None:
            patch = [replace("/state", "SKIPPED")]
            status, answer = self.send("PATCH", f"/v1/actions/{row['uuid']}", patch)
            assert status in (200, 404, 409), answer

    def look(self, _mark: str) -> None:
        path = self.random.choice(("audits?sort_key=state", "actions?sort_key=action_plan_uuid"))
        status, answer = self.send("GET", f"/v1/{path}")
        assert status == 200, answer


@dataclass
class Site:
    """Two API servers on one database, and what each of them announced."""

    bench: Bench
    ports: list[int]
    changes: list[Change]


@pytest.fixture(params=["mariadb_url", "postgresql_url"])
def site(
    request: pytest.FixtureRequest,
    conf: cfg.ConfigOpts,  # noqa: F811
    far_end: tuple[Bus, Listener],  # noqa: F811
) -> Iterator[Site]:
    url = request.getfixturevalue(request.param)
    bus, listener = far_end
    changes: list[Change] = []
    databases = [Database(url, changes.extend) for _ in range(2)]
    databases[0].upgrade()
    fill(databases[0])
    servers = [
        wsgi.Server(("127.0.0.1", 0), make_app(conf, database, bus), numthreads=CLIENTS // 2)
        for database in databases
    ]
    for server in servers:
        server.prepare()
        threading.Thread(target=server.serve, daemon=True).start()
    ports = [server.bind_addr[1] for server in servers]
    yield Site(Bench(None, databases[0], listener, bus), ports, changes)  # type: ignore[arg-type]
    for server in servers:
        server.stop()
    for database in databases:
        database.dispose()


def test_many_clients_at_the_same_resources(site: Site) -> None:
    plans = [site.bench.plan() for _ in range(PLANS)]
    record = Record()
    clients = [Client(number, site.ports, plans, record) for number in range(CLIENTS)]
    begun = time.monotonic()
    with ThreadPoolExecutor(CLIENTS) as pool:
        for done in [pool.submit(client.run) for client in clients]:
            done.result()
    seconds = time.monotonic() - begun
    print(
        f"{record.answers.total()} requests of {CLIENTS} clients in {seconds:.0f} s:"
        f" {dict(sorted(record.answers.items()))}"
    )
    assert not record.failures
    assert {("POST", 201), ("POST", 409), ("PATCH", 200), ("DELETE", 204)} <= set(record.answers)
    _check_names(site)
    _check_writes(site, record)
    _check_moves(site)


def _check_names(site: Site) -> None:
    """Every name belongs to one live row at most."""
    for model in (models.Audit, models.AuditTemplate):
        with site.bench.database.reading() as session:
            names = session.scalars(select(model.name).where(model.deleted == 0)).all()
        assert len(names) == len(set(names))


def _check_writes(site: Site, record: Record) -> None:
    """The last value of each member is one that no later accepted change should have replaced."""
    held: dict[str, dict[str, Any]] = {}
    with site.bench.database.reading() as session:
        for audit in session.scalars(select(models.Audit)):
            held[audit.uuid] = audit.parameters
        for template in session.scalars(select(models.AuditTemplate)):
            held[template.uuid] = template.default_parameters
    assert {uuid for _, uuid in record.created} <= set(held)
    assert record.writes
    for (uuid, member), writes in record.writes.items():
        newest = max(write.asked for write in writes)
        last = {write.value for write in writes if write.answered >= newest}
        assert held[uuid][member] in last, (uuid, member, held[uuid], writes)


def _check_moves(site: Site) -> None:
    """Each committed change of state is in the table, and together they lead to the last state."""
    for model, lifecycle in models.LIFECYCLES.items():
        ended: Counter[tuple[int, str]] = Counter()
        moved = 0
        for change in site.changes:
            if change.kind == "delete" or type(change.row) is not model:
                continue  # a deletion was told as a move already
            if change.old_state != change.state:
                assert change.state is not None
                ended[change.row.id, change.state] += 1
                if change.old_state is not None:
                    moved += 1
                    assert change.state in lifecycle.moves[change.old_state], change
                    ended[change.row.id, change.old_state] -= 1
        assert moved
        with site.bench.database.reading() as session:
            last = {(row.id, row.state): row for row in session.scalars(select(model))}
        for (number, state), times in ended.items():
            assert times in (0, 1, -1), (model, number, state)
            assert times != 1 or (number, state) in last, (model, number, state)
