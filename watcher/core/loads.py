# SPDX-License-Identifier: Apache-2.0
"""Measured loads of hosts: what their instances use, and what they use besides, where measured.

CPU in threads, memory in MiB. An instance without a measurement uses nothing of what is *known*;
whether it counts as using all it was given is for the strategy to say. ``nan`` is no measurement,
0 is 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from watcher.core.cluster import (
    MEMORY_MB,
    UNPLACED,
    VCPUS,
    Bools,
    Cluster,
    Floats,
    InstanceState,
)
from watcher.core.metrics import Aggregate, Metrics, Query, Subject
from watcher.core.parameters import param
from watcher.core.placement import Load

_IDLE = (
    InstanceState.STOPPED,
    InstanceState.SUSPENDED,
    InstanceState.SHELVED,
    InstanceState.SHELVED_OFFLOADED,
    InstanceState.SOFT_DELETED,
    InstanceState.DELETED,
)
"""States in which an instance runs nowhere: not measured then means nothing used."""


_AGGREGATES = ["mean", "min", "max"]


@dataclass(frozen=True)
class Aggregation:
    """How the samples of the period become one number."""

    instance: str = param("mean", "For instances: mean, min or max.", enum=_AGGREGATES)
    compute_node: str = param("mean", "For hosts: mean, min or max.", enum=_AGGREGATES)
    node: str = param(
        "", "The former name of compute_node; wins when it is given.", enum=["", *_AGGREGATES]
    )

    @property
    def of_instances(self) -> Aggregate:
        """What is asked of instances' samples."""
        return Aggregate(self.instance)

    @property
    def of_hosts(self) -> Aggregate:
        """What is asked of hosts' samples."""
        return Aggregate(self.node or self.compute_node)


@dataclass(frozen=True, eq=False)
class Use:
    """The use of one resource: by instances and, besides them, by hosts.

    ``known`` is 0 for an instance without a measurement, ``unmeasured`` marks those of them that
    run on a host, ``blind`` the hosts with one. ``total`` is what each host has, ``beyond`` what
    it uses beyond its measured instances; 0 where ``told`` says that this is not measured.
    """

    known: Floats
    unmeasured: Bools
    blind: Bools
    total: Floats
    beyond: Floats
    told: Bools
    given: Floats
    """What each instance was allocated."""

    def load(self, name: str, limit_percent: float = 100.0) -> Load:
        """As a load with a limit in percent of the host; who is not measured stays where it is.

        What a host uses beyond its measured instances is its own, whoever uses it.
        """
        return Load(name, self.known, self.total * limit_percent / 100.0, self.beyond)

    def cautious_load(
        self, name: str, limit_percent: float = 100.0, least: Floats | float = 0.0
    ) -> Load:
        """The same, but who is not measured uses all it was given, wherever it goes.

        ``least`` is what a host uses of its own in any case.
        """
        demand = np.where(self.unmeasured, self.given, self.known)
        # On a host with such an instance the rest may be its own: it is not counted twice.
        beyond = np.maximum(np.where(self.blind, 0.0, self.beyond), least)
        return Load(name, demand, self.total * limit_percent / 100.0, beyond)


def cpu_use(
    cluster: Cluster, metrics: Metrics, instances: Query, hosts: Query | None = None
) -> Use:
    """CPU in threads, from ``instance_cpu_usage`` and, where asked for, ``host_cpu_usage``."""
    given = cluster.instances.demand[:, VCPUS].astype(np.float64)
    total = cluster.hosts.total[:, VCPUS].astype(np.float64)
    measured = answered(cluster, metrics, instances) / 100.0 * given
    of_hosts = _of_hosts(cluster, metrics, hosts) / 100.0 * total
    return _use(cluster, measured, given, (total, of_hosts))


def ram_use(
    cluster: Cluster, metrics: Metrics, instances: Query, hosts: Query | None = None
) -> Use:
    """Memory in MiB, from ``instance_ram_usage`` and, where asked for, ``host_ram_usage``."""
    given = cluster.instances.demand[:, MEMORY_MB].astype(np.float64)
    total = cluster.hosts.total[:, MEMORY_MB].astype(np.float64)
    of_hosts = _of_hosts(cluster, metrics, hosts) / 1024.0
    return _use(cluster, answered(cluster, metrics, instances), given, (total, of_hosts))


@dataclass(frozen=True, eq=False)
class Measured:
    """A use, and the load with a limit that it counts as."""

    use: Use
    load: Load


def measured_use(
    cluster: Cluster,
    metrics: Metrics,
    queries: Sequence[Query],
    limits_percent: tuple[float, float],
) -> list[Measured]:
    """CPU, and memory when any instance's use of it is measured, as cautious loads.

    ``queries`` are those of instances' CPU and memory use, then of the hosts' own; the limits are
    on CPU and memory, in percent of what a host physically has. What is reserved of a host's
    memory counts as used by the host.
    """
    of_cpu, of_ram, of_host_cpu, of_host_ram = queries
    cpu_limit, ram_limit = limits_percent
    cpu = cpu_use(cluster, metrics, of_cpu, of_host_cpu)
    found = [Measured(cpu, cpu.cautious_load("cpu load", cpu_limit))]
    if not np.isnan(answered(cluster, metrics, of_ram)).all():
        ram = ram_use(cluster, metrics, of_ram, of_host_ram)
        reserved = cluster.hosts.reserved[:, MEMORY_MB].astype(np.float64)
        found.append(Measured(ram, ram.cautious_load("memory load", ram_limit, reserved)))
    return found


def _of_hosts(cluster: Cluster, metrics: Metrics, query: Query | None) -> Floats:
    if query is None:
        return np.full(len(cluster.hosts), np.nan)
    return answered(cluster, metrics, query)


def answered(cluster: Cluster, metrics: Metrics, query: Query) -> Floats:
    """The column of a query, all ``nan`` when nobody answered it."""
    table = cluster.hosts if query.metric.subject is Subject.HOST else cluster.instances
    return metrics[query] if query in metrics else np.full(len(table), np.nan)


def _use(cluster: Cluster, measured: Floats, given: Floats, hosts: tuple[Floats, Floats]) -> Use:
    total, of_hosts = hosts
    instances = cluster.instances
    placed = instances.host != UNPLACED
    missing = np.isnan(measured)
    known = np.where(missing, 0.0, measured)
    unmeasured = missing & placed & ~np.isin(instances.state, _IDLE)
    homes = instances.host[placed]
    carried = np.bincount(homes, weights=known[placed], minlength=len(total))
    blind = np.bincount(homes, weights=unmeasured[placed], minlength=len(total)) > 0
    beyond = np.maximum(np.nan_to_num(of_hosts, nan=0.0) - carried, 0.0)
    return Use(known, unmeasured, blind, total, beyond, ~np.isnan(of_hosts), given)
