# SPDX-License-Identifier: Apache-2.0
"""The block storage of the simulated cloud: pools, volume types, volumes, and their moves.

Nothing runs in the background: what was due is carried out before each request is answered, as in
:mod:`watcher.simulator.migrations`. A migration and a retype last as long as the volume is large.
"""

from dataclasses import dataclass, field
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from watcher.core.capabilities import satisfies
from watcher.simulator.cloud import Cloud

SECONDS_PER_GB = 0.2
"""Simulated seconds of copying one GiB."""


@dataclass(slots=True)
class Pool:
    """A storage pool of its own back end; ``name`` is ``host@backend#pool``."""

    name: str
    total_gb: float | str
    capabilities: dict[str, Any] = field(default_factory=dict)
    zone: str = "nova"
    up: bool = True
    enabled: bool = True

    @property
    def backend(self) -> str:
        """``host@backend``: the cinder-volume service."""
        return self.name.partition("#")[0]


@dataclass(slots=True)
class Type:
    """A volume type."""

    id: str
    name: str
    extra_specs: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Volume:
    """A volume; ``servers`` are those it is attached to.

    :ivar due: when what is under way ends; ``goal`` is then (pool, type), unless it ``fails``
    """

    id: str
    name: str
    size_gb: int
    pool: str
    type: str
    project_id: str
    created: float
    servers: list[str] = field(default_factory=list)
    status: str = "available"
    migration_status: str | None = None
    bootable: bool = False
    snapshots: int = 0
    due: float | None = None
    goal: tuple[str, str] | None = None
    fails: bool = False

    @property
    def at_rest(self) -> str:
        """The status when nothing is being done with it."""
        return "in-use" if self.servers else "available"


@dataclass(slots=True)
class Block:
    """All of the block storage."""

    pools: dict[str, Pool] = field(default_factory=dict)
    types: dict[str, Type] = field(default_factory=dict)
    volumes: dict[str, Volume] = field(default_factory=dict)

    def used_gb(self, pool: str) -> int:
        """GiB of the volumes in a pool."""
        return sum(one.size_gb for one in self.volumes.values() if one.pool == pool)

    def free_gb(self, pool: Pool) -> float | str:
        """GiB left, in the driver's words where it has no number."""
        if isinstance(pool.total_gb, str):
            return pool.total_gb
        return pool.total_gb - self.used_gb(pool.name)

    def takes(self, pool: Pool, volume: Volume, type_id: str) -> bool:
        """What Cinder's scheduler says to a volume of that type in a pool."""
        free_gb = self.free_gb(pool)
        room = isinstance(free_gb, str) or free_gb >= volume.size_gb
        served = satisfies(pool.capabilities, self.types[type_id].extra_specs)
        return pool.up and pool.enabled and served and (room or volume.pool == pool.name)


def fail(volume: Volume) -> None:
    """A request could not be met: the volume is as before, and Cinder tells nobody why."""
    if volume.status != "retyping":
        volume.migration_status = "error"
    elif volume.migration_status == "migrating":
        volume.migration_status = None
    _rest(volume)


def standard(cloud: Cloud) -> Block:
    """Two back ends of one pool each, a type for each and one for both, no volumes."""
    block = Block()
    for name, size_gb in (("fast", 1000), ("slow", 2000)):
        said = {"pool_name": name, "volume_backend_name": name, "multiattach": True}
        pool = Pool(f"storage@{name}#{name}", float(size_gb), said)
        block.pools[pool.name] = pool
    for name in ("fast", "slow", "__DEFAULT__"):
        kind = Type(str(uuid5(NAMESPACE_OID, f"{cloud.world.seed}/type/{name}")), name)
        if kind.name != "__DEFAULT__":
            kind.extra_specs["volume_backend_name"] = name
        block.types[kind.id] = kind
    return block


def move(cloud: Cloud, volume: Volume, pool: str, type_id: str, status: str) -> None:
    """Begin what ends with the volume in that pool with that type."""
    fault = cloud.faults.take_move(volume.id)
    copied_gb = volume.size_gb if pool != volume.pool else 0
    seconds = cloud.clock.lasting(1.0 + SECONDS_PER_GB * copied_gb)
    if fault and fault.outcome == "refused":
        fail(volume)
        return
    volume.status, volume.goal = status, (pool, type_id)
    volume.migration_status = "migrating" if pool != volume.pool else volume.migration_status
    volume.fails = fault is not None and fault.outcome == "error"
    stuck = fault is not None and fault.outcome == "stuck"
    volume.due = None if stuck else cloud.clock.now() + seconds


def advance(block: Block, now: float) -> None:
    """Carry out what was due until now."""
    for volume in block.volumes.values():
        if volume.due is None or volume.due > now or volume.goal is None:
            continue
        if volume.fails:
            fail(volume)
            continue
        moved = volume.goal[0] != volume.pool
        volume.pool, volume.type = volume.goal
        volume.migration_status = "success" if moved else volume.migration_status
        _rest(volume)


def _rest(volume: Volume) -> None:
    volume.status, volume.due, volume.goal, volume.fails = volume.at_rest, None, None, False
