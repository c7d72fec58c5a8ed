# SPDX-License-Identifier: Apache-2.0
"""Compute v2.1, microversions 2.1 to 2.100: what clients read, and the services they disable.

See https://docs.openstack.org/api-ref/compute/.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from watcher.simulator import nova_actions as actions
from watcher.simulator import nova_hosts as hosts
from watcher.simulator import nova_views as views
from watcher.simulator.clock import epoch
from watcher.simulator.cloud import Cloud
from watcher.simulator.keystone import Keystone
from watcher.simulator.migrations import IN_PROGRESS, LIVE
from watcher.simulator.web import (
    App,
    Refusal,
    Request,
    Response,
    Route,
    listing,
    need_admin,
    negotiate,
    page,
    written,
)
from watcher.simulator.world import Migration, Server

_LOW, _HIGH = (2, 1), (2, 100)
_ENVELOPES = {
    400: "badRequest",
    401: "unauthorized",
    403: "forbidden",
    404: "itemNotFound",
    409: "conflictingRequest",
}


class Nova(App):
    """The compute service."""

    name = "compute"

    def __init__(self, cloud: Cloud, keystone: Keystone) -> None:
        self._keystone = keystone
        super().__init__(cloud)

    def routes(self) -> Sequence[Route]:
        """The resources, all below /v2.1 but the list of versions."""
        return [
            ("GET", "/", self._versions),
            *((method, f"/v2.1{path}", handler) for method, path, handler in self._resources()),
        ]

    def _resources(self) -> Sequence[Route]:
        server, move = "/servers/{server_id}", "/servers/{server_id}/migrations/{migration_id}"
        return [
            ("GET", "/", self._version),
            ("GET", "/servers", self._servers),
            ("GET", "/servers/detail", self._servers_detail),
            ("GET", server, self._server),
            ("DELETE", server, self._on_server(actions.delete)),
            ("POST", f"{server}/action", self._on_server(actions.act)),
            ("GET", f"{server}/migrations", self._server_migrations),
            ("GET", move, self._server_migration),
            ("DELETE", move, self._on_server(actions.abort)),
            ("POST", f"{move}/action", self._on_server(actions.migration_action)),
            ("GET", f"{server}/os-instance-actions", self._actions),
            ("GET", f"{server}/os-instance-actions/{{request_id}}", self._action),
            ("GET", "/os-migrations", self._migrations),
            *hosts.routes(self.cloud),
        ]

    def prepare(self, request: Request) -> Request:
        """Token and microversion."""
        if request.path.strip("/") in ("", "v2.1"):
            return request
        identity = self._keystone.identify(request)
        return replace(negotiate(request, self.name, _LOW, _HIGH), identity=identity)

    def error(self, request: Request, refusal: Refusal) -> Any:
        """Nova's envelopes."""
        del request
        kind = _ENVELOPES.get(refusal.status, "computeFault")
        return {kind: {"code": refusal.status, "message": refusal.message}}

    def finish(self, request: Request, response: Response) -> None:
        """Nova's headers."""
        names = "OpenStack-API-Version, X-OpenStack-Nova-API-Version"
        response.headers["X-Compute-Request-Id"] = request.request_id
        response.headers["Vary"] = names
        if request.version >= _LOW:
            response.headers["OpenStack-API-Version"] = f"compute {written(request.version)}"
            response.headers["X-OpenStack-Nova-API-Version"] = written(request.version)

    # -- versions ------------------------------------------------------------------------------

    def _version_document(self, request: Request) -> dict[str, Any]:
        return {
            "id": "v2.1",
            "status": "CURRENT",
            "version": written(_HIGH),
            "min_version": written(_LOW),
            "updated": "2013-07-23T11:33:21Z",
            "links": [{"rel": "self", "href": f"{request.origin}/v2.1/"}],
        }

    def _versions(self, request: Request) -> Response:
        return Response({"versions": [self._version_document(request)]})

    def _version(self, request: Request) -> Response:
        return Response({"version": self._version_document(request)})

    # -- servers -------------------------------------------------------------------------------

    def _find_server(self, request: Request, server_id: str) -> Server:
        one = self.cloud.world.servers.get(server_id)
        if one is None or one.vm_state == "deleted" or not _sees(request, one):
            raise Refusal(404, f"Instance {server_id} could not be found.")
        return one

    def _on_server(self, run: Any) -> Any:
        """A handler that hands the server to a function of nova_actions."""

        def handler(request: Request, server_id: str, **more: str) -> Response:
            found = self._find_server(request, server_id)
            answer: Response = run(self.cloud, request, found, *more.values())
            return answer

        return handler

    def _selected(self, request: Request) -> tuple[Sequence[Server], str | None]:
        """The page of servers a request asks for, and the query of the next page."""
        tests = _server_tests(request)
        found = [one for one in self.cloud.world.servers.values() if all(t(one) for t in tests)]
        newest_first = request.arg("sort_dir", "desc") != "asc"
        found.sort(key=lambda one: (one.created, one.number), reverse=newest_first)
        return page(request, found, lambda one: one.uuid)

    def _servers(self, request: Request) -> Response:
        rows, following = self._selected(request)
        brief = [views.server_brief(one, request.origin) for one in rows]
        return listing(request, "servers", brief, following)

    def _servers_detail(self, request: Request) -> Response:
        rows, following = self._selected(request)
        return listing(
            request, "servers", [self._server_view(request, one) for one in rows], following
        )

    def _server_view(self, request: Request, one: Server) -> dict[str, Any]:
        host = self.cloud.world.hosts[one.host]
        admin = request.identity.admin
        return views.server(one, host, request.origin, request.version, admin=admin)

    def _server(self, request: Request, server_id: str) -> Response:
        one = self._find_server(request, server_id)
        body = self._server_view(request, one)
        if request.version >= (2, 71):
            group = self.cloud.world.group_of(one.uuid)
            body["server_groups"] = [group.id] if group else []
        return Response({"server": body})

    # -- migrations and actions ----------------------------------------------------------------

    def _server_migrations(self, request: Request, server_id: str) -> Response:
        one = self._find_server(request, server_id)
        now = self.cloud.clock.now()
        found = [
            views.server_migration(move, request.version, now)
            for move in self.cloud.world.active.values()
            if move.server is one and move.kind == LIVE and move.status in IN_PROGRESS
        ]
        return Response({"migrations": found})

    def _server_migration(self, request: Request, server_id: str, migration_id: str) -> Response:
        one = self._find_server(request, server_id)
        move = actions.migration_of(self.cloud, one, migration_id)
        now = self.cloud.clock.now()
        return Response({"migration": views.server_migration(move, request.version, now)})

    def _migrations(self, request: Request) -> Response:
        need_admin(request, "os-migrations:index")
        found = [one for one in self.cloud.world.migrations if _wanted_move(request, one)]
        rows: Sequence[Migration] = found
        following = None
        if request.version >= (2, 59):
            rows, following = page(request, found[::-1], lambda one: one.uuid)
        shown = [views.migration(one, request.origin, request.version) for one in rows]
        return listing(request, "migrations", shown, following)

    def _actions(self, request: Request, server_id: str) -> Response:
        known = self.cloud.world.actions.get(server_id, [])
        if not known:
            self._find_server(request, server_id)
        shown = [
            views.action(one, request.version, self.cloud.world, events=False)
            for one in reversed(known)
        ]
        return Response({"instanceActions": shown})

    def _action(self, request: Request, server_id: str, request_id: str) -> Response:
        for one in self.cloud.world.actions.get(server_id, []):
            if one.request_id == request_id:
                shown = views.action(one, request.version, self.cloud.world, events=True)
                return Response({"instanceAction": shown})
        raise Refusal(404, f"Action for request_id {request_id} on instance {server_id} not found")


