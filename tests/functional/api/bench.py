# SPDX-License-Identifier: Apache-2.0
"""A whole API on SQLite with a decision engine and an applier that only write down what they hear.

``Bench.app`` is a WebTest application; rows are put into the database by the real store.
"""

import datetime
import json
import queue
import uuid
from dataclasses import dataclass, field
from typing import Any

import webtest
from sqlalchemy import func, select

from tests.functional.api import documented
from watcher.context import RequestContext
from watcher.db import models, store
from watcher.db.engine import Database
from watcher.messaging import rpc
from watcher.messaging.packing import pack
from watcher.messaging.transport import Bus

WAIT_S = 3.0
LAST = "that is all"


MODEL = {
    "read_at": 1767225600.9,
    "age_s": 12.5,
    "failure": "",
    "notifications": "off",
    "origin": {},
}
"""What an engine says of a model that no notification has changed."""


class Listener:
    """The far end of the bus: what was cast, by whom, and what calls are answered with.

    All tests share one, so everything heard is kept under the user who sent it: each Bench is a
    user of its own.
    """

    def __init__(self) -> None:
        self.heard: queue.Queue[tuple[str, str, Any]] = queue.Queue()
        self.answers: dict[str, Any] = {}

    def trigger_audit(self, context: Any, uuid: str) -> None:
        self.heard.put((context["user"], "trigger_audit", uuid))

    def launch_action_plan(self, context: Any, uuid: str) -> None:
        self.heard.put((context["user"], "launch_action_plan", uuid))

    def get_strategy_info(self, context: Any, name: str) -> Any:
        return self._answer(context, "get_strategy_info", name)

    def get_data_model_info(self, context: Any, data_model_type: str, audit_uuid: Any) -> Any:
        rows = self._answer(context, "get_data_model_info", (data_model_type, audit_uuid))
        return pack({"context": rows, "model": self.answers.get("model", MODEL)})

    def _answer(self, context: Any, name: str, asked: Any) -> Any:
        self.heard.put((context["user"], name, asked))
        answer = self.answers[name]
        if isinstance(answer, Exception):
            raise answer
        return answer() if callable(answer) else answer


