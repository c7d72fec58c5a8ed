# SPDX-License-Identifier: Apache-2.0
"""Services: which daemons are alive, by their heartbeats (rest-api 19)."""

from collections.abc import Sequence
from typing import Any

from watcher.api import paging, types
from watcher.api.expose import Call, expose
from watcher.api.views import Item, Page, Resource, Stamped, attr
from watcher.db import clock, models
from watcher.db.heartbeat import status


class ServiceView(Stamped):
    """The heartbeat of one daemon on one host, on the wire."""

    id = attr(types.integer)
    name = attr(types.text_255)
    host = attr(types.text_255)
    status = attr(types.Word(("ACTIVE", "FAILED")))
    last_seen_up = attr(types.moment, brief=False, null=True)


def _judge(call: Call, rows: Sequence[models.Service]) -> None:
    """Say of each daemon whether its last sign of life is recent enough."""
    now = clock.now(call.session)
    for row in rows:
        row.status = status(row, now, call.api.conf.service_down_time)  # type: ignore[attr-defined]


SERVICES = Resource(
    "services",
    models.Service,
    ServiceView,
    frozenset({"id", "name", "host", "last_seen_up", "created_at", "updated_at", "deleted_at"}),
    ident="id",
    prepare=_judge,
)


@expose("GET", "services", "service:get_all", Page(SERVICES, detail=False), query=paging.ARGUMENTS)
def brief(call: Call) -> dict[str, Any]:
    """A page of services."""
    return paging.listing(call, SERVICES, detail=False)


@expose(
    "GET", "services/detail", "service:detail", Page(SERVICES, detail=True), query=paging.ARGUMENTS
)
def detail(call: Call) -> dict[str, Any]:
    """A page of services with all attributes."""
    return paging.listing(call, SERVICES, detail=True)


@expose("GET", "services/{service}", "service:get", Item(SERVICES))
def show(call: Call, ident: str) -> dict[str, Any]:
    """One service, by number or name; of several hosts with that name the one seen last."""
    return call.shown(SERVICES, paging.one(call, SERVICES, ident))
