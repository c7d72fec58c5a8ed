# SPDX-License-Identifier: Apache-2.0
"""Which audits an engine runs, when, and how often."""

import contextlib
import threading
import time
from datetime import timedelta

import pytest
from oslo_utils import timeutils
from sqlalchemy import update

from tests.cloud.process import pause
from watcher.applier import service as applier_service
from watcher.core.errors import ServiceDown
from watcher.db import store
from watcher.db.models import Action, ActionPlan, Audit, Goal, Strategy
from watcher.decision_engine.service import DecisionEngineService
from watcher.messaging.rpc import Applier


def until(come):
    deadline = time.monotonic() + 60
    while not come():
        assert time.monotonic() < deadline
        pause(0.02)


def add(watcher, strategy="v_idle", **values):
    """The uuid of an audit that nobody is told of."""
    with watcher.database.writing() as session:
        goal = store.get(session, Goal, "vendor")
        plugin = store.get(session, Strategy, strategy)
        given = {"audit_type": "ONESHOT", "state": "PENDING", "name": f"a{time.monotonic()}"}
        given |= {"goal_id": goal.id, "strategy_id": plugin.id, **values}
        return store.add(session, Audit(**given)).uuid


def alarm(watcher, uuid):
    watcher.app.post_json(f"/v1/webhooks/{uuid}", {}, headers={"X-Roles": "admin"}, status=202)


def plans(watcher, uuid):
    return watcher.get(f"/v1/action_plans?audit_uuid={uuid}")["action_plans"]


@contextlib.contextmanager
def engine(watcher, host):
    """A second engine on the same database."""
    conf = watcher.engine._conf
    parts = (
        conf,
        watcher.database,
        watcher.bus,
        watcher.announcer,
        watcher.applier._wires.clients,
    )
    made = DecisionEngineService(*parts)
    made._host = made._heartbeat._host = made._due._host = host
    object.__setattr__(made._runner, "host", host)
    made.start()
    try:
        yield made
    finally:
        made.stop()
        made.wait()


def test_an_audit_whose_message_was_lost_is_found(watcher):
    assert watcher.ended("audits", add(watcher))["state"] == "SUCCEEDED"


def test_a_message_that_comes_twice_while_the_audit_runs_starts_it_once(watcher, thoughts):
    uuid = add(watcher, "v_thinks")
    for _ in range(3):
        watcher.engine.trigger(uuid)
    assert thoughts.begun.wait(30)
    watcher.engine.trigger(uuid)
    thoughts.go.set()
    assert watcher.ended("audits", uuid)["state"] == "SUCCEEDED"
    assert thoughts.runs == [1]
    assert len(plans(watcher, uuid)) == 1


def test_a_message_that_comes_again_when_the_audit_has_ended_does_nothing(watcher, thoughts):
    thoughts.go.set()
    uuid = add(watcher, "v_thinks")
    watcher.ended("audits", uuid)
    until(lambda: not watcher.engine._claimed)
    watcher.engine.trigger(uuid)
    until(lambda: not watcher.engine._claimed)
    assert thoughts.runs == [1]
    assert watcher.get(f"/v1/audits/{uuid}")["state"] == "SUCCEEDED"


def test_an_event_audit_runs_again_each_time_it_is_rung_for(watcher, thoughts):
    thoughts.go.set()
    uuid = add(watcher, "v_thinks", audit_type="EVENT")
    for runs in (1, 2):
        alarm(watcher, uuid)
        until(lambda runs=runs: len(thoughts.runs) == runs and not watcher.engine._claimed)
    assert watcher.get(f"/v1/audits/{uuid}")["state"] == "SUCCEEDED"


def test_an_audit_that_is_not_there_does_no_harm(watcher):
    watcher.engine.trigger("no-such-audit")
    until(lambda: not watcher.engine._claimed)


def test_two_engines_run_an_audit_once(watcher, thoughts):
    with engine(watcher, "there") as other:
        uuids = [add(watcher, "v_thinks") for _ in range(3)]
        for uuid in uuids:
            for one in (watcher.engine, other):
                one.trigger(uuid)
        assert thoughts.begun.wait(30)
        thoughts.go.set()
        for uuid in uuids:
            assert watcher.ended("audits", uuid)["state"] == "SUCCEEDED"
            assert len(plans(watcher, uuid)) == 1
    assert thoughts.runs == [1, 1, 1]


def test_an_engine_that_starts_again_runs_what_it_has_left_and_nothing_of_others(watcher):
    since = timeutils.utcnow()
    running = {"state": "ONGOING", "running_since": since, "epoch": 1}
    left = add(watcher, hostname="there", audit_type="EVENT", **running)
    once = add(watcher, hostname="there", **running)
    others = add(watcher, hostname="elsewhere", **running)
    soon = since + timedelta(hours=1)
    more = {"audit_type": "CONTINUOUS", "interval": "60", "next_run_time": soon}
    every_time = add(watcher, hostname="there", **running, **more)
    with engine(watcher, "there"):
        assert watcher.ended("audits", once)["state"] == "SUCCEEDED"
        row = watcher.ended("audits", left)
        until(lambda: len(plans(watcher, every_time)) == 1)
    assert (row["state"], row["status_message"]) == ("SUCCEEDED", "There is nothing to do.")
    assert watcher.get(f"/v1/audits/{others}")["state"] == "ONGOING"
    continuous = watcher.get(f"/v1/audits/{every_time}")
    assert (continuous["state"], continuous["next_run_time"]) == ("ONGOING", soon.isoformat())
    with watcher.database.writing() as session:
        for uuid in (others, every_time):
            store.transition(session, store.get(session, Audit, uuid), "CANCELLED")


