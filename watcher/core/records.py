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
    Cpu,
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
    hypervisor_version: int = 0
    cpu: Cpu = Cpu()
    traits: frozenset[str] = frozenset()
    aggregate_metadata: Mapping[str, frozenset[str]] = {}
    """Of all its aggregates: key -> the values as they were written."""
    max_unit: tuple[int, int, int] | None = None
    """The most (vCPUs, MiB, GiB) that one instance may be given; None: as much as there is."""
    held: tuple[int, int, int] = (0, 0, 0)
    """Allocated to what is none of the instances."""
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
    flavor: str = ""
    extra_specs: Mapping[str, str] = {}
    image_properties: Mapping[str, str] = {}
    hints: Mapping[str, Any] = {}
    created_at: str = ""
    task_state: str = ""
    domain_name: str = ""
    """Libvirt's name (OS-EXT-SRV-ATTR:instance_name), by which telegraf tags its series."""
    group: str = ""
    """Uuid of the server group, or ''."""
    updated_at: int = 0
    """When Nova last wrote it, whole seconds since the epoch; 0 when not told."""
    known: bool = True
    """False when it was not read, only told of: it takes room and is not moved."""


def assemble(
    hosts: Sequence[HostRecord],
    instances: Sequence[InstanceRecord],
    groups: Sequence[ServerGroup] = (),
    *,
    filters: frozenset[str] | None = None,
    traits: frozenset[str] | None = None,
    taken_at: float = 0.0,
    generation: int = 0,
    origin: Mapping[str, Any] | None = None,
) -> Cluster:
    """Build the columns from records in any order; rows come out sorted by uuid.

    An instance whose host or group is not among those given is UNPLACED or in NO_GROUP.
    """
    ordered_groups = tuple(sorted(groups))
    table = host_columns(sorted(hosts, key=lambda record: record.uuid))
    group_index = {group.uuid: index for index, group in enumerate(ordered_groups)}
    ordered = sorted(instances, key=lambda record: record.uuid)
    return Cluster(
        hosts=table,
        instances=instance_columns(ordered, table.row_by_name, group_index),
        groups=ordered_groups,
        filters=filters,
        traits=traits,
        taken_at=taken_at,
        generation=generation,
        origin=origin or {},
    )


_WORDS = [state.public for state in InstanceState]


def host_columns(records: Sequence[HostRecord]) -> Hosts:
    """The columns of hosts in the order given."""
    columns = _transpose(HostRecord, records)
    size = len(records)

    def matrix(names: Sequence[str], dtype: type) -> Any:
        return frozen(np.array([columns[name] for name in names], dtype=dtype).T.copy())

    total = matrix(RESOURCES, np.int64)
    most = [
        whole if given is None else given
        for given, whole in zip(columns["max_unit"], total.tolist(), strict=True)
    ]
    shape = (size, len(RESOURCES))

    return Hosts(
        uuid=words(columns["uuid"]),
        name=words(columns["name"]),
        total=total,
        reserved=matrix(("vcpus_reserved", "memory_mb_reserved", "disk_gb_reserved"), np.int64),
        ratio=matrix(("vcpus_ratio", "memory_ratio", "disk_ratio"), np.float64),
        up=bools(columns["up"]),
        enabled=bools(columns["enabled"]),
        disabled_reason=words(columns["disabled_reason"]),
        zone=words(columns["zone"]),
        aggregates=words(columns["aggregates"]),
        hypervisor_type=words(columns["hypervisor_type"]),
        hypervisor_version=frozen(np.array(columns["hypervisor_version"], dtype=np.int64)),
        cpu=words(columns["cpu"]),
        traits=words(columns["traits"]),
        aggregate_metadata=words(columns["aggregate_metadata"]),
        max_unit=frozen(np.array(most, dtype=np.int64).reshape(shape)),
        held=frozen(np.array(columns["held"], dtype=np.int64).reshape(shape)),
        known=bools(columns["known"]),
        in_scope=frozen(np.ones(size, dtype=np.bool_)),
    )


