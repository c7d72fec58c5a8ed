# SPDX-License-Identifier: Apache-2.0
"""Lists: limit, marker, sorting and filters from the query, answered by one SQL page.

The ``next`` link repeats the filters, is absent on the last page, and has no deployment prefix:
clients join its path to their own endpoint (contract: rest-api 6 and 7).
"""

from typing import Any
from urllib.parse import urlencode

from sqlalchemy import ColumnElement, func, or_, select

from watcher.api import types
from watcher.api.expose import Call
from watcher.api.views import Resource
from watcher.core.errors import Invalid, NotFound
from watcher.db import store
from watcher.db.models import Base

ARGUMENTS = ("limit", "marker", "sort_key", "sort_dir")
"""The query arguments that every list takes."""

_LARGEST = 2**31 - 2


def listing(
    call: Call, resource: Resource, *where: ColumnElement[bool], detail: bool
) -> dict[str, Any]:
    """One page of a collection as JSON. Raises Invalid or NotFound for wrong arguments."""
    query = call.query
    sort_key = query.get("sort_key", "id")
    if sort_key not in resource.sort_keys:
        raise Invalid(
            f"{resource.collection} cannot be sorted by {sort_key[:80]};"
            f" the keys are {', '.join(sorted(resource.sort_keys))}"
        )
    direction = query.get("sort_dir", "asc")
    if direction not in ("asc", "desc"):
        raise Invalid("sort_dir must be asc or desc")
    limit = _limit(query.get("limit"), call.api.conf.api.max_limit)
    rows, more = store.page(
        call.session,
        resource.model,
        *where,
        limit=limit,
        marker=_marker(call, resource),
        sort_key=sort_key,
        ascending=direction == "asc",
        deleted=call.show_deleted,
        load=resource.load,
    )
    resource.prepare(call, rows)
    items = [call.shown(resource, row, detail=detail) for row in rows]
    page: dict[str, Any] = {resource.collection: items}
    if more:
        following = {
            **query,
            "sort_key": sort_key,
            "sort_dir": direction,
            "limit": limit,
            "marker": getattr(rows[-1], resource.ident),
        }
        place = f"{resource.collection}/detail" if detail else resource.collection
        page["next"] = f"{call.host_url}/v1/{place}?{urlencode(following)}"
    return page


def one(call: Call, resource: Resource, ident: str) -> Any:
    """The row an identifier in the path means, prepared for its view. Raises NotFound.

    In a request that writes nobody else changes the row until it is committed. Where items have no
    names the identifier must be a uuid: Invalid otherwise.
    """
    wanted = uuid_of(ident, resource) if resource.only_uuid else _normal(ident, resource)
    if call.writes:
        store.lock(call.session, resource.model, wanted)
    row = store.get(
        call.session,
        resource.model,
        wanted,
        deleted=call.show_deleted,
        load=resource.load,
    )
    resource.prepare(call, [row])
    return row


def related(call: Call, column: Any, model: type[Any], ident: str) -> ColumnElement[bool]:
    """The condition that a row belongs to this goal or strategy, by uuid or name, live or not.

    An unknown one gives an empty list, not an error. It is looked up here and now: from its number
    a database knows better how to find the rows than from a subquery.
    """
    means = or_(
        model.uuid == ident.lower(), model.name == ident, func.lower(model.name) == ident.lower()
    )
    return column.in_(call.session.scalars(select(model.id).where(means)).all())


def by_uuid(call: Call, name: str) -> str | None:
    """A query argument that must be a uuid when given. Raises Invalid."""
    text = call.query.get(name)
    if text is None:
        return None
    found = types.as_uuid(text)
    if found is None:
        raise Invalid(f"{name} must be a uuid")
    return found


def _limit(text: str | None, most: int | None) -> int | None:
    cap = most or None
    if text is None:
        return cap
    if not (text.isascii() and text.isdecimal() and len(text) < 1000 and int(text)):
        raise Invalid("limit must be a positive integer")
    return min(int(text), cap or _LARGEST)


def _marker(call: Call, resource: Resource) -> Base | None:
    text = call.query.get("marker")
    if text is None:
        return None
    wanted = uuid_of(text, resource) if resource.marker_uuid else _normal(text, resource)
    if resource.ident == "id" and not text.isdecimal():
        raise Invalid("marker must be an integer")
    return store.get(call.session, resource.model, wanted, deleted=call.show_deleted)


def uuid_of(text: str, resource: Resource) -> str:
    """The identifier of an item without a name, in its usual spelling. Raises Invalid."""
    found = types.as_uuid(text)
    if found is None:
        raise Invalid(f"{resource.collection} are addressed by uuid; {text[:80]} is not one")
    return found


def _normal(text: str, resource: Resource) -> str:
    """A uuid in its usual spelling, a name as it is; NotFound for a number no row can have."""
    if resource.ident == "id" and text.isdecimal() and (len(text) > 10 or int(text) > _LARGEST):
        raise NotFound(resource.model.called(), text[:80])
    return types.as_uuid(text) or text
