# SPDX-License-Identifier: Apache-2.0
"""kill -9 of the API at every step of every request that writes; on MariaDB and RabbitMQ.

A step is a statement that writes or locks, the moment before and after each commit, and before and
after each message to a daemon. By default two steps of each request, drawn with a fixed seed; all
with ``WATCHER_LONG=1``.
"""

from __future__ import annotations

import json
import os
import random
import re
import signal
from collections.abc import Callable, Sequence
from datetime import datetime
from multiprocessing import get_context
from typing import Any, NamedTuple

import pytest
import webtest
from oslo_config import cfg
from oslo_messaging import conffixture
from sqlalchemy import Engine, event
from sqlalchemy.orm import Session

from tests.integration import backends
from watcher import config
from watcher.api import app as api_app
from watcher.core.solution import migrate
from watcher.db import store
from watcher.db.engine import Database
from watcher.db.models import Action, ActionPlan, Audit, AuditTemplate, Base, Strategy
from watcher.decision_engine import sync
from watcher.messaging import rpc
from watcher.messaging.transport import Bus

LONG = bool(os.environ.get("WATCHER_LONG"))
SAMPLE, SEED = 2, 20261128
WRITES = re.compile(r"\s*(INSERT|UPDATE|DELETE|SELECT.*FOR UPDATE)", re.DOTALL)
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
CONTEXT = get_context("forkserver")
CONTEXT.set_forkserver_preload([__name__])


class Request(NamedTuple):
    """A request that writes; ``path`` may name a row of ``prepared`` in braces."""

    method: str
    path: str
    body: Any = None


def replace(path: str, value: Any) -> list[dict[str, Any]]:
    """A JSON patch of one field."""
    return [{"op": "replace", "path": path, "value": value}]


AUDIT = {"goal": "dummy", "audit_type": "ONESHOT", "name": "new"}
REQUESTS = {
    "create an audit": Request("POST", "/v1/audits", AUDIT),
    "change an audit": Request("PATCH", "/v1/audits/{often}", replace("/interval", "90")),
    "cancel an audit": Request("PATCH", "/v1/audits/{often}", replace("/state", "CANCELLED")),
    "delete an audit": Request("DELETE", "/v1/audits/{over}"),
    "trigger an audit": Request("POST", "/v1/webhooks/{event}"),
    "create a template": Request("POST", "/v1/audit_templates", {"name": "n", "goal": "dummy"}),
    "change a template": Request("PATCH", "/v1/audit_templates/{t}", replace("/name", "other")),
    "delete a template": Request("DELETE", "/v1/audit_templates/{t}"),
    "start a plan": Request("PATCH", "/v1/action_plans/{plan}", replace("/state", "PENDING")),
    "cancel a plan": Request(
        "PATCH", "/v1/action_plans/{ongoing}", replace("/state", "CANCELLING")
    ),
    "delete a plan": Request("DELETE", "/v1/action_plans/{plan}"),
    "retry a plan": Request("POST", "/v1/action_plans/{failed}/retry"),
    "skip an action": Request("PATCH", "/v1/actions/{action}", replace("/state", "SKIPPED")),
}


STATES = {
    "plan": ("RECOMMENDED", (), ("PENDING", "PENDING", "PENDING")),
    "ongoing": ("PENDING", ("ONGOING",), ("ONGOING", "PENDING")),
    "failed": ("PENDING", ("ONGOING", "FAILED"), ("SUCCEEDED", "FAILED", "PENDING")),
}
"""Plans by name: the state they are added in, the moves from there, the states of their actions."""


def prepared(database: Database) -> dict[str, str]:
    """One row of each kind that the requests need: name -> uuid."""
    sync.sync(database)
    with database.writing() as session:
        strategy = store.get(session, Strategy, "dummy")
        goal = {"goal_id": strategy.goal_id}
        audits = {
            "over": Audit(name="over", audit_type="ONESHOT", state="SUCCEEDED", **goal),
            "often": Audit(name="often", audit_type="CONTINUOUS", interval="60", **goal),
            "event": Audit(name="event", audit_type="EVENT", **goal),
            "planned": Audit(name="planned", audit_type="ONESHOT", state="SUCCEEDED", **goal),
        }
        made = {name: store.add(session, row).uuid for name, row in audits.items()}
        made["t"] = store.add(session, AuditTemplate(name="t", **goal)).uuid
        ids = {"audit_id": audits["planned"].id, "strategy_id": strategy.id}
        for name, (state, moves, states) in STATES.items():
            plan = store.add(session, ActionPlan(state=state, **ids))
            made[name] = plan.uuid
            for position, of_action in enumerate(states):
                row = action(f"{name}-{position}", state=of_action, position=position)
                row.action_plan_id = plan.id
                made.setdefault("action", store.add(session, row).uuid)
            for move in moves:
                store.transition(session, plan, move)
    return made


