# SPDX-License-Identifier: Apache-2.0
"""What a resource looks like on the wire: one annotated class per resource is the contract.

::

    class AuditView(View):
        uuid = attr(types.uuid)
        name = attr(types.text_63, patch=True)
        goal_name = attr(types.text, "goal.name")               # read through one dot
        force = attr(types.boolean, since=microversions.FORCE)  # hidden from older versions

From it follow the JSON shown, what old microversions hide, what a plain list leaves out
(``brief=False``) and what may be patched. Views have no defaults: WSME gives an unset attribute's
default, so a hidden attribute with a default would leak.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import wsme.types
from microversion_parse import Version
from wsme.rest.json import tojson

from watcher.api import microversions, types


class attr(wsme.types.wsattr):  # noqa: N801 - reads as the keyword it is
    """One attribute of a view: its type, where its value is read from, and who sees it.

    ``source`` is an attribute path of the row (default: the attribute's own name) or a function
    of the row. ``since`` is the first microversion that has it, ``brief`` whether plain lists show
    it, ``patch`` whether JSON patch may change it, ``null`` whether there may be no value.
    """

    def __init__(
        self,
        datatype: Any,
        source: str | Callable[[Any], Any] | None = None,
        *,
        since: Version = microversions.BASE,
        brief: bool = True,
        patch: bool = False,
        null: bool = False,
    ) -> None:
        super().__init__(datatype)
        self.source = source
        self.since = since
        self.brief = brief
        self.patch = patch
        self.null = null

    def read(self, row: Any) -> Any:
        """The value of this attribute in a row; None behind a missing relation."""
        if callable(self.source):
            return self.source(row)
        path = self.source or self.key
        head, _, tail = path.partition(".")
        value = getattr(row, head)
        return value if not tail or value is None else attrgetter(tail)(value)


class View(wsme.types.Base):
    """The wire form of one resource; see the module's text."""


class Stamped(View):
    """A view that tells when its row was made, last changed and deleted."""

    created_at = attr(types.timestamp, brief=False)
    updated_at = attr(types.timestamp, brief=False, null=True)
    deleted_at = attr(types.timestamp, brief=False, null=True)


@dataclass(frozen=True)
class Resource:
    """A collection: its word in URLs, its table, its view and what its lists may be sorted by.

    ``load`` names the relations its view reads, ``ident`` the column that links and markers use.
    ``only_uuid`` says that items have no names to be addressed by, ``marker_uuid`` that a marker
    which is no uuid is a mistake. ``prepare`` gives rows what the view reads and no relation has.
    """

    collection: str
    model: type[Any]
    view: type[View]
    sort_keys: frozenset[str]
    load: tuple[str, ...] = ()
    ident: str = "uuid"
    only_uuid: bool = False
    marker_uuid: bool = False
    prepare: Callable[[Any, Sequence[Any]], None] = lambda _call, _rows: None


@dataclass(frozen=True)
class Item:
    """The answer of an operation that shows one row."""

    resource: Resource


@dataclass(frozen=True)
class Page:
    """The answer of an operation that lists rows, with all attributes or the brief ones."""

    resource: Resource
    detail: bool


def attributes(view: type[View]) -> tuple[attr, ...]:
    """The attributes of a view in the order they were written."""
    return tuple(wsme.types.list_attributes(view))


def visible(view: type[View], version: Version, *, detail: bool) -> list[attr]:
    """The attributes that a microversion shows, in full or in brief."""
    return [item for item in attributes(view) if item.since <= version and (detail or item.brief)]


def patchable(view: type[View]) -> dict[str, wsme.types.UserType]:
    """The types of the attributes that JSON patch may change, by name."""
    return {item.name: item.datatype for item in attributes(view) if item.patch}


def render(
    resource: Resource, row: Any, version: Version, host_url: str, *, detail: bool
) -> dict[str, Any]:
    """The row as JSON for one microversion; ``detail=False`` gives the brief form of lists."""
    shown = {
        item.name: tojson(item.datatype, item.read(row))
        for item in visible(resource.view, version, detail=detail)
    }
    ident = getattr(row, resource.ident)
    return {**shown, "links": links(resource.collection, ident, host_url)}


def links(collection: str, ident: object, host_url: str) -> list[dict[str, str]]:
    """The two links of an item, self first; without a deployment prefix (contract rest-api 6)."""
    return [
        {"href": f"{host_url}/v1/{collection}/{ident}", "rel": "self"},
        {"href": f"{host_url}/{collection}/{ident}", "rel": "bookmark"},
    ]
