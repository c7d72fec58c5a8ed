# SPDX-License-Identifier: Apache-2.0
"""schemathesis walks our own OpenAPI document, from answer to request, as three roles.

No 5xx, no answer outside the document, and a refused request changes no row: a digest of all
tables is taken before it and after. ``WATCHER_LONG=1`` sends 20,000 requests on MariaDB and as many
on PostgreSQL; else it is a sample on MariaDB.
"""

import os
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import hypothesis
import pytest
import schemathesis
import webob
import webtest
from hypothesis import strategies as st
from hypothesis.errors import FlakyStrategyDefinition
from oslo_config import cfg
from sqlalchemy import text

from tests.functional.api import documented
from tests.functional.api.bench import NODE, STATE, Bench, Listener
from tests.functional.api.conftest import conf, far_end, fill  # noqa: F401 - fixtures
from watcher.api import microversions
from watcher.api.app import make_app
from watcher.api.resources import remainder
from watcher.core import states
from watcher.db import models
from watcher.db.engine import Database
from watcher.db.models import Base
from watcher.messaging.transport import Bus

LONG = bool(os.environ.get("WATCHER_LONG"))
SERVERS = ["mariadb_url", "postgresql_url"] if LONG else ["mariadb_url"]
REQUESTS = 20_000 if LONG else 1_000
"""On each server, by all roles together."""
SHARES = {"admin": 0.8, "reader": 0.1, "service": 0.1}
STEPS = 25
SCENARIOS = 10
SINGLES = 150
KNOWN = 0.5
"""How often what names a row names one that is there, where the document leaves it free."""
NAMED = {
    **{word: word for word in ("goal", "strategy", "interval")},
    "audit_template": "template",
    "audit_template_uuid": "template",
    "audit_uuid": "audit",
    "action_plan_uuid": "plan",
}
"""What fields of bodies and queries name, by the words of ``rows``."""
MARKED = {
    "audits": "audit",
    "action_plans": "plan",
    "actions": "action",
    "audit_templates": "template",
}
"""What a marker names, by the collection."""
MOVES = ("PENDING", "CANCELLED", "SKIPPED")
KEPT = ("audit_type", "name", "goal")
"""Fields that a likely body keeps."""


@pytest.fixture(params=SERVERS)
def real_bench(
    request: pytest.FixtureRequest,
    conf: cfg.ConfigOpts,  # noqa: F811
    far_end: tuple[Bus, Listener],  # noqa: F811
) -> Iterator[Bench]:
    database = Database(request.getfixturevalue(request.param))
    database.upgrade()
    fill(database)
    bus, listener = far_end
    yield Bench(webtest.TestApp(make_app(conf, database, bus)), database, listener, bus)
    database.dispose()


class Digest:
    """A sum over every value of every row, made by the server."""

    def __init__(self, database: Database) -> None:
        self.database = database
        tables = list(Base.metadata.tables)
        if database.engine.dialect.name == "postgresql":
            sums = [f"(SELECT sum(hashtext(t::text)) FROM {table} t)" for table in tables]
            self.query = text(f"SELECT {', '.join(sums)}")
        else:
            self.query = text(f"CHECKSUM TABLE {', '.join(tables)} EXTENDED")

    def take(self) -> Any:
        with self.database.engine.connect() as connection:
            return connection.execute(self.query).all()


def rows(bench: Bench, mark: int) -> dict[str, list[str]]:
    """Rows in all states, and by what they can be addressed, by the word of the path."""
    audits = [bench.audit(state=state) for state in states.AUDIT.states if state != "DELETED"]
    audits.append(bench.audit(audit_type="CONTINUOUS", interval="5", state="ONGOING"))
    audits.append(bench.audit(audit_type="EVENT"))
    plans = [bench.plan(state=state) for state in states.ACTION_PLAN.states if state != "DELETED"]
    actions = [action for plan in plans for action in bench.actions(plan)]
    for plan in plans:
        if plan.state in remainder.FROM:
            bench.set(bench.actions(plan)[0], state="FAILED")  # else nothing is left to retry
    body = {"name": f"template-{mark}", "goal": "dummy", "strategy": "dummy"}
    template = bench.post("/v1/audit_templates", body)
    return {
        "audit": [row.uuid for row in audits],
        "plan": [row.uuid for row in plans],
        "action": [row.uuid for row in actions],
        "template": [template["uuid"], body["name"]],
        "goal": ["dummy", "server_consolidation"],
        "strategy": ["dummy", "basic"],
        "engine": ["dummy_scorer"],
        "service": ["1", "watcher-applier"],
        "interval": ["60", "*/5 * * * *"],
    }


def settings(examples: int, **more: Any) -> hypothesis.settings:
    return hypothesis.settings(
        max_examples=examples,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
        deadline=None,
        database=None,
        derandomize=False,
        **more,
    )