@dataclass
class Bench:
    """One test's API, database and far end of the bus."""

    app: webtest.TestApp
    database: Database
    listener: Listener
    bus: Bus
    user: str = field(default_factory=lambda: str(uuid.uuid4()))

    def told(self) -> list[tuple[str, Any]]:
        """What the daemons were told by this test so far.

        A last word is sent to both topics and waited for, so that silence is silence.
        """
        context = RequestContext(user_id=self.user)
        rpc.DecisionEngine(self.bus).trigger_audit(context, LAST)
        rpc.Applier(self.bus).launch_action_plan(context, LAST)
        found: list[tuple[str, Any]] = []
        ends = 0
        while ends < 2:
            user, name, what = self.listener.heard.get(timeout=WAIT_S)
            if user == self.user:
                ends += what == LAST
                found += [(name, what)] if what != LAST else []
        return found

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        version: str | None = None,
        status: int | None = None,
        **headers: str,
    ) -> webtest.TestResponse:
        """Send one request; ``status`` asserts the answer's, any other status is given back."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        sent.setdefault("X-User-Id", self.user)
        if version is not None:
            sent["OpenStack-API-Version"] = f"infra-optim {version}"
        extra: dict[str, Any] = {}
        if body is not None:
            raw = body if isinstance(body, bytes) else json.dumps(body).encode()
            extra = {"body": raw}
            sent.setdefault("Content-Type", "application/json")
        answer = self.app.request(path, method=method, headers=sent, expect_errors=True, **extra)
        if status != 500:  # what is never meant is in no document; a test may provoke it
            documented.check(answer, method, path)
        if status is not None:
            assert answer.status_int == status, f"{answer.status} {answer.text[:500]}"
        return answer

    def get(self, path: str, **options: Any) -> Any:
        return self.call("GET", path, status=200, **options).json

    def post(self, path: str, body: Any, status: int = 201, **options: Any) -> Any:
        answer = self.call("POST", path, body, status=status, **options)
        return answer.json if status < 300 else fault(answer)

    def patch(self, path: str, *operations: Any, status: int = 200, **options: Any) -> Any:
        answer = self.call("PATCH", path, list(operations), status=status, **options)
        return answer.json if status < 300 else fault(answer)

    def fails(self, path: str, status: int, method: str = "GET", **options: Any) -> str:
        """The text of an error."""
        return fault(self.call(method, path, status=status, **options))

    def row(self, model: type[Any], ident: str, **options: Any) -> Any:
        with self.database.reading() as session:
            return store.get(session, model, ident, **options)

    def put(self, row: Any) -> Any:
        """Store a row as it is, whatever its state."""
        with self.database.writing() as session:
            return store.add(session, row)

    def audit(self, goal: str = "dummy", strategy: str | None = "dummy", **values: Any) -> Any:
        """An audit in any state, as a daemon would have left it."""
        with self.database.writing() as session:
            number = session.scalar(select(func.count(models.Audit.id)))
            values = {"name": f"audit-{number}", "audit_type": "ONESHOT", **values}
            found = store.get(session, models.Goal, goal)
            chosen = store.get(session, models.Strategy, strategy) if strategy else None
            return store.add(session, models.Audit(goal=found, strategy=chosen, **values))

    def plan(self, audit: Any = None, actions: int = 3, **values: Any) -> Any:
        """A plan with actions nop, nop and sleep, in any state."""
        audit = audit or self.audit(state="SUCCEEDED")
        with self.database.writing() as session:
            chosen = store.get(session, models.Strategy, "dummy")
            plan = models.ActionPlan(audit_id=audit.id, strategy_id=chosen.id, **values)
            store.add(session, plan)
            kinds = ["nop", "nop", "sleep"][:actions]
            for position, kind in enumerate(kinds):
                parameters = {"duration": 1.0} if kind == "sleep" else {"message": "hello"}
                row = models.Action(
                    action_plan_id=plan.id,
                    action_type=kind,
                    input_parameters=parameters,
                    position=position,
                )
                store.add(session, row)
            return plan

    def actions(self, plan: Any) -> list[Any]:
        with self.database.reading() as session:
            return store.every(session, models.Action, models.Action.action_plan_id == plan.id)

    def set(self, row: Any, **values: Any) -> None:
        """Write columns past all rules, as only a test may."""
        with self.database.writing() as session:
            loaded = session.get(type(row), row.id)
            for name, value in values.items():
                setattr(loaded, name, value)


def replace(path: str, value: Any) -> dict[str, Any]:
    return {"op": "replace", "path": path, "value": value}


def add(path: str, value: Any) -> dict[str, Any]:
    return {"op": "add", "path": path, "value": value}


def remove(path: str) -> dict[str, Any]:
    return {"op": "remove", "path": path}


def fault(answer: webtest.TestResponse) -> str:
    """The faultstring inside an error envelope, whose form is checked on the way."""
    envelope = answer.json
    assert list(envelope) == ["error_message"]
    inner = json.loads(envelope["error_message"])
    assert set(inner) == {"debuginfo", "faultcode", "faultstring"}
    assert inner["debuginfo"] is None
    assert inner["faultcode"] == ("Client" if answer.status_int < 500 else "Server")
    return str(inner["faultstring"])


NODE = {
    "node_uuid": "n1",
    "node_hostname": "compute1",
    "node_status": "enabled",
    "node_disabled_reason": None,
    "node_state": "up",
    "node_memory": 65536,
    "node_memory_mb_reserved": 512,
    "node_disk": 1000,
    "node_disk_gb_reserved": 0,
    "node_vcpus": 16,
    "node_vcpu_reserved": 0,
    "node_memory_ratio": 1.5,
    "node_vcpu_ratio": 16.0,
    "node_disk_ratio": 1.0,
}
SERVER = {
    "server_uuid": "s1",
    "server_name": "one",
    "server_state": "active",
    "server_watcher_exclude": False,
    "server_memory": 2048,
    "server_disk": 20,
    "server_vcpus": 2,
    "server_metadata": {"critical": "true"},
    "server_project_id": "p1",
    "server_locked": False,
    "server_pinned_az": None,
    "server_flavor_extra_specs": {},
}
"""The two halves of a row of the data model, as a decision engine answers."""

STATE = [
    {"type": "Datasource", "state": "influxdb: available", "mandatory": True, "comment": ""},
    {
        "type": "Metrics",
        "state": [{"instance_cpu_usage": "available"}, {"host_cpu_usage": "not available"}],
        "mandatory": False,
        "comment": "",
    },
    {"type": "CDM", "state": [{"compute_model": "available"}], "mandatory": True, "comment": ""},
    {"type": "Name", "state": "dummy", "mandatory": "", "comment": ""},
]
"""The state of a strategy, as a decision engine answers."""


def utcnow() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
