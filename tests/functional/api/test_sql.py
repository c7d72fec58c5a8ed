# SPDX-License-Identifier: Apache-2.0
"""What the API asks of its database: no more statements for a large table than a page may need, and
each of them with a limit or about rows it names.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event

from tests.functional.api.bench import Bench, replace
from watcher.api.root import FAMILIES
from watcher.api.views import Resource
from watcher.db import models, store

WINDOWS = 10
"""How many statements the windows of one page are at the most (``watcher.db.paging``)."""
LARGE = re.compile(r"^SELECT .* FROM (audits|audit_templates|action_plans|actions)\b", re.DOTALL)
NAMED = re.compile(r"\bLIMIT\b|\.(id|uuid|action_plan_id) (=|IN) |\bcount\(", re.IGNORECASE)
RESOURCES = [
    found
    for module, _ in FAMILIES.values()
    for found in vars(module).values()
    if isinstance(found, Resource)
]
QUERIES = [
    (resource.collection, f"{form}?limit=2&sort_key={key}")
    for resource in RESOURCES
    for form in ("", "/detail")
    for key in sorted(resource.sort_keys)
]
FILTERS = [
    *(("audits", f"?{query}&limit=2") for query in ("goal=dummy", "strategy=DUMMY")),
    ("audits", "/detail?goal=dummy&strategy=dummy&limit=2&sort_key=goal_name"),
    ("audit_templates", "?goal=dummy&limit=2"),
    ("audit_templates", "?name=t1"),
    ("action_plans", "?strategy=dummy&limit=2"),
    ("strategies", "?goal=dummy&limit=2"),
]


@contextmanager
def statements(bench: Bench) -> Iterator[list[str]]:
    """The SQL that is sent while this is open."""
    seen: list[str] = []

    def note(*arguments: Any) -> None:
        seen.append(arguments[2])

    event.listen(bench.database.engine, "before_cursor_execute", note)
    yield seen
    event.remove(bench.database.engine, "before_cursor_execute", note)


def grow(bench: Bench, rows: int) -> None:
    with bench.database.writing() as session:
        goal = store.get(session, models.Goal, "dummy")
        strategy = store.get(session, models.Strategy, "dummy")
        both = {"goal_id": goal.id, "strategy_id": strategy.id}
        start = len(store.every(session, models.Audit))
        names = range(start, start + rows)
        audits = [models.Audit(name=f"a{n}", audit_type="EVENT", **both) for n in names]
        templates = [models.AuditTemplate(name=f"t{n}", **both) for n in names]
        services = [models.Service(name="watcher-applier", host=f"h{n}") for n in names]
        store.add_all(session, [*audits, *templates, *services])
        plans = [models.ActionPlan(audit_id=one.id, strategy_id=strategy.id) for one in audits]
        store.add_all(session, plans)
        actions = [models.Action(action_plan_id=one.id, action_type="nop") for one in plans]
        store.add_all(session, actions)


@pytest.fixture(scope="module")
def counted(shared: Bench) -> dict[tuple[str, str], list[str]]:
    """The statements of each list when there are 4 rows, before there are 40."""
    grow(shared, 4)
    found = {}
    for collection, rest in (*QUERIES, *FILTERS):
        with statements(shared) as seen:
            shared.get(f"/v1/{collection}{rest}")
        found[collection, rest] = list(seen)
    grow(shared, 36)
    return found


@pytest.mark.parametrize(("collection", "rest"), [*QUERIES, *FILTERS])
def test_a_list_costs_the_same_however_many_rows_there_are(
    shared: Bench, counted: dict[tuple[str, str], list[str]], collection: str, rest: str
) -> None:
    with statements(shared) as seen:
        page = shared.get(f"/v1/{collection}{rest}")
    # An order with repeated values is read in windows, of which more rows may need more.
    assert len(seen) <= max(len(counted[collection, rest]), 5 + WINDOWS)
    for sql in seen:
        assert not LARGE.match(sql) or NAMED.search(sql), sql
    if "next" in page:
        with statements(shared) as deep:
            shared.get(page["next"].removeprefix("http://localhost"))
        # The marker's row, its value of the sort key, and the windows after it.
        assert len(deep) <= len(seen) + 2 + WINDOWS
        for sql in deep:
            assert not LARGE.match(sql) or NAMED.search(sql), sql


ONE = {
    "audits": ("a1", models.Audit),
    "audit_templates": ("t1", models.AuditTemplate),
    "goals": ("DUMMY", models.Goal),
    "strategies": ("dummy", models.Strategy),
}


@pytest.mark.parametrize("collection", ONE)
def test_a_name_is_looked_up_by_statements_that_stop_at_one_row(
    shared: Bench, counted: dict[tuple[str, str], list[str]], collection: str
) -> None:
    assert counted
    with statements(shared) as seen:
        shared.get(f"/v1/{collection}/{ONE[collection][0]}")
    assert 0 < len(seen) <= 4
    assert all("LIMIT" in sql for sql in seen if sql.startswith("SELECT"))


def test_a_create_and_a_patch_read_no_table(shared: Bench, counted: Any) -> None:
    assert counted
    with statements(shared) as seen:
        body = {"audit_type": "ONESHOT", "goal": "dummy", "strategy": "dummy", "name": "taken?"}
        made = shared.post("/v1/audits", body)
        shared.patch(f"/v1/audits/{made['uuid']}", replace("/name", "renamed"))
    for sql in seen:
        assert not LARGE.match(sql) or NAMED.search(sql), sql
