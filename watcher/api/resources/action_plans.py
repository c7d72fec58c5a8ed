# SPDX-License-Identifier: Apache-2.0
"""Action plans: what audits recommend; started, cancelled and deleted here (rest-api 16)."""

from typing import Any

from sqlalchemy import ColumnElement, select

from watcher.api import microversions, paging, patching, types, views
from watcher.api.bodies import Nothing, Patch
from watcher.api.expose import CREATED, NO_CONTENT, Call, Document, expose
from watcher.api.resources import remainder, report
from watcher.api.views import Item, Page, Resource, Stamped, attr
from watcher.core import states
from watcher.core.errors import BadTransition
from watcher.db import endings, leases, models, reports, store
from watcher.report import page, poster
from watcher.report.written import as_json


def _indicators(plan: models.ActionPlan) -> list[dict[str, Any]]:
    return [
        {
            "name": indicator.name,
            "description": indicator.description,
            "unit": indicator.unit,
            "value": indicator.value,
        }
        for indicator in plan.indicators
    ]


INDICATOR = types.closed(
    {
        "name": {"type": "string"},
        "description": {"type": ["string", "null"]},
        "unit": {"type": ["string", "null"]},
        "value": {"type": "number"},
    }
)


class ActionPlanView(Stamped):
    """An action plan on the wire; ``audit_uuid`` is kept when the audit is deleted."""

    uuid = attr(types.uuid)
    audit_uuid = attr(types.uuid, "audit.uuid")
    strategy_uuid = attr(types.uuid, "strategy.uuid", null=True)
    strategy_name = attr(types.text_63, "strategy.name", null=True)
    state = attr(types.Word(states.ACTION_PLAN.states), patch=True)
    efficacy_indicators = attr(types.list_of(INDICATOR), _indicators)
    global_efficacy = attr(types.list_of(INDICATOR), lambda row: row.global_efficacy or [])
    hostname = attr(types.text_255, brief=False, null=True)
    status_message = attr(types.text_255, since=microversions.SKIP, brief=False, null=True)
    updated_at = attr(types.timestamp, null=True)
    on_failure = attr(
        types.Word(states.ON_FAILURE), since=microversions.EXECUTION, brief=False, null=True
    )
    dry_run = attr(types.boolean, "audit.dry_run", since=microversions.DRY_RUN, brief=False)


ACTION_PLANS = Resource(
    "action_plans",
    models.ActionPlan,
    ActionPlanView,
    frozenset(
        {
            *("id", "uuid", "audit_id", "strategy_id", "state", "hostname", "status_message"),
            *("audit_uuid", "strategy_uuid", "strategy_name"),
            *("created_at", "updated_at", "deleted_at"),
        }
    ),
    load=("audit", "strategy", "indicators"),
    only_uuid=True,
    marker_uuid=True,
)
CHANGES = views.patchable(ActionPlanView)
CANCELLED = "Cancelled by user."
FILTERS = (*paging.ARGUMENTS, "audit_uuid", "strategy")


@expose(
    "GET", "action_plans", "action_plan:get_all", Page(ACTION_PLANS, detail=False), query=FILTERS
)
def brief(call: Call) -> dict[str, Any]:
    """A page of action plans."""
    return paging.listing(call, ACTION_PLANS, *_where(call), detail=False)


@expose(
    "GET",
    "action_plans/detail",
    "action_plan:detail",
    Page(ACTION_PLANS, detail=True),
    query=FILTERS,
)
def detail(call: Call) -> dict[str, Any]:
    """A page of action plans with all attributes."""
    return paging.listing(call, ACTION_PLANS, *_where(call), detail=True)


@expose("GET", "action_plans/{plan}", "action_plan:get", Item(ACTION_PLANS))
def show(call: Call, ident: str) -> dict[str, Any]:
    """One action plan, by uuid."""
    return call.shown(ACTION_PLANS, paging.one(call, ACTION_PLANS, ident))


