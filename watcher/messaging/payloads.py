# SPDX-License-Identifier: Apache-2.0
"""The payloads of Watcher's notifications: tables of names, no classes (contract: notifications).

A payload is ``(name, version, fields)``; a field is made of the row as the table says. The schemas
and samples in doc/notification_samples are made of these tables (``tools/docs/notifications.py``).
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

Row = Any  # a row of watcher.db.models; this room stands beside that one and cannot name it
Make = Callable[[Row], Any]


class Field(NamedTuple):
    """A field of a payload and how it is made of a row.

    ``column`` is the attribute it shows, through one dot of a related row, '' for a moment in ISO
    8601; ``payload`` is the payload that a related row is shown as.
    """

    name: str
    make: Make
    column: str = ""
    payload: str = ""
    filled: bool = False
    """Whether null in the row is shown as something."""


def column(name: str, attribute: str = "") -> Field:
    """A field with a column of the row, of another name if need be."""
    shown = attribute or name
    return Field(name, lambda row: getattr(row, shown), shown)


def moment(name: str) -> Field:
    """A field with a datetime column as ISO 8601 in UTC, or null."""
    return Field(name, lambda row: _iso(getattr(row, name)))


def related(name: str, path: str) -> Field:
    """A field that shows an attribute of a related row, or null where there is none."""
    relation, attribute = path.split(".")
    return Field(name, lambda row: getattr(getattr(row, relation), attribute, None), path)


def nested(name: str, payload: str) -> Field:
    """A field that shows a related row as a payload of its own, or null where there is none."""

    def make(row: Row) -> Any:
        other = getattr(row, name)
        return None if other is None else wrapped(payload, shown(payload, other))

    return Field(name, make, name, payload)


def _iso(value: datetime | None) -> str | None:
    return None if value is None else value.isoformat(timespec="seconds") + "Z"


TIMES = (moment("created_at"), moment("updated_at"), moment("deleted_at"))

PARAMETERS_SPEC = Field(
    "parameters_spec", lambda row: row.parameters_spec or {}, "parameters_spec", filled=True
)

TERSE_AUDIT = (
    *map(column, ("uuid", "name", "audit_type", "state", "parameters", "interval")),
    *map(column, ("scope", "auto_trigger")),
    related("goal_uuid", "goal.uuid"),
    related("strategy_uuid", "strategy.uuid"),
    moment("next_run_time"),
    column("status_message"),
    *TIMES,
)
AUDIT = (*TERSE_AUDIT, nested("goal", "GoalPayload"), nested("strategy", "StrategyPayload"))
TERSE_PLAN = (
    *map(column, ("uuid", "state", "global_efficacy")),
    related("audit_uuid", "audit.uuid"),
    related("strategy_uuid", "strategy.uuid"),
    column("status_message"),
    *TIMES,
)
PLAN = (*TERSE_PLAN, nested("audit", "TerseAuditPayload"), nested("strategy", "StrategyPayload"))
ACTION = (
    *map(column, ("uuid", "action_type", "input_parameters", "state", "parents")),
    related("action_plan_uuid", "action_plan.uuid"),
    nested("action_plan", "TerseActionPlanPayload"),
    column("status_message"),
    *TIMES,
)
SERVICE = (column("sevice_host", "host"), column("name"), moment("last_seen_up"))
GOAL = (
    *map(column, ("uuid", "name", "display_name", "efficacy_specification")),
    *TIMES,
)
STRATEGY = (*map(column, ("uuid", "name", "display_name")), PARAMETERS_SPEC, *TIMES)

STATE_UPDATE = ("old_state", "state", "status_message")

PAYLOADS: Mapping[str, tuple[str, Sequence[Field]]] = {
    "GoalPayload": ("1.0", GOAL),
    "StrategyPayload": ("1.0", STRATEGY),
    "TerseAuditPayload": ("1.3", TERSE_AUDIT),
    "AuditCreatePayload": ("1.2", AUDIT),
    "AuditUpdatePayload": ("1.2", AUDIT),
    "AuditDeletePayload": ("1.2", AUDIT),
    "AuditActionPayload": ("1.2", AUDIT),
    "AuditStateUpdatePayload": ("1.1", ()),
    "TerseActionPlanPayload": ("1.2", TERSE_PLAN),
    "ActionPlanCreatePayload": ("1.2", PLAN),
    "ActionPlanUpdatePayload": ("1.2", PLAN),
    "ActionPlanDeletePayload": ("1.2", PLAN),
    "ActionPlanActionPayload": ("1.2", PLAN),
    "ActionPlanCancelPayload": ("1.2", PLAN),
    "ActionPlanStateUpdatePayload": ("1.1", ()),
    "ActionCreatePayload": ("1.1", ACTION),
    "ActionUpdatePayload": ("1.1", ACTION),
    "ActionDeletePayload": ("1.1", ACTION),
    "ActionExecutionPayload": ("1.1", ACTION),
    "ActionCancelPayload": ("1.1", ACTION),
    "ActionStateUpdatePayload": ("1.1", ()),
    "ServiceUpdatePayload": ("1.0", SERVICE),
    "ServiceStatusUpdatePayload": ("1.0", ()),
    "ExceptionPayload": ("1.0", ()),
}
"""Payload name -> version and the fields read from the row; ``GIVEN`` has the others."""

GIVEN: Mapping[str, Mapping[str, str]] = {
    "AuditUpdatePayload": {"state_update": "AuditStateUpdatePayload"},
    "ActionPlanUpdatePayload": {"state_update": "ActionPlanStateUpdatePayload"},
    "ActionUpdatePayload": {"state_update": "ActionStateUpdatePayload"},
    "AuditActionPayload": {"fault": "ExceptionPayload or null"},
    "ActionPlanActionPayload": {"fault": "ExceptionPayload or null"},
    "ActionPlanCancelPayload": {"fault": "ExceptionPayload or null"},
    "ActionExecutionPayload": {"fault": "ExceptionPayload or null"},
    "ActionCancelPayload": {"fault": "ExceptionPayload or null"},
    "ServiceUpdatePayload": {"status_update": "ServiceStatusUpdatePayload"},
    "AuditStateUpdatePayload": dict.fromkeys(STATE_UPDATE, "text or null"),
    "ActionPlanStateUpdatePayload": dict.fromkeys(STATE_UPDATE, "text or null"),
    "ActionStateUpdatePayload": dict.fromkeys(STATE_UPDATE, "text or null"),
    "ServiceStatusUpdatePayload": {"old_state": "text", "state": "text"},
    "ExceptionPayload": {
        "module_name": "text",
        "function_name": "text",
        "exception": "text",
        "exception_message": "text",
    },
}
"""Payload name -> the fields given when it is sent, and what each is: a payload or a text."""

KINDS = {"audits": "Audit", "action_plans": "ActionPlan", "actions": "Action"}
"""Table -> how the names of its payloads begin."""

JOBS = {
    "audit.strategy": "AuditActionPayload",
    "audit.planner": "AuditActionPayload",
    "action_plan.execution": "ActionPlanActionPayload",
    "action_plan.cancel": "ActionPlanCancelPayload",
    "action.execution": "ActionExecutionPayload",
    "action.cancel": "ActionCancelPayload",
}
"""What the daemons do for longer than a moment -> the payload that tells of it."""


def wrapped(name: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """A payload in the envelope of versioned objects, which consumers know from Nova."""
    return {
        "watcher_object.name": name,
        "watcher_object.namespace": "watcher",
        "watcher_object.version": PAYLOADS[name][0],
        "watcher_object.data": dict(data),
    }


def shown(name: str, row: Row) -> dict[str, Any]:
    """What a payload shows of a row."""
    return {field.name: field.make(row) for field in PAYLOADS[name][1]}


def fault(error: BaseException | None) -> dict[str, Any] | None:
    """An error as a payload: what it says, and the function of ours that it came from."""
    if error is None:
        return None
    step = error.__traceback__
    while step is not None and step.tb_next is not None:
        step = step.tb_next
    frame = None if step is None else step.tb_frame
    return wrapped(
        "ExceptionPayload",
        {
            "module_name": "" if frame is None else frame.f_globals.get("__name__", ""),
            "function_name": "" if frame is None else frame.f_code.co_name,
            "exception": type(error).__name__,
            "exception_message": str(error),
        },
    )


PHASES = ("start", "end", "error")


def events() -> dict[str, tuple[str, str]]:
    """Every type of event -> its payload and its usual priority."""
    rows = {
        f"{table.removesuffix('s')}.{kind}": (f"{name}{kind.capitalize()}Payload", "INFO")
        for table, name in KINDS.items()
        for kind in ("create", "update", "delete")
    }
    jobs = {
        f"{job}.{phase}": (payload, "ERROR" if phase == "error" else "INFO")
        for job, payload in JOBS.items()
        for phase in PHASES
    }
    return {**rows, **jobs, "service.update": ("ServiceUpdatePayload", "WARN")}
