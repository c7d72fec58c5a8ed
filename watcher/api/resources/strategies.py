# SPDX-License-Identifier: Apache-2.0
"""Strategies: the ways to reach a goal; read only, and whether one could run now (rest-api 13)."""

from typing import Any

from microversion_parse import Version
from sqlalchemy import ColumnElement

from watcher.api import paging, types
from watcher.api.expose import Call, expose
from watcher.api.views import Item, Page, Resource, View, attr
from watcher.core.errors import Invalid
from watcher.db import models


class StrategyView(View):
    """A strategy on the wire; it shows no timestamps."""

    uuid = attr(types.uuid)
    name = attr(types.text_63)
    display_name = attr(types.text_63)
    goal_uuid = attr(types.uuid, "goal.uuid")
    goal_name = attr(types.text_63, "goal.name")
    parameters_spec = attr(types.objects, lambda row: row.parameters_spec or {}, brief=False)


STRATEGIES = Resource(
    "strategies",
    models.Strategy,
    StrategyView,
    frozenset(
        {
            *("id", "uuid", "name", "display_name", "goal_id", "goal_uuid", "goal_name"),
            *("created_at", "updated_at", "deleted_at"),
        }
    ),
    load=("goal",),
)
FILTERS = (*paging.ARGUMENTS, "goal")


@expose("GET", "strategies", "strategy:get_all", Page(STRATEGIES, detail=False), query=FILTERS)
def brief(call: Call) -> dict[str, Any]:
    """A page of strategies."""
    return paging.listing(call, STRATEGIES, *_where(call), detail=False)


@expose(
    "GET", "strategies/detail", "strategy:detail", Page(STRATEGIES, detail=True), query=FILTERS
)
def detail(call: Call) -> dict[str, Any]:
    """A page of strategies with all attributes."""
    return paging.listing(call, STRATEGIES, *_where(call), detail=True)


@expose("GET", "strategies/{strategy}", "strategy:get", Item(STRATEGIES))
def show(call: Call, ident: str) -> dict[str, Any]:
    """One strategy, by uuid or name."""
    if ident == "state":
        raise Invalid("name the strategy whose state is wanted: /strategies/{strategy}/state")
    return call.shown(STRATEGIES, paging.one(call, STRATEGIES, ident))


def _requirement(kind: str, state: types.Schema, mandatory: Any) -> types.Schema:
    return types.closed(
        {
            "type": {"const": kind},
            "state": state,
            "mandatory": {"const": mandatory},
            "comment": {"const": ""},
        }
    )


_AVAILABLE = {"enum": ["available", "not available"]}
_STATES = {"type": "object", "minProperties": 1, "maxProperties": 1}
_REQUIREMENTS = (
    _requirement("Datasource", {"type": "string"}, True),
    _requirement(
        "Metrics",
        {"type": "array", "items": {**_STATES, "additionalProperties": _AVAILABLE}},
        False,
    ),
    _requirement(
        "CDM", {"type": "array", "items": {**_STATES, "additionalProperties": _AVAILABLE}}, True
    ),
    _requirement("Name", {"type": "string"}, ""),
)


def requirements(_version: Version) -> types.Schema:
    """The schema of a strategy's state: four rows in this order."""
    return {"type": "array", "prefixItems": list(_REQUIREMENTS), "items": False, "minItems": 4}


@expose("GET", "strategies/{strategy}/state", "strategy:state", requirements)
def state(call: Call, ident: str) -> list[dict[str, Any]]:
    """Whether what a strategy needs is there, as the decision engine sees it now."""
    name = paging.one(call, STRATEGIES, ident).name
    call.session.close()  # the answer may take seconds: others may have the connection
    return call.api.engine.get_strategy_info(call.context, name)


def _where(call: Call) -> list[ColumnElement[bool]]:
    goal = call.query.get("goal")
    return (
        [] if goal is None else [paging.related(call, models.Strategy.goal_id, models.Goal, goal)]
    )
