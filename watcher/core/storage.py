# SPDX-License-Identifier: Apache-2.0
"""Block storage as columns: pools and volumes, with the volume types that tie them together.

The same idea as ``watcher.core.cluster``: frozen arrays, rows sorted by name (pools) and by uuid
(volumes). Sizes are GiB as Cinder counts them; a capacity that a pool does not tell is ``nan``,
one without end ``inf``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from watcher.core.capabilities import satisfies
from watcher.core.cluster import Bools, Floats, Ints, Words, frozen, words
from watcher.core.errors import NotFound

NO_POOL = -1
"""Pool row of a volume that is on no pool."""
NO_TYPE = -1
"""Type row of a volume without a volume type."""


class VolumeType(NamedTuple):
    """A volume type: ``extra_specs`` say which pools serve it."""

    name: str
    uuid: str
    extra_specs: Mapping[str, str] = {}


class PoolRecord(NamedTuple):
    """One storage pool as a collector delivers it; ``name`` is ``host@backend#pool``."""

    name: str
    total_gb: float = np.nan
    free_gb: float = np.nan
    provisioned_gb: float = np.nan
    reserved_percent: float = 0.0
    oversubscription: float = 1.0
    """How much more than it has a thin pool may promise."""
    thin: bool = False
    capabilities: Mapping[str, Any] = {}
    zone: str = "nova"
    up: bool = True
    enabled: bool = True


class VolumeRecord(NamedTuple):
    """One volume as a collector delivers it; ``pool`` and ``volume_type`` are names or ''."""

    uuid: str
    name: str
    size_gb: int
    pool: str
    status: str = "available"
    volume_type: str = ""
    project_id: str = ""
    servers: tuple[str, ...] = ()
    """Uuids of the servers it is attached to."""
    bootable: bool = False
    multiattach: bool = False
    snapshots: bool = False
    """Whether it has snapshots: then Cinder does not migrate it."""
    grouped: bool = False
    """Whether it is in a group or consistency group: then Cinder does not move it."""
    replicated: bool = False
    migration_status: str = ""
    zone: str = ""
    created_at: str = ""


@dataclass(frozen=True, eq=False)
class Pools:
    """The storage pools: each array has one entry per pool."""

    name: Words
    backend: Words
    """``host@backend``: the service that runs the pool."""
    zone: Words
    up: Bools
    enabled: Bools
    total_gb: Floats
    free_gb: Floats
    provisioned_gb: Floats
    reserved_percent: Floats
    oversubscription: Floats
    thin: Bools
    capabilities: Words
    in_scope: Bools

    def __len__(self) -> int:
        return len(self.name)

    @cached_property
    def known(self) -> Bools:
        """Pools that tell how large they are and how much is free, in numbers."""
        return frozen(np.isfinite(self.total_gb) & np.isfinite(self.free_gb) & (self.total_gb > 0))

    @cached_property
    def usable(self) -> Bools:
        """Pools that may take volumes: their service is up and enabled, and they are in scope."""
        return frozen(self.up & self.enabled & self.in_scope)

    @cached_property
    def row_by_name(self) -> dict[str, int]:
        """``host@backend#pool`` -> row."""
        return {name: row for row, name in enumerate(self.name)}


@dataclass(frozen=True, eq=False)
class Volumes:
    """The volumes: each array has one entry per volume."""

    uuid: Words
    name: Words
    pool: Ints
    """Row of the pool, or NO_POOL."""
    type: Ints
    """Index into ``Storage.types``, or NO_TYPE."""
    size_gb: Ints
    status: Words
    project_id: Words
    servers: Words
    bootable: Bools
    multiattach: Bools
    snapshots: Bools
    grouped: Bools
    replicated: Bools
    migration_status: Words
    zone: Words
    created_at: Words
    excluded: Bools
    """Marked by the audit's scope: they take room but must not be moved."""

    def __len__(self) -> int:
        return len(self.uuid)

    @cached_property
    def row_by_uuid(self) -> dict[str, int]:
        """Uuid -> row."""
        return {uuid: row for row, uuid in enumerate(self.uuid)}

    @cached_property
    def attached(self) -> Bools:
        """Volumes that are attached to a server."""
        return frozen(np.fromiter(map(bool, self.servers), dtype=np.bool_, count=len(self)))


