# SPDX-License-Identifier: Apache-2.0
"""Audits that run again and again: by seconds, by cron text, by alarms."""

import time
from datetime import datetime, timedelta

import pytest
from oslo_utils import timeutils

from tests.cloud.process import pause
from watcher.db import store
from watcher.db.models import ActionPlan, Audit

PAST = datetime(2020, 1, 1, 12, 0, 0)


def until(come):
    deadline = time.monotonic() + 60
    while not (found := come()):
        assert time.monotonic() < deadline
        pause(0.02)
    return found


@pytest.fixture
def make(watcher):
    """A CONTINUOUS audit that is cancelled when the test is done."""
    made = []

    def create(strategy="v_greets", interval="3600", **more):
        body = {"audit_type": "CONTINUOUS", "goal": "vendor", "interval": interval}
        audit = watcher.post("/v1/audits", {**body, "strategy": strategy, **more})
        made.append(audit["uuid"])
        return audit["uuid"]

    yield create
    for uuid in made:
        if get(watcher, uuid)["state"] in ("PENDING", "ONGOING"):
            patch(watcher, uuid, state="CANCELLED")


def alarm(watcher, uuid):
    watcher.app.post_json(f"/v1/webhooks/{uuid}", {}, headers={"X-Roles": "admin"}, status=202)


def get(watcher, uuid):
    return watcher.get(f"/v1/audits/{uuid}")


def patch(watcher, uuid, **values):
    changes = [
        {"op": "replace", "path": f"/{name}", "value": value} for name, value in values.items()
    ]
    headers = {"X-Roles": "admin", "OpenStack-API-Version": "infra-optim 1.7"}
    return watcher.app.patch_json(f"/v1/audits/{uuid}", changes, headers=headers).json


def row(watcher, uuid):
    with watcher.database.reading() as session:
        return store.get(session, Audit, uuid)


def make_due(watcher, uuid, moment=PAST):
    """Its time has come."""
    with watcher.database.writing() as session:
        store.change(session, store.get(session, Audit, uuid), next_run_time=moment)


def plans(watcher, uuid):
    """States of its plans, oldest first."""
    with watcher.database.reading() as session:
        audit = store.get(session, Audit, uuid)
        found = store.every(session, ActionPlan, ActionPlan.audit_id == audit.id)
        return [plan.state for plan in found]


def runs(watcher, uuid, count):
    """Wait until it has run so many times and rests."""
    until(lambda: len(plans(watcher, uuid)) == count and not row(watcher, uuid).running_since)
    return get(watcher, uuid)


def test_it_runs_at_once_and_then_waits_for_its_next_time(watcher, make):
    uuid = make()
    audit = runs(watcher, uuid, 1)
    assert (audit["state"], audit["hostname"]) == ("ONGOING", "here")
    wait_s = (datetime.fromisoformat(audit["next_run_time"]) - timeutils.utcnow()).total_seconds()
    assert 3500 < wait_s <= 3600


def test_each_run_leaves_one_recommended_plan_and_cancels_the_older_ones(watcher, make):
    uuid = make()
    for count in (1, 2, 3):
        runs(watcher, uuid, count)
        make_due(watcher, uuid)
    runs(watcher, uuid, 4)
    assert plans(watcher, uuid) == ["CANCELLED"] * 3 + ["RECOMMENDED"]
    listed = watcher.get(f"/v1/action_plans/detail?audit_uuid={uuid}")["action_plans"]
    newest = next(plan for plan in listed if plan["state"] == "RECOMMENDED")
    told = {plan["status_message"] for plan in listed if plan["state"] == "CANCELLED"}
    assert f"Replaced by action plan {newest['uuid']}." in told


def test_an_interval_of_a_second_runs_again_and_again(watcher, make):
    uuid = make(interval="1")
    until(lambda: len(plans(watcher, uuid)) >= 3)


