# SPDX-License-Identifier: Apache-2.0
"""Goals: what an audit can want; read only, the rows follow the plug-ins (rest-api 12)."""

import json
from typing import Any

from watcher.api import paging, types
from watcher.api.expose import Call, expose
from watcher.api.views import Item, Page, Resource, Stamped, attr
from watcher.db import models


def _efficacy(goal: models.Goal) -> list[dict[str, Any]]:
    """The indicators of a goal, each with its JSON schema as text: clients print it."""
    return [
        {
            "name": indicator["name"],
            "description": indicator["description"],
            "unit": indicator["unit"],
            "schema": _as_text(indicator["schema"]),
        }
        for indicator in goal.efficacy_specification or []
    ]


def _as_text(schema: Any) -> str:
    return schema if isinstance(schema, str) else json.dumps(schema)


INDICATOR = types.closed(
    {
        "name": {"type": "string"},
        "description": {"type": "string"},
        "unit": {"type": ["string", "null"]},
        "schema": {"type": "string"},
    }
)


class GoalView(Stamped):
    """A goal on the wire."""

    uuid = attr(types.uuid)
    name = attr(types.text_63)
    display_name = attr(types.text_63)
    efficacy_specification = attr(types.list_of(INDICATOR), _efficacy)


GOALS = Resource(
    "goals",
    models.Goal,
    GoalView,
    frozenset({"id", "uuid", "name", "display_name", "created_at", "updated_at", "deleted_at"}),
)


@expose("GET", "goals", "goal:get_all", Page(GOALS, detail=False), query=paging.ARGUMENTS)
def brief(call: Call) -> dict[str, Any]:
    """A page of goals."""
    return paging.listing(call, GOALS, detail=False)


@expose("GET", "goals/detail", "goal:detail", Page(GOALS, detail=True), query=paging.ARGUMENTS)
def detail(call: Call) -> dict[str, Any]:
    """A page of goals with all attributes."""
    return paging.listing(call, GOALS, detail=True)


@expose("GET", "goals/{goal}", "goal:get", Item(GOALS))
def show(call: Call, ident: str) -> dict[str, Any]:
    """One goal, by uuid or name."""
    return call.shown(GOALS, paging.one(call, GOALS, ident))
