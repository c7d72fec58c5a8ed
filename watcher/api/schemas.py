# SPDX-License-Identifier: Apache-2.0
"""JSON Schema (2020-12) of what goes over the wire, drawn from views and bodies.

Objects are closed: what a schema does not name is not in an answer, nor taken in a request.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from microversion_parse import Version

from watcher.api import bodies, microversions, patching, types, views
from watcher.api.types import Schema, closed, or_null
from watcher.api.views import Resource

SINCE = "x-openstack-since"
"""The keyword that names the microversion an attribute or operation came with."""

URL: Schema = {"type": "string", "pattern": "^https?://"}


def _link(rel: str, **more: Schema) -> Schema:
    return closed({"href": URL, "rel": {"const": rel}, **more})


def _exactly(*items: Schema) -> Schema:
    return {
        "type": "array",
        "prefixItems": list(items),
        "items": False,
        "minItems": len(items),
    }


LINKS = _exactly(_link("self"), _link("bookmark"))

ERROR = closed(
    {
        "error_message": {
            "type": "string",
            "description": "JSON text that holds the fault.",
            "contentMediaType": "application/json",
            "contentSchema": closed(
                {
                    "debuginfo": {"type": "null"},
                    "faultcode": {"type": "string", "enum": ["Client", "Server"]},
                    "faultstring": {"type": "string", "description": "What is wrong, in words."},
                }
            ),
        }
    }
)
"""Every error but that of a missing token, which is Keystone's."""

UNAUTHORIZED = closed(
    {
        "error": closed(
            {
                "code": {"const": 401},
                "title": {"const": "Unauthorized"},
                "message": {"type": "string"},
            }
        )
    }
)


def item(resource: Resource, version: Version, *, detail: bool) -> Schema:
    """One row of a resource as a microversion shows it, alone or in a list."""
    shown = {one.name: _shown(one) for one in views.visible(resource.view, version, detail=detail)}
    return {
        "description": resource.view.__doc__,
        **closed({**shown, "links": LINKS}),
    }


def page(resource: Resource, ref: Schema) -> Schema:
    """A page of a collection whose items are as ``ref`` says."""
    properties = {resource.collection: {"type": "array", "items": ref}, "next": URL}
    return closed(properties, optional=("next",))


def body(kind: bodies.Kind, version: Version) -> Schema:
    """What may be sent as a body."""
    if kind is bodies.Anything:
        return {}
    if isinstance(kind, bodies.Patch):
        return patch(kind.attributes)
    declared = bodies.fields(kind)  # type: ignore[arg-type]
    properties = {one.name: _taken(one) for one in declared if one.since <= version}
    optional = [one.name for one in declared if not one.mandatory]
    return closed(properties, optional=optional)


def patch(attributes: Mapping[str, Any]) -> Schema:
    """A JSON patch of these attributes."""
    roots = "|".join(attributes)
    sets, path = {"enum": list(patching.SETS)}, {"type": "string"}
    whole = [
        closed({"op": sets, "path": {"const": f"/{name}"}, "value": or_null(kind.accepts)})
        for name, kind in attributes.items()
    ]
    within = closed(
        {"op": sets, "path": {**path, "pattern": rf"^/({roots})(/[\w-]+)+$"}, "value": {}}
    )
    removal = closed(
        {
            "op": {"const": patching.REMOVES},
            "path": {**path, "pattern": rf"^/({roots})(/[\w-]+)*$"},
            "value": {},
        },
        optional=("value",),
    )
    return {"type": "array", "items": {"anyOf": [*whole, within, removal]}}


def root(families: Mapping[str, Version], version: Version) -> Schema:
    """The document at ``/v1``."""
    kinds = {"base": {"const": "application/json"}, "type": {"type": "string"}}
    described = _link("describedby", type={"const": "text/html"})
    return closed(
        {
            "id": {"const": "v1"},
            "media_types": _exactly(closed(kinds)),
            "links": _exactly(_link("self"), described),
            **{name: LINKS for name, since in families.items() if since <= version},
        }
    )


def discovery(versions: Sequence[Version]) -> Schema:
    """The document at ``/``."""
    version = closed(
        {
            "id": {"const": "v1"},
            "status": {"const": "CURRENT"},
            "min_version": {"const": str(versions[0])},
            "max_version": {"const": str(versions[-1])},
            "links": _exactly(_link("self")),
        }
    )
    texts = {"name": types.text.schema, "description": types.text.schema}
    return closed({**texts, "versions": _exactly(version), "default_version": version})


def _shown(attribute: views.attr) -> Schema:
    schema = attribute.datatype.schema
    return _aged(or_null(schema) if attribute.null else schema, attribute.since)


def _taken(one: bodies.field) -> Schema:
    schema = one.datatype.accepts
    return _aged(schema if one.mandatory else or_null(schema), one.since)


def _aged(schema: Schema, since: Version) -> Schema:
    return schema if since == microversions.BASE else {**schema, SINCE: str(since)}
