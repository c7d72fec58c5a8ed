# SPDX-License-Identifier: Apache-2.0
"""Scoring engines: read only, the rows follow the plug-ins (rest-api 18)."""

from typing import Any

from watcher.api import paging, types
from watcher.api.expose import Call, expose
from watcher.api.views import Item, Page, Resource, View, attr
from watcher.db import models


class ScoringEngineView(View):
    """A scoring engine on the wire; it shows no timestamps."""

    uuid = attr(types.uuid)
    name = attr(types.text_63)
    description = attr(types.text_255, null=True)
    metainfo = attr(types.text, lambda row: row.metainfo or "", brief=False)


SCORING_ENGINES = Resource(
    "scoring_engines",
    models.ScoringEngine,
    ScoringEngineView,
    frozenset(
        {
            *("id", "uuid", "name", "description", "metainfo"),
            *("created_at", "updated_at", "deleted_at"),
        }
    ),
)


@expose(
    "GET",
    "scoring_engines",
    "scoring_engine:get_all",
    Page(SCORING_ENGINES, detail=False),
    query=paging.ARGUMENTS,
)
def brief(call: Call) -> dict[str, Any]:
    """A page of scoring engines."""
    return paging.listing(call, SCORING_ENGINES, detail=False)


@expose(
    "GET",
    "scoring_engines/detail",
    "scoring_engine:detail",
    Page(SCORING_ENGINES, detail=True),
    query=paging.ARGUMENTS,
)
def detail(call: Call) -> dict[str, Any]:
    """A page of scoring engines with all attributes."""
    return paging.listing(call, SCORING_ENGINES, detail=True)


@expose("GET", "scoring_engines/{engine}", "scoring_engine:get", Item(SCORING_ENGINES))
def show(call: Call, ident: str) -> dict[str, Any]:
    """One scoring engine, by uuid or name."""
    return call.shown(SCORING_ENGINES, paging.one(call, SCORING_ENGINES, ident))
