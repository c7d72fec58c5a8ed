# SPDX-License-Identifier: Apache-2.0
"""The cluster as one immutable value made of columns, with row views for comfort.

Arrays are read-only and shared by all threads without a lock. Rows are sorted by uuid, so the same
cloud gives the same row numbers; ties go to the lowest row. Words with few values are int codes.
Resources stand side by side in matrices whose columns are ``VCPUS``, ``MEMORY_MB``, ``DISK_GB``.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from watcher.core.errors import NotFound

if TYPE_CHECKING:
    from watcher.core.baremetal import Machines
    from watcher.core.storage import Storage

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Words = NDArray[np.object_]
Array = TypeVar("Array", bound=NDArray[Any])

UNPLACED = -1
"""Host row of an instance that is on no host."""
NO_GROUP = -1
"""Group index of an instance that is in no server group."""

VCPUS, MEMORY_MB, DISK_GB = range(3)
RESOURCES = ("vcpus", "memory_mb", "disk_gb")


class InstanceState(IntEnum):
    """Nova's vm_state as a code; ``public`` is the word the API shows."""

    ACTIVE = 0
    BUILDING = 1
    PAUSED = 2
    SUSPENDED = 3
    STOPPED = 4
    RESCUED = 5
    RESIZED = 6
    SHELVED = 7
    SHELVED_OFFLOADED = 8
    SOFT_DELETED = 9
    DELETED = 10
    ERROR = 11

    @property
    def public(self) -> str:
        """The word Nova uses."""
        return "soft-delete" if self is InstanceState.SOFT_DELETED else self.name.lower()

    @classmethod
    def of(cls, word: str) -> "InstanceState":
        """The code of one of Nova's words; an unknown word is ERROR, which is never moved."""
        return _STATES.get(word, cls.ERROR)


_STATES = {state.public: state for state in InstanceState}


class ServerGroup(NamedTuple):
    """A server group: policy is affinity, anti-affinity, soft-affinity or soft-anti-affinity."""

    uuid: str
    policy: str
    max_per_host: int = 1


class Cpu(NamedTuple):
    """The CPU of a host as Nova tells it; '' and no features where it tells nothing."""

    arch: str = ""
    vendor: str = ""
    model: str = ""
    features: frozenset[str] = frozenset()

    def serves(self, other: "Cpu") -> bool:
        """Whether a guest that runs on the other CPU may go on here: nothing it has is missing.

        What is not told of either of the two counts as the same.
        """
        named = zip(self[:3], other[:3], strict=True)
        same = all(mine == theirs or not mine or not theirs for mine, theirs in named)
        return same and (not self.vendor or other.features <= self.features)


@dataclass(frozen=True, eq=False)
class Hosts:
    """The hosts: each array has one entry (or one row of the matrix) per host."""

    uuid: Words
    name: Words
    total: Ints
    """hosts x (threads, MiB, GiB), physical."""
    reserved: Ints
    ratio: Floats
    """hosts x 3, allocation ratios."""
    up: Bools
    enabled: Bools
    disabled_reason: Words
    zone: Words
    aggregates: Words
    hypervisor_type: Words
    hypervisor_version: Ints
    cpu: Words
    """Cpu of each host."""
    traits: Words
    """Of all traits that instances ask about, those each host has (frozensets)."""
    aggregate_metadata: Words
    """Metadata of all aggregates of each host: key -> the values as they were written."""
    max_unit: Ints
    """hosts x 3: the most that one instance may be given."""
    held: Ints
    """hosts x 3: allocated, but to none of the instances: moves in flight, what was left over."""
    known: Bools
    in_scope: Bools

    def __len__(self) -> int:
        return len(self.uuid)

    @cached_property
    def capacity(self) -> Ints:
        """hosts x 3: what instances may have: (total - reserved) x ratio, rounded down, - held."""
        whole = np.floor((self.total - self.reserved) * self.ratio).astype(np.int64)
        return frozen(whole - self.held)

    @cached_property
    def usable(self) -> Bools:
        """Hosts that may take instances: up, enabled, completely known and in scope."""
        return frozen(self.up & self.enabled & self.known & self.in_scope)

    @cached_property
    def row_by_name(self) -> dict[str, int]:
        """Service host name -> row."""
        return {name: row for row, name in enumerate(self.name)}


