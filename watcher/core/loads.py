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
from watcher.core.metrics import Metric, Metrics, Query
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


@dataclass(frozen=True, eq=False)
class Use:
    """The use of one resource: by instances and, besides them, by hosts.

    ``known`` is 0 for an instance without a measurement, ``unmeasured`` marks those of them that
    run on a host; ``total`` is what each host has, ``overhead`` what it uses besides its
    instances: 0 where that is not measured.
    """

    known: Floats
    unmeasured: Bools
    total: Floats
    overhead: Floats
    given: Floats
    """What each instance was allocated."""

    def load(self, name: str, limit_percent: float = 100.0, *, assume: bool = False) -> Load:
        """As a load with a limit in percent of the host; ``assume`` counts unmeasured as full."""
        demand = np.where(self.unmeasured, self.given, self.known) if assume else self.known
        return Load(name, demand, self.total * limit_percent / 100.0, self.overhead)


def cpu_use(cluster: Cluster, metrics: Metrics, instances: Query, hosts: Query) -> Use:
    """CPU in threads, from ``instance_cpu_usage`` and, where answered, ``host_cpu_usage``."""
    given = cluster.instances.demand[:, VCPUS].astype(np.float64)
    total = cluster.hosts.total[:, VCPUS].astype(np.float64)
    of_hosts = answered(cluster, metrics, hosts) / 100.0 * total
    return _use(
        cluster, answered(cluster, metrics, instances) / 100.0 * given, given, (total, of_hosts)
    )


def ram_use(cluster: Cluster, metrics: Metrics, instances: Query, hosts: Query) -> Use:
    """Memory in MiB, from ``instance_ram_usage`` and, where answered, ``host_ram_usage``."""
    given = cluster.instances.demand[:, MEMORY_MB].astype(np.float64)
    total = cluster.hosts.total[:, MEMORY_MB].astype(np.float64)
    of_hosts = answered(cluster, metrics, hosts) / 1024.0
    return _use(cluster, answered(cluster, metrics, instances), given, (total, of_hosts))


def answered(cluster: Cluster, metrics: Metrics, query: Query) -> Floats:
    """The column of a query, all ``nan`` when nobody answered it."""
    rows = len(cluster.hosts if query.metric in _OF_HOSTS else cluster.instances)
    return metrics[query] if query in metrics else np.full(rows, np.nan)


_OF_HOSTS = frozenset(metric for metric in Metric if metric.public_name.startswith("host_"))


def _use(cluster: Cluster, measured: Floats, given: Floats, hosts: tuple[Floats, Floats]) -> Use:
    """What a host uses besides its instances can be told only where all of them are measured."""
    total, of_hosts = hosts
    instances = cluster.instances
    placed = instances.host != UNPLACED
    missing = np.isnan(measured)
    known = np.where(missing, 0.0, measured)
    unmeasured = missing & placed & ~np.isin(instances.state, _IDLE)
    homes = instances.host[placed]
    carried = np.bincount(homes, weights=known[placed], minlength=len(total))
    blind = np.bincount(homes, weights=unmeasured[placed], minlength=len(total)) > 0
    told = ~np.isnan(of_hosts) & ~blind
    overhead = np.where(told, np.maximum(np.nan_to_num(of_hosts) - carried, 0.0), 0.0)
    return Use(known, unmeasured, total, overhead, given)