def test_an_audit_that_the_operator_sets_ongoing_is_run(watcher, thoughts):
    uuid = add(watcher, "v_thinks")
    body = [{"op": "replace", "path": "/state", "value": "ONGOING"}]
    reply = watcher.app.patch_json(
        f"/v1/audits/{uuid}", body, headers={"X-Roles": "admin"}, expect_errors=True
    )
    assert reply.status_int in (200, 400)  # the engine may have been faster
    thoughts.go.set()
    assert watcher.ended("audits", uuid)["state"] == "SUCCEEDED"
    assert thoughts.runs == [1]


def plan(watcher, state, hours):
    """A plan that was made so many hours ago."""
    with watcher.database.writing() as session:
        audit = store.get(session, Audit, add_done(session))
        made = store.add(session, ActionPlan(audit_id=audit.id, strategy_id=audit.strategy_id))
        then = timeutils.utcnow() - timedelta(hours=hours)
        session.execute(
            update(ActionPlan).where(ActionPlan.id == made.id).values(created_at=then, state=state)
        )
        return made.uuid


def add_done(session):
    goal, plugin = store.get(session, Goal, "vendor"), store.get(session, Strategy, "v_idle")
    given = {"name": f"a{time.monotonic()}", "audit_type": "ONESHOT", "state": "SUCCEEDED"}
    return store.add(session, Audit(goal_id=goal.id, strategy_id=plugin.id, **given)).uuid


def expire(watcher):
    watcher.engine._due._expire_at_s = 0.0
    watcher.engine._due.look()


def test_plans_that_nobody_started_in_time_are_superseded(watcher):
    old, young = plan(watcher, "RECOMMENDED", 25), plan(watcher, "RECOMMENDED", 23)
    done = plan(watcher, "FAILED", 25)
    with watcher.engine._database.writing() as session:
        for one in (old, young):
            ident = store.get(session, ActionPlan, one).id
            store.add(session, Action(action_plan_id=ident, action_type="nop"))
    expire(watcher)
    actions = watcher.get(f"/v1/actions/detail?action_plan_uuid={old}")["actions"]
    assert [(one["state"], one["status_message"]) for one in actions] == [
        (
            "CANCELLED",
            "The action plan became SUPERSEDED before this action began: Not started within 24"
            " hours.",
        )
    ]
    actions = watcher.get(f"/v1/actions?action_plan_uuid={young}")["actions"]
    assert [one["state"] for one in actions] == ["PENDING"]
    row = watcher.get(f"/v1/action_plans/{old}")
    assert (row["state"], row["status_message"]) == ("SUPERSEDED", "Not started within 24 hours.")
    assert watcher.get(f"/v1/action_plans/{young}")["state"] == "RECOMMENDED"
    assert watcher.get(f"/v1/action_plans/{done}")["state"] == "FAILED"


def test_no_plan_is_superseded_when_expiry_is_off(watcher):
    conf = watcher.engine._conf
    old = plan(watcher, "RECOMMENDED", 1000)
    conf.set_override("action_plan_expiry", 0, "watcher_decision_engine")
    try:
        expire(watcher)
    finally:
        conf.clear_override("action_plan_expiry", "watcher_decision_engine")
    assert watcher.get(f"/v1/action_plans/{old}")["state"] == "RECOMMENDED"


def test_with_the_bus_down_an_auto_triggered_plan_is_found_by_the_applier(watcher, monkeypatch):
    monkeypatch.setattr(applier_service, "LOOK_S", 0.1)

    def refuses(*_):
        raise ServiceDown("the message bus does not answer")

    monkeypatch.setattr(Applier, "launch_action_plan", refuses)
    audit = watcher.audit("vendor", "v_greets", auto_trigger=True)
    assert audit["state"] == "SUCCEEDED"
    assert watcher.ended("action_plans", watcher.plan_of(audit)["uuid"])["state"] == "SUCCEEDED"


def test_the_loop_outlives_a_database_that_is_away_and_says_so_once(watcher, monkeypatch, caplog):
    tries = []

    @contextlib.contextmanager
    def fails():
        if threading.current_thread().name == "due-audits":
            tries.append(1)
            raise ServiceDown("the database does not answer")
        with reading() as session:
            yield session

    reading = watcher.database.reading
    with monkeypatch.context() as away:
        away.setattr(watcher.database, "reading", fails)
        until(lambda: len(tries) >= 2)
    assert caplog.text.count("looking for due audits: the database") == 1
    assert watcher.ended("audits", add(watcher))["state"] == "SUCCEEDED"


def test_an_engine_stops_while_the_database_is_away_and_leaves_its_audit_to_its_next_life(
    watcher, thoughts, monkeypatch, caplog
):
    with engine(watcher, "there") as other:
        other._stopped.set()  # no more looking, from here on by trigger only
        uuid = add(watcher, "v_thinks", state="SUSPENDED")
        with watcher.database.writing() as session:
            row = store.get(session, Audit, uuid)
            since = timeutils.utcnow()
            store.transition(session, row, "ONGOING", hostname="there", running_since=since)
        audit = row

        @contextlib.contextmanager
        def fails():
            raise ServiceDown("the database does not answer")
            yield

        with monkeypatch.context() as away:
            away.setattr(watcher.database, "writing", fails)
            with pytest.raises(ServiceDown):
                other._runner.fail(audit, ZeroDivisionError())
    assert watcher.get(f"/v1/audits/{uuid}")["state"] == "ONGOING"
    thoughts.go.set()
    with engine(watcher, "there"):
        assert watcher.ended("audits", uuid)["state"] == "SUCCEEDED"