def test_runs_that_were_missed_are_dropped_and_the_rhythm_is_kept(watcher, make):
    uuid = make()
    runs(watcher, uuid, 1)
    make_due(watcher, uuid, PAST + timedelta(minutes=7))
    audit = runs(watcher, uuid, 2)
    due = datetime.fromisoformat(audit["next_run_time"])
    assert (due.minute, due.second) == (7, 0)
    assert timedelta() < due - timeutils.utcnow() <= timedelta(hours=1)


def test_a_cron_audit_waits_for_its_first_hit(watcher, make):
    uuid = make(interval="0 0 1 1 *")
    audit = get(watcher, uuid)
    due = datetime.fromisoformat(audit["next_run_time"])
    assert (due.month, due.day, due.hour) == (1, 1, 0)
    watcher.engine._due.look()
    assert get(watcher, uuid)["state"] == "PENDING"
    make_due(watcher, uuid)
    assert runs(watcher, uuid, 1)["next_run_time"] == audit["next_run_time"]


def test_cron_text_whose_years_are_over_ends_after_its_last_run(watcher, make):
    uuid = make(interval="0 0 1 1 * 0 2040")
    with watcher.database.writing() as session:
        audit = store.get(session, Audit, uuid)
        store.change(session, audit, interval="0 0 1 1 * 0 2020", next_run_time=PAST)
    audit = watcher.ended("audits", uuid)
    assert (audit["state"], len(plans(watcher, uuid))) == ("SUCCEEDED", 1)


def test_before_its_start_it_does_not_run_and_after_its_end_it_succeeds(watcher, make):
    start, end = timeutils.utcnow() + timedelta(hours=1), timeutils.utcnow() + timedelta(hours=2)
    uuid = make(start_time=f"{start}Z", end_time=f"{end}Z")
    watcher.engine._due.look()
    audit = get(watcher, uuid)
    assert (audit["state"], audit["next_run_time"]) == ("PENDING", start.isoformat())
    with watcher.database.writing() as session:
        store.change(session, store.get(session, Audit, uuid), start_time=None, end_time=PAST)
    audit = watcher.ended("audits", uuid)
    assert (audit["state"], audit["status_message"]) == ("SUCCEEDED", "Its end time has come.")
    assert plans(watcher, uuid) == []


def test_a_cancelled_or_suspended_one_runs_no_more_and_a_resumed_one_does(watcher, make):
    uuid = make()
    runs(watcher, uuid, 1)
    patch(watcher, uuid, state="SUSPENDED")
    make_due(watcher, uuid)
    watcher.engine._due.look()
    until(lambda: not watcher.engine._claimed)
    assert len(plans(watcher, uuid)) == 1
    patch(watcher, uuid, state="ONGOING")
    runs(watcher, uuid, 2)
    assert patch(watcher, uuid, state="CANCELLED")["state"] == "CANCELLED"
    make_due(watcher, uuid)
    watcher.engine._due.look()
    until(lambda: not watcher.engine._claimed)
    assert len(plans(watcher, uuid)) == 2


def test_a_new_interval_holds_from_the_next_run_on_and_adds_none(watcher, make):
    uuid = make()
    runs(watcher, uuid, 1)
    audit = patch(watcher, uuid, interval="60")
    wait_s = (datetime.fromisoformat(audit["next_run_time"]) - timeutils.utcnow()).total_seconds()
    assert 50 < wait_s <= 60
    audit = patch(watcher, uuid, interval="0 0 1 1 *")
    assert "-01-01T00:00:00" in audit["next_run_time"]
    assert len(plans(watcher, uuid)) == 1


def test_what_was_changed_reaches_the_next_run(watcher, make):
    uuid = make(auto_trigger=False)
    runs(watcher, uuid, 1)
    patch(watcher, uuid, auto_trigger=True)
    make_due(watcher, uuid)
    until(lambda: plans(watcher, uuid) == ["CANCELLED", "SUCCEEDED"])


