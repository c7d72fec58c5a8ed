# SPDX-License-Identifier: Apache-2.0
"""Cinder, read in bulk, and the two ways it moves a volume: migrate and retype.

https://docs.openstack.org/api-ref/block-storage/v3/ . Lists are read page by page; what belongs
to a volume (its snapshots) is read for all volumes at once.
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from threading import Lock
from typing import Any, NamedTuple

from tenacity import Retrying

from watcher.clients.session import Clients, retrying, translated
from watcher.core.errors import Forbidden, NotFound
from watcher.core.storage import PoolRecord, VolumeRecord, VolumeType

READ_TIMEOUT_S = 60.0
PAGE = "1000"
LINKS = {
    "volumes": "volumes_links",
    "snapshots": "snapshots_links",
    "volume_types": "volume_type_links",
}
"""Where each list has the link to its next page."""
RETYPING = "retyping"
MOVING = frozenset({"starting", "migrating", "completing"})
"""Values of migration_status while Cinder is at it."""


class Service(NamedTuple):
    """One cinder-volume service: ``host`` is ``host@backend``."""

    host: str
    zone: str
    enabled: bool
    up: bool


class Volume(NamedTuple):
    """One volume as Cinder tells it to an administrator."""

    uuid: str
    name: str
    size_gb: int
    status: str
    pool: str
    """``host@backend#pool``, or '' when it is nowhere."""
    volume_type: str
    """Name of its type, or ''."""
    project_id: str
    servers: tuple[str, ...]
    bootable: bool
    multiattach: bool
    grouped: bool
    replicated: bool
    migration_status: str
    zone: str
    created_at: str

    @property
    def moving(self) -> bool:
        """Whether Cinder is migrating or retyping it."""
        return self.migration_status in MOVING or self.status == RETYPING

    def record(self, *, snapshots: bool = False) -> VolumeRecord:
        """The row of a Storage that this volume is."""
        return VolumeRecord(**self._asdict(), snapshots=snapshots)

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> "Volume":
        """From a volume in detail; KeyError when Cinder left out what it must tell an admin."""
        return cls(
            uuid=body["id"],
            name=body["name"] or "",
            size_gb=int(body["size"]),
            status=body["status"],
            pool=body["os-vol-host-attr:host"] or "",
            volume_type=body.get("volume_type") or "",
            project_id=body["os-vol-tenant-attr:tenant_id"],
            servers=tuple(sorted({one["server_id"] for one in body["attachments"]} - {None})),
            bootable=str(body.get("bootable")).lower() == "true",
            multiattach=bool(body.get("multiattach")),
            grouped=bool(body.get("group_id") or body.get("consistencygroup_id")),
            replicated=body.get("replication_status") not in (None, "", "disabled", "not-capable"),
            migration_status=body.get("os-vol-mig-status-attr:migstat") or "",
            zone=body.get("availability_zone") or "",
            created_at=body.get("created_at") or "",
        )


