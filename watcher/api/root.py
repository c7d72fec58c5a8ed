# SPDX-License-Identifier: Apache-2.0
"""The route tree and the version documents (rest-api 1).

All routes are one table, so that a path nobody has is a 404, a method a path has not is a 405
with ``Allow``, and slashes, ``.json`` and paths without ``/v1`` are treated alike everywhere.
Pecan asks ``Root._route`` which controller serves a request, and calls that.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from types import ModuleType
from typing import Any

import pecan
import webob.exc
from microversion_parse import Version
from webob import Request, Response

from watcher.api import expose, measured, microversions, openapi, strict
from watcher.api.expose import Api, Operation
from watcher.api.resources import (
    action_plans,
    actions,
    audit_templates,
    audits,
    data_model,
    goals,
    scoring_engines,
    services,
    strategies,
    webhooks,
)
from watcher.api.views import Resource
from watcher.core.errors import NotAcceptable, NotFound

FAMILIES: Mapping[str, tuple[ModuleType, Version]] = {
    "audit_templates": (audit_templates, microversions.BASE),
    "audits": (audits, microversions.BASE),
    "action_plans": (action_plans, microversions.BASE),
    "actions": (actions, microversions.BASE),
    "goals": (goals, microversions.BASE),
    "strategies": (strategies, microversions.BASE),
    "scoring_engines": (scoring_engines, microversions.BASE),
    "services": (services, microversions.BASE),
    "data_model": (data_model, microversions.DATA_MODEL),
    "webhooks": (webhooks, microversions.WEBHOOKS),
}
"""Every resource and the first microversion whose document names it."""

DOCUMENTATION = "https://docs.openstack.org/watcher/latest/"

Path = tuple[str | None, ...]
"""Segments of a path; None stands for an identifier."""


def operations() -> Iterator[Operation]:
    """Every operation of every resource."""
    for module, _ in FAMILIES.values():
        yield from (found for found in vars(module).values() if isinstance(found, Operation))


def resources() -> Iterator[Resource]:
    """Every resource that has rows."""
    for module, _ in FAMILIES.values():
        yield from (found for found in vars(module).values() if isinstance(found, Resource))


@cache
def description(version: Version) -> dict[str, Any]:
    """The OpenAPI document of a microversion; the same object each time, so do not change it."""
    families = {name: since for name, (_, since) in FAMILIES.items()}
    return openapi.document(operations(), resources(), families, version)


def routes() -> dict[Path, dict[str, Operation]]:
    """The operations by path and method."""
    table: dict[Path, dict[str, Operation]] = {}
    for operation in operations():
        path = tuple(None if part.startswith("{") else part for part in operation.path)
        table.setdefault(path, {})[operation.method] = operation
    return table


class Root:
    """Pecan's root controller: finds what a request means and serves it."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.routes = routes()
        self.documents = {
            (): self.versions,
            ("v1",): self.resources,
            ("v1", "openapi"): self.openapi,  # openapi.PATH without its suffix
            ("openapi",): self.openapi,
        }

    @pecan.expose()
    def _route(self, segments: Sequence[str], request: Request) -> tuple[Any, list[str]]:
        """The controller of a path.

        Raises NotFound, NotAcceptable for the suffix of another format, or webob's 405 that names
        the methods there are.
        """
        path = _canonical(segments)
        if path in self.documents:
            _choose(request, {"GET": None})
            request.environ[measured.ROUTE] = f"/{'/'.join(path)}"
            return self.documents[path], []
        if path[-1].endswith(".xml"):
            raise NotAcceptable("the service speaks JSON only")
        for pattern, idents in _readings(path[1:] if path[0] == "v1" else path):
            if pattern in self.routes:
                strict.check(list(idents))
                operation = _choose(request, self.routes[pattern])
                request.context["found"] = operation, idents
                names = (part or "{id}" for part in pattern)
                request.environ[measured.ROUTE] = f"/v1/{'/'.join(names)}"
                return self._server(operation, request), []
        raise NotFound("Path", request.path_info[:200])

    def _server(self, operation: Operation, request: Request) -> Any:
        """Who serves an operation: pecan itself refuses those who do not want JSON.

        Where there are other forms of an answer we agree on one. Raises NotAcceptable.
        """
        if operation.kinds == (expose.JSON,):
            return self.serve
        request.context["kind"] = request.pecan["content_type"] = expose.kind(operation, request)
        return self.serve_as

    @pecan.expose(content_type=None)
    def serve_as(self, request: Request, response: Any) -> Response:
        """Run the operation that was found, in the form that was agreed on."""
        return self.serve(request, response)

    @pecan.expose(content_type="application/json")
    def serve(self, request: Request, _response: Any) -> Response:
        """Run the operation that was found."""
        operation, idents = request.context["found"]
        return expose.serve(self.api, operation, idents, request)

    @pecan.expose(content_type="application/json")
    def versions(self, request: Request, _response: Any) -> Response:
        """The document at ``/``: which versions of the API there are; it needs no token."""
        version = {
            "id": "v1",
            "status": "CURRENT",
            "min_version": str(microversions.BASE),
            "max_version": str(microversions.LATEST),
            "links": [{"href": f"{request.application_url}/v1/", "rel": "self"}],
        }
        return expose.document(
            {
                "name": "OpenStack Watcher API",
                "description": "Watcher makes a cloud reach its goals: it audits, plans and acts.",
                "versions": [version],
                "default_version": version,
            }
        )

    @pecan.expose(content_type="application/json")
    def resources(self, request: Request, _response: Any) -> Response:
        """The document at ``/v1``: the resources the negotiated microversion knows."""
        url = request.application_url
        kind = "application/vnd.openstack.watcher.v1+json"
        families = {
            name: [
                {"href": f"{url}/v1/{name}/", "rel": "self"},
                {"href": f"{url}/{name}/", "rel": "bookmark"},
            ]
            for name, (_, since) in FAMILIES.items()
            if since <= request.context["version"]
        }
        return expose.document(
            {
                "id": "v1",
                "media_types": [{"base": "application/json", "type": kind}],
                "links": [
                    {"href": f"{url}/v1/", "rel": "self"},
                    {"href": DOCUMENTATION, "rel": "describedby", "type": "text/html"},
                ],
                **families,
            }
        )

    @pecan.expose(content_type="application/json")
    def openapi(self, request: Request, _response: Any) -> Response:
        """The OpenAPI document of the negotiated microversion."""
        servers = [{"url": request.application_url}]
        return expose.document({**description(request.context["version"]), "servers": servers})


def _canonical(segments: Sequence[str]) -> tuple[str, ...]:
    """The segments without one trailing slash and without ``.json`` at the end."""
    path = list(segments)
    if path and not path[-1]:
        path.pop()
    if path:
        path[-1] = path[-1].removesuffix(".json")
    return tuple(path)


def _readings(path: tuple[str, ...]) -> Iterator[tuple[Path, tuple[str, ...]]]:
    """The patterns a path may fit, words before identifiers, and the identifiers in it."""
    yield path, ()
    if len(path) > 1 and path[1]:
        yield (path[0], None, *path[2:]), (path[1],)


def _choose(request: Request, methods: Mapping[str, Any]) -> Any:
    """What a path has for the request's method; HEAD is answered like GET."""
    method = "GET" if request.method == "HEAD" else request.method
    if method in methods:
        return methods[method]
    allowed = ", ".join(sorted({*methods, *(["HEAD"] if "GET" in methods else [])}))
    raise webob.exc.HTTPMethodNotAllowed(
        f"{request.method[:20]} is not possible here, only {allowed}", headers={"Allow": allowed}
    )
