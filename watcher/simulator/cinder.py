# SPDX-License-Identifier: Apache-2.0
"""Block storage v3: what Watcher and the openstack command ask of it.

See https://docs.openstack.org/api-ref/block-storage/v3/.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from watcher.simulator import block, cinder_views
from watcher.simulator.block import Block, Type, Volume
from watcher.simulator.cloud import Cloud
from watcher.simulator.keystone import Keystone
from watcher.simulator.web import (
    App,
    Refusal,
    Request,
    Response,
    Route,
    need_admin,
    negotiate,
    page,
    written,
)

_LOW, _HIGH = (3, 0), (3, 70)
_ENVELOPES = {400: "badRequest", 403: "forbidden", 404: "itemNotFound", 409: "conflictingRequest"}
_NOT_MOVING = (None, "deleting", "error", "success")


class Cinder(App):
    """The block storage service."""

    name = "block-storage"

    def __init__(self, cloud: Cloud, keystone: Keystone) -> None:
        self._keystone = keystone
        self.block: Block = block.standard(cloud)
        cloud.ticks.append(lambda now: block.advance(self.block, now))
        super().__init__(cloud)

    def routes(self) -> Sequence[Route]:
        """The resources, all below /v3 but the list of versions."""
        volume = "/volumes/{volume_id}"
        resources: Sequence[Route] = [
            ("GET", "/", self._version),
            ("GET", "/volumes", self._volumes),
            ("GET", "/volumes/detail", self._volumes),
            ("POST", "/volumes", self._create),
            ("GET", volume, self._volume),
            ("DELETE", volume, self._delete),
            ("POST", f"{volume}/action", self._act),
            ("GET", "/snapshots", self._snapshots),
            ("GET", "/snapshots/detail", self._snapshots),
            ("GET", "/types", self._types),
            ("GET", "/types/{type_id}", self._type),
            ("GET", "/scheduler-stats/get_pools", self._pools),
            ("GET", "/os-services", self._services),
            ("GET", "/limits", self._limits),
            ("GET", "/os-availability-zone", self._zones),
        ]
        below = [(method, f"/v3{path}", handler) for method, path, handler in resources]
        return [("GET", "/", self._versions), *below]

    def prepare(self, request: Request) -> Request:
        """Token and microversion."""
        if request.path.strip("/") in ("", "v3"):
            return request
        identity = self._keystone.identify(request)
        return replace(negotiate(request, "volume", _LOW, _HIGH), identity=identity)

    def error(self, request: Request, refusal: Refusal) -> Any:
        """Cinder's envelopes."""
        del request
        kind = _ENVELOPES.get(refusal.status, "computeFault")
        return {kind: {"code": refusal.status, "message": refusal.message}}

    def finish(self, request: Request, response: Response) -> None:
        """Cinder's headers."""
        response.headers["Vary"] = "OpenStack-API-Version"
        if request.version >= _LOW:
            response.headers["OpenStack-API-Version"] = f"volume {written(request.version)}"

    def _document(self, request: Request) -> dict[str, Any]:
        return {
            "id": "v3.0",
            "status": "CURRENT",
            "version": written(_HIGH),
            "min_version": written(_LOW),
            "updated": "2023-08-31T00:00:00Z",
            "links": [{"rel": "self", "href": f"{request.origin}/v3/"}],
        }

    def _versions(self, request: Request) -> Response:
        return Response({"versions": [self._document(request)]}, 300)

    def _version(self, request: Request) -> Response:
        return Response({"versions": [self._document(request)]})

    # -- volumes -------------------------------------------------------------------------------

    def _seen(self, request: Request) -> list[Volume]:
        who = request.identity
        everybody = who.admin and request.arg("all_tenants", "0") not in ("0", "false", "False")
        rows = [
            one
            for one in self.block.volumes.values()
            if everybody or one.project_id == who.project_id
        ]
        return sorted(rows, key=lambda one: (one.created, one.id), reverse=True)

    def _volumes(self, request: Request) -> Response:
        detail = request.path.rstrip("/").endswith("detail")
        rows, following = page(request, self._seen(request), lambda one: one.id)
        shown = [
            cinder_views.volume(one, self.block, request)
            if detail
            else {"id": one.id, "name": one.name, "links": []}
            for one in rows
        ]
        return _listing(request, "volumes", "volumes_links", shown, following)

    def find(self, request: Request, volume_id: str) -> Volume:
        """A volume that the caller may see.

        :raises Refusal: 404
        """
        one = self.block.volumes.get(volume_id)
        mine = one is not None and one.project_id == request.identity.project_id
        if one is None or not (request.identity.admin or mine):
            raise Refusal(404, f"Volume {volume_id} could not be found.")
        return one

    def _volume(self, request: Request, volume_id: str) -> Response:
        one = self.find(request, volume_id)
        return Response({"volume": cinder_views.volume(one, self.block, request)})

    def _create(self, request: Request) -> Response:
        wanted = request.json()["volume"]
        kind = self._find_type(wanted.get("volume_type") or "__DEFAULT__")
        one = Volume(
            id=self.cloud.world.new_uuid(),
            name=wanted.get("name") or "",
            size_gb=int(wanted["size"]),
            pool="",
            type=kind.id,
            project_id=request.identity.project_id,
            created=self.cloud.clock.now(),
        )
        fitting = [
            pool.name for pool in self.block.pools.values() if self.block.takes(pool, one, kind.id)
        ]
        one.pool = fitting[0] if fitting else ""
        one.status = "available" if fitting else "error"
        self.block.volumes[one.id] = one
        return Response({"volume": cinder_views.volume(one, self.block, request)}, 202)

    def _delete(self, request: Request, volume_id: str) -> Response:
        one = self.find(request, volume_id)
        if one.status not in ("available", "error") or one.snapshots:
            raise Refusal(400, f"Invalid volume: Volume {volume_id} status must be available.")
        del self.block.volumes[volume_id]
        return Response(None, 202)

    # -- moves ---------------------------------------------------------------------------------

    def _act(self, request: Request, volume_id: str) -> Response:
        one = self.find(request, volume_id)
        body = request.json()
        name, arguments = next(iter(body.items()))
        run = {"os-migrate_volume": self._migrate, "os-retype": self._retype}.get(name)
        if run is None:
            raise Refusal(400, f"There is no such action: {name}")
        run(request, one, arguments)
        return Response(None, 202)

    def _migrate(self, request: Request, one: Volume, arguments: Mapping[str, Any]) -> None:
        need_admin(request, "volume_extension:volume_admin_actions:migrate_volume")
        target = self.block.pools.get(arguments["host"])
        backend = str(arguments["host"]).partition("#")[0]
        served = [pool for pool in self.block.pools.values() if pool.backend == backend]
        if not any(pool.up and pool.enabled for pool in served):
            raise Refusal(400, f"Invalid host: No available service named '{arguments['host']}'")
        wrong = one.status not in ("available", "in-use") or one.snapshots
        if wrong or one.migration_status not in _NOT_MOVING or arguments["host"] == one.pool:
            raise Refusal(
                400,
                f"Invalid volume: Volume {one.id} status must be available or in-use, must not be"
                " migrating, have snapshots, be replicated, be part of a group and destination"
                " host/cluster must be different than the current one",
            )
        if target is None or not self.block.takes(target, one, one.type):
            block.fail(one)
            return
        locked = arguments.get("lock_volume") and one.status == "available"
        status = "maintenance" if locked else one.status
        block.move(self.cloud, one, target.name, one.type, status)

    def _retype(self, request: Request, one: Volume, arguments: Mapping[str, Any]) -> None:
        del request
        kind = self._find_type(arguments["new_type"])
        wrong = one.status not in ("available", "in-use")
        if wrong or one.migration_status not in _NOT_MOVING or kind.id == one.type:
            raise Refusal(
                400,
                "Invalid volume: Retype needs volume to be in available or in-use state, not be"
                " part of an active migration or a consistency group, requested type has to be"
                " different that the one from the volume, and for in-use volumes front-end qos"
                " specs cannot change.",
            )
        one.status = "retyping"
        here = self.block.pools[one.pool]
        pools = [here, *(pool for pool in self.block.pools.values() if pool is not here)]
        fitting = [pool for pool in pools if self.block.takes(pool, one, kind.id)]
        on_demand = arguments.get("migration_policy") == "on-demand" and not one.snapshots
        if not fitting or (fitting[0] is not here and not on_demand):
            block.fail(one)
            return
        block.move(self.cloud, one, fitting[0].name, kind.id, "retyping")

    def _find_type(self, name: str) -> Type:
        for one in self.block.types.values():
            if name in (one.id, one.name):
                return one
        raise Refusal(404, f"Volume type {name} could not be found.")

    # -- the rest ------------------------------------------------------------------------------

    def _snapshots(self, request: Request) -> Response:
        rows = [
            {"id": f"{one.id[:-4]}{number:04x}", "volume_id": one.id, "status": "available"}
            for one in self._seen(request)
            for number in range(one.snapshots)
        ]
        part, following = page(request, rows, lambda one: str(one["id"]))
        return _listing(request, "snapshots", "snapshots_links", part, following)

    def _types(self, request: Request) -> Response:
        rows = sorted(self.block.types.values(), key=lambda one: one.name)
        part, following = page(request, rows, lambda one: one.id)
        shown = [cinder_views.volume_type(one) for one in part]
        return _listing(request, "volume_types", "volume_type_links", shown, following)

    def _type(self, request: Request, type_id: str) -> Response:
        del request
        return Response({"volume_type": cinder_views.volume_type(self._find_type(type_id))})

    def _pools(self, request: Request) -> Response:
        need_admin(request, "scheduler_extension:scheduler_stats:get_pools")
        detail = request.arg("detail", "false") in ("true", "True", "1")
        up = [one for one in self.block.pools.values() if one.up]
        return Response(
            {"pools": [cinder_views.pool(one, self.block, detail=detail) for one in up]}
        )

    def _services(self, request: Request) -> Response:
        need_admin(request, "volume_extension:services:index")
        backends = {one.backend: one for one in self.block.pools.values()}
        rows = [cinder_views.service(one, self.cloud.clock.now()) for one in backends.values()]
        return Response({"services": rows})

    def _limits(self, request: Request) -> Response:
        mine = [
            one
            for one in self.block.volumes.values()
            if one.project_id == request.identity.project_id
        ]
        absolute = {
            "maxTotalVolumes": -1,
            "maxTotalVolumeGigabytes": -1,
            "totalVolumesUsed": len(mine),
            "totalGigabytesUsed": sum(one.size_gb for one in mine),
        }
        return Response({"limits": {"rate": [], "absolute": absolute}})

    def _zones(self, request: Request) -> Response:
        del request
        names = sorted({one.zone for one in self.block.pools.values()})
        rows = [{"zoneName": name, "zoneState": {"available": True}} for name in names]
        return Response({"availabilityZoneInfo": rows})


def _listing(
    request: Request, name: str, links: str, rows: Sequence[Any], following: str | None
) -> Response:
    body: dict[str, Any] = {name: rows}
    if following is not None:
        href = f"{request.origin}{request.path}?{following}"
        body[links] = [{"rel": "next", "href": href}]
    return Response(body)
