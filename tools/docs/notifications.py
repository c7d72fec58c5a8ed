# SPDX-License-Identifier: Apache-2.0
"""Schemas and samples of Watcher's notifications, and the page that lists them.

The schemas are made of the tables in ``watcher.messaging.payloads`` and the columns of
``watcher.db.models``; the samples are what the announcer sends of rows made up here.
"""

import json
import pathlib
import typing
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import inspect

from tools.docs import rst
from watcher.core.errors import ServiceDown
from watcher.db import models
from watcher.db.changes import Change
from watcher.messaging.notifications import Announcer
from watcher.messaging.payloads import GIVEN, JOBS, KINDS, PAYLOADS, PHASES, Field, events

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "doc" / "notification_samples"
"""Unlike the pages these files are kept in git: programs of others are tested with them."""

DRAFT = "https://json-schema.org/draft/2020-12/schema"
Schema = dict[str, Any]

ROWS: dict[str, type[models.Base]] = {
    "ActionPlan": models.ActionPlan,
    "TerseActionPlan": models.ActionPlan,
    "Action": models.Action,
    "Audit": models.Audit,
    "TerseAudit": models.Audit,
    "Goal": models.Goal,
    "Strategy": models.Strategy,
    "Service": models.Service,
}
"""How the names of payloads begin -> the row that they show; the first that fits counts."""
KINDS_OF_COLUMNS = {
    str: "string",
    bool: "boolean",
    int: "integer",
    dict: "object",
    list: "array",
}
MOMENT = {"type": ["string", "null"], "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$"}
WHEN = {
    "create": "a row was made",
    "update": "a row was changed; with the states before and after",
    "delete": "a row was deleted",
    "audit.strategy": "a strategy runs",
    "audit.planner": "its solution is made a plan",
    "action_plan.execution": "an applier carries a plan out",
    "action_plan.cancel": "a plan is being cancelled",
    "action.execution": "an action is carried out",
    "action.cancel": "an action is cancelled, begun or not",
    "service.update": "a daemon has shown no heartbeat for service_down_time, or one again",
}


def files() -> dict[str, str]:
    """The text of each file in ``doc/notification_samples`` by its name."""
    written = {
        f"schemas/{name}.json": schema(name)
        for name in sorted({payload for payload, _ in events().values()})
    }
    written |= {f"{one['event_type']}.json": one for one in samples()}
    return {name: json.dumps(value, indent=2) + "\n" for name, value in written.items()}


def schema(payload: str) -> Schema:
    """The JSON Schema of the payload of a notification, envelope of versioned objects and all."""
    needed = {payload}
    while more := {one for name in needed for one in _nested(name)} - needed:
        needed |= more
    parts = {name: _wrapped(name) for name in sorted(needed)}
    return {"$schema": DRAFT, "title": payload, "$ref": f"#/$defs/{payload}", "$defs": parts}


def _nested(payload: str) -> set[str]:
    own = {field.payload for field in PAYLOADS[payload][1]}
    given = {said.removesuffix(" or null") for said in GIVEN.get(payload, {}).values()}
    return (own | given) & PAYLOADS.keys()


def _wrapped(name: str) -> Schema:
    row = next((row for prefix, row in ROWS.items() if name.startswith(prefix)), None)
    fields = {one.name: _field(one, row) for one in PAYLOADS[name][1]}
    fields |= {field: _given(said) for field, said in GIVEN.get(name, {}).items()}
    return _closed(
        {
            "watcher_object.name": {"const": name},
            "watcher_object.namespace": {"const": "watcher"},
            "watcher_object.version": {"const": PAYLOADS[name][0]},
            "watcher_object.data": _closed(fields),
        }
    )


def _closed(properties: Schema) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _field(field: Field, row: Any) -> Schema:
    if not field.column:
        return MOMENT
    relation, dot, attribute = field.column.partition(".")
    if not dot and not field.payload:
        return _column(row, field.column, filled=field.filled)
    found = inspect(row).relationships[relation]
    (local,) = found.local_columns
    if field.payload:
        one: Schema = {"$ref": f"#/$defs/{field.payload}"}
        return {"anyOf": [one, {"type": "null"}]} if local.nullable else one
    shown = _column(found.mapper.class_, attribute)
    return {"type": [shown["type"], "null"]} if local.nullable else shown


def _column(row: Any, name: str, *, filled: bool = False) -> Schema:
    """The schema of a column, by its annotation in the table's class."""
    (annotation,) = typing.get_args(typing.get_type_hints(row)[name])
    choices = typing.get_args(annotation)
    nullable = type(None) in choices
    python = choices[0] if nullable else annotation
    kind = KINDS_OF_COLUMNS[typing.get_origin(python) or python]
    lifecycle = models.LIFECYCLES.get(row)
    if name == "state" and lifecycle is not None:
        return {"enum": list(lifecycle.states)}
    return {"type": [kind, "null"] if nullable and not filled else kind}


def _given(said: str) -> Schema:
    name = said.removesuffix(" or null")
    one: Schema = {"type": "string"} if name == "text" else {"$ref": f"#/$defs/{name}"}
    return one if name == said else {"anyOf": [one, {"type": "null"}]}


