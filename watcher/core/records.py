# SPDX-License-Identifier: Apache-2.0
"""From records, as collectors and events deliver them, to the columns of a cluster."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from watcher.core.cluster import (
    NO_GROUP,
    RESOURCES,
    UNPLACED,
    Bools,
    Cluster,
    Hosts,
    Instances,
    InstanceState,
    Ints,
    ServerGroup,
    frozen,
    words,
)


class HostRecord(NamedTuple):
    """One compute host as a collector delivers it."""

    uuid: str
    name: str
    """The compute service's host name: what actions and Nova's API use."""
    vcpus: int
    memory_mb: int
    disk_gb: int
    vcpus_reserved: int = 0
    memory_mb_reserved: int = 0
    disk_gb_reserved: int = 0
    vcpus_ratio: float = 1.0
    memory_ratio: float = 1.0
    disk_ratio: float = 1.0
    up: bool = True
    enabled: bool = True
    disabled_reason: str = ""
    zone: str = "nova"
    aggregates: frozenset[str] = frozenset()
    """Names of the host aggregates, and ``#<id>`` for each."""
    hypervisor_type: str = "QEMU"
    known: bool = True
    """False when this host could not be read completely: it is shown, nothing is moved there."""


class InstanceRecord(NamedTuple):
    """One instance as a collector delivers it; ``host`` is a service host name or ''."""

    uuid: str
    name: str
    host: str
    vcpus: int
    memory_mb: int
    disk_gb: int
    state: str = "active"
    project_id: str = ""
    metadata: Mapping[str, str] = {}
    locked: bool = False
    pinned_zone: str = ""
    extra_specs: Mapping[str, str] = {}
    created_at: str = ""
    task_state: str = ""
    domain_name: str = ""
    """Libvirt's name (OS-EXT-SRV-ATTR:instance_name), by which telegraf tags its series."""
    group: str = ""
    """Uuid of the server group, or ''."""


def assemble(
    hosts: Sequence[HostRecord],
    instances: Sequence[InstanceRecord],
    groups: Sequence[ServerGroup] = (),
    *,
    taken_at: float = 0.0,
    generation: int = 0,
    origin: Mapping[str, Any] | None = None,
) -> Cluster:
    """Build the columns from records in any order; rows come out sorted by uuid.

    An instance whose host or group is not among those given is UNPLACED or in NO_GROUP.
    """
    ordered_groups = tuple(sorted(groups))
    host_columns = _host_columns(sorted(hosts, key=lambda record: record.uuid))
    names = {name: row for row, name in enumerate(host_columns.name)}
    group_index = {group.uuid: index for index, group in enumerate(ordered_groups)}
    ordered = sorted(instances, key=lambda record: record.uuid)
    return Cluster(
        hosts=host_columns,
        instances=_instance_columns(ordered, names, group_index),
        groups=ordered_groups,
        taken_at=taken_at,
        generation=generation,
        origin=origin or {},
    )


def _host_columns(records: Sequence[HostRecord]) -> Hosts:
    columns = _transpose(HostRecord, records)
    size = len(records)

    def matrix(names: Sequence[str], dtype: type) -> Any:
        return frozen(np.array([columns[name] for name in names], dtype=dtype).T.copy())

    return Hosts(
        uuid=words(columns["uuid"]),
        name=words(columns["name"]),
        total=matrix(RESOURCES, np.int64),
        reserved=matrix(("vcpus_reserved", "memory_mb_reserved", "disk_gb_reserved"), np.int64),
        ratio=matrix(("vcpus_ratio", "memory_ratio", "disk_ratio"), np.float64),
        up=bools(columns["up"]),
        enabled=bools(columns["enabled"]),
        disabled_reason=words(columns["disabled_reason"]),
        zone=words(columns["zone"]),
        aggregates=words(columns["aggregates"]),
        hypervisor_type=words(columns["hypervisor_type"]),
        known=bools(columns["known"]),
        in_scope=frozen(np.ones(size, dtype=np.bool_)),
    )


def _instance_columns(
    records: Sequence[InstanceRecord], names: Mapping[str, int], groups: Mapping[str, int]
) -> Instances:
    columns = _transpose(InstanceRecord, records)
    size = len(records)

    def rows(values: Sequence[str], index: Mapping[str, int], missing: int) -> Ints:
        found = (index.get(value, missing) for value in values)
        return frozen(np.fromiter(found, dtype=np.int64, count=size))

    demand = [np.fromiter(columns[name], dtype=np.int64, count=size) for name in RESOURCES]
    states = (InstanceState.of(word) for word in columns["state"])
    return Instances(
        uuid=words(columns["uuid"]),
        name=words(columns["name"]),
        host=rows(columns["host"], names, UNPLACED),
        demand=frozen(np.stack(demand, axis=1)),
        state=frozen(np.fromiter(states, dtype=np.int8, count=size)),
        project_id=words(columns["project_id"]),
        metadata=words(columns["metadata"]),
        locked=bools(columns["locked"]),
        excluded=frozen(np.zeros(size, dtype=np.bool_)),
        pinned_zone=words(columns["pinned_zone"]),
        extra_specs=words(columns["extra_specs"]),
        created_at=words(columns["created_at"]),
        task_state=words(columns["task_state"]),
        domain_name=words(columns["domain_name"]),
        group=rows(columns["group"], groups, NO_GROUP),
    )


def _transpose(kind: Any, records: Sequence[Any]) -> dict[str, tuple[Any, ...]]:
    names = kind._fields
    if not records:
        return dict.fromkeys(names, ())
    return dict(zip(names, zip(*records, strict=True), strict=True))


def bools(values: Sequence[Any]) -> Bools:
    """A read-only column of truth values."""
    return frozen(np.fromiter(values, dtype=np.bool_, count=len(values)))
