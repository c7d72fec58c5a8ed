# SPDX-License-Identifier: Apache-2.0
"""Payloads by the contract; when they are sent, and when not."""

import datetime
import logging

import pytest
from oslo_messaging.notify import _impl_test

from watcher.core.errors import ServiceDown
from watcher.db.changes import Change
from watcher.db.models import Action, ActionPlan, Audit, Goal, Service, Strategy
from watcher.messaging import notifications
from watcher.messaging.notifications import Announcer, make_announcer

NOON = datetime.datetime(2026, 11, 23, 12, 0, 0, 250_000)
NOON_TEXT = "2026-11-23T12:00:00Z"
TIMES = {"created_at": NOON_TEXT, "updated_at": None, "deleted_at": None}


def wrapped(name, version, data):
    """The envelope of versioned objects."""
    return {
        "watcher_object.name": name,
        "watcher_object.namespace": "watcher",
        "watcher_object.version": version,
        "watcher_object.data": data,
    }


GOAL = Goal(
    uuid="g", name="dummy", display_name="Dummy", efficacy_specification=[{}], created_at=NOON
)
STRATEGY = Strategy(uuid="s", name="dummy", display_name="D", goal=GOAL, created_at=NOON)
AUDIT = Audit(
    uuid="a", name="audit", audit_type="ONESHOT", state="ONGOING", parameters={"p": 1},
    interval=None, scope=[], auto_trigger=False, next_run_time=NOON, created_at=NOON,
    goal=GOAL, strategy=STRATEGY,
)  # fmt: skip
PLAN = ActionPlan(
    uuid="p", state="RECOMMENDED", global_efficacy=[], audit=AUDIT, strategy=STRATEGY,
    created_at=NOON,
)  # fmt: skip
ACTION = Action(
    uuid="x", action_type="nop", input_parameters={"message": "hi"}, state="PENDING",
    parents=[], action_plan=PLAN, created_at=NOON, status_message="m",
)  # fmt: skip
SERVICE = Service(name="watcher-applier", host="node-1", last_seen_up=NOON)

GOAL_PAYLOAD = wrapped(
    "GoalPayload", "1.0",
    {"uuid": "g", "name": "dummy", "display_name": "Dummy", "efficacy_specification": [{}], **TIMES},
)  # fmt: skip
STRATEGY_PAYLOAD = wrapped(
    "StrategyPayload", "1.0",
    {"uuid": "s", "name": "dummy", "display_name": "D", "parameters_spec": {}, **TIMES},
)  # fmt: skip
TERSE_AUDIT = {
    "uuid": "a", "name": "audit", "audit_type": "ONESHOT", "state": "ONGOING",
    "parameters": {"p": 1}, "interval": None, "scope": [], "goal_uuid": "g", "strategy_uuid": "s",
    "auto_trigger": False, "next_run_time": NOON_TEXT, "status_message": None, **TIMES,
}  # fmt: skip
AUDIT_DATA = {**TERSE_AUDIT, "goal": GOAL_PAYLOAD, "strategy": STRATEGY_PAYLOAD}
TERSE_PLAN = {
    "uuid": "p", "state": "RECOMMENDED", "global_efficacy": [], "audit_uuid": "a",
    "strategy_uuid": "s", "status_message": None, **TIMES,
}  # fmt: skip
PLAN_DATA = {
    **TERSE_PLAN,
    "audit": wrapped("TerseAuditPayload", "1.3", TERSE_AUDIT),
    "strategy": STRATEGY_PAYLOAD,
}
ACTION_DATA = {
    "uuid": "x", "action_type": "nop", "input_parameters": {"message": "hi"}, "state": "PENDING",
    "parents": [], "action_plan_uuid": "p", "status_message": "m", **TIMES,
    "action_plan": wrapped("TerseActionPlanPayload", "1.2", TERSE_PLAN),
}  # fmt: skip
KINDS = [
    (AUDIT, "audit", "Audit", "1.2", AUDIT_DATA),
    (PLAN, "action_plan", "ActionPlan", "1.2", PLAN_DATA),
    (ACTION, "action", "Action", "1.1", ACTION_DATA),
]


