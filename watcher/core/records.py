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
    )


def host_record(cluster: Cluster, row: int) -> HostRecord:
    """The record that ``assemble`` makes this row of, but for its scope."""
    hosts = cluster.hosts
    vcpus, memory_mb, disk_gb = hosts.total[row].tolist()
    vcpus_reserved, memory_mb_reserved, disk_gb_reserved = hosts.reserved[row].tolist()
    vcpus_ratio, memory_ratio, disk_ratio = hosts.ratio[row].tolist()
    most = hosts.max_unit[row].tolist()
    return HostRecord(
        uuid=hosts.uuid[row],
        name=hosts.name[row],
        vcpus=vcpus,
        memory_mb=memory_mb,
        disk_gb=disk_gb,
        vcpus_reserved=vcpus_reserved,
        memory_mb_reserved=memory_mb_reserved,
        disk_gb_reserved=disk_gb_reserved,
        vcpus_ratio=vcpus_ratio,
        memory_ratio=memory_ratio,
        disk_ratio=disk_ratio,
        up=bool(hosts.up[row]),
        enabled=bool(hosts.enabled[row]),
        disabled_reason=hosts.disabled_reason[row],
        zone=hosts.zone[row],
        aggregates=hosts.aggregates[row],
        hypervisor_type=hosts.hypervisor_type[row],
        hypervisor_version=int(hosts.hypervisor_version[row]),
        cpu=hosts.cpu[row],
        traits=hosts.traits[row],
        aggregate_metadata=hosts.aggregate_metadata[row],
        max_unit=None if most == hosts.total[row].tolist() else tuple(most),
        held=tuple(hosts.held[row].tolist()),
        known=bool(hosts.known[row]),
    )


def instance_record(cluster: Cluster, row: int) -> InstanceRecord:
    """The record that ``assemble`` makes this row of, but for its scope."""
    instances = cluster.instances
    host, group = int(instances.host[row]), int(instances.group[row])
    vcpus, memory_mb, disk_gb = instances.demand[row].tolist()
    return InstanceRecord(
        uuid=instances.uuid[row],
        name=instances.name[row],
        host="" if host == UNPLACED else cluster.hosts.name[host],
        vcpus=vcpus,
        memory_mb=memory_mb,
        disk_gb=disk_gb,
        state=InstanceState(instances.state[row]).public,
        project_id=instances.project_id[row],
        metadata=instances.metadata[row],
        locked=bool(instances.locked[row]),
        pinned_zone=instances.pinned_zone[row],
        flavor=instances.flavor[row],
        extra_specs=instances.extra_specs[row],
        image_properties=instances.image_properties[row],
        hints=instances.hints[row],
        created_at=instances.created_at[row],
        task_state=instances.task_state[row],
        domain_name=instances.domain_name[row],
        group="" if group == NO_GROUP else cluster.groups[group].uuid,
    )


def _transpose(kind: Any, records: Sequence[Any]) -> dict[str, tuple[Any, ...]]:
    names = kind._fields
    if not records:
        return dict.fromkeys(names, ())
    return dict(zip(names, zip(*records, strict=True), strict=True))


def bools(values: Sequence[Any]) -> Bools:
    """A read-only column of truth values."""
    return frozen(np.fromiter(values, dtype=np.bool_, count=len(values)))