Test = Callable[[Server], bool]


def _sees(request: Request, one: Server) -> bool:
    return request.identity.admin or one.project_id == request.identity.project_id


def _server_tests(request: Request) -> list[Test]:
    """What the query asks of a server."""
    who = request.identity
    everybody = who.admin and request.arg("all_tenants", "0") not in ("0", "false", "False")
    since = _time(request, "changes-since")
    deleted = who.admin and request.arg("deleted", "false") in ("1", "true", "True")
    tests: list[Test] = []
    if not everybody:
        tests.append(lambda one: one.project_id == who.project_id)
    if since is not None:
        tests.append(lambda one: one.updated >= since)
    else:
        tests.append(lambda one: (one.vm_state == "deleted") == deleted)
    return [*tests, *(_field_test(request, name) for name in _FIELDS if name in request.query)]


_FIELDS: dict[str, Callable[[Server], str]] = {
    "host": lambda one: one.host,
    "node": lambda one: f"{one.host}.sim.example",
    "status": views.status,
    "vm_state": lambda one: one.vm_state,
    "project_id": lambda one: one.project_id,
    "tenant_id": lambda one: one.project_id,
    "user_id": lambda one: one.user_id,
    "flavor": lambda one: one.flavor.id,
    "uuid": lambda one: one.uuid,
}


def _field_test(request: Request, name: str) -> Test:
    """A server has one of the values asked for; ``status`` in any case of letters."""
    value = _FIELDS[name]
    wanted = {text.upper() if name == "status" else text for text in request.query[name]}
    return lambda one: value(one) in wanted


def _time(request: Request, name: str) -> float | None:
    text = request.arg(name)
    if text is None:
        return None
    try:
        return epoch(text)
    except ValueError:
        raise Refusal(400, f"Invalid input for query parameters {name}. Value: {text}.") from None


def _wanted_move(request: Request, one: Migration) -> bool:
    since = _time(request, "changes-since")
    asked = {
        "instance_uuid": (one.server.uuid,),
        "status": (one.status,),
        "host": (one.source, one.dest),
        "source_compute": (one.source,),
        "migration_type": (one.kind,),
    }
    return (since is None or one.updated >= since) and all(
        request.arg(name) in values for name, values in asked.items() if name in request.query
    )
