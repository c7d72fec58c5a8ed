# SPDX-License-Identifier: Apache-2.0
"""What becomes of an audit when something is wrong, and what the operator is told."""

import contextlib
import threading
import time

import pytest
from oslo_messaging.notify import _impl_test

from tests.cloud.process import pause
from watcher.core.errors import LostRace, ServiceDown
from watcher.db import store
from watcher.db.models import Action, ActionPlan

CONSOLIDATION = ("server_consolidation", "vm_workload_consolidation")


def until(come):
    deadline = time.monotonic() + 60
    while not come():
        assert time.monotonic() < deadline
        pause(0.02)


def fails(watcher, *what, **body):
    """The status message of an audit that fails; it has left no plan."""
    audit = watcher.audit(*what, **body)
    assert audit["state"] == "FAILED", audit
    assert plans(watcher, audit) == []
    assert 0 < len(audit["status_message"]) <= 255
    return audit["status_message"]


def plans(watcher, audit):
    return watcher.get(f"/v1/action_plans?audit_uuid={audit['uuid']}")["action_plans"]


def fault(watcher, **wanted):
    with watcher.simulator.cloud.lock:
        watcher.simulator.faults.add(times=None, **wanted)


def begin(watcher, thoughts, **more):
    """An audit that is thinking."""
    body = {"audit_type": "ONESHOT", "goal": "vendor", "strategy": "v_thinks", **more}
    audit = watcher.post("/v1/audits", body)
    assert thoughts.begun.wait(30)
    return audit


def rows(watcher, model):
    with watcher.database.reading() as session:
        return len(store.every(session, model, deleted=True))


def told(watcher, audit, kind="audit"):
    """The event types of an audit, in order, with the new state of an update."""
    found = []
    for _, message, _, _ in _impl_test.NOTIFICATIONS:
        data = message["payload"]["watcher_object.data"]
        if message["event_type"].startswith(kind + ".") and data["uuid"] == audit["uuid"]:
            found.append((message["event_type"], data))
    return found


def kinds(watcher, audit):
    return [
        (kind, data["state_update"]["watcher_object.data"]["state"])
        if kind == "audit.update"
        else kind
        for kind, data in told(watcher, audit)
    ]


@pytest.mark.parametrize("status", [500, 503])
def test_an_error_of_nova_is_told_with_novas_own_text(watcher, status):
    body = {"computeFault": {"code": status, "message": "the database is on fire"}}
    fault(watcher, service="compute", path="servers", status=status, body=body)
    message = fails(watcher, *CONSOLIDATION)
    assert "Nova" in message
    assert "the database is on fire" in message


def test_an_answer_of_nova_that_is_cut_is_told(watcher):
    fault(watcher, service="compute", path="os-hypervisors", cut=True)
    assert "Nova" in fails(watcher, *CONSOLIDATION)


def test_a_nova_that_is_too_slow_is_told(watcher, monkeypatch):
    monkeypatch.setattr("watcher.clients.nova.READ_TIMEOUT_S", 0.2)
    fault(watcher, service="compute", path="servers", delay_s=1.0)
    assert "Nova" in fails(watcher, *CONSOLIDATION)


def test_an_error_of_placement_is_told(watcher):
    fault(watcher, service="placement", status=503, body={"errors": [{"detail": "no room"}]})
    assert "Placement" in fails(watcher, *CONSOLIDATION)


def test_a_cloud_that_is_back_is_read_again(watcher):
    fault(watcher, service="compute", status=503, body={})
    fails(watcher, "vendor", "v_idle")
    with watcher.simulator.cloud.lock:
        watcher.simulator.faults.clear()
    assert watcher.audit("vendor", "v_idle")["state"] == "SUCCEEDED"


def test_an_influxdb_that_is_cut_or_fails_is_told(watcher):
    fault(watcher, service="influxdb", cut=True)
    message = fails(watcher, *CONSOLIDATION)
    assert "instance_cpu_usage" in message
    assert "influxdb" in message.lower()


def test_an_error_inside_a_200_of_influxdb_is_told(watcher):
    body = {"results": [{"statement_id": 0, "error": "shard 7 is gone"}]}
    fault(watcher, service="influxdb", path="query", status=200, body=body)
    assert "shard 7 is gone" in fails(watcher, *CONSOLIDATION)


def test_a_measurement_that_is_not_there_is_told(watcher):
    with watcher.simulator.cloud.lock:
        for name in ("libvirt", "libvirt_cpu", "libvirt_vcpu", "cpu"):
            watcher.simulator.faults.hide(name)
    message = fails(watcher, *CONSOLIDATION)
    assert "instance_cpu_usage" in message


