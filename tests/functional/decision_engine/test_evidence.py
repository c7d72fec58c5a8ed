# SPDX-License-Identifier: Apache-2.0
"""What a run keeps with its plan for the report; who reads it, and who does not."""

import pytest
from sqlalchemy import event

from tests.functional.decision_engine.test_record import add, take
from tests.unit.report.stories import LIMITS, PARENTS, REFUSED, actions, gathered
from tests.worlds import uuid
from watcher.core.errors import NotFound
from watcher.core.plan import Plan
from watcher.db import reports, store
from watcher.db.engine import Database
from watcher.db.models import Action, ActionPlan, Goal, Strategy
from watcher.decision_engine import record


@pytest.fixture
def database(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'w.sqlite'}")
    database.upgrade()
    with database.writing() as session:
        goal = store.add(session, Goal(name="g", display_name="G"))
        store.add(session, Strategy(name="s", display_name="S", goal_id=goal.id))
    yield database
    database.dispose()


@pytest.fixture
def plan(database):
    add(database)
    audit = take(database)
    given = Plan(actions(), PARENTS)
    outcome = record.Outcome("s", given, "", [], [], REFUSED, gathered())
    with database.writing() as session:
        return record.record(session, audit, outcome)


def account(database, ident, **options):
    with database.reading() as session:
        return reports.account(session, ident, **options)


def test_a_recorded_plan_can_be_told_with_its_hosts_before_and_after(database, plan):
    found = account(database, plan.uuid)
    assert (found.head.goal, found.head.strategy, found.head.audit) == ("G", "S", "a")
    assert [step.deed.type for step in found.steps] == [one.type for one in actions()]
    assert found.parents == list(PARENTS)
    assert found.limits == LIMITS
    assert found.hosts.emptied(found.hosts.rows["c1"])
    assert found.evidence.why_not["stayed"] == 1


def test_states_are_those_of_this_moment(database, plan):
    with database.writing() as session:
        first = store.every(session, Action, Action.action_plan_id == plan.id)[0]
        store.transition(session, first, "ONGOING")
        store.transition(session, first, "FAILED", "no")
        undo = {"resource_name": "c1", "state": "enabled"}
        store.add(
            session,
            Action(
                action_plan_id=plan.id,
                action_type=first.action_type,
                input_parameters=undo,
                undoes=first.uuid,
                position=9,
            ),
        )
    found = account(database, plan.uuid)
    assert (found.steps[0].deed.state, found.steps[0].deed.message) == ("FAILED", "no")
    assert found.taken_back[first.uuid].parameters == undo
    assert len(found.steps) == 4


def test_a_plan_from_before_it_was_kept_is_told_without(database, plan):
    with database.writing() as session:
        store.change(session, store.get(session, ActionPlan, plan.uuid), evidence=None)
    assert account(database, plan.uuid).hosts is None


def test_a_deleted_plan_is_found_by_who_asks_for_deleted_ones(database, plan):
    with database.writing() as session:
        store.delete(session, store.get(session, ActionPlan, plan.uuid))
    with pytest.raises(NotFound):
        account(database, plan.uuid)
    found = account(database, plan.uuid, deleted=True)
    assert found.states == {"DELETED": 4}
    assert found.hosts is not None


def test_nobody_else_reads_it(database, plan):
    seen = []
    event.listen(database.engine, "before_cursor_execute", lambda *given: seen.append(given[2]))
    with database.reading() as session:
        store.every(session, ActionPlan)
        store.page(session, ActionPlan, limit=10)
        store.get(session, ActionPlan, plan.uuid, load=("audit", "strategy", "indicators"))
    with database.writing() as session:
        store.transition(session, store.get(session, ActionPlan, plan.uuid), "PENDING")
    assert seen
    assert not [statement for statement in seen if "evidence" in statement]


def test_an_unknown_plan_is_not_found(database):
    with pytest.raises(NotFound, match="Action plan"):
        account(database, uuid("nobody"))
