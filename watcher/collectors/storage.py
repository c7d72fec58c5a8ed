# SPDX-License-Identifier: Apache-2.0
"""The block storage of the cloud, from Cinder, as one immutable Storage."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

from oslo_config import cfg

from watcher.clients.cinder import Cinder, Service, Volume, pool_record
from watcher.clients.session import Clients, retrying
from watcher.context import Threads
from watcher.core.storage import (
    PoolRecord,
    Storage,
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
        with Threads(4, "storage-collector") as pool:
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
    known = dict(raw.pools)
    pools = [
        pool_record(name, said, services.get(backend_of(name))) for name, said in known.items()
    ]
    # Cinder's scheduler does not know the pools of a service that is down.
    lost = sorted({one.pool for one in raw.volumes if one.pool} - known.keys())
    pools += [PoolRecord(name, zone="", up=False) for name in lost]
    # A volume that changed between two pages may be told twice; the later page is the newer truth.
    volumes = {
        one.uuid: one.record(snapshots=one.uuid in raw.with_snapshots) for one in raw.volumes
    }
    return assemble_storage(
        pools, list(volumes.values()), raw.types, taken_at=taken_at, origin=origin
    )
