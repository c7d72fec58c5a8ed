# SPDX-License-Identifier: Apache-2.0
"""Audits: requests to optimise (rest-api 15)."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement

from watcher.api import microversions, paging, patching, types, views
from watcher.api.bodies import Patch
from watcher.api.expose import CREATED, NO_CONTENT, Call, expose
from watcher.api.resources import audit_request
from watcher.api.resources.audit_templates import checked_name
from watcher.api.views import Item, Page, Resource, Stamped, attr
from watcher.core import states
from watcher.core.errors import BadTransition, Invalid
from watcher.db import models, store

_COUNT = {"type": "integer", "minimum": 0}
_NAME = {"type": "string", "maxLength": 255}
_EXAMPLE = types.closed({"instance": types.uuid.schema, "host": _NAME})
_REFUSALS = {
    "type": "array",
    "items": types.closed(
        {"reason": _NAME, "count": _COUNT, "examples": {"type": "array", "items": _EXAMPLE}}
    ),
}
WHY_NOT = types.Json(
    dict,
    "an object",
    {
        **types.closed(
            {
                "stayed": _COUNT,
                "judged": _COUNT,
                "instances": _REFUSALS,
                "destinations": _REFUSALS,
            }
        ),
        "description": "What was refused in the last run: instances to be moved at all, and"
        " destinations to some of those that stayed; counts, and a few examples.",
    },
)


class AuditView(Stamped):
    """An audit on the wire."""

    uuid = attr(types.uuid)
    name = attr(types.text_63, patch=True)
    audit_type = attr(types.Word(audit_request.TYPES))
    state = attr(types.Word(states.AUDIT.states), patch=True)
    goal_uuid = attr(types.uuid, "goal.uuid")
    goal_name = attr(types.text_63, "goal.name")
    strategy_uuid = attr(types.uuid, "strategy.uuid", null=True)
    strategy_name = attr(types.text_63, "strategy.name", null=True)
    parameters = attr(types.objects, brief=False, patch=True)
    interval = attr(types.text, patch=True, null=True)
    scope = attr(types.list_of({"type": "object"}))
    auto_trigger = attr(types.boolean, patch=True)
    next_run_time = attr(types.moment, null=True)
    hostname = attr(types.text_255, brief=False, null=True)
    start_time = attr(types.moment, since=microversions.TIMES, brief=False, patch=True, null=True)
    end_time = attr(types.moment, since=microversions.TIMES, brief=False, patch=True, null=True)
    force = attr(types.boolean, patch=True)
    status_message = attr(types.text_255, since=microversions.SKIP, brief=False, null=True)
    on_failure = attr(
        types.Word(states.ON_FAILURE),
        since=microversions.EXECUTION,
        brief=False,
        patch=True,
        null=True,
    )
    why_not = attr(WHY_NOT, since=microversions.WHY_NOT, brief=False, null=True)
    dry_run = attr(types.boolean, since=microversions.DRY_RUN, brief=False)


AUDITS = Resource(
    "audits",
    models.Audit,
    AuditView,
    frozenset(
        {
            *("id", "uuid", "name", "audit_type", "state", "interval", "goal_id", "strategy_id"),
            *("auto_trigger", "next_run_time", "hostname", "start_time", "end_time", "force"),
            *("goal_uuid", "goal_name", "strategy_uuid", "strategy_name", "status_message"),
            *("created_at", "updated_at", "deleted_at"),
        }
    ),
    load=("goal", "strategy"),
    marker_uuid=True,
)
CHANGES = views.patchable(AuditView)
FILTERS = (*paging.ARGUMENTS, "goal", "strategy", "audit_template")


@expose("GET", "audits", "audit:get_all", Page(AUDITS, detail=False), query=FILTERS)
def brief(call: Call) -> dict[str, Any]:
    """A page of audits."""
    return paging.listing(call, AUDITS, *_where(call), detail=False)


@expose("GET", "audits/detail", "audit:detail", Page(AUDITS, detail=True), query=FILTERS)
def detail(call: Call) -> dict[str, Any]:
    """A page of audits with all attributes."""
    return paging.listing(call, AUDITS, *_where(call), detail=True)


@expose("GET", "audits/{audit}", "audit:get", Item(AUDITS))
def show(call: Call, ident: str) -> dict[str, Any]:
    """One audit, by uuid or name."""
    return call.shown(AUDITS, paging.one(call, AUDITS, ident))


@expose(
    "POST",
    "audits",
    "audit:create",
    Item(AUDITS),
    body=audit_request.AuditPost,
    status=CREATED,
    finds=True,
)
def create(call: Call, body: audit_request.AuditPost) -> dict[str, Any]:
    """Ask for an audit. A ONESHOT one is told to the decision engine once it is committed."""
    audit = store.add(call.session, audit_request.build(call, body))
    if audit.audit_type == "ONESHOT":
        call.ring(call.api.engine.trigger_audit, audit.uuid)
    return call.shown(AUDITS, audit)


@expose("PATCH", "audits/{audit}", "audit:update", Item(AUDITS), body=Patch(CHANGES))
def update(call: Call, ident: str, patch: Any) -> dict[str, Any]:
    """Change an audit; its state moves as the lifecycle lets an operator move it."""
    audit = paging.one(call, AUDITS, ident)
    current = {name: getattr(audit, name) for name in ("parameters", "state")}
    values = patching.apply(patch, CHANGES, current)
    if "on_failure" in values:
        call.needs(microversions.EXECUTION, "on_failure")
    moves = "state" in values
    to = values.pop("state", None)
    if moves:
        _check_move(audit, to)
    changed = _changed(audit, values)
    if audit.audit_type == "CONTINUOUS" and changed.keys() & {"interval", "start_time"}:
        changed["next_run_time"] = audit_request.next_run(call, audit, changed)
    store.change(call.session, audit, **changed)
    if moves:
        _move(call, audit, to)
    return call.shown(AUDITS, audit)


@expose("DELETE", "audits/{audit}", "audit:delete", status=NO_CONTENT)
def delete(call: Call, ident: str) -> None:
    """Hide an audit that has ended and free its name; its plans stay."""
    audit = paging.one(call, AUDITS, ident)
    if audit.state not in states.AUDIT.sources("DELETED"):
        raise BadTransition(f"Couldn't delete when state is '{audit.state}'.")
    store.delete(call.session, audit)


def _where(call: Call) -> list[ColumnElement[bool]]:
    table, query = models.Audit, call.query
    where = []
    if "goal" in query:
        where.append(paging.related(call, table.goal_id, models.Goal, query["goal"]))
    if "strategy" in query:
        where.append(paging.related(call, table.strategy_id, models.Strategy, query["strategy"]))
    if "audit_template" in query:
        where.append(table.template_uuid == query["audit_template"].lower())
    return where


def _check_move(audit: models.Audit, to: str | None) -> None:
    if to is None or not states.AUDIT.operator_may(audit.state, to):
        raise BadTransition(f"State transition not allowed: ({audit.state} -> {to})")


def _move(call: Call, audit: models.Audit, to: str) -> None:
    if to == "DELETED":
        store.delete(call.session, audit)
    else:
        message = "Cancelled by user." if to == "CANCELLED" else None
        store.transition(call.session, audit, to, message, seen=True)


def _changed(audit: models.Audit, values: Mapping[str, Any]) -> dict[str, Any]:
    """The columns a patch sets, checked as at creation."""
    changed = dict(values)
    if "name" in values:
        checked_name(values["name"])
    for name in values.keys() & {"auto_trigger", "force"}:
        if values[name] is None:
            raise Invalid(f"{name} must be true or false")
    audit_request.check_dry_run(audit.dry_run, bool(values.get("auto_trigger")))
    if "on_failure" in values:
        audit_request.check_on_failure(values["on_failure"])
    if "interval" in values:
        changed["interval"] = audit_request.checked_interval(values["interval"])
        if audit.audit_type == "CONTINUOUS" and changed["interval"] is None:
            raise Invalid("a CONTINUOUS audit needs an interval")
    for name in values.keys() & {"start_time", "end_time"}:
        changed[name] = audit_request.moment(name, values[name])
    if values.keys() & {"start_time", "end_time"}:
        audit_request.check_order(
            changed.get("start_time", audit.start_time), changed.get("end_time", audit.end_time)
        )
    if "parameters" in values:
        changed["parameters"] = audit_request.filled(audit.strategy, values["parameters"] or {})
    return changed