class _Paper:
    """Keeps what would be sent."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []

    def send(self, level: str, event_type: str, payload: dict[str, Any]) -> None:
        self.sent.append(
            {
                "message_id": "1f0c7c1e-5f5b-4a07-9a3d-3f5d3a1d6f10",
                "publisher_id": "infra-optim:node-1",
                "event_type": event_type,
                "priority": level.upper(),
                "timestamp": "2026-11-23 12:00:00.250000",
                "payload": payload,
            }
        )


def samples() -> Sequence[dict[str, Any]]:
    """One message of each type."""
    paper = _Paper()
    announcer = Announcer(typing.cast("Any", paper))
    audit, plan, action, service = _rows()
    of_table = {row.__tablename__: row for row in (audit, plan, action)}
    announce = announcer.announce
    assert announce is not None
    for table in KINDS:
        row = of_table[table]
        announce(
            [Change(kind, row, "PENDING", row.state) for kind in ("create", "update", "delete")]
        )
    for event in JOBS:
        row = of_table[f"{event.partition('.')[0]}s"]
        for phase in PHASES:
            fault = _raised() if phase == "error" else None
            announcer.job(event, row, phase=phase, fault=fault)
    announcer.service(service, "ACTIVE", "FAILED")
    return paper.sent


def _raised() -> Exception:
    try:
        raise ServiceDown("Nova does not answer")
    except ServiceDown as error:
        return error


def _at(hour: int, minute: int = 0) -> datetime:
    """A moment as the database keeps it."""
    return datetime(2026, 11, 23, hour, minute, tzinfo=UTC).replace(tzinfo=None)


MADE = {"created_at": _at(11, 58), "updated_at": _at(12)}


def _audit() -> models.Audit:
    goal = models.Goal(
        uuid="b9b1c9d6-7c4d-4a41-9d62-6d7b2f8a1c10",
        name="server_consolidation",
        display_name="Server Consolidation",
        efficacy_specification=[],
        **MADE,
    )
    strategy = models.Strategy(
        uuid="0d5c6b1a-2f4e-4c0e-8a77-0e9f3d2b4c21",
        name="vm_workload_consolidation",
        display_name="VM Workload Consolidation Strategy",
        goal=goal,
        parameters_spec={},
        **MADE,
    )
    return models.Audit(
        uuid="10a47dd1-4874-4298-91cf-eff046dbdb8d",
        name="nightly",
        audit_type="CONTINUOUS",
        state="ONGOING",
        parameters={"period": 3600},
        interval="0 3 * * *",
        scope=[],
        goal=goal,
        strategy=strategy,
        auto_trigger=True,
        next_run_time=_at(15),
        **MADE,
    )


def _rows() -> tuple[models.Audit, models.ActionPlan, models.Action, models.Service]:
    audit = _audit()
    plan = models.ActionPlan(
        uuid="76be87bd-3422-43f9-93a0-e85a577e3061",
        state="ONGOING",
        global_efficacy=[{"name": "released_nodes_ratio", "unit": "%", "value": 20.0}],
        audit=audit,
        strategy=audit.strategy,
        **MADE,
    )
    action = models.Action(
        uuid="10a47dd1-4874-4298-91cf-eff046dbdb8e",
        action_type="migrate",
        input_parameters={
            "resource_id": "73b09e16-35b7-4922-804e-e8f5d9b740fc",
            "migration_type": "live",
            "source_node": "compute-01",
            "destination_node": "compute-02",
        },
        state="ONGOING",
        parents=[],
        action_plan=plan,
        **MADE,
    )
    service = models.Service(name="watcher-applier", host="node-2", last_seen_up=_at(11, 57))
    return audit, plan, action, service


def page() -> str:
    """The page that lists all notifications."""
    rows = [
        (
            rst.code(event),
            WHEN.get(event.rpartition(".")[2])
            or WHEN.get(event.rpartition(".")[0])
            or WHEN[event],
            f"{priority}",
            f"{rst.code(payload)} {PAYLOADS[payload][0]}",
        )
        for event, (payload, priority) in events().items()
    ]
    parts = [
        "Watcher sends these when ``[oslo_messaging_notifications] driver`` is set"
        " (``messagingv2``), on the topics named by ``topics`` there; ``notification_level`` and"
        " ``notification_objects`` in ``[DEFAULT]`` leave some out. The publisher is"
        " ``infra-optim:HOST``. A sample of each and a JSON schema of each payload are in the"
        " folder ``doc/notification_samples``; both are made of the code, and what the tests send"
        " is checked against them.\n",
        rst.table(("Event", "When", "Priority", "Payload"), rows, "25 40 10 25"),
        "``service.update`` has priority INFO when the daemon is back. Of a plan of N actions"
        " about 6 + 6 N notifications are sent.\n",
        rst.heading("A sample"),
        "``action.execution.end``:\n",
        ".. literalinclude:: ../../notification_samples/action.execution.end.json\n"
        "   :language: json\n",
    ]
    return rst.page("notifications", "Notifications", *parts)


def write() -> None:
    """Write the samples and schemas, and remove what is no longer one."""
    written = files()
    (FOLDER / "schemas").mkdir(parents=True, exist_ok=True)
    for old in FOLDER.rglob("*.json"):
        if str(old.relative_to(FOLDER)) not in written:
            old.unlink()
    for name, text in written.items():
        (FOLDER / name).write_text(text, encoding="utf-8")