def test_a_run_that_fails_is_told_and_tried_again_and_does_not_end_the_audit(watcher, make):
    uuid = make("v_breaks", interval="7200")
    for failures, pause_s in ((1, 60), (2, 120), (3, 240)):
        until(lambda failures=failures: row(watcher, uuid).failures == failures)
        audit = get(watcher, uuid)
        assert audit["state"] == "ONGOING"
        assert audit["status_message"].startswith(f"Run failed ({failures} in a row), tried again")
        assert "ZeroDivisionError" in audit["status_message"]
        again = datetime.fromisoformat(audit["next_run_time"]) - timeutils.utcnow()
        assert pause_s - 20 < again.total_seconds() <= pause_s
        make_due(watcher, uuid)
    until(lambda: row(watcher, uuid).failures == 4)
    with watcher.database.writing() as session:
        good = store.get(session, store.models.Strategy, "v_idle")
        audit = store.get(session, Audit, uuid)
        store.change(session, audit, strategy_id=good.id, next_run_time=PAST)
    audit = runs(watcher, uuid, 1)
    assert row(watcher, uuid).failures == 0
    assert (audit["state"], audit["status_message"]) == ("ONGOING", "There is nothing to do.")


@pytest.fixture
def busy(watcher, make):
    """The uuid of an action plan that is ONGOING for as long as the test lasts."""
    with watcher.database.writing() as session:
        goal = store.get(session, store.models.Goal, "vendor")
        given = {"name": f"b{time.monotonic()}", "audit_type": "ONESHOT", "state": "SUCCEEDED"}
        audit = store.add(session, Audit(goal_id=goal.id, **given))
        plan = store.add(session, ActionPlan(audit_id=audit.id, state="ONGOING", hostname="x"))
    yield plan.uuid
    with watcher.database.writing() as session:
        store.transition(session, store.get(session, ActionPlan, plan.uuid), "FAILED", "over")


def test_an_ongoing_plan_puts_a_run_off_and_the_audit_says_so(watcher, make, busy):
    uuid = make()
    audit = until(lambda: (one := get(watcher, uuid))["status_message"] and one)
    assert audit["status_message"].startswith(f"Not run: action plan {busy} is ongoing.")
    assert (audit["state"], plans(watcher, uuid)) == ("PENDING", [])
    assert audit["next_run_time"] > timeutils.utcnow().isoformat()
    assert runs(watcher, make(force=True), 1)["state"] == "ONGOING"


def test_an_alarm_during_an_ongoing_plan_is_put_off_and_told(watcher, make, busy):
    body = {"audit_type": "EVENT", "goal": "vendor", "strategy": "v_idle"}
    uuid = watcher.post("/v1/audits", body)["uuid"]
    alarm(watcher, uuid)
    audit = until(lambda: (one := get(watcher, uuid))["status_message"] and one)
    assert "Trigger the audit again" in audit["status_message"]
    assert (audit["state"], audit["next_run_time"]) == ("PENDING", None)


def test_a_failed_event_audit_runs_again_at_the_next_alarm(watcher):
    body = {"audit_type": "EVENT", "goal": "vendor", "strategy": "v_breaks"}
    uuid = watcher.post("/v1/audits", body)["uuid"]
    for epoch in (1, 2):
        alarm(watcher, uuid)
        until(
            lambda epoch=epoch: (
                (one := row(watcher, uuid)).epoch == epoch and one.state == "FAILED"
            )
        )


def test_alarms_while_it_runs_cause_one_more_run(watcher, thoughts):
    body = {"audit_type": "EVENT", "goal": "vendor", "strategy": "v_thinks"}
    uuid = watcher.post("/v1/audits", body)["uuid"]
    alarm(watcher, uuid)
    assert thoughts.begun.wait(30)
    for _ in range(3):
        alarm(watcher, uuid)
    thoughts.go.set()
    until(lambda: len(plans(watcher, uuid)) == 2)
    watcher.engine._due.look()
    until(lambda: not watcher.engine._claimed)
    assert len(plans(watcher, uuid)) == 2