@dataclass(frozen=True, eq=False)
class Instances:
    """The instances: each array has one entry (or one row of the matrix) per instance."""

    uuid: Words
    name: Words
    host: Ints
    """Row of the host, or UNPLACED."""
    demand: Ints
    """instances x (vCPUs, MiB, GiB), as allocated."""
    state: NDArray[np.int8]
    """InstanceState codes."""
    project_id: Words
    metadata: Words
    locked: Bools
    excluded: Bools
    """Marked by the audit's scope: they take room but must not be moved."""
    resting: Bools
    """Marked because they were migrated a short time ago (``core.damping``)."""
    pinned_zone: Words
    flavor: Words
    """Name of the flavor."""
    extra_specs: Words
    image_properties: Words
    hints: Words
    """Scheduler hints."""
    created_at: Words
    task_state: Words
    domain_name: Words
    group: Ints
    """Index into ``Cluster.groups``, or NO_GROUP."""
    updated_at: Ints
    """When Nova last wrote it, whole seconds since the epoch; 0 when not told."""
    known: Bools
    """False for one that only a notification told of: it takes room and is not moved."""

    def __len__(self) -> int:
        return len(self.uuid)

    @cached_property
    def row_by_uuid(self) -> dict[str, int]:
        """Uuid -> row."""
        return {uuid: row for row, uuid in enumerate(self.uuid)}


@dataclass(frozen=True, eq=False)
class Cluster:
    """One snapshot of the compute side of a cloud; never changed, only replaced.

    Block storage and the machines behind the hosts are there when they were asked for.
    """

    hosts: Hosts
    instances: Instances
    groups: tuple[ServerGroup, ...] = ()
    filters: frozenset[str] | None = None
    """Of Nova's optional filters those in use (``core.pools.FILTERS``); None when not known."""
    traits: frozenset[str] | None = None
    """The traits that ``Hosts.traits`` knows of; None for all."""
    taken_at: float = 0.0
    """When it was read, seconds since the epoch."""
    generation: int = 0
    origin: Mapping[str, Any] = field(default_factory=dict)
    """How it came about: counts and durations for people, never for decisions."""
    storage: "Storage | None" = None
    baremetal: "Machines | None" = None

    @cached_property
    def used(self) -> Ints:
        """hosts x 3: the sum of the demands of the instances on each host."""
        used = np.zeros((len(self.hosts), len(RESOURCES)), dtype=np.int64)
        placed = self.instances.host != UNPLACED
        rows = self.instances.host[placed]
        for column in range(len(RESOURCES)):
            used[:, column] = np.bincount(
                rows, weights=self.instances.demand[placed, column], minlength=len(self.hosts)
            )
        return frozen(used)

    @cached_property
    def _by_host(self) -> tuple[Ints, Ints]:
        order = np.argsort(self.instances.host, kind="stable")
        edges = np.searchsorted(self.instances.host[order], np.arange(len(self.hosts) + 1))
        return frozen(order), frozen(edges)

    def rows_on(self, host_row: int) -> Ints:
        """The instance rows on a host, ascending."""
        order, edges = self._by_host
        return order[edges[host_row] : edges[host_row + 1]]

    def host_row(self, name_or_uuid: str) -> int:
        """The row of a host by its service host name or uuid; NotFound when there is none."""
        row = self.hosts.row_by_name.get(name_or_uuid)
        if row is None:
            found = np.flatnonzero(self.hosts.uuid == name_or_uuid)
            if not found.size:
                raise NotFound("Compute host", name_or_uuid)
            row = int(found[0])
        return row

    def host(self, row: int) -> "Host":
        """A view of one host."""
        return Host(self, row)

    def instance(self, row: int) -> "Instance":
        """A view of one instance."""
        return Instance(self, row)

    def each_host(self) -> Iterator["Host"]:
        """Views of all hosts, by row."""
        return (Host(self, row) for row in range(len(self.hosts)))

    def each_instance(self) -> Iterator["Instance"]:
        """Views of all instances, by row; 0.5 us each; prefer columns for all of them."""
        return (Instance(self, row) for row in range(len(self.instances)))

    def with_hosts(self, **columns: Any) -> "Cluster":
        """The same cluster with some columns of the hosts replaced."""
        return replace(self, hosts=replace(self.hosts, **_frozen_all(columns)))

    def with_instances(self, **columns: Any) -> "Cluster":
        """The same cluster with some columns of the instances replaced."""
        return replace(self, instances=replace(self.instances, **_frozen_all(columns)))


class Host(NamedTuple):
    """A view of one row of the hosts."""

    cluster: Cluster
    row: int

    def __getattr__(self, column: str) -> Any:
        return getattr(self.cluster.hosts, column)[self.row]

    @property
    def instances(self) -> Iterator["Instance"]:
        """Views of the instances on this host."""
        return (Instance(self.cluster, int(row)) for row in self.cluster.rows_on(self.row))


class Instance(NamedTuple):
    """A view of one row of the instances."""

    cluster: Cluster
    row: int

    def __getattr__(self, column: str) -> Any:
        return getattr(self.cluster.instances, column)[self.row]


def words(values: Sequence[Any]) -> Words:
    """A read-only column of Python objects, one per value (never a matrix)."""
    return frozen(np.fromiter(values, dtype=np.object_, count=len(values)))


def frozen(array: Array) -> Array:
    """The same array, read-only from now on."""
    array.flags.writeable = False
    return array


def _frozen_all(columns: Mapping[str, Any]) -> dict[str, Any]:
    return {name: frozen(array) for name, array in columns.items()}
