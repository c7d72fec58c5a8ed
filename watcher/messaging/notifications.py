# SPDX-License-Identifier: Apache-2.0
"""What Watcher tells the world: tables of names, no classes (contract: notifications).

A payload is ``(name, version, fields)``; a field is copied from the row unless the table says how
to make it. Notifications of changed rows are sent after the commit that changed them, with the
state that the change made. A bus that fails holds up nobody: the failure is logged once, the
notifications of the next half minute are dropped, and the first one that gets through is logged.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from oslo_config import cfg, types

from watcher import config
from watcher.core.errors import Unavailable
from watcher.messaging.transport import Bus, Notifier

LOG = logging.getLogger(__name__)

LEVELS = ("debug", "info", "warning", "error", "critical")

OBJECTS = ("audit", "action_plan", "action", "service")

OPTIONS = config.Group(
    "DEFAULT",
    "Notifications",
    [
        cfg.StrOpt(
            "notification_level",
            default="info",
            choices=[*LEVELS, ""],
            help="Lowest priority of the notifications that are sent; empty sends none.",
        ),
        cfg.ListOpt(
            "notification_objects",
            default=list(OBJECTS),
            item_type=types.String(choices=OBJECTS),
            help="What notifications are sent about. A plan of N actions sends about 6 + 6 N of "
            "them; without 'action' it sends 6.",
        ),
    ],
)

SILENCE_S = 30.0
"""How long a bus that failed is left alone."""

Row = Any  # a row of watcher.db.models; this room stands beside that one and cannot name it
Make = Callable[[Row], Any]


def moment(name: str) -> tuple[str, Make]:
    """A field with a datetime column as ISO 8601 in UTC, or null."""
    return name, lambda row: _iso(getattr(row, name))


def related(name: str, path: str) -> tuple[str, Make]:
    """A field that shows an attribute of a related row, or null where there is none."""
    relation, attribute = path.split(".")
    return name, lambda row: getattr(getattr(row, relation), attribute, None)


def nested(name: str, payload: str) -> tuple[str, Make]:
    """A field that shows a related row as a payload of its own, or null where there is none."""

    def make(row: Row) -> Any:
        other = getattr(row, name)
        return None if other is None else _wrapped(payload, _fields(payload, other))

    return name, make


def _iso(value: datetime | None) -> str | None:
    return None if value is None else value.isoformat(timespec="seconds") + "Z"


TIMES = (moment("created_at"), moment("updated_at"), moment("deleted_at"))

PARAMETERS_SPEC = ("parameters_spec", lambda row: row.parameters_spec or {})

TERSE_AUDIT = (
    *("uuid", "name", "audit_type", "state", "parameters", "interval", "scope", "auto_trigger"),
    related("goal_uuid", "goal.uuid"),
    related("strategy_uuid", "strategy.uuid"),
    moment("next_run_time"),
    "status_message",
    *TIMES,
)
AUDIT = (*TERSE_AUDIT, nested("goal", "GoalPayload"), nested("strategy", "StrategyPayload"))
TERSE_PLAN = (
    *("uuid", "state", "global_efficacy"),
    related("audit_uuid", "audit.uuid"),
    related("strategy_uuid", "strategy.uuid"),
    "status_message",
    *TIMES,
)
PLAN = (*TERSE_PLAN, nested("audit", "TerseAuditPayload"), nested("strategy", "StrategyPayload"))
ACTION = (
    *("uuid", "action_type", "input_parameters", "state", "parents"),
    related("action_plan_uuid", "action_plan.uuid"),
    nested("action_plan", "TerseActionPlanPayload"),
    "status_message",
    *TIMES,
)
SERVICE = (("sevice_host", lambda row: row.host), "name", moment("last_seen_up"))

PAYLOADS: Mapping[str, tuple[str, Sequence[str | tuple[str, Make]]]] = {
    "GoalPayload": ("1.0", ("uuid", "name", "display_name", "efficacy_specification", *TIMES)),
    "StrategyPayload": (
        "1.0",
        ("uuid", "name", "display_name", PARAMETERS_SPEC, *TIMES),
    ),
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
"""Payload name -> version and the fields read from the row; others are given when it is sent."""

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


def _wrapped(name: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """A payload in the envelope of versioned objects, which consumers know from Nova."""
    return {
        "watcher_object.name": name,
        "watcher_object.namespace": "watcher",
        "watcher_object.version": PAYLOADS[name][0],
        "watcher_object.data": dict(data),
    }


def _fields(name: str, row: Row) -> dict[str, Any]:
    """What a payload shows of a row."""
    return {
        field if isinstance(field, str) else field[0]: (
            getattr(row, field) if isinstance(field, str) else field[1](row)
        )
        for field in PAYLOADS[name][1]
    }


def _fault(error: BaseException | None) -> dict[str, Any] | None:
    """An error as a payload: what it says, and the function of ours that it came from."""
    if error is None:
        return None
    step = error.__traceback__
    while step is not None and step.tb_next is not None:
        step = step.tb_next
    frame = None if step is None else step.tb_frame
    return _wrapped(
        "ExceptionPayload",
        {
            "module_name": "" if frame is None else frame.f_globals.get("__name__", ""),
            "function_name": "" if frame is None else frame.f_code.co_name,
            "exception": type(error).__name__,
            "exception_message": str(error),
        },
    )


def make_announcer(conf: cfg.ConfigOpts, bus: Bus) -> "Announcer":
    """The announcer by configuration; without a notification driver it says nothing."""
    OPTIONS.register(conf)
    notifier = bus.notifier(f"infra-optim:{conf.host}") if conf.notification_level else None
    return Announcer(notifier, conf.notification_level, conf.notification_objects)


class Announcer:
    """Sends notifications of a priority of at least ``level`` about the given objects."""

    def __init__(
        self, notifier: Notifier | None, level: str = "info", objects: Sequence[str] = OBJECTS
    ) -> None:
        self._notifier = notifier
        self._lowest = LEVELS.index(level) if level else len(LEVELS)
        self._objects = frozenset(objects)
        self._failing = False
        self._silent_until_s = 0.0

    @property
    def announce(self) -> Callable[[Sequence[Any]], None] | None:
        """What ``Database`` tells of its changes; None when nothing would be sent of them."""
        silent = self._notifier is None or self._lowest > LEVELS.index("info")
        return None if silent else self._announce

    def _announce(self, changes: Sequence[Any]) -> None:
        """Tell of rows made, changed and deleted (``db.changes.Change``), in that order."""
        for change in changes:
            kind = KINDS.get(change.row.__tablename__)
            if kind is None:
                continue
            table = change.row.__tablename__.removesuffix("s")
            name = f"{kind}{change.kind.capitalize()}Payload"
            given: dict[str, Any] = {"state": change.state}
            if change.kind == "update":
                given["state_update"] = _wrapped(
                    f"{kind}StateUpdatePayload",
                    {
                        "old_state": change.old_state,
                        "state": change.state,
                        "status_message": change.row.status_message,
                    },
                )
            self._send(f"{table}.{change.kind}", "info", name, change.row, given)

    def job(
        self, event_type: str, row: Row, *, phase: str, fault: BaseException | None = None
    ) -> None:
        """Tell that a job (``audit.strategy``, ``action.execution``, ...) starts, ends or errs.

        ``row`` is loaded with what its payload shows: an audit with goal and strategy, a plan with
        ``audit.goal``, ``audit.strategy`` and strategy, an action with all that of its plan.
        """
        level = "error" if phase == "error" else "info"
        given = {"fault": _fault(fault)}
        self._send(f"{event_type}.{phase}", level, JOBS[event_type], row, given)

    def service(self, row: Row, old_status: str, status: str) -> None:
        """Tell that a daemon went down or came back; a status is ACTIVE or FAILED."""
        update = {"old_state": old_status, "state": status}
        given = {"status_update": _wrapped("ServiceStatusUpdatePayload", update)}
        level = "warning" if status == "FAILED" else "info"
        self._send("service.update", level, "ServiceUpdatePayload", row, given)

    def _send(
        self, event_type: str, level: str, name: str, row: Row, given: Mapping[str, Any]
    ) -> None:
        if (
            self._notifier is None
            or LEVELS.index(level) < self._lowest
            or event_type.partition(".")[0] not in self._objects
            or time.monotonic() < self._silent_until_s
        ):
            return
        payload = _wrapped(name, {**_fields(name, row), **given})
        try:
            self._notifier.send("warn" if level == "warning" else level, event_type, payload)
        except Unavailable as error:
            if not self._failing:
                LOG.warning("notifications are dropped while the bus fails: %s", error)
            self._failing = True
            self._silent_until_s = time.monotonic() + SILENCE_S
        else:
            if self._failing:
                LOG.info("the bus takes notifications again")
            self._failing = False
