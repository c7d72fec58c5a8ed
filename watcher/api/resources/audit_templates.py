# SPDX-License-Identifier: Apache-2.0
"""Audit templates: prepared requests for audits (rest-api 14)."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement

from watcher.api import microversions, paging, patching, types, views
from watcher.api.bodies import Body, Patch, field
from watcher.api.expose import CREATED, NO_CONTENT, Call, expose
from watcher.api.views import Item, Page, Resource, Stamped, attr
from watcher.core import parameters
from watcher.core.errors import Conflict, Invalid, NotFound
from watcher.core.scope import check_scope
from watcher.db import models, store


def _goal(name: str) -> Any:
    """A goal's attribute, null once the goal's plug-in is gone: the template is then unusable."""
    return lambda row: None if row.goal.deleted else getattr(row.goal, name)


class AuditTemplateView(Stamped):
    """An audit template on the wire; ``goal`` and ``strategy`` can be patched, not read."""

    uuid = attr(types.uuid)
    name = attr(types.text_63, patch=True)
    description = attr(types.text_255, brief=False, patch=True, null=True)
    goal_uuid = attr(types.uuid, _goal("uuid"), null=True)
    goal_name = attr(types.text_63, _goal("name"), null=True)
    strategy_uuid = attr(types.uuid, "strategy.uuid", null=True)
    strategy_name = attr(types.text_63, "strategy.name", null=True)
    scope = attr(types.list_of({"type": "object"}), patch=True)
    default_parameters = attr(types.objects, since=microversions.DEFAULTS, brief=False, patch=True)


class AuditTemplatePost(Body):
    """What a new template is made from; goal and strategy by uuid or name."""

    name = field(types.text_63, mandatory=True)
    goal = field(types.text, mandatory=True)
    strategy = field(types.text)
    description = field(types.text_255)
    scope = field(types.anything)
    default_parameters = field(types.objects, since=microversions.DEFAULTS)


AUDIT_TEMPLATES = Resource(
    "audit_templates",
    models.AuditTemplate,
    AuditTemplateView,
    frozenset(
        {
            *("id", "uuid", "name", "description", "goal_id", "strategy_id"),
            *("goal_uuid", "goal_name", "strategy_uuid", "strategy_name"),
            *("created_at", "updated_at", "deleted_at"),
        }
    ),
    load=("goal", "strategy"),
    marker_uuid=True,
)
FILTERS = (*paging.ARGUMENTS, "goal", "strategy", "name")
_PLAIN = ("name", "description")
CHANGES = {
    **views.patchable(AuditTemplateView),
    # A template is not shown with these, but they can be set.
    "goal": types.text,
    "strategy": types.text,
}


@expose(
    "GET",
    "audit_templates",
    "audit_template:get_all",
    Page(AUDIT_TEMPLATES, detail=False),
    query=FILTERS,
)
def brief(call: Call) -> dict[str, Any]:
    """A page of audit templates."""
    return paging.listing(call, AUDIT_TEMPLATES, *_where(call), detail=False)


@expose(
    "GET",
    "audit_templates/detail",
    "audit_template:detail",
    Page(AUDIT_TEMPLATES, detail=True),
    query=FILTERS,
)
def detail(call: Call) -> dict[str, Any]:
    """A page of audit templates with all attributes."""
    return paging.listing(call, AUDIT_TEMPLATES, *_where(call), detail=True)


@expose("GET", "audit_templates/{template}", "audit_template:get", Item(AUDIT_TEMPLATES))
def show(call: Call, ident: str) -> dict[str, Any]:
    """One audit template, by uuid or name."""
    return call.shown(AUDIT_TEMPLATES, paging.one(call, AUDIT_TEMPLATES, ident))


@expose(
    "POST",
    "audit_templates",
    "audit_template:create",
    Item(AUDIT_TEMPLATES),
    body=AuditTemplatePost,
    status=CREATED,
)
def create(call: Call, body: AuditTemplatePost) -> dict[str, Any]:
    """Make a template. An unknown goal or strategy is Invalid here, not NotFound."""
    goal = known_goal(call, body.goal)
    strategy = known_strategy(call, body.strategy)
    check_pair(call, goal, strategy)
    defaults = body.default_parameters or {}
    _check_defaults(strategy, defaults)
    template = models.AuditTemplate(
        name=checked_name(body.name),
        description=body.description,
        goal=goal,
        strategy=strategy,
        scope=check_scope(body.scope),
        default_parameters=defaults,
    )
    return call.shown(AUDIT_TEMPLATES, store.add(call.session, template))


@expose(
    "PATCH",
    "audit_templates/{template}",
    "audit_template:update",
    Item(AUDIT_TEMPLATES),
    body=Patch(CHANGES),
)
def update(call: Call, ident: str, patch: Any) -> dict[str, Any]:
    """Change a template. Goal and strategy are judged together, after the whole patch."""
    template = paging.one(call, AUDIT_TEMPLATES, ident)
    current = call.shown(AUDIT_TEMPLATES, template)
    current["default_parameters"] = template.default_parameters
    values = patching.apply(patch, CHANGES, current)
    if "default_parameters" in values:
        call.needs(microversions.DEFAULTS, "default_parameters")
    changed = {name: value for name, value in values.items() if name in _PLAIN}
    if "name" in values:
        checked_name(values["name"])
    if "scope" in values:
        changed["scope"] = check_scope(values["scope"])
    changed |= _goal_and_strategy(call, template, values)
    store.change(call.session, template, **changed)
    return call.shown(AUDIT_TEMPLATES, template)


@expose("DELETE", "audit_templates/{template}", "audit_template:delete", status=NO_CONTENT)
def delete(call: Call, ident: str) -> None:
    """Hide a template and free its name; audits made from it keep what they copied."""
    store.delete(call.session, paging.one(call, AUDIT_TEMPLATES, ident))


def known_goal(call: Call, ident: str | None) -> models.Goal:
    """The goal with this uuid or name. Raises Invalid for none, an unknown or an empty one."""
    if not ident:
        raise Invalid("goal must be the uuid or name of a goal")
    try:
        return store.get(call.session, models.Goal, ident)
    except NotFound as error:
        raise Invalid(f"goal: {error}") from error


def known_strategy(call: Call, ident: str | None) -> models.Strategy | None:
    """The strategy with this uuid or name, None for none. Raises Invalid for an unknown one."""
    if ident is None:
        return None
    try:
        return store.get(call.session, models.Strategy, ident, load=("goal",))
    except NotFound as error:
        raise Invalid(f"strategy: {error}") from error


def check_pair(call: Call, goal: models.Goal, strategy: models.Strategy | None) -> None:
    """Raise Invalid, naming the choices, when the strategy does not serve the goal."""
    if strategy is None or strategy.goal_id == goal.id:
        return
    choices = store.every(call.session, models.Strategy, models.Strategy.goal_id == goal.id)
    raise Invalid(
        f"strategy {strategy.name} does not serve the goal {goal.name};"
        f" its strategies are: {', '.join(sorted(one.name for one in choices)) or 'none'}"
    )


def checked_name(name: str | None) -> str:
    """The name, if an item can be addressed by it. Raises Invalid."""
    if not name or name == "detail":
        raise Invalid("name must be a text of 1 to 63 characters, and not 'detail'")
    return name


def _where(call: Call) -> list[ColumnElement[bool]]:
    table, query = models.AuditTemplate, call.query
    where = []
    if "goal" in query:
        where.append(paging.related(call, table.goal_id, models.Goal, query["goal"]))
    if "strategy" in query:
        where.append(paging.related(call, table.strategy_id, models.Strategy, query["strategy"]))
    if "name" in query:
        where.append(table.name == query["name"])
    return where


def _goal_and_strategy(
    call: Call, template: models.AuditTemplate, values: Mapping[str, Any]
) -> dict[str, Any]:
    """The goal, strategy and default parameters after a patch, checked as one.

    Raises Conflict when goal or strategy change under default parameters that stay.
    """
    if not values.keys() & {"goal", "strategy", "default_parameters"}:
        return {}
    goal = known_goal(call, values["goal"]) if "goal" in values else template.goal
    strategy = template.strategy
    if "strategy" in values:
        strategy = known_strategy(call, values["strategy"])
    moved = (goal.id, strategy and strategy.id) != (template.goal_id, template.strategy_id)
    if moved and template.default_parameters and "default_parameters" not in values:
        raise Conflict(
            f"audit template {template.name} has default_parameters for its strategy:"
            " give new ones in the same patch"
        )
    check_pair(call, goal, strategy)
    found: dict[str, Any] = {"goal": goal, "strategy": strategy}
    if "default_parameters" in values:
        found["default_parameters"] = values["default_parameters"] or {}
        _check_defaults(strategy, found["default_parameters"])
    return found


def _check_defaults(strategy: models.Strategy | None, defaults: Mapping[str, Any]) -> None:
    """Raise Invalid for default parameters the strategy cannot take; some may be left open."""
    if not defaults:
        return
    if strategy is None:
        raise Invalid("default_parameters need a strategy")
    parameters.check(strategy.parameters_spec or {}, defaults, partial=True)