def test_a_host_that_is_not_there_is_told(watcher):
    given = {"maintenance_node": "no-such-host"}
    message = fails(watcher, "cluster_maintaining", "host_maintenance", parameters=given)
    assert "no-such-host" in message


def test_a_strategy_that_breaks_tells_only_its_class_and_the_log_has_the_rest(watcher, caplog):
    message = fails(watcher, "vendor", "v_breaks")
    assert message == "Internal error (ZeroDivisionError); the decision engine's log has more."
    (record,) = [one for one in caplog.records if one.exc_info and "failed" in one.message]
    assert isinstance(record.exc_info[1], ZeroDivisionError)


def test_a_strategy_that_exits_ends_its_audit_and_not_the_engine(watcher):
    assert "SystemExit" in fails(watcher, "vendor", "v_exits")
    assert watcher.audit("vendor", "v_idle")["state"] == "SUCCEEDED"


def test_a_plan_that_cannot_be_carried_out_is_never_recorded(watcher):
    before = rows(watcher, ActionPlan), rows(watcher, Action)
    assert fails(watcher, "vendor", "v_moves") == "instance no-such-instance is not in the cluster"
    assert (rows(watcher, ActionPlan), rows(watcher, Action)) == before


def test_an_unknown_type_of_action_is_told(watcher):
    said = fails(watcher, "vendor", "v_dances")
    assert said.startswith("there is no action type dance; there are change_node_power_state, ")


def test_a_planner_that_is_not_installed_is_told(watcher):
    assert fails(watcher, "vendor", "v_planless") == "Planner plugin nowhere could not be found"


def test_a_goal_whose_strategies_all_need_parameters_is_refused_at_once(watcher):
    body = {"audit_type": "ONESHOT", "goal": "needy"}
    refused = watcher.post("/v1/audits", body, status=400)
    assert "v_needs" in str(refused)


def test_the_default_strategy_of_a_goal_is_taken_from_the_configuration(watcher):
    audit = watcher.audit("vendor")
    assert audit["state"] == "SUCCEEDED"
    assert watcher.plan_of(audit)["strategy_name"] == "v_idle"


def test_a_wrong_default_strategy_is_told_with_the_right_names(watcher):
    message = fails(watcher, "server_consolidation")
    assert "[watcher_strategies] defaults names dummy" in message
    assert "vm_workload_consolidation" in message


def test_an_empty_plan_says_why_or_that_there_is_nothing_to_do(watcher):
    quiet = watcher.audit("vendor", "v_idle")
    plan = watcher.plan_of(quiet)
    assert plan["state"] == "SUCCEEDED"
    assert plan["status_message"] == quiet["status_message"] == "There is nothing to do."
    wordy = watcher.audit("vendor", "v_talks")
    message = wordy["status_message"]
    assert watcher.plan_of(wordy)["status_message"] == message
    assert len(message) == 255
    assert (message[:9], message[-1]) == ("word word", "…")


def test_an_audit_cancelled_while_it_thinks_leaves_nothing(watcher, thoughts):
    before = rows(watcher, ActionPlan), rows(watcher, Action)
    audit = begin(watcher, thoughts)
    body = [{"op": "replace", "path": "/state", "value": "CANCELLED"}]
    watcher.app.patch_json(f"/v1/audits/{audit['uuid']}", body, headers={"X-Roles": "admin"})
    thoughts.go.set()
    until(lambda: "audit.planner.end" in kinds(watcher, audit))
    until(lambda: not watcher.engine._claimed)
    assert watcher.get(f"/v1/audits/{audit['uuid']}")["state"] == "CANCELLED"
    assert (rows(watcher, ActionPlan), rows(watcher, Action)) == before


def test_what_an_audit_does_is_announced_in_order_with_its_payload(watcher):
    audit = watcher.audit("vendor", "v_idle")
    until(lambda: len(told(watcher, audit)) >= 7)
    assert kinds(watcher, audit) == [
        "audit.create",
        ("audit.update", "ONGOING"),
        "audit.strategy.start",
        "audit.strategy.end",
        "audit.planner.start",
        "audit.planner.end",
        ("audit.update", "SUCCEEDED"),
    ]
    data = dict(told(watcher, audit))
    for kind in ("audit.strategy.start", "audit.planner.end"):
        one = data[kind]
        assert (one["state"], one["fault"], one["audit_type"]) == ("ONGOING", None, "ONESHOT")
        assert one["goal"]["watcher_object.data"]["name"] == "vendor"
        assert one["strategy"]["watcher_object.data"]["name"] == "v_idle"
    last = data["audit.update"]["state_update"]["watcher_object.data"]
    assert (last["old_state"], last["state"]) == ("ONGOING", "SUCCEEDED")
    assert last["status_message"] == "There is nothing to do."


