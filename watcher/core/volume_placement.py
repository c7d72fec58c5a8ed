# SPDX-License-Identifier: Apache-2.0
"""Which volumes may be moved, and which pools could take one now: Cinder's rules in one place.

Room is counted as Cinder's CapacityFilter counts it. What a volume leaves is room only after its
migration has ended, so it is never given to another one: the moves may run in any order.
"""

from collections.abc import Iterable

import numpy as np

from watcher.core.cluster import Bools, Cluster, Floats, InstanceState, Ints, Words, frozen
from watcher.core.storage import NO_POOL, NO_TYPE, Pools, Storage

MIGRATE, RETYPE = "migrate", "retype"
_AT_REST = ("", "none", "success", "error", "deleting")
"""Values of a volume's migration_status with which Cinder accepts a move."""
_RUNNING = (InstanceState.ACTIVE, InstanceState.PAUSED)
"""States in which Nova exchanges the disks of a server under it."""


def room_gb(pools: Pools) -> Floats:
    """GiB that each pool may promise yet: inf where it does not tell, as Cinder takes it."""
    total_gb, free_gb = (
        np.where(pools.known, column, 0.0) for column in (pools.total_gb, pools.free_gb)
    )
    reserved_gb = np.floor(total_gb * pools.reserved_percent / 100)
    thin = (total_gb - reserved_gb) * pools.oversubscription - pools.provisioned_gb
    room = np.where(pools.thin, thin, free_gb - reserved_gb)
    return np.where(pools.known & ~np.isnan(room), np.maximum(room, 0.0), np.inf)


def volume_obstacles(cluster: Cluster, kind: str = MIGRATE) -> Words:
    """For each volume, why it may not be moved ('' when it may).

    ``kind`` is ``migrate`` or ``retype``: a replicated volume may be retyped.
    """
    storage = _storage(cluster)
    volumes = storage.volumes
    reasons = np.full(len(volumes), "", dtype=object)

    def refuse(mask: Bools, texts: str | Words) -> None:
        fresh = mask & (reasons == "")
        reasons[fresh] = texts if isinstance(texts, str) else texts[fresh]

    refuse(volumes.excluded, "is excluded by the audit's scope")
    refuse(volumes.pool == NO_POOL, "is on no known pool")
    resting = np.isin(volumes.status, ("available", "in-use"))
    refuse(~resting, np.array([f"is {status}" for status in volumes.status], dtype=object))
    refuse(~np.isin(volumes.migration_status, _AT_REST), "is being migrated already")
    refuse(volumes.grouped, "is in a group of volumes")
    refuse(volumes.snapshots, "has snapshots")
    if kind == MIGRATE:
        refuse(volumes.replicated, "is replicated")
    attached = np.array([_held_by(cluster, one) for one in volumes.servers], dtype=object)
    refuse(attached != "", attached)
    return frozen(reasons)


def _held_by(cluster: Cluster, servers: Iterable[str]) -> str:
    """Why the servers that a volume is attached to hold it, or ''."""
    uuids = tuple(servers)
    if len(uuids) > 1:
        return "is attached to several servers"
    for uuid in uuids:
        row = cluster.instances.row_by_uuid.get(uuid)
        if row is None:
            return f"is attached to server {uuid}, which is not known"
        instances = cluster.instances
        state = InstanceState(instances.state[row])
        if instances.excluded[row]:
            return f"is attached to server {uuid}, which is excluded by the audit's scope"
        if instances.locked[row]:
            return f"is attached to server {uuid}, which is locked"
        if state not in _RUNNING or instances.task_state[row]:
            busy = instances.task_state[row] or state.public
            return f"is attached to server {uuid}, which is {busy}, not active or paused"
    return ""


class VolumePlacement:
    """Where each volume would be; starts as the storage is.

    ``free_gb`` is what is left of each pool's room, ``used_gb`` what each holds: physically in a
    thick pool, and in a thin one by the share of its volumes that is written on the whole.
    """

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        pools = storage.pools
        self.pool: Ints = storage.volumes.pool.copy()
        self.free_gb: Floats = room_gb(pools)
        self.used_gb: Floats = np.zeros(len(pools))
        known = pools.known
        self.used_gb[known] = pools.total_gb[known] - pools.free_gb[known]
        promised = np.where(pools.thin & (pools.provisioned_gb > 0), pools.provisioned_gb, np.nan)
        written = np.clip(self.used_gb / promised, 0.0, 1.0)
        self._written: Floats = np.append(np.where(np.isnan(written), 1.0, written), 1.0)

    def weight_gb(self, row: int) -> float:
        """GiB that a volume really holds on the pool where it is in the snapshot."""
        volumes = self.storage.volumes
        return float(volumes.size_gb[row] * self._written[volumes.pool[row]])

    def fits(self, row: int) -> Bools:
        """For each pool, whether it could take this volume now; never the one it is on."""
        pools, volumes = self.storage.pools, self.storage.volumes
        zone = volumes.zone[row]
        open_to: Bools = pools.usable & (self.free_gb >= volumes.size_gb[row])
        if zone:
            open_to = open_to & (pools.zone == zone)
        if self.pool[row] != NO_POOL:
            open_to[self.pool[row]] = False
        return open_to

    def serves(self, type_row: int) -> Bools:
        """For each pool, whether it serves a volume type; every pool serves no type."""
        if type_row == NO_TYPE:
            return np.ones(len(self.storage.pools), dtype=np.bool_)
        served: Bools = self.storage.serves[type_row]
        return served

    def allowed(self, row: int) -> Bools:
        """For each pool, whether this volume may be migrated there now, keeping its type."""
        return self.fits(row) & self.serves(int(self.storage.volumes.type[row]))

    def why_not(self, row: int, pool_row: int, type_row: int) -> str:
        """Why a pool could not take this volume with that type now, or ''."""
        pools, volumes = self.storage.pools, self.storage.volumes
        name, zone, size_gb = pools.name[pool_row], volumes.zone[row], int(volumes.size_gb[row])
        wanted = "" if type_row == NO_TYPE else self.storage.types[type_row].name
        claims = (
            (self.pool[row] == pool_row, f"it is on {name} already"),
            (not pools.up[pool_row], f"the service of {name} is down"),
            (not pools.enabled[pool_row], f"the service of {name} is disabled"),
            (not pools.in_scope[pool_row], f"{name} is outside the audit's scope"),
            (not self.serves(type_row)[pool_row], f"{name} does not serve volume type {wanted}"),
            (bool(zone) and pools.zone[pool_row] != zone, f"{name} is outside zone {zone}"),
            (
                self.free_gb[pool_row] < size_gb,
                f"{name} has {self.free_gb[pool_row]:g} GiB left for {size_gb} GiB",
            ),
        )
        return next((text for holds, text in claims if holds), "")

    def move(self, row: int, to: int) -> None:
        """Put a volume on another pool; what it leaves is used by nobody else."""
        source, moved_gb = int(self.pool[row]), self.weight_gb(row)
        if source != NO_POOL:
            self.used_gb[source] -= moved_gb
        self.used_gb[to] += moved_gb
        self.free_gb[to] -= float(self.storage.volumes.size_gb[row])
        self.pool[row] = to


def _storage(cluster: Cluster) -> Storage:
    if cluster.storage is None:
        raise ValueError("the cluster was read without its storage")
    return cluster.storage
