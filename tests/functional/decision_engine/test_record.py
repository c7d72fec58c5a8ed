# SPDX-License-Identifier: Apache-2.0
"""What a run leaves, and what becomes of the plans before it; claims and their fence."""

from datetime import timedelta

import pytest
from oslo_utils import timeutils

from tests.worlds import uuid
from watcher.core.errors import LostRace, NotFound
from watcher.core.plan import Plan
from watcher.core.refusals import Example, Refusal, WhyNot
from watcher.core.solution import disable_host, migrate, nop
from watcher.db import store
from watcher.db.engine import Database
from watcher.db.heartbeat import Silence
from watcher.db.models import Action, ActionPlan, Audit, Goal, Lease, Service, Strategy
from watcher.decision_engine import claims, history, record


@pytest.fixture
def database(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'w.sqlite'}")
    database.upgrade()
    with database.writing() as session:
        goal = store.add(session, Goal(name="g", display_name="G"))
        store.add(session, Strategy(name="s", display_name="S", goal_id=goal.id))
    yield database
    database.dispose()


def add(database, name="a", **values):
    with database.writing() as session:
        given = {"audit_type": "ONESHOT", "goal_id": store.get(session, Goal, "g").id, **values}
        return store.add(session, Audit(name=name, **given)).uuid


def take(database, name="a", host="here", owners=()):
    with database.writing() as session:
        ident = store.get(session, Audit, name).uuid
        return claims.claim(session, ident, host, owners)


def run(database, name, *actions, **values):
    """A plan of these actions, from a run of a new audit, or of that name."""
    with database.reading() as session:
        known = store.every(session, Audit, Audit.name == name)
    if not known:
        add(database, name, **values)
    audit = take(database, name)
    plan = Plan(actions, ((),) * len(actions))
    with database.writing() as session:
        return record.record(session, audit, record.Outcome("s", plan, "", [], []))


REFUSED = WhyNot(1, 1, (), (Refusal("down", 1, (Example(uuid("a"), "c1"),)),))


def test_what_was_refused_is_kept_with_the_audit_until_the_next_run(database):
    add(database, "a", audit_type="CONTINUOUS", interval="60")
    outcome = record.Outcome("s", Plan((), ()), "", [], [], REFUSED)
    audit = take(database)
    with database.writing() as session:
        record.record(session, audit, outcome)
    kept = now_of(database, audit).why_not
    assert kept["stayed"] == 1
    assert kept["destinations"][0]["examples"] == [{"instance": uuid("a"), "host": "c1"}]
    with database.writing() as session:
        store.change(session, store.get(session, Audit, "a"), next_run_time=timeutils.utcnow())
    audit = take(database)
    with database.writing() as session:
        record.record(session, audit, record.Outcome("s", Plan((), ()), "", [], []))
    assert now_of(database, audit).why_not is None


@pytest.mark.parametrize("values", [{}, {"audit_type": "CONTINUOUS", "interval": "60"}])
def test_a_run_that_failed_says_what_was_refused_too(database, values):
    add(database, "a", **values)
    audit = take(database)
    with database.writing() as session:
        claims.give_back(session, audit, "no room", REFUSED)
    assert now_of(database, audit).why_not["destinations"][0]["reason"] == "down"


def now_of(database, row):
    with database.reading() as session:
        return store.get(session, type(row), row.uuid)


def continuous(**more):
    return {"audit_type": "CONTINUOUS", "interval": "60", **more}


def make_due(database, name):
    with database.writing() as session:
        audit = store.get(session, Audit, name)
        store.change(session, audit, next_run_time=timeutils.utcnow() - timedelta(seconds=1))


MOVE = migrate(uuid("vm1"), "c1", "c2")


