# SPDX-License-Identifier: Apache-2.0
"""Loads of instances and hosts out of measurements, with what is not measured said so."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from watcher.core.cluster import MEMORY_MB, VCPUS, Cluster, Floats, InstanceState
from watcher.core.loads import answered
from watcher.core.metrics import Metrics, Query
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
class Measured:
    """A load, what of it is really measured, and how many running instances were not."""

    load: Load
    known: Floats
    unmeasured: int


def measured_load(
    cluster: Cluster,
    name: str,
    use: tuple[Floats, Floats],
    limit: Floats,
    host: tuple[Floats, Floats],
) -> Measured:
    """A load from the use of the instances and the hosts, each with its value when unmeasured.

    What a host uses besides its instances is the difference of its own measurement and theirs; it
    can be told only where all of its instances were measured.
    """
    measured, allocated = use
    missing = np.isnan(measured)
    idle = missing & np.isin(cluster.instances.state, _IDLE)
    known = np.where(missing, 0.0, measured)
    demand = np.where(missing & ~idle, allocated, known)
    placed = cluster.instances.host >= 0
    homes = cluster.instances.host[placed]
    carried = np.bincount(homes, weights=known[placed], minlength=len(limit))
    blind = np.bincount(homes, weights=(missing & ~idle)[placed], minlength=len(limit)) > 0
    own, otherwise = host
    told = ~np.isnan(own) & ~blind
    overhead = np.where(told, np.maximum(np.nan_to_num(own) - carried, otherwise), otherwise)
    return Measured(
        Load(name, demand, limit, overhead), known, int((missing & ~idle & placed).sum())
    )


def measured_use(
    cluster: Cluster,
    metrics: Metrics,
    queries: Sequence[Query],
    limits_percent: tuple[float, float],
) -> list[Measured]:
    """CPU in threads, and memory in MiB when instances' use of it is measured.

    ``queries`` are those of instances' CPU and memory use, then of the hosts' own; the limits are
    on CPU and memory, in percent of what a host physically has.
    """
    of_cpu, of_ram, of_host_cpu, of_host_ram = (
        answered(cluster, metrics, query) for query in queries
    )
    allocated = cluster.instances.demand.astype(np.float64)
    total = cluster.hosts.total.astype(np.float64)
    cpu_limit, ram_limit = (percent / 100.0 for percent in limits_percent)
    threads, given = total[:, VCPUS], allocated[:, VCPUS]
    use = of_cpu / 100.0 * given, given
    own = of_host_cpu / 100.0 * threads, np.zeros(len(total))
    found = [measured_load(cluster, "cpu load", use, cpu_limit * threads, own)]
    if not np.isnan(of_ram).all():
        memory = total[:, MEMORY_MB]
        use = of_ram, allocated[:, MEMORY_MB]
        own = of_host_ram / 1024.0, cluster.hosts.reserved[:, MEMORY_MB].astype(np.float64)
        found.append(measured_load(cluster, "memory load", use, ram_limit * memory, own))
    return found
