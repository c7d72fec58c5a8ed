# SPDX-License-Identifier: Apache-2.0
"""Loads of instances and hosts out of measurements, with what is not measured said so."""

from dataclasses import dataclass

import numpy as np

from watcher.core.cluster import Cluster, Floats, InstanceState
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