class Wire:
    """Takes what a notifier would send."""

    def __init__(self):
        self.sent = []
        self.error = None

    def send(self, level, event_type, payload):
        if self.error:
            raise self.error
        self.sent.append((level, event_type, payload))


@pytest.fixture
def wire():
    return Wire()


@pytest.mark.parametrize("kind", ["create", "delete"])
@pytest.mark.parametrize(("row", "event", "name", "version", "data"), KINDS)
def test_a_row_made_or_deleted(wire, kind, row, event, name, version, data):
    Announcer(wire).announce([Change(kind, row, state=row.state)])
    payload = wrapped(f"{name}{kind.capitalize()}Payload", version, data)
    assert wire.sent == [("info", f"{event}.{kind}", payload)]


@pytest.mark.parametrize(("row", "event", "name", "version", "data"), KINDS)
def test_a_change_tells_both_states_as_they_were_at_its_time(
    wire, row, event, name, version, data
):
    Announcer(wire).announce([Change("update", row, "BEFORE", "AFTER")])
    update = {"old_state": "BEFORE", "state": "AFTER", "status_message": row.status_message}
    state_update = wrapped(f"{name}StateUpdatePayload", "1.1", update)
    payload = {**data, "state": "AFTER", "state_update": state_update}
    assert wire.sent == [
        ("info", f"{event}.update", wrapped(f"{name}UpdatePayload", version, payload))
    ]


@pytest.mark.parametrize(
    ("event", "row", "payload"),
    [
        ("audit.strategy", AUDIT, wrapped("AuditActionPayload", "1.2", AUDIT_DATA)),
        ("audit.planner", AUDIT, wrapped("AuditActionPayload", "1.2", AUDIT_DATA)),
        ("action_plan.execution", PLAN, wrapped("ActionPlanActionPayload", "1.2", PLAN_DATA)),
        ("action_plan.cancel", PLAN, wrapped("ActionPlanCancelPayload", "1.2", PLAN_DATA)),
        ("action.execution", ACTION, wrapped("ActionExecutionPayload", "1.1", ACTION_DATA)),
        ("action.cancel", ACTION, wrapped("ActionCancelPayload", "1.1", ACTION_DATA)),
    ],
)
@pytest.mark.parametrize(
    ("phase", "level"), [("start", "info"), ("end", "info"), ("error", "error")]
)
def test_a_job(wire, event, row, payload, phase, level):
    Announcer(wire).job(event, row, phase=phase)
    data = {**payload["watcher_object.data"], "fault": None}
    assert wire.sent == [(level, f"{event}.{phase}", {**payload, "watcher_object.data": data})]


def test_a_fault_says_what_where_and_in_which_words(wire):
    def fail():
        raise ServiceDown("Nova does not answer")

    try:
        fail()
    except ServiceDown as error:
        Announcer(wire).job("audit.strategy", AUDIT, phase="error", fault=error)
    assert wire.sent[0][2]["watcher_object.data"]["fault"] == wrapped(
        "ExceptionPayload",
        "1.0",
        {
            "module_name": __name__,
            "function_name": "fail",
            "exception": "ServiceDown",
            "exception_message": "Nova does not answer",
        },
    )


def test_an_audit_without_strategy_shows_null(wire):
    audit = Audit(uuid="a", name="a", state="PENDING", goal=GOAL, strategy=None)
    Announcer(wire).announce([Change("create", audit, state="PENDING")])
    data = wire.sent[0][2]["watcher_object.data"]
    assert (data["strategy"], data["strategy_uuid"]) == (None, None)


@pytest.mark.parametrize(("status", "level"), [("FAILED", "warn"), ("ACTIVE", "info")])
def test_a_service(wire, status, level):
    Announcer(wire).service(SERVICE, "ACTIVE" if status == "FAILED" else "FAILED", status)
    ((sent_level, event, payload),) = wire.sent
    assert (sent_level, event) == (level, "service.update")
    assert payload["watcher_object.data"] == {
        "sevice_host": "node-1",
        "name": "watcher-applier",
        "last_seen_up": NOON_TEXT,
        "status_update": wrapped(
            "ServiceStatusUpdatePayload",
            "1.0",
            {"old_state": "ACTIVE" if status == "FAILED" else "FAILED", "state": status},
        ),
    }


