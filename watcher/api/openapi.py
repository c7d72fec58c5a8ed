# SPDX-License-Identifier: Apache-2.0
"""The OpenAPI 3.1 document, drawn from the operations that serve the API.

There is one document per microversion, since an answer's attributes and a body's fields belong to
a version. It lists every status an operation can answer with but 500, which is never meant.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from microversion_parse import Version

from watcher.api import bodies, microversions, schemas, views
from watcher.api.expose import ACCEPTED, CREATED, JSON, OK, Operation
from watcher.api.types import Schema
from watcher.api.views import Resource

PATH = "/v1/openapi.json"
"""Where the document is served; a token is needed, but no role."""

ABOUT = """Watcher makes a cloud reach its goals: it audits, plans and acts.

This document describes one microversion, named in `info.version`; the header
`OpenStack-API-Version: infra-optim 1.N` chooses it, also for this document. Paths may end in one
slash or in `.json`, and HEAD is answered like GET. The `error_message` of an error is a text that
holds JSON. Item links and `next` have no deployment prefix."""

_TEXT: Schema = {"type": "string"}
_UUID: Schema = {"type": "string", "format": "uuid"}
_QUERY: Mapping[str, tuple[Schema, str]] = {
    "limit": ({"type": "integer", "minimum": 1}, "Most items of the page; [api] max_limit caps."),
    "sort_dir": ({"type": "string", "enum": ["asc", "desc"], "default": "asc"}, "The direction."),
    "goal": (_TEXT, "Only those of this goal, by uuid or name."),
    "strategy": (_TEXT, "Only those of this strategy, by uuid or name."),
    "name": (_TEXT, "Only the one of this name."),
    "audit_template": (_TEXT, "Only those made from this audit template, by uuid."),
    "audit_uuid": (_UUID, "Only what belongs to this audit."),
    "action_plan_uuid": (_UUID, "Only those of this action plan."),
    "data_model_type": ({"const": "compute", "default": "compute"}, "The model; compute only."),
}
_FAILURES: Mapping[HTTPStatus, str] = {
    HTTPStatus.BAD_REQUEST: "The request is malformed, or asks for what cannot be.",
    HTTPStatus.UNAUTHORIZED: "There is no valid token.",
    HTTPStatus.FORBIDDEN: "The policy does not allow it.",
    HTTPStatus.NOT_FOUND: "What the request names does not exist.",
    HTTPStatus.NOT_ACCEPTABLE: "The microversion or the media type is none that there is.",
    HTTPStatus.CONFLICT: "Not at this moment: a name is taken, or another writer was first.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The body is larger than the service takes.",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "The body is not JSON by its Content-Type.",
    HTTPStatus.SERVICE_UNAVAILABLE: "Something the service depends on does not answer.",
}
_ANYWHERE = (
    HTTPStatus.NOT_ACCEPTABLE,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.SERVICE_UNAVAILABLE,
)
_VERSION, _ID = microversions.HEADER, "x-openstack-request-id"
_RANGE = ("OpenStack-API-Minimum-Version", "OpenStack-API-Maximum-Version", "Vary")
_VERSIONED = (_VERSION, *_RANGE, _ID)


def document(
    operations: Iterable[Operation],
    resources: Iterable[Resource],
    families: Mapping[str, Version],
    version: Version,
) -> dict[str, Any]:
    """The document of one microversion; ``servers`` is left for who knows the address."""
    known = [operation for operation in operations if operation.since <= version]
    writer = _Writer({found.collection: found for found in resources}, known, version)
    paths: dict[str, Any] = dict(_documents(families, version))
    for operation in known:
        place = paths.setdefault("/v1/" + "/".join(operation.path), {})
        place[operation.method.lower()] = writer.operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "OpenStack Watcher",
            "version": str(version),
            "description": ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "security": [{"keystone": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "keystone": {"type": "apiKey", "in": "header", "name": "X-Auth-Token"}
            },
            "schemas": {**writer.schemas, "Error": schemas.ERROR},
            "responses": {_name(one): _failure(one, text) for one, text in _FAILURES.items()},
            "headers": _headers(version),
            "parameters": _parameters(version),
        },
    }


class _Writer:
    """Writes operations, and keeps the schemas that they refer to."""

    def __init__(
        self, resources: Mapping[str, Resource], operations: Sequence[Operation], version: Version
    ) -> None:
        self.resources = resources
        self.operations = operations
        self.version = version
        self.schemas: dict[str, Schema] = {}

    def operation(self, operation: Operation) -> dict[str, Any]:
        """An operation object."""
        text = " ".join((operation.function.__doc__ or "").split())
        summary, _, more = text.partition(". ")
        written: dict[str, Any] = {
            "operationId": _operation_id(operation),
            "tags": [operation.path[0]],
            "summary": summary.removesuffix("."),
            "x-openstack-policy": operation.rule,
            schemas.SINCE: str(operation.since),
            "parameters": list(self._arguments(operation)),
            "responses": self._responses(operation),
        }
        if more:
            written["description"] = more
        if operation.body is not None:
            written["requestBody"] = self._body(operation)
        return written

    def _arguments(self, operation: Operation) -> Iterator[dict[str, Any]]:
        yield _reference("parameters", "Microversion")
        if operation.method == "GET":
            yield _reference("parameters", "ShowDeleted")
        resource = self.resources.get(operation.path[0])
        for name in operation.idents:
            only_uuid = resource is not None and resource.only_uuid
            yield {
                "name": name,
                "in": "path",
                "required": True,
                "description": "The uuid." if only_uuid else "The uuid or name.",
                "schema": _UUID if only_uuid else {**_TEXT, "minLength": 1},
            }
        for name in operation.query:
            schema, text = _query(name, resource)
            yield {"name": name, "in": "query", "description": text, "schema": schema}

    def _body(self, operation: Operation) -> dict[str, Any]:
        kind = operation.body
        schema = schemas.body(kind, self.version)
        content = {"schema": self._kept(f"{_title(operation)}Request", schema)}
        return {
            "required": kind not in (bodies.Nothing, bodies.Anything),
            "content": dict.fromkeys(bodies.JSON_TYPES, content),
        }

    def _responses(self, operation: Operation) -> dict[str, Any]:
        headers = [*_VERSIONED, *(["Location"] if operation.status is CREATED else [])]
        written = _responses(
            operation.status, self._schema(operation), headers, failures(operation)
        )
        others = {kind: {"schema": _TEXT} for kind in operation.kinds if kind != JSON}
        if others:
            written[str(int(operation.status))]["content"].update(others)
        if links := dict(self._links(operation)):
            written[str(int(operation.status))]["links"] = links
        return written

    def _links(self, operation: Operation) -> Iterator[tuple[str, Any]]:
        """What can be done with the item an answer shows, or with the first one that it lists."""
        shown = operation.answer
        if not isinstance(shown, views.Item | views.Page):
            return
        resource = shown.resource
        place = f"/{resource.collection}/0" if isinstance(shown, views.Page) else ""
        item = f"$response.body#{place}/{resource.ident}"
        ways = {one.idents for one in self.operations if one.path[0] == resource.collection}
        for one in self.operations:
            if one.idents and one.idents in ways:
                name = _operation_id(one)
                yield name, {"operationId": name, "parameters": {f"path.{one.idents[0]}": item}}

    def _schema(self, operation: Operation) -> Schema | None:
        shown = operation.answer
        if isinstance(shown, views.Item):
            return self._item(shown.resource, detail=True)
        if isinstance(shown, views.Page):
            ref = self._item(shown.resource, detail=shown.detail)
            return schemas.page(shown.resource, ref)
        return None if shown is None else self._kept(_title(operation), shown(self.version))

    def _item(self, resource: Resource, *, detail: bool) -> Schema:
        name = resource.view.__name__.removesuffix("View") + ("" if detail else "Brief")
        return self._kept(name, schemas.item(resource, self.version, detail=detail))

    def _kept(self, name: str, schema: Schema) -> Schema:
        self.schemas[name] = schema
        return _reference("schemas", name)


def failures(operation: Operation) -> list[HTTPStatus]:
    """The statuses of errors that an operation can answer with, in order."""
    found = {*_ANYWHERE, HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
    if operation.idents or "marker" in operation.query or operation.finds:
        found.add(HTTPStatus.NOT_FOUND)
    if operation.method != "GET" and operation.status is not ACCEPTED:
        found.add(HTTPStatus.CONFLICT)
    if operation.body is not None:
        found.add(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
    return sorted(found)


def _query(name: str, resource: Resource | None) -> tuple[Schema, str]:
    if resource is not None and name == "sort_key":
        keys = {"type": "string", "enum": sorted(resource.sort_keys), "default": "id"}
        return keys, "What to sort by; equal ones by age."
    if resource is not None and name == "marker":
        kind: Schema = {"type": "integer", "minimum": 1} if resource.ident == "id" else _TEXT
        return (_UUID if resource.marker_uuid else kind), "The item before the page."
    return _QUERY[name]


def _operation_id(operation: Operation) -> str:
    return operation.rule.replace(":", "_")


def _title(operation: Operation) -> str:
    return "".join(word.capitalize() for word in _operation_id(operation).split("_"))


def _reference(kind: str, name: str) -> dict[str, str]:
    return {"$ref": f"#/components/{kind}/{name}"}


def _name(status: HTTPStatus) -> str:
    return status.phrase.replace(" ", "")


def _headers(version: Version) -> dict[str, Any]:
    used = f"{microversions.SERVICE} {version}"
    request_id = {"type": "string", "pattern": "^req-[0-9a-f-]{36}$"}
    first, last = str(microversions.BASE), str(microversions.LATEST)
    written = {
        _VERSION: ({"const": used}, "The microversion used."),
        _RANGE[0]: ({"const": first}, "The oldest microversion there is."),
        _RANGE[1]: ({"const": last}, "The newest microversion there is."),
        "Vary": ({"type": "string", "pattern": _VERSION}, "The answer depends on the version."),
        _ID: (request_id, "Names the request in the log."),
        "Location": (schemas.URL, "Where the new item is."),
        "WWW-Authenticate": ({"type": "string", "pattern": "^Keystone uri="}, "The Keystone."),
    }
    return {
        name: {"required": True, "description": text, "schema": schema}
        for name, (schema, text) in written.items()
    }


def _failure(status: HTTPStatus, text: str) -> dict[str, Any]:
    """A response object; the layers outside the microversions cannot name any."""
    names = [_ID]
    schema: Schema = _reference("schemas", "Error")
    if status is HTTPStatus.UNAUTHORIZED:
        names.append("WWW-Authenticate")
        schema = schemas.UNAUTHORIZED
    elif status not in (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.SERVICE_UNAVAILABLE):
        names += _RANGE
    content = {JSON: {"schema": schema}}
    return {"description": text, "headers": _headed(names), "content": content}


def _parameters(version: Version) -> dict[str, Any]:
    return {
        "Microversion": {
            "name": _VERSION,
            "in": "header",
            "required": version != microversions.BASE,
            "description": "Chooses the microversion; without it, the oldest.",
            "schema": {"const": f"{microversions.SERVICE} {version}"},
        },
        "ShowDeleted": {
            "name": "X-Show-Deleted",
            "in": "header",
            "description": "Whether to show what has been deleted, too; for administrators.",
            "schema": {"type": "string", "enum": ["true", "false"]},
        },
    }


def _documents(families: Mapping[str, Version], version: Version) -> Iterator[tuple[str, Any]]:
    """The paths that belong to no resource."""
    first, this = schemas.discovery(microversions.VERSIONS), {"type": "object"}
    yield (
        "/",
        {
            "get": {
                "operationId": "get_versions",
                "summary": "Which versions of the API there are",
                "security": [],
                "responses": _responses(OK, first, (_ID,), _ANYWHERE),
            }
        },
    )
    for path, name, summary, schema in (
        ("/v1", "get_resources", "Which resources there are", schemas.root(families, version)),
        (PATH, "get_document", "This document", this),
    ):
        yield (
            path,
            {
                "get": {
                    "operationId": name,
                    "summary": summary,
                    "parameters": [_reference("parameters", "Microversion")],
                    "responses": _responses(
                        OK, schema, _VERSIONED, (HTTPStatus.UNAUTHORIZED, *_ANYWHERE)
                    ),
                }
            },
        )


def _responses(
    status: HTTPStatus, schema: Schema | None, headers: Iterable[str], errors: Iterable[HTTPStatus]
) -> dict[str, Any]:
    """The responses of an operation: the one that is meant and those that tell of errors."""
    answer: dict[str, Any] = {"description": status.phrase, "headers": _headed(headers)}
    if schema is not None:
        answer["content"] = {JSON: {"schema": schema}}
    failed = {str(int(one)): _reference("responses", _name(one)) for one in errors}
    return {str(int(status)): answer, **failed}


def _headed(names: Iterable[str]) -> dict[str, Any]:
    return {name: _reference("headers", name) for name in names}
