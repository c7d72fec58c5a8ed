# SPDX-License-Identifier: Apache-2.0
"""The block storage of the cloud, from Cinder, as one immutable Storage."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar, NamedTuple

from oslo_config import cfg

from watcher.clients.cinder import Cinder, Service, Volume
from watcher.clients.session import Clients, retrying
from watcher.core.storage import (
    PoolRecord,
    Storage,
    VolumeRecord,
    VolumeType,
    assemble_storage,
    backend_of,
)


class Raw(NamedTuple):
    """What was read, before it is put together."""

    pools: Sequence[tuple[str, Mapping[str, Any]]]
    services: Sequence[Service]
    types: Sequence[VolumeType]
    volumes: Sequence[Volume]
    with_snapshots: set[str]


class StorageCollector:
    """Reads Cinder: pools, services, types, volumes and snapshots, each in bulk, side by side."""

    name: ClassVar[str] = "storage"

    def __init__(self, clients: Clients, conf: cfg.ConfigOpts) -> None:
        self._clients = clients
        self._conf = conf

    def collect(self) -> Storage:
        """Read everything. Raises Absent when there is no Cinder, ServiceDown when it is down.

        A pool that tells no size, or an odd one, is not ``known``; the others are as they are.
        """
        taken_at, begun = time.time(), time.monotonic()
        options = self._conf.collector
        retries = options.api_query_max_retries, options.api_query_interval
        cinder = Cinder(self._clients, retrying(*retries))
        services = cinder.services()  # first and alone: it tells when there is no Cinder at all
        with ThreadPoolExecutor(4, "storage-collector") as pool:
            reads: Sequence[Callable[[], Any]] = (
                cinder.pools,
                cinder.types,
                lambda: list(cinder.volumes()),
                cinder.volumes_with_snapshots,
            )
            pools, types, volumes, snapshots = pool.map(lambda read: read(), reads)
        raw = Raw(pools, services, types, volumes, snapshots)
        spent = {"all": time.monotonic() - begun}
        origin = {"requests": dict(cinder.requests), "seconds": spent}
        return put_together(raw, taken_at, origin)


def put_together(raw: Raw, taken_at: float, origin: Mapping[str, Any]) -> Storage:
    """The storage that these answers describe."""
    services = {one.host: one for one in raw.services}
    pools = [
        _pool(name, said, services.get(backend_of(name))) for name, said in dict(raw.pools).items()
    ]
    # A volume that changed between two pages may be told twice; the later page is the newer truth.
    volumes = {one.uuid: _volume(one, raw.with_snapshots) for one in raw.volumes}
    return assemble_storage(
        pools, list(volumes.values()), raw.types, taken_at=taken_at, origin=origin
    )


def _pool(name: str, said: Mapping[str, Any], service: Service | None) -> PoolRecord:
    """One pool; what its driver does not tell, or tells in words, is unknown."""
    total_gb = number(said.get("total_capacity_gb"))
    provisioned_gb = number(said.get("provisioned_capacity_gb"))
    allocated_gb = number(said.get("allocated_capacity_gb"))
    ratio = number(said.get("max_over_subscription_ratio"))
    reserved = number(said.get("reserved_percentage", 0))
    return PoolRecord(
        name=name,
        total_gb=total_gb,
        free_gb=number(said.get("free_capacity_gb")),
        provisioned_gb=allocated_gb if math.isnan(provisioned_gb) else provisioned_gb,
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
        return math.inf if said == "infinite" else math.nan
    return value if value >= 0 else math.nan


def _volume(one: Volume, with_snapshots: set[str]) -> VolumeRecord:
    return VolumeRecord(
        uuid=one.uuid,
        name=one.name,
        size_gb=one.size_gb,
        pool=one.pool,
        status=one.status,
        volume_type=one.volume_type,
        project_id=one.project_id,
        servers=one.servers,
        bootable=one.bootable,
        multiattach=one.multiattach,
        snapshots=one.uuid in with_snapshots,
        grouped=one.grouped,
        replicated=one.replicated,
        migration_status=one.migration_status,
        zone=one.zone,
        created_at=one.created_at,
    )
