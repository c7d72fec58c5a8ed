# SPDX-License-Identifier: Apache-2.0
"""Measured loads of hosts: what their instances use, and what they use besides, where measured.

CPU in threads, memory in MiB. An instance without a measurement uses nothing of what is *known*;
whether it counts as using all it was given is for the strategy to say. ``nan`` is no measurement,
0 is 0.
"""

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

    def cautious_load(self, name: str, limit_percent: float = 100.0) -> Load:
        """The same, but who is not measured uses all it was given, wherever it goes."""
        demand = np.where(self.unmeasured, self.given, self.known)
        # On a host with such an instance the rest may be its own: it is not counted twice.
        beyond = np.where(self.blind, 0.0, self.beyond)
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