@pytest.mark.parametrize(
    "newer",
    [
        MOVE,
        migrate(uuid("vm1"), "c1", "c3"),
        disable_host(uuid("c2"), "c2", "watcher_disabled"),
    ],
    ids=["same", "same instance", "its destination is closed"],
)
def test_a_plan_says_when_a_newer_one_wants_the_same_instance_or_host(database, newer):
    old = run(database, "a", MOVE)
    new = run(database, "b", newer)
    said = now_of(database, old).status_message
    assert said.startswith(f"The newer action plan {new.uuid} is about ")
    assert "start one of the two, not both" in said
    assert now_of(database, new).status_message is None


@pytest.mark.parametrize("end", ["CANCELLED", "SUPERSEDED", "DELETED", "SUCCEEDED"])
def test_the_word_about_another_plan_goes_with_that_plan(database, end):
    old, new = run(database, "a", MOVE), run(database, "b", MOVE)
    with database.writing() as session:
        row = store.get(session, ActionPlan, new.uuid)
        if end == "SUCCEEDED":
            for state in ("PENDING", "ONGOING"):
                store.transition(session, row, state)
                assert "start one of the two" in now_of(database, old).status_message
        if end == "DELETED":
            store.delete(session, row)
        else:
            store.transition(session, row, end)
    assert now_of(database, old).status_message is None


def test_plans_about_other_things_and_plans_that_are_over_say_nothing(database):
    old = run(database, "a", MOVE)
    over = run(database, "c", MOVE)
    with database.writing() as session:
        store.transition(session, store.get(session, ActionPlan, over.uuid), "CANCELLED", "no")
        store.change(session, store.get(session, ActionPlan, old.uuid), status_message=None)
    run(database, "b", migrate(uuid("vm9"), "c1", "c2"), nop("word"))
    assert now_of(database, old).status_message is None
    assert now_of(database, over).status_message == "no"


def test_a_dry_run_says_how_to_start_such_a_plan_and_nothing_of_other_plans(database):
    old = run(database, "a", MOVE)
    dry = run(database, "b", MOVE, dry_run=True)
    assert now_of(database, old).state == "RECOMMENDED"
    assert now_of(database, old).status_message is None
    assert now_of(database, dry).state == "RECOMMENDED"
    assert now_of(database, dry).status_message == record.DRY_RUN
    new = run(database, "c", MOVE)
    assert new.uuid in now_of(database, old).status_message
    assert now_of(database, dry).status_message == record.DRY_RUN


def test_a_continuous_dry_run_replaces_its_own_plans_only_and_they_expire_as_others(database):
    other = run(database, "other", MOVE)
    first = run(database, "a", MOVE, **continuous(dry_run=True))
    make_due(database, "a")
    second = run(database, "a", MOVE)
    rows = (other, first, second)
    assert [now_of(database, one).state for one in rows] == [
        *("RECOMMENDED", "CANCELLED", "RECOMMENDED"),
    ]
    with database.writing() as session:
        for one in (other, second):
            then = timeutils.utcnow() - timedelta(hours=25)
            store.change(session, store.get(session, ActionPlan, one.uuid), created_at=then)
        record.supersede_expired(session, 24)
    assert [now_of(database, one).state for one in rows] == [
        *("SUPERSEDED", "CANCELLED", "SUPERSEDED"),
    ]


def test_a_dry_run_never_starts_itself_whatever_its_row_says(database):
    plan = run(database, "a", MOVE, dry_run=True, auto_trigger=True)
    row = now_of(database, plan)
    assert row.state == "RECOMMENDED"
    assert "create the audit without dry_run" in row.status_message
    with database.reading() as session:
        assert store.every(session, Lease) == []


def test_a_run_replaces_what_earlier_ones_recommended_but_not_what_the_operator_started(database):
    old = run(database, "a", MOVE, **continuous())
    with database.writing() as session:
        store.transition(session, store.get(session, ActionPlan, old.uuid), "PENDING")
    make_due(database, "a")
    second = run(database, "a", MOVE)
    make_due(database, "a")
    third = run(database, "a", MOVE)
    assert [now_of(database, one).state for one in (old, second, third)] == [
        "PENDING", "CANCELLED", "RECOMMENDED",
    ]  # fmt: skip