@pytest.mark.parametrize(
    ("strategy", "kind", "error"),
    [
        ("v_breaks", "audit.strategy.error", "ZeroDivisionError"),
        ("v_planless", "audit.planner.error", "NotFound"),
        ("v_moves", "audit.planner.error", "ImpossiblePlan"),
    ],
)
def test_the_step_that_fails_is_announced_with_its_fault(watcher, strategy, kind, error):
    audit = watcher.audit("vendor", strategy)
    until(lambda: ("audit.update", "FAILED") in kinds(watcher, audit))
    fault_of = dict(told(watcher, audit))[kind]["fault"]["watcher_object.data"]
    assert fault_of["exception"] == error
    priorities = {
        message["event_type"]: priority
        for _, message, priority, _ in _impl_test.NOTIFICATIONS
        if message["event_type"] == kind
    }
    assert {word.lower() for word in priorities.values()} == {"error"}


class Away:
    """The database does not answer three times."""

    def __init__(self):
        self.left = 3

    def before(self):
        if self.left:
            self.left -= 1
            raise ServiceDown("the database does not answer")

    def inside(self, session):
        """Nothing more is wrong."""

    def after(self):
        """Nothing more is wrong."""


class AnswerLost(Away):
    """The first commit is made, but nobody hears of it."""

    def before(self):
        """Nothing is wrong yet."""

    def after(self):
        if self.left == 3:
            self.left = 0
            raise ServiceDown("the connection was lost")


class Deadlock(AnswerLost):
    """The first transaction is chosen to die."""

    def inside(self, session):
        if self.left == 3:
            self.left = 0
            session.rollback()
            raise LostRace("the database broke a deadlock") from KeyError()

    def after(self):
        """Nothing more is wrong."""


def break_database(watcher, monkeypatch, trouble):
    """Let the threads that run audits find the database in trouble."""
    writing = watcher.database.writing

    @contextlib.contextmanager
    def troubled():
        ours = threading.current_thread().name.startswith("audit")
        if ours:
            trouble.before()
        with writing() as session:
            yield session
            if ours:
                trouble.inside(session)
        if ours:
            trouble.after()

    monkeypatch.setattr(watcher.database, "writing", troubled)


@pytest.mark.parametrize("trouble", [Away, AnswerLost, Deadlock])
def test_an_audit_is_begun_once_although_the_database_is_away(
    watcher, thoughts, monkeypatch, trouble
):
    thoughts.go.set()
    break_database(watcher, monkeypatch, it := trouble())
    audit = watcher.audit("vendor", "v_thinks")
    assert it.left == 0
    assert audit["state"] == "SUCCEEDED", audit
    assert len(plans(watcher, audit)) == 1
    assert thoughts.runs == [1]


@pytest.mark.parametrize("trouble", [Away, AnswerLost, Deadlock])
def test_the_plan_of_an_audit_is_recorded_once_although_the_database_is_away(
    watcher, thoughts, monkeypatch, trouble
):
    audit = begin(watcher, thoughts)
    break_database(watcher, monkeypatch, it := trouble())
    thoughts.go.set()
    audit = watcher.ended("audits", audit["uuid"])
    assert it.left == 0
    assert audit["state"] == "SUCCEEDED", audit
    assert len(plans(watcher, audit)) == 1
    updates = [kind for kind in kinds(watcher, audit) if kind == ("audit.update", "SUCCEEDED")]
    assert len(updates) <= 1


@pytest.mark.parametrize("trouble", [Away, AnswerLost, Deadlock])
def test_an_audit_that_fails_does_so_although_the_database_is_away(
    watcher, thoughts, monkeypatch, trouble
):
    audit = begin(watcher, thoughts, strategy="v_ponders")
    break_database(watcher, monkeypatch, it := trouble())
    thoughts.go.set()
    audit = watcher.ended("audits", audit["uuid"])
    assert it.left == 0
    assert audit["state"] == "FAILED", audit
    assert "ZeroDivisionError" in audit["status_message"]
    old = [
        data["state_update"]["watcher_object.data"]["old_state"]
        for kind, data in told(watcher, audit)
        if kind == "audit.update" and data["state"] == "FAILED"
    ]
    assert old in ([], ["ONGOING"])


def test_a_plan_with_migrations_tells_how_long_they_take(watcher):
    audit = watcher.audit(*CONSOLIDATION)
    assert audit["state"] == "SUCCEEDED", audit
    (plan,) = plans(watcher, audit)
    shown = watcher.get(f"/v1/action_plans/{plan['uuid']}")["efficacy_indicators"]
    told = {one["name"]: one["value"] for one in shown}
    assert told["instance_migrations_count"] > 0
    assert told["makespan_memory_gib"] > 0