class Walk:
    """Scenarios of one role until enough requests were sent."""

    def __init__(self, bench: Bench, role: str) -> None:
        self.bench = bench
        self.digest = Digest(bench.database)
        self.seen: Any = None
        self.known: dict[str, list[str]] = {}
        self.random = random.Random()
        self.headers = {"X-Roles": role, "X-User-Id": bench.user}
        self.answers: Counter[int] = Counter()
        self.asked: Counter[str] = Counter()
        self.done: Counter[str] = Counter()
        self.failures: dict[str, str] = {}
        version = f"{microversions.SERVICE} {microversions.LATEST}"
        self.schema = schemathesis.openapi.from_wsgi(
            "/v1/openapi.json",
            bench.app.app,
            headers={**self.headers, microversions.HEADER: version},
        )

    def run(self, requests: int) -> None:
        """Scenarios and single requests in turn, each time on fresh rows, from seed 1 on."""
        seed = 0
        while self.answers.total() < requests:
            seed += 1
            self.known = rows(self.bench, seed)
            self.random = random.Random(seed)
            self.seen = self.digest.take()
            with suppress(FlakyStrategyDefinition):  # what is found depends on what was left
                (self.singles if seed % 2 else self.scenarios)(seed)

    def place(self, case: Any) -> None:
        """Say who asks, and often for what is there."""
        case.headers.update(self.headers)
        for name in case.path_parameters or ():
            if self.random.random() < KNOWN:
                case.path_parameters[name] = self.random.choice(self.known[name])
        query = dict(case.query or {})
        collection = case.operation.label.split("/")[-1 - case.operation.label.endswith("detail")]
        case.query = self.named(query, {**NAMED, "marker": MARKED.get(collection, "")})
        if isinstance(case.body, dict) and self.random.random() < KNOWN:
            case.body = self.named(self.likely(case.body), NAMED)
        if isinstance(case.body, list) and self.random.random() < KNOWN:
            case.body = [self.moved(operation) for operation in case.body[:1]]

    def moved(self, operation: Any) -> Any:
        """An operation of a patch; one on a state is a move that clients may ask for."""
        if isinstance(operation, dict) and str(operation.get("path")).startswith("/state"):
            return {"op": "replace", "path": "/state", "value": self.random.choice(MOVES)}
        return operation

    def named(self, fields: dict[str, Any], words: dict[str, str]) -> dict[str, Any]:
        """The fields, of which those that name a row often name one that is there."""
        known = {name: self.known.get(words.get(name, "")) for name in fields}
        return {
            name: self.random.choice(there)
            if (there := known[name]) and self.random.random() < KNOWN
            else value
            for name, value in fields.items()
        }

    def likely(self, body: dict[str, Any]) -> dict[str, Any]:
        """A body with few fields: of many, some are always in the way of others."""
        others = sorted(body.keys() - set(KEPT))
        kept = {*KEPT, *self.random.sample(others, min(1, len(others)))}
        return {name: value for name, value in body.items() if name in kept}

    def scenarios(self, seed: int) -> None:
        """Requests made of what earlier answers told."""
        walk = self

        class Machine(self.schema.as_state_machine()):  # type: ignore[misc]
            def before_call(self, case: Any) -> None:
                walk.place(case)

            def validate_response(self, response: Any, case: Any, **_named: Any) -> None:
                walk.judge(case, response)  # and go on

        hypothesis.seed(seed)(Machine)
        Machine.run(settings=settings(SCENARIOS, stateful_step_count=STEPS))

    def singles(self, seed: int) -> None:
        """Requests of any operation, also of those that no answer leads to."""
        operations = [found.ok() for found in self.schema.get_all_operations()]

        @hypothesis.seed(seed)
        @settings(SINGLES)
        @hypothesis.given(st.sampled_from(operations).flatmap(lambda one: one.as_strategy()))
        def ask(case: Any) -> None:
            self.place(case)
            self.judge(case, case.call())

        ask()

    def judge(self, case: Any, response: Any) -> None:
        """Note what is wrong with an answer; one example of each kind is kept."""
        self.answers[response.status_code] += 1
        self.asked[case.operation.label] += 1
        self.done[case.operation.label] += response.status_code < 300
        told = f"{case.as_curl_command()[:1500]}\n{response.status_code} {response.text[:500]}"
        before, self.seen = self.seen, self.digest.take()
        if response.status_code >= 400 and self.seen != before:
            self.failures.setdefault(f"{case.operation.label} changed a row", told)
        if response.status_code >= 500:
            self.failures.setdefault(f"{case.operation.label} {response.status_code}", told)
        answer = webob.Response(body=response.content, status=response.status_code)
        answer.headers.clear()
        answer.headers.update({name: value[0] for name, value in response.headers.items()})
        try:
            documented.check(answer, case.method.upper(), urlsplit(response.request.url).path)
        except AssertionError as error:
            self.failures.setdefault(
                f"{case.operation.label} {str(error)[:60]}", f"{error}\n{told}"
            )


@pytest.mark.parametrize("role", SHARES)
def test_what_the_document_says(real_bench: Bench, role: str) -> None:
    real_bench.put(models.Service(name="watcher-applier", host="h"))
    real_bench.listener.answers.update(get_strategy_info=STATE, get_data_model_info=[NODE])
    walk = Walk(real_bench, role)
    walk.run(int(REQUESTS * SHARES[role]))
    print(f"{role}: {walk.answers.total()} requests, answers {dict(sorted(walk.answers.items()))}")
    print(f"{role}: {len(walk.asked)} operations, {dict(walk.asked.most_common())}")
    operations = {one.ok().label for one in walk.schema.get_all_operations()}
    print(f"{role}: never asked {operations - walk.asked.keys()}")
    assert not walk.failures, "\n\n".join(f"{k}\n{v}" for k, v in walk.failures.items())
    if LONG:
        assert walk.asked.keys() == operations
    if role == "admin":
        never = operations - (+walk.done).keys()
        print(f"{role}: never done {never}")
        assert len(never) < (3 if LONG else len(operations) / 2)