class Cinder:
    """Typed calls; raises Absent, ServiceDown, NotFound, Forbidden, Conflict, Invalid.

    ``requests`` counts what was sent, by the kind of thing read.
    """

    def __init__(self, clients: Clients, retries: Retrying | None = None) -> None:
        self._clients = clients
        self._retries = retries or retrying(*clients.nova_retries)
        self.requests: Counter[str] = Counter()
        self._counting = Lock()

    def pools(self) -> list[tuple[str, Mapping[str, Any]]]:
        """Every storage pool by its name, with what its driver says of it."""
        answer = self._get("scheduler-stats/get_pools", {"detail": "true"})
        return [(one["name"], one.get("capabilities") or {}) for one in answer["pools"]]

    def services(self) -> list[Service]:
        """Every cinder-volume service."""
        answer = self._get("os-services", {"binary": "cinder-volume"})
        return [
            Service(
                host=one["host"],
                zone=one.get("zone") or "",
                enabled=one["status"] == "enabled",
                up=one.get("state") == "up" and one.get("backend_state", "up") != "down",
            )
            for one in answer["services"]
        ]

    def types(self) -> list[VolumeType]:
        """Every volume type, public or not."""
        return [
            VolumeType(one["name"], one["id"], one.get("extra_specs") or {})
            for one in self._pages("types", "volume_types", is_public="None")
        ]

    def volumes(self) -> Iterator[Volume]:
        """Every volume of every project, page by page."""
        return map(_volume, self._pages("volumes/detail", "volumes", all_tenants="1"))

    def volumes_with_snapshots(self) -> set[str]:
        """The uuids of the volumes that have snapshots."""
        rows = self._pages("snapshots", "snapshots", all_tenants="1")
        return {one["volume_id"] for one in rows}

    def volume(self, uuid: str) -> Volume:
        """One volume. Raises NotFound."""
        return _volume(self._get(f"volumes/{uuid}")["volume"])

    def type(self, name: str) -> VolumeType:
        """One volume type by name or uuid. Raises NotFound."""
        for one in self.types():
            if name in (one.name, one.uuid):
                return one
        raise NotFound("Volume type", name)

    def migrate(self, uuid: str, pool: str) -> str:
        """Ask for a volume's migration, once; the id of the request, by which logs tell of it."""
        arguments = {"host": pool, "force_host_copy": False, "lock_volume": True}
        return self._act(uuid, {"os-migrate_volume": arguments})

    def retype(self, uuid: str, volume_type: str) -> str:
        """Ask for another type, once, with a migration if need be; the id of the request."""
        arguments = {"new_type": volume_type, "migration_policy": "on-demand"}
        return self._act(uuid, {"os-retype": arguments})

    def _act(self, uuid: str, body: Mapping[str, Any]) -> str:
        with translated("cinder"):
            answer = self._clients.block_storage.post(
                f"/volumes/{uuid}/action", json=body, timeout=READ_TIMEOUT_S
            )
        return str(answer.headers.get("x-openstack-request-id", ""))

    def _pages(self, path: str, key: str, **query: str) -> Iterator[Mapping[str, Any]]:
        query["limit"] = PAGE
        while True:
            page = self._get(path, query)
            yield from page[key]
            if not page.get(LINKS[key]):
                return
            # The link's own address may be one that only Cinder's proxy knows.
            query["marker"] = page[key][-1]["id"]

    def _get(self, path: str, query: Mapping[str, str] | None = None) -> Any:
        def once() -> Any:
            with self._counting:
                self.requests[path.partition("/")[0]] += 1
            with translated("cinder"):
                return self._clients.block_storage.get(
                    f"/{path}", params=query, timeout=READ_TIMEOUT_S
                )

        return self._retries(once).json()


def _volume(body: Mapping[str, Any]) -> Volume:
    try:
        return Volume.of(body)
    except KeyError as error:
        raise Forbidden(
            f"Cinder does not tell {error} of volume {body['id']}; Watcher's user needs role admin"
        ) from error


def pool_record(name: str, said: Mapping[str, Any], service: Service | None) -> PoolRecord:
    """One pool; what its driver does not tell, or tells in words, is unknown."""
    provisioned_gb = number(said.get("provisioned_capacity_gb"))
    ratio = number(said.get("max_over_subscription_ratio"))
    reserved = number(said.get("reserved_percentage", 0))
    if math.isnan(provisioned_gb):
        provisioned_gb = number(said.get("allocated_capacity_gb"))
    return PoolRecord(
        name=name,
        total_gb=number(said.get("total_capacity_gb")),
        free_gb=number(said.get("free_capacity_gb")),
        provisioned_gb=provisioned_gb,
        reserved_percent=reserved if math.isfinite(reserved) else 0.0,
        oversubscription=ratio if math.isfinite(ratio) and ratio >= 1 else 1.0,
        thin=bool(said.get("thin_provisioning_support")),
        capabilities=said,
        zone=service.zone if service else "",
        up=service is not None and service.up,
        enabled=service is not None and service.enabled,
    )


def number(said: Any) -> float:
    """A capacity as a number: inf for ``infinite``, nan for ``unknown`` and whatever is none."""
    try:
        value = float(said)
    except (TypeError, ValueError):
        return math.nan
    return value if value >= 0 else math.nan