def instance_columns(
    records: Sequence[InstanceRecord], names: Mapping[str, int], groups: Mapping[str, int]
) -> Instances:
    """The columns of instances in the order given; the rows of hosts by name, groups by uuid."""
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
        resting=frozen(np.zeros(size, dtype=np.bool_)),
        pinned_zone=words(columns["pinned_zone"]),
        flavor=words(columns["flavor"]),
        extra_specs=words(columns["extra_specs"]),
        image_properties=words(columns["image_properties"]),
        hints=words(columns["hints"]),
        created_at=words(columns["created_at"]),
        task_state=words(columns["task_state"]),
        domain_name=words(columns["domain_name"]),
        group=rows(columns["group"], groups, NO_GROUP),
        updated_at=frozen(np.fromiter(columns["updated_at"], dtype=np.int64, count=size)),
        known=bools(columns["known"]),
    )


def host_records(cluster: Cluster, rows: Ints | list[int]) -> list[HostRecord]:
    """The records that ``assemble`` makes these rows of, but for their scope."""
    hosts = cluster.hosts
    total, most = hosts.total[rows].tolist(), hosts.max_unit[rows].tolist()
    columns = zip(
        hosts.uuid[rows].tolist(),
        hosts.name[rows].tolist(),
        *hosts.total[rows].T.tolist(),
        *hosts.reserved[rows].T.tolist(),
        *hosts.ratio[rows].T.tolist(),
        hosts.up[rows].tolist(),
        hosts.enabled[rows].tolist(),
        hosts.disabled_reason[rows].tolist(),
        hosts.zone[rows].tolist(),
        hosts.aggregates[rows].tolist(),
        hosts.hypervisor_type[rows].tolist(),
        hosts.hypervisor_version[rows].tolist(),
        hosts.cpu[rows].tolist(),
        hosts.traits[rows].tolist(),
        hosts.aggregate_metadata[rows].tolist(),
        [None if m == t else tuple(m) for m, t in zip(most, total, strict=True)],
        map(tuple, hosts.held[rows].tolist()),
        hosts.known[rows].tolist(),
        strict=True,
    )
    return list(map(HostRecord._make, columns))


def instance_records(cluster: Cluster, rows: Ints | list[int]) -> list[InstanceRecord]:
    """The records that ``assemble`` makes these rows of, but for their scope."""
    instances = cluster.instances
    names = np.append(cluster.hosts.name, "")
    groups = [*(group.uuid for group in cluster.groups), ""]
    columns = zip(
        instances.uuid[rows].tolist(),
        instances.name[rows].tolist(),
        names[instances.host[rows]].tolist(),  # the last one for UNPLACED, which is -1
        *instances.demand[rows].T.tolist(),
        [_WORDS[code] for code in instances.state[rows].tolist()],
        instances.project_id[rows].tolist(),
        instances.metadata[rows].tolist(),
        instances.locked[rows].tolist(),
        instances.pinned_zone[rows].tolist(),
        instances.flavor[rows].tolist(),
        instances.extra_specs[rows].tolist(),
        instances.image_properties[rows].tolist(),
        instances.hints[rows].tolist(),
        instances.created_at[rows].tolist(),
        instances.task_state[rows].tolist(),
        instances.domain_name[rows].tolist(),
        [groups[index] for index in instances.group[rows].tolist()],  # and for NO_GROUP
        instances.updated_at[rows].tolist(),
        instances.known[rows].tolist(),
        strict=True,
    )
    return list(map(InstanceRecord._make, columns))


def _transpose(kind: Any, records: Sequence[Any]) -> dict[str, tuple[Any, ...]]:
    names = kind._fields
    if not records:
        return dict.fromkeys(names, ())
    return dict(zip(names, zip(*records, strict=True), strict=True))


def bools(values: Sequence[Any]) -> Bools:
    """A read-only column of truth values."""
    return frozen(np.fromiter(values, dtype=np.bool_, count=len(values)))