@dataclass(frozen=True, eq=False)
class Storage:
    """One snapshot of the block storage of a cloud; never changed, only replaced."""

    pools: Pools
    volumes: Volumes
    types: tuple[VolumeType, ...] = ()
    taken_at: float = 0.0
    origin: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def serves(self) -> Bools:
        """types x pools: whether a pool can serve a type."""
        table = [
            [satisfies(held, one.extra_specs) for held in self.pools.capabilities]
            for one in self.types
        ]
        return frozen(np.array(table, dtype=np.bool_).reshape(len(self.types), len(self.pools)))

    @cached_property
    def type_index(self) -> dict[str, int]:
        """Name and uuid of a volume type -> index into ``types``."""
        names = {one.name: index for index, one in enumerate(self.types)}
        return {one.uuid: index for index, one in enumerate(self.types)} | names

    def pool_row(self, name: str) -> int:
        """The row of a pool by its name, ``host@backend#pool``; NotFound when there is none."""
        row = self.pools.row_by_name.get(name)
        if row is None:
            raise NotFound("Storage pool", name)
        return row

    def type_row(self, name: str) -> int:
        """The index of a volume type by its name or uuid; NotFound when there is none."""
        index = self.type_index.get(name)
        if index is None:
            raise NotFound("Volume type", name)
        return index

    def type_name(self, volume_row: int) -> str:
        """The name of a volume's type, or ''."""
        index = int(self.volumes.type[volume_row])
        return "" if index == NO_TYPE else self.types[index].name

    def with_pools(self, **columns: Any) -> "Storage":
        """The same storage with some columns of the pools replaced."""
        for column in columns.values():
            frozen(column)
        return replace(self, pools=replace(self.pools, **columns))

    def with_volumes(self, **columns: Any) -> "Storage":
        """The same storage with some columns of the volumes replaced."""
        for column in columns.values():
            frozen(column)
        return replace(self, volumes=replace(self.volumes, **columns))


def backend_of(pool: str) -> str:
    """``host@backend`` of ``host@backend#pool``."""
    return pool.partition("#")[0]


def assemble_storage(
    pools: Sequence[PoolRecord],
    volumes: Sequence[VolumeRecord],
    types: Sequence[VolumeType] = (),
    *,
    taken_at: float = 0.0,
    origin: Mapping[str, Any] | None = None,
) -> Storage:
    """Build the columns from records in any order; pools by name, volumes by uuid.

    A volume whose pool or type is not among those given has NO_POOL or NO_TYPE.
    """
    ordered_types = tuple(sorted(types, key=lambda one: one.name))
    table = _pools(sorted(pools, key=lambda one: one.name))
    index = {one.name: row for row, one in enumerate(ordered_types)}
    ordered = sorted(volumes, key=lambda one: one.uuid)
    columns = volume_columns(ordered, table.row_by_name, index)
    return Storage(table, columns, ordered_types, taken_at, origin or {})


def _pools(records: Sequence[PoolRecord]) -> Pools:
    numbers = ("total_gb", "free_gb", "provisioned_gb", "reserved_percent", "oversubscription")
    columns: dict[str, Any] = {
        **{name: _numbers([getattr(one, name) for one in records]) for name in numbers},
        **_flag_columns(records, ("up", "enabled", "thin")),
        **_word_columns(records, ("name", "zone", "capabilities")),
        "backend": words([backend_of(one.name) for one in records]),
        "in_scope": _flags([True] * len(records)),
    }
    return Pools(**columns)


def volume_columns(
    records: Sequence[VolumeRecord], pools: Mapping[str, int], types: Mapping[str, int]
) -> Volumes:
    """The columns of volumes in the order given; rows of pools and types by name."""
    texts = ("uuid", "name", "status", "project_id", "servers", "migration_status", "zone")
    flags = ("bootable", "multiattach", "snapshots", "grouped", "replicated")
    columns: dict[str, Any] = {
        **_word_columns(records, (*texts, "created_at")),
        **_flag_columns(records, flags),
        "pool": _whole([pools.get(one.pool, NO_POOL) for one in records]),
        "type": _whole([types.get(one.volume_type, NO_TYPE) for one in records]),
        "size_gb": _whole([one.size_gb for one in records]),
        "excluded": _flags([False] * len(records)),
    }
    return Volumes(**columns)


def pool_records(storage: Storage) -> list[PoolRecord]:
    """The records that ``assemble_storage`` makes the pools of, but for their scope."""
    columns = [getattr(storage.pools, name).tolist() for name in PoolRecord._fields]
    return list(map(PoolRecord._make, zip(*columns, strict=True)))


def volume_records(storage: Storage, rows: Ints | list[int]) -> list[VolumeRecord]:
    """The records that ``assemble_storage`` makes these rows of, but for their scope."""
    volumes = storage.volumes
    pools = np.append(storage.pools.name, "")  # the last one for NO_POOL, which is -1
    types = np.append(words([one.name for one in storage.types]), "")
    told = {"pool": pools[volumes.pool[rows]], "volume_type": types[volumes.type[rows]]}
    columns = [
        (told[name] if name in told else getattr(volumes, name)[rows]).tolist()
        for name in VolumeRecord._fields
    ]
    return list(map(VolumeRecord._make, zip(*columns, strict=True)))


def _word_columns(records: Sequence[Any], names: Sequence[str]) -> dict[str, Words]:
    return {name: words([getattr(one, name) for one in records]) for name in names}


def _flag_columns(records: Sequence[Any], names: Sequence[str]) -> dict[str, Bools]:
    return {name: _flags([getattr(one, name) for one in records]) for name in names}


def _whole(values: Sequence[int]) -> Ints:
    return frozen(np.array(values, dtype=np.int64))


def _numbers(values: Sequence[float]) -> Floats:
    return frozen(np.array(values, dtype=np.float64))


def _flags(values: Sequence[bool]) -> Bools:
    return frozen(np.array(values, dtype=np.bool_))