@expose(
    "GET",
    "action_plans/{plan}/report",
    "action_plan:report",
    report.schema,
    since=microversions.REPORT,
    kinds=report.KINDS,
)
def show_report(call: Call, ident: str) -> Document | dict[str, Any]:
    """The report of an action plan. What it does and why, as a page, as a picture or as JSON."""
    uuid = paging.uuid_of(ident, ACTION_PLANS)
    account = reports.account(call.session, uuid, deleted=call.show_deleted)
    if call.kind == report.HTML:
        return Document(call.kind, page.render(account))
    if call.kind == report.SVG:
        return Document(call.kind, poster.draw(account))
    return as_json(account)


@expose(
    "PATCH", "action_plans/{plan}", "action_plan:update", Item(ACTION_PLANS), body=Patch(CHANGES)
)
def update(call: Call, ident: str, patch: Any) -> dict[str, Any]:
    """Start (PENDING) or cancel (CANCELLED, CANCELLING) a plan; nothing else can be changed."""
    plan = paging.one(call, ACTION_PLANS, ident)
    to = patching.apply(patch, CHANGES, {"state": plan.state}).get("state")
    if to is None or not states.ACTION_PLAN.operator_may(plan.state, to):
        raise BadTransition(f"State transition not allowed: ({plan.state} -> {to})")
    if to == "PENDING":
        _launch(call, plan)
    else:
        _cancel(call, plan, to)
    return call.shown(ACTION_PLANS, plan)


@expose("POST", "action_plans/{plan}/start", "action_plan:start", Item(ACTION_PLANS), body=Nothing)
def start(call: Call, ident: str) -> dict[str, Any]:
    """Start a recommended plan: an applier is told once the state is committed."""
    plan = paging.one(call, ACTION_PLANS, ident)
    if not states.ACTION_PLAN.operator_may(plan.state, "PENDING"):
        raise BadTransition(f"Couldn't start when state is '{plan.state}'.")
    _launch(call, plan)
    return call.shown(ACTION_PLANS, plan)


@expose(
    "POST",
    "action_plans/{plan}/retry",
    "action_plan:retry",
    Item(ACTION_PLANS),
    body=Nothing,
    status=CREATED,
    since=microversions.EXECUTION,
)
def retry(call: Call, ident: str) -> dict[str, Any]:
    """Start a new plan of what a failed or cancelled one did not do, or had taken back."""
    plan = paging.one(call, ACTION_PLANS, ident)
    again = remainder.add(call.session, plan)
    _launch(call, again)
    return call.shown(ACTION_PLANS, paging.one(call, ACTION_PLANS, again.uuid))


@expose("DELETE", "action_plans/{plan}", "action_plan:delete", status=NO_CONTENT)
def delete(call: Call, ident: str) -> None:
    """Hide a plan that is not at work, with its actions and indicators."""
    plan = paging.one(call, ACTION_PLANS, ident)
    if plan.state not in states.ACTION_PLAN.sources("DELETED"):
        raise BadTransition(f"Couldn't delete when state is '{plan.state}'.")
    store.delete(call.session, plan)


def _launch(call: Call, plan: models.ActionPlan) -> None:
    leases.launch(call.session, plan)
    call.ring(call.api.applier.launch_action_plan, plan.uuid)


def _cancel(call: Call, plan: models.ActionPlan, to: str) -> None:
    """Cancel; of a plan that has not begun the pending actions are cancelled with it.

    A plan at work becomes CANCELLING, and its applier, which watches the row, does the rest.
    """
    if to == "CANCELLED":
        endings.end(call.session, plan, to, CANCELLED)
    else:
        store.transition(call.session, plan, to, CANCELLED, seen=True)


def _where(call: Call) -> list[ColumnElement[bool]]:
    table = models.ActionPlan
    where: list[ColumnElement[bool]] = []
    audit = paging.by_uuid(call, "audit_uuid")
    if audit is not None:
        mine = select(models.Audit.id).where(models.Audit.uuid == audit)
        where.append(table.audit_id.in_(call.session.scalars(mine).all()))
    if "strategy" in call.query:
        strategy = call.query["strategy"]
        where.append(paging.related(call, table.strategy_id, models.Strategy, strategy))
    return where