def test_tables_without_notifications_are_passed_over(wire):
    Announcer(wire).announce([Change("create", GOAL), Change("update", SERVICE)])
    assert wire.sent == []


@pytest.mark.parametrize(
    ("level", "sent"),
    [
        ("debug", ["info", "warn", "error"]),
        ("info", ["info", "warn", "error"]),
        ("warning", ["warn", "error"]),
        ("error", ["error"]),
        ("critical", []),
        ("", []),
    ],
)
def test_what_is_below_the_level_is_not_sent(wire, level, sent):
    announcer = Announcer(wire, level)
    announcer.job("audit.strategy", AUDIT, phase="start")
    announcer.service(SERVICE, "ACTIVE", "FAILED")
    announcer.job("audit.strategy", AUDIT, phase="error")
    assert [level for level, _, _ in wire.sent] == sent


def test_actions_can_be_left_out(wire):
    announcer = Announcer(wire, objects=["audit", "action_plan"])
    announcer.announce([Change("create", ACTION, state="PENDING"), Change("create", PLAN)])
    announcer.job("action.execution", ACTION, phase="start")
    announcer.service(SERVICE, "ACTIVE", "FAILED")
    assert [event for _, event, _ in wire.sent] == ["action_plan.create"]


def test_the_database_is_not_asked_to_prepare_what_is_not_sent(wire):
    assert Announcer(None).announce is None
    assert Announcer(wire, "error").announce is None
    assert Announcer(wire, "").announce is None
    assert Announcer(wire, "info").announce is not None


def test_a_bus_that_fails_is_logged_once_left_alone_and_tried_again(wire, caplog, monkeypatch):
    caplog.set_level(logging.INFO, notifications.__name__)
    now_s = [1000.0]
    monkeypatch.setattr(notifications.time, "monotonic", lambda: now_s[0])
    announcer = Announcer(wire)
    wire.error = ServiceDown("the bus is down")
    for _ in range(3):
        announcer.job("audit.strategy", AUDIT, phase="start")
    now_s[0] += notifications.SILENCE_S + 1
    announcer.job("audit.strategy", AUDIT, phase="start")
    wire.error = None
    announcer.job("audit.strategy", AUDIT, phase="end")  # still left alone
    now_s[0] += notifications.SILENCE_S + 1
    announcer.job("audit.strategy", AUDIT, phase="end")
    assert [event for _, event, _ in wire.sent] == ["audit.strategy.end"]
    assert caplog.messages == [
        "notifications are dropped while the bus fails: the bus is down",
        "the bus takes notifications again",
    ]


@pytest.fixture
def sent(conf):
    """What oslo.messaging's own test driver was given."""
    conf.set_override("driver", ["test"], "oslo_messaging_notifications")
    _impl_test.reset()
    yield _impl_test.NOTIFICATIONS
    _impl_test.reset()


def test_through_oslo_messaging_the_envelope_is_as_in_the_contract(conf, bus, sent):
    announcer = make_announcer(conf, bus)
    announcer.job("audit.strategy", AUDIT, phase="error")
    announcer.service(SERVICE, "ACTIVE", "FAILED")
    envelopes = [message for _, message, _, _ in sent]
    assert [envelope["event_type"] for envelope in envelopes] == [
        "audit.strategy.error",
        "service.update",
    ]
    assert [envelope["priority"] for envelope in envelopes] == ["ERROR", "WARN"]
    assert {envelope["publisher_id"] for envelope in envelopes} == {"infra-optim:node-1"}


def test_an_empty_level_switches_off(conf, bus, sent):
    notifications.OPTIONS.register(conf)
    conf.set_override("notification_level", "")
    assert make_announcer(conf, bus).announce is None
    assert sent == []