def action(instance: str, **values: Any) -> Action:
    """A migration of this instance."""
    move = migrate(instance, "a", "b")
    return Action(
        action_type=move.type, input_parameters=move.input_parameters, parents=[], **values
    )


def summary(database: Database) -> dict[str, list[Any]]:
    """All rows, without what differs from run to run: ids, uuids; of times whether there is one."""
    found = {}
    with database.engine.connect() as connection:
        for table in Base.metadata.sorted_tables:
            columns = [one for one in table.columns if not one.name.endswith("id")]
            rows = connection.execute(table.select()).mappings().all()
            found[table.name] = sorted(
                UUID.sub("*", repr([_told(one.name, row[one.name]) for one in columns]))
                for row in rows
            )
    return found


def _told(name: str, value: Any) -> Any:
    """A value; of a time only that it is one, of ``deleted``, 0 or an id, only whether."""
    if name == "deleted":
        return bool(value)
    return "a time" if isinstance(value, datetime) else value


def _live(database: str, transport: str, request: Request, die_at: int, answer: Any) -> None:
    """One request to an API of its own; tells its status and how many steps it took."""
    count = 0

    def step(*_: Any) -> None:
        nonlocal count
        count += 1
        if count == die_at:
            os.kill(os.getpid(), signal.SIGKILL)

    conf = cfg.ConfigOpts()
    with conffixture.ConfFixture(conf):
        config.OPTIONS.register(conf)
        for group in api_app.OPTIONS:
            group.register(conf)
        conf([])
        conf.set_override("transport_url", transport)
        conf.set_override("enable_authentication", False)
        app = webtest.TestApp(api_app.make_app(conf, Database(database), Bus(conf)))
        _count(step)
        reply = app.request(
            request.path,
            method=request.method,
            headers={"OpenStack-API-Version": "infra-optim latest"},
            expect_errors=True,
            **_body(request.body),
        )
        answer.send((reply.status_int, reply.text, count))


def _body(body: Any) -> dict[str, Any]:
    if body is None:
        return {}
    return {"body": json.dumps(body).encode(), "content_type": "application/json"}


def _count(step: Callable[..., None]) -> None:
    def on_statement(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if WRITES.match(statement):
            step()

    event.listen(Engine, "before_cursor_execute", on_statement)
    event.listen(Session, "before_commit", step)
    event.listen(Session, "after_commit", step)
    for owner, name in (
        (rpc.DecisionEngine, "trigger_audit"),
        (rpc.Applier, "launch_action_plan"),
    ):
        setattr(owner, name, stepping(getattr(owner, name), step))


def stepping(cast: Callable[..., None], step: Callable[..., None]) -> Callable[..., None]:
    """A message, with a step before and one after it."""

    def counted(*arguments: Any, **named: Any) -> None:
        step()
        cast(*arguments, **named)
        step()

    return counted


def life(urls: Sequence[str], request: Request, die_at: int) -> tuple[int, str, int] | None:
    """What was answered, and the number of steps; None for a request that was killed."""
    mine, theirs = CONTEXT.Pipe(duplex=False)
    process = CONTEXT.Process(target=_live, args=(*urls, request, die_at, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        found: tuple[int, str, int] = mine.recv()
        return found
    except EOFError:
        return None
    finally:
        process.join(60)


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_cut_short_by_death_is_done_or_was_never_made(
    name: str, standing: Callable[[str], str], transport_url: str
) -> None:
    url = standing("mariadb")
    database = Database(url)

    def attempt(die_at: int) -> tuple[Any, Any, Any, Request]:
        backends.empty(url)
        made = prepared(database)
        request = REQUESTS[name]
        request = request._replace(path=request.path.format(**made))
        before = summary(database)
        return before, life((url, transport_url), request, die_at), summary(database), request

    before, answer, after, _ = attempt(0)
    assert answer is not None
    status, text, steps = answer
    assert status < 300, text
    assert before != after
    chosen = list(range(1, steps + 1))
    if not LONG:
        chosen = sorted(random.Random(SEED).sample(chosen, min(SAMPLE, steps)))
    for die_at in chosen:
        _, answer, found, request = attempt(die_at)
        assert answer is None, f"it lived on at step {die_at} of {steps}"
        assert found in (before, after), f"killed at step {die_at} of {steps}"
        again = life((url, transport_url), request, 0)
        assert again is not None
        if found == before:
            assert again[0] == status, again[1]
        else:
            assert again[0] < 500, again[1]
    print(f"\n{name}: {steps} steps, killed at {len(chosen)}")
    database.dispose()
