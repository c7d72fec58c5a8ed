# SPDX-License-Identifier: Apache-2.0
"""A world as values for benchmarks and pure tests: the core's Cluster, and arrays of loads."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from watcher.core.cluster import Cluster, Cpu, ServerGroup
from watcher.core.records import HostRecord, InstanceRecord, assemble
from watcher.simulator.clock import iso
from watcher.simulator.world import Server, World

Floats = NDArray[np.float64]
OVERHEAD_RAM_MB = 2048
"""Memory that a host itself uses."""


class Loads(NamedTuple):
    """Measured loads, in the rows of :func:`to_cluster`; nan where nothing is measured."""

    instance_cpu_percent: Floats
    """Of the instance's own vcpus, 0..100."""
    instance_ram_mb: Floats
    """Resident, MiB."""
    host_cpu_percent: Floats
    """Of the host's threads, 0..100: its instances and its own overhead."""
    host_ram_kib: Floats


def to_cluster(world: World) -> Cluster:
    """What a collector would make of this world."""
    groups = {uuid: group.id for group in world.groups for uuid in group.members}
    aggregates: dict[str, set[str]] = {name: set() for name in world.hosts}
    for aggregate in world.aggregates:
        for name in aggregate.hosts:
            aggregates[name] |= {aggregate.name, f"#{aggregate.id}"}
    hosts = [
        HostRecord(
            host.uuid,
            host.name,
            *host.total,
            *host.reserved,
            *host.ratios,
            up=host.alive,
            enabled=host.enabled,
            disabled_reason=host.disabled_reason or "",
            zone=host.zone,
            aggregates=frozenset(aggregates[host.name]),
            hypervisor_version=host.hypervisor_version,
            cpu=Cpu("x86_64", "Intel", host.cpu_model, host.cpu_features),
            traits=host.traits,
            aggregate_metadata={
                key: frozenset(words) for key, words in world.metadata_of(host.name).items()
            },
        )
        for host in world.hosts.values()
    ]
    instances = [_record(one, groups.get(one.uuid, "")) for one in living(world)]
    kinds = [ServerGroup(one.id, one.policy, one.max_server_per_host) for one in world.groups]
    return assemble(hosts, instances, kinds)


def living(world: World) -> list[Server]:
    """The servers that are not deleted."""
    return [one for one in world.servers.values() if one.vm_state != "deleted"]


def _record(one: Server, group: str) -> InstanceRecord:
    return InstanceRecord(
        one.uuid,
        one.name,
        one.host,
        *one.needs(),
        state=one.vm_state,
        project_id=one.project_id,
        metadata=one.metadata,
        locked=one.locked,
        pinned_zone=one.pinned_zone or "",
        flavor=one.flavor.name,
        extra_specs=one.flavor.extra_specs,
        image_properties=one.image_properties,
        hints=one.hints,
        created_at=iso(one.created, zone="Z") or "",
        task_state=one.task_state or "",
        domain_name=one.instance_name,
        group=group,
        updated_at=int(one.updated),
    )


def loads(world: World) -> Loads:
    """What the metric history says of this world, as means."""
    instances = sorted(living(world), key=lambda one: one.uuid)
    hosts = sorted(world.hosts.values(), key=lambda one: one.uuid)
    rows = {host.name: row for row, host in enumerate(hosts)}
    amount = len(instances)
    measured = np.fromiter((one.rss_mb > 0 for one in instances), np.bool_, amount)
    cpu = np.fromiter((one.cpu_load_percent for one in instances), np.float64, amount)
    vcpus = np.fromiter((one.flavor.vcpus for one in instances), np.float64, amount)
    ram = np.fromiter((one.rss_mb for one in instances), np.float64, amount)
    home = np.fromiter((rows[one.host] for one in instances), np.int64, amount)
    threads = np.array([host.total.vcpus for host in hosts], dtype=np.float64)
    busy = np.array([host.overhead_vcpus for host in hosts])
    busy += np.bincount(home, weights=cpu / 100 * vcpus, minlength=len(hosts))
    ram_mb = OVERHEAD_RAM_MB + np.bincount(home, weights=ram, minlength=len(hosts))
    alive = np.array([host.up for host in hosts])
    return Loads(
        instance_cpu_percent=np.where(measured, cpu, np.nan),
        instance_ram_mb=np.where(measured, ram, np.nan),
        host_cpu_percent=np.where(alive, np.minimum(busy / threads * 100, 100.0), np.nan),
        host_ram_kib=np.where(alive, ram_mb * 1024, np.nan),
    )