def test_with_auto_trigger_a_plan_that_no_applier_has_begun_is_replaced(database):
    old = run(database, "a", MOVE, **continuous(auto_trigger=True))
    make_due(database, "a")
    new = run(database, "a", MOVE)
    assert now_of(database, old).state == "CANCELLED"
    assert now_of(database, old).status_message == f"Replaced by action plan {new.uuid}."
    assert now_of(database, new).state == "PENDING"


def test_an_engine_whose_audit_was_taken_over_writes_nothing(database):
    add(database)
    frozen = take(database, host="frozen")
    with pytest.raises(LostRace, match="is ONGOING and not due here"):
        take(database, host="other")
    taken = take(database, host="other", owners={"frozen"})
    assert (taken.epoch, taken.hostname) == (2, "other")
    outcome = record.Outcome("s", Plan((MOVE,), ((),)), "", [], [])
    with (
        pytest.raises(LostRace, match="was taken over by other"),
        database.writing() as session,
    ):
        record.record(session, frozen, outcome)
    with (
        pytest.raises(LostRace, match="was taken over by other"),
        database.writing() as session,
    ):
        claims.give_back(session, frozen, "too late")
    with database.writing() as session:
        record.record(session, taken, outcome)
    with pytest.raises(LostRace, match="is SUCCEEDED"), database.writing() as session:
        record.record(session, taken, outcome)
    with database.reading() as session:
        assert len(store.every(session, ActionPlan)) == 1


def test_an_audit_that_is_gone_is_told(database):
    add(database)
    audit = take(database)
    audit.uuid = "gone"
    with pytest.raises(NotFound), database.writing() as session:
        claims.held(session, audit)


def test_a_host_is_silent_while_its_heartbeat_stays_as_it_is_and_we_look(database):
    passed = [0.0]
    silence = Silence("engine", monotonic=lambda: passed[0])

    def look(seconds, *beating):
        passed[0] += seconds
        with database.writing() as session:
            for row in store.every(session, Service, Service.host.in_(beating)):
                store.change(session, row, last_seen_up=row.last_seen_up + timedelta(hours=1))
            return silence.look(session, {"a", "b", "gone"}, 20)

    with database.writing() as session:
        for host in "ab":
            seen = timeutils.utcnow() + timedelta(hours=5)  # its own clock would not matter
            store.add(session, Service(name="engine", host=host, last_seen_up=seen))
    assert look(0) == {"a": 0, "b": 0, "gone": 0}
    assert look(10, "a") == {"a": 0, "b": 10, "gone": 10}
    assert look(500, "a") == {"a": 0, "b": 30, "gone": 30}  # we were frozen ourselves
    assert look(5, "a", "b") == {"a": 0, "b": 0, "gone": 35}
    with database.reading() as session:
        assert silence.look(session, set(), 20) == {}


def test_recent_migrations_are_those_that_succeeded_or_failed_of_late(database):
    names = ("done", "failed", "long ago", "waiting")
    plan = run(database, "a", *(migrate(uuid(name), "c1", "c2") for name in names), nop("x"))
    states = {"done": "SUCCEEDED", "long ago": "SUCCEEDED", "failed": "FAILED"}
    with database.writing() as session:
        for action in store.every(session, Action, Action.action_plan_id == plan.id):
            for name, state in states.items():
                if action.input_parameters.get("resource_id") == uuid(name):
                    store.transition(session, action, "ONGOING")
                    then = timeutils.utcnow() - timedelta(hours=2 if name == "long ago" else 0)
                    store.transition(session, action, state, updated_at=then)
    with database.reading() as session:
        assert history.moved(session, 3600) == {uuid("done"), uuid("failed")}
