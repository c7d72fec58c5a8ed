# SPDX-License-Identifier: Apache-2.0
"""What was read of Nova and Placement, put together to a cluster."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from watcher.clients.nova import Aggregate, ComputeService, Hypervisor, Server
from watcher.clients.placement import Inventory
from watcher.core.cluster import Cluster, Cpu, ServerGroup
from watcher.core.records import HostRecord, InstanceRecord, assemble

Inventories = Mapping[str, Inventory]
Usages = Mapping[str, int]
IRONIC = "ironic"
CLASSES = ("VCPU", "MEMORY_MB", "DISK_GB")
Groups = Sequence[tuple[ServerGroup, tuple[str, ...]]]


class Raw(NamedTuple):
    """What was read, before it is put together."""

    servers: Sequence[Server]
    hypervisors: Sequence[Hypervisor]
    services: Sequence[ComputeService]
    aggregates: Sequence[Aggregate]
    groups: Groups
    inventories: Mapping[str, Inventories]
    """By provider uuid; a provider that could not be read is absent."""
    usages: Mapping[str, Usages] = {}
    traits: Mapping[str, frozenset[str]] = {}
    """Of each trait that some instance asks about, the providers that have it."""
    filters: frozenset[str] | None = None
    compare_cpus: str = "model"


def put_together(raw: Raw, taken_at: float, origin: Mapping[str, Any]) -> Cluster:
    """The cluster that these answers describe; hosts are matched by exact names and uuids."""
    # A server that moved between two pages may be told twice; the later page is the newer truth.
    servers = {one.uuid: one for one in raw.servers if one.vm_state != "deleted"}
    of_host = _OfHosts(raw, servers.values())
    hosts = [of_host.record(one) for one in raw.hypervisors if one.type != IRONIC]
    group_of = {member: group.uuid for group, members in raw.groups for member in members}
    instances = [_instance(one, group_of.get(one.uuid, "")) for one in servers.values()]
    return assemble(
        hosts,
        instances,
        [group for group, _ in raw.groups],
        filters=raw.filters,
        traits=frozenset(raw.traits),
        taken_at=taken_at,
        origin=origin,
    )


class _OfHosts:
    """What was read of all hosts, by host."""

    def __init__(self, raw: Raw, servers: Iterable[Server]) -> None:
        self._raw = raw
        self._services = {service.host: service for service in raw.services}
        self._labels: defaultdict[str, set[str]] = defaultdict(set)
        metadata: defaultdict[str, defaultdict[str, set[str]]]
        metadata = defaultdict(lambda: defaultdict(set))
        for one in raw.aggregates:
            for host in one.hosts:
                self._labels[host] |= {one.name, f"#{one.id}"}
                for key, value in one.metadata.items():
                    metadata[host][key].add(value)
        self._metadata = {
            host: {key: frozenset(values) for key, values in found.items()}
            for host, found in metadata.items()
        }
        self._given: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
        for server in servers:
            sums = self._given[server.host]
            for column, amount in enumerate((server.vcpus, server.memory_mb, server.disk_gb)):
                sums[column] += amount
        self._traits: defaultdict[str, set[str]] = defaultdict(set)
        for trait, providers in raw.traits.items():
            for provider in providers:
                self._traits[provider].add(trait)

    def record(self, one: Hypervisor) -> HostRecord:
        """One host; Placement's numbers where it gave them, else the hypervisor's own."""
        service = self._services.get(one.service_host)
        given = self._raw.inventories.get(one.uuid) or {}
        own = zip(CLASSES, (one.vcpus, one.memory_mb, one.disk_gb), strict=True)
        vcpus, memory, disk = (given.get(kind, Inventory(size, 0, 1.0)) for kind, size in own)
        return HostRecord(
            uuid=one.uuid,
            name=one.service_host,
            vcpus=vcpus.total,
            memory_mb=memory.total,
            disk_gb=disk.total,
            vcpus_reserved=vcpus.reserved,
            memory_mb_reserved=memory.reserved,
            disk_gb_reserved=disk.reserved,
            vcpus_ratio=vcpus.ratio,
            memory_ratio=memory.ratio,
            disk_ratio=disk.ratio,
            up=service is not None and service.up and one.up,
            enabled=service is not None and service.enabled,
            disabled_reason=service.disabled_reason if service else "",
            zone=service.zone if service else "",
            aggregates=frozenset(self._labels.get(one.service_host, ())),
            hypervisor_type=one.type,
            hypervisor_version=one.version,
            cpu=_compared(one.cpu, self._raw.compare_cpus),
            traits=frozenset(self._traits.get(one.uuid, ())),
            aggregate_metadata=self._metadata.get(one.service_host, {}),
            max_unit=(_most(vcpus), _most(memory), _most(disk)),
            held=self._held(one),
            # A host that Placement gives no CPU or memory takes no instance, says the scheduler.
            known=service is not None and {"VCPU", "MEMORY_MB"} <= given.keys(),
        )

    def _held(self, one: Hypervisor) -> tuple[int, int, int]:
        """What Placement has allocated here beyond what the servers have."""
        used = self._raw.usages.get(one.uuid, {})
        seen = self._given[one.service_host]
        vcpus, memory_mb, disk_gb = (
            max(0, used.get(kind, 0) - mine) for kind, mine in zip(CLASSES, seen, strict=True)
        )
        return vcpus, memory_mb, disk_gb


def _most(inventory: Inventory) -> int:
    return inventory.total if inventory.largest is None else inventory.largest


def _compared(cpu: Cpu, how: str) -> Cpu:
    """What of a CPU counts when hosts are compared."""
    return {"model": cpu, "vendor": Cpu(cpu.arch, cpu.vendor), "none": Cpu(cpu.arch)}[how]


def _instance(one: Server, group: str) -> InstanceRecord:
    return InstanceRecord(
        uuid=one.uuid,
        name=one.name,
        host=one.host,
        vcpus=one.vcpus,
        memory_mb=one.memory_mb,
        disk_gb=one.disk_gb,
        state=one.vm_state,
        project_id=one.project_id,
        metadata=one.metadata,
        locked=one.locked,
        pinned_zone=one.pinned_zone,
        flavor=one.flavor_name,
        extra_specs=one.extra_specs,
        image_properties=one.image_properties,
        hints=one.hints,
        created_at=one.created_at,
        task_state=one.task_state,
        domain_name=one.domain_name,
        group=group,
        updated_at=one.updated_at,
    )
