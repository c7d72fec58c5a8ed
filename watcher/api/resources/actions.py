# SPDX-License-Identifier: Apache-2.0
"""Actions: the steps of a plan; one that has not begun can be skipped (rest-api 17)."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, select

from watcher.api import microversions, paging, patching, types, views
from watcher.api.bodies import Patch
from watcher.api.expose import Call, expose
from watcher.api.views import Item, Page, Resource, Stamped, attr
from watcher.core import states
from watcher.core.errors import Conflict, Invalid
from watcher.db import models, store

SKIPPED_BY_USER = "Action skipped by user."
_NOT_BEGUN = ("RECOMMENDED", "PENDING")


class ActionView(Stamped):
    """An action on the wire."""

    uuid = attr(types.uuid)
    action_plan_uuid = attr(types.uuid, "action_plan.uuid")
    action_type = attr(types.text_255)
    description = attr(types.text_255, brief=False)
    state = attr(types.Word(states.ACTION.states), patch=True)
    parents = attr(types.list_of(types.uuid.schema), lambda row: row.parents or [])
    input_parameters = attr(types.objects, lambda row: row.input_parameters or {}, brief=False)
    status_message = attr(types.text, since=microversions.SKIP, brief=False, patch=True, null=True)
    undoes = attr(types.uuid, since=microversions.EXECUTION, brief=False, null=True)


def _describe(call: Call, rows: Sequence[models.Action]) -> None:
    """Give each action the words its type has at the applier, "" for a type it does not know."""
    table = models.ActionDescription
    known = {row.action_type for row in rows}
    found = store.every(call.session, table, table.action_type.in_(known)) if known else []
    words = {row.action_type: row.description for row in found}
    for row in rows:
        row.description = words.get(row.action_type, "")  # type: ignore[attr-defined]


ACTIONS = Resource(
    "actions",
    models.Action,
    ActionView,
    frozenset(
        {
            *("id", "uuid", "action_plan_id", "action_type", "state", "status_message"),
            *("action_plan_uuid", "created_at", "updated_at", "deleted_at"),
        }
    ),
    load=("action_plan",),
    only_uuid=True,
    marker_uuid=True,
    prepare=_describe,
)
CHANGES = views.patchable(ActionView)
FILTERS = (*paging.ARGUMENTS, "action_plan_uuid", "audit_uuid")


@expose("GET", "actions", "action:get_all", Page(ACTIONS, detail=False), query=FILTERS)
def brief(call: Call) -> dict[str, Any]:
    """A page of actions, in the order of their plans."""
    return paging.listing(call, ACTIONS, *_where(call), detail=False)


@expose("GET", "actions/detail", "action:detail", Page(ACTIONS, detail=True), query=FILTERS)
def detail(call: Call) -> dict[str, Any]:
    """A page of actions with all attributes."""
    return paging.listing(call, ACTIONS, *_where(call), detail=True)


@expose("GET", "actions/{action}", "action:get", Item(ACTIONS))
def show(call: Call, ident: str) -> dict[str, Any]:
    """One action, by uuid."""
    return call.shown(ACTIONS, paging.one(call, ACTIONS, ident))


@expose(
    "PATCH",
    "actions/{action}",
    "action:update",
    Item(ACTIONS),
    body=Patch(CHANGES),
    since=microversions.SKIP,
    refusal=Invalid,
)
def update(call: Call, ident: str, patch: Any) -> dict[str, Any]:
    """Skip an action, or say why it was skipped."""
    _hold_plan(call, ident)
    action = paging.one(call, ACTIONS, ident)
    current = {"state": action.state, "status_message": action.status_message}
    values = patching.apply(patch, CHANGES, current)
    if any(operation["op"] == "remove" for operation in patch):
        raise Invalid("state and status_message of an action cannot be removed")
    to = values.get("state", action.state)
    if to not in states.ACTION.states:
        raise Invalid(f"an action has no state {str(to)[:80]}")
    reason = values.get("status_message")
    if to != action.state:
        _skip(call, action, to, reason)
    elif "status_message" in values:
        _explain(call, action, reason)
    return call.shown(ACTIONS, action)


def _hold_plan(call: Call, ident: str) -> None:
    """Keep the plan of an action as it is: whether it has begun decides what may be skipped.

    It is locked before the action, as those do who start, cancel and carry out plans.
    """
    plans = models.ActionPlan
    mine = select(plans.uuid).join(models.Action).where(models.Action.uuid == ident.lower())
    if (plan := call.session.scalar(mine.where(plans.deleted == 0))) is not None:
        store.lock(call.session, plans, plan)


def _skip(call: Call, action: models.Action, to: str, reason: str | None) -> None:
    """Skip a pending action of a plan that has not begun. Raises Conflict for all else."""
    if not states.ACTION.operator_may(action.state, to):
        raise Conflict(f"action {action.uuid} is {action.state} and cannot become {to}")
    if action.action_plan.state not in _NOT_BEGUN:
        raise Conflict(
            f"action {action.uuid} cannot be skipped:"
            f" its plan {action.action_plan.uuid} is {action.action_plan.state}"
        )
    store.transition(call.session, action, to, _message(reason))


def _explain(call: Call, action: models.Action, reason: str | None) -> None:
    """Replace the reason of a skipped action. Raises Conflict for any other."""
    if action.state != "SKIPPED":
        raise Conflict(f"action {action.uuid} is {action.state}: only SKIPPED ones have a reason")
    store.change(call.session, action, status_message=_message(reason))


def _message(reason: str | None) -> str:
    """The stored sentence; its text is compared by clients (rest-api 4.4). Raises Invalid."""
    if not reason:
        return SKIPPED_BY_USER
    message = f"{SKIPPED_BY_USER} Reason: {reason}"
    if len(message) > models.MESSAGE_LENGTH:
        room = models.MESSAGE_LENGTH - len(message) + len(reason)
        raise Invalid(f"status_message must be at most {room} characters, not {len(reason)}")
    return message


def _where(call: Call) -> list[ColumnElement[bool]]:
    plan, audit = paging.by_uuid(call, "action_plan_uuid"), paging.by_uuid(call, "audit_uuid")
    if plan is not None and audit is not None:
        raise Invalid("actions are filtered by action_plan_uuid or by audit_uuid, not both")
    plans = select(models.ActionPlan.id)
    if plan is not None:
        mine = call.session.scalars(plans.where(models.ActionPlan.uuid == plan)).all()
        return [models.Action.action_plan_id.in_(mine)]
    if audit is not None:
        audits = call.session.scalars(select(models.Audit.id).where(models.Audit.uuid == audit))
        of_audit = plans.where(models.ActionPlan.audit_id.in_(audits.all()))
        return [models.Action.action_plan_id.in_(of_audit)]  # perhaps too many for a list
    return []
