# SPDX-License-Identifier: Apache-2.0
"""Budgets of the database on SQLite: a plan of 10,000 actions, a page out of a million."""

import pytest
from sqlalchemy import text

from tests.benchmarks.budget import within
from tests.functional.db import rows
from watcher.db import store
from watcher.db.engine import Database
from watcher.db.models import Action, ActionPlan
from watcher.messaging.notifications import Announcer

pytestmark = pytest.mark.slow

ACTIONS = 10_000
ROWS = 1_000_000


class Wire:
    """A bus that takes everything at no cost."""

    def __init__(self):
        self.count = 0

    def send(self, level, event_type, payload):
        self.count += 1


def prepared(folder, announce=None):
    """A database with an audit to record plans for."""
    database = Database(f"sqlite:///{folder / 'watcher.sqlite'}", announce)
    database.upgrade()
    return database, rows.make(database)


def record(database, made):
    """Write a plan of moves as the decision engine does, in one transaction."""
    with database.writing() as session:
        plan = store.add(session, ActionPlan(audit_id=made.audit.id, strategy_id=made.strategy.id))
        moves = [
            Action(
                action_plan_id=plan.id,
                action_type="migrate",
                input_parameters={
                    "resource_id": f"{position:036d}",
                    "source_node": "host-1",
                    "destination_node": "host-2",
                    "migration_type": "live",
                },
                parents=[f"{position - 1:036d}"],
                position=position,
            )
            for position in range(ACTIONS)
        ]
        store.add_all(session, moves)
    return plan


def test_a_plan_is_recorded(tmp_path):
    database, made = prepared(tmp_path)
    within(f"plan of {ACTIONS} actions recorded", 5.0, lambda: record(database, made))


def test_a_plan_is_recorded_and_announced(tmp_path):
    wire = Wire()
    database, made = prepared(tmp_path, Announcer(wire).announce)
    before = wire.count
    within(
        f"plan of {ACTIONS} actions recorded and announced",
        5.0,
        lambda: record(database, made),
        rounds=1,
    )
    assert wire.count - before == ACTIONS + 1


def test_a_plan_is_read_back(tmp_path):
    database, made = prepared(tmp_path)
    plan = record(database, made)

    def read():
        with database.reading() as session:
            return store.every(session, Action, Action.action_plan_id == plan.id)

    found = within(f"plan of {ACTIONS} actions read", 1.0, read)
    assert len(found) == ACTIONS


def test_a_plan_is_deleted(tmp_path):
    database, made = prepared(tmp_path)
    plan = record(database, made)

    def delete():
        with database.writing() as session:
            store.delete(session, plan)

    within(f"plan of {ACTIONS} actions deleted", 2.0, delete, rounds=1)


@pytest.fixture(scope="module")
def million(tmp_path_factory):
    """A million actions in a hundred plans, every tenth one ONGOING."""
    database, made = prepared(tmp_path_factory.mktemp("million"))
    with database.writing() as session:
        plans = [ActionPlan(audit_id=made.audit.id) for _ in range(100)]
        store.add_all(session, plans)
        session.execute(
            text(
                "INSERT INTO actions (uuid, action_plan_id, action_type, input_parameters, state, "
                "parents, position, created_at, deleted) "
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :rows) "
                "SELECT printf('00000000-0000-4000-8000-%012d', i), :first + i % 100, 'migrate', '{}', "
                "CASE WHEN i % 10 THEN 'PENDING' ELSE 'ONGOING' END, '[]', i, "
                "'2026-11-23 12:00:00.000000', 0 FROM n"
            ),
            {"rows": ROWS, "first": plans[0].id},
        )
        session.execute(text("ANALYZE"))  # as servers do by themselves
    return database, plans


@pytest.mark.parametrize(
    ("what", "sort_key", "filtered"),
    [("id", "id", False), ("state", "state", False), ("id in one plan", "id", True)],
)
@pytest.mark.parametrize("ascending", [True, False])
def test_a_page_deep_in_a_million(million, what, sort_key, filtered, ascending):
    database, plans = million
    where = [Action.action_plan_id == plans[50].id] if filtered else []

    def page():
        with database.reading() as session:
            return store.page(
                session,
                Action,
                *where,
                limit=1000,
                marker=f"00000000-0000-4000-8000-{ROWS // 2 + 50:012d}",
                sort_key=sort_key,
                ascending=ascending,
                load=("action_plan",),
            )

    direction = "up" if ascending else "down"
    found, more = within(f"page of 1,000 of {ROWS:,} by {what}, {direction}", 0.2, page)
    assert (len(found), more) == (1000, True)
