# SPDX-License-Identifier: Apache-2.0
"""A what-if copy of where instances are: move them, ask what fits, and read the difference.

The only mutable value in core; it lives inside one ``solve`` or one ``replay``. Besides the three
allocated resources it can carry measured loads, each with a limit of its own per host, so that a
host is full when either its allocations or its load reach their limit (decisions §4).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from watcher.core.cluster import UNPLACED, Bools, Cluster, Floats, Ints


@dataclass(frozen=True, eq=False)
class Load:
    """A measured load: what each instance demands of it, what each host carries and may carry.

    ``demand`` has one entry per instance, ``limit`` and ``overhead`` one per host, in one unit.
    ``overhead`` is what a host carries besides its instances.
    """

    name: str
    demand: Floats
    limit: Floats
    overhead: Floats

    @property
    def forgiving(self) -> "Load":
        """The same with limits a part in a billion higher: for sums added up in another order."""
        return replace(self, limit=self.limit * (1.0 + 1e-9))


class Move(NamedTuple):
    """One instance's change of host, as row numbers."""

    instance: int
    source: int
    destination: int


class Placement:
    """Where each instance would be; starts as the cluster is.

    ``names`` are the dimensions: vcpus, memory_mb, disk_gb, then the loads. ``demand`` is
    instances x dimensions, ``limit``, ``used`` and ``largest`` (the most that one instance may
    have) are hosts x dimensions.
    """

    def __init__(self, cluster: Cluster, loads: Sequence[Load] = ()) -> None:
        self.cluster = cluster
        self.names = ("vcpus", "memory_mb", "disk_gb", *(load.name for load in loads))
        self.host: Ints = cluster.instances.host.copy()
        self.demand: Floats = np.column_stack(
            [cluster.instances.demand, *(load.demand for load in loads)]
        ).astype(np.float64, copy=False)
        self.limit: Floats = np.column_stack(
            [cluster.hosts.capacity, *(load.limit for load in loads)]
        ).astype(np.float64, copy=False)
        self.largest: Floats = np.full_like(self.limit, np.inf)
        self.largest[:, :3] = cluster.hosts.max_unit
        self.used: Floats = np.zeros_like(self.limit)
        self.used[:, :3] = cluster.used
        placed = self.host != UNPLACED
        for column, load in enumerate(loads, start=3):
            carried = np.bincount(
                self.host[placed], weights=load.demand[placed], minlength=len(cluster.hosts)
            )
            self.used[:, column] = carried + load.overhead

    @property
    def free(self) -> Floats:
        """hosts x dimensions: what is left below the limits; negative where a host is over."""
        return self.limit - self.used

    def room(self, hosts: Ints) -> Floats:
        """These hosts x dimensions: the largest demand that fits there now."""
        return np.minimum(self.limit[hosts] - self.used[hosts], self.largest[hosts])

    def fits(self, row: int) -> Bools:
        """For each host, whether this instance fits there now; its own host counts as fitting."""
        # A demand of zero fits on a host that is full or over its limit in that dimension. Column
        # by column is six times as fast as one (hosts x dimensions) comparison on 5,000 hosts.
        demand = self.demand[row]
        room: Bools = np.ones(len(self.limit), dtype=np.bool_)
        for column in np.flatnonzero(demand):
            room &= self.used[:, column] + demand[column] <= self.limit[:, column]
            room &= demand[column] <= self.largest[:, column]
        if self.host[row] != UNPLACED:
            room[self.host[row]] = True
        return room

    def has_room(self, row: int, host_row: int) -> bool:
        """Whether this instance fits on that host now."""
        demand = self.demand[row]
        fits = self.used[host_row] + demand <= self.limit[host_row]
        fits &= demand <= self.largest[host_row]
        fits |= demand == 0
        return bool(fits.all()) or bool(self.host[row] == host_row)

    def move(self, row: int, to: int) -> None:
        """Put an instance on another host, whether it fits or not."""
        source = self.host[row]
        if source == to:
            return
        if source != UNPLACED:
            self.used[source] -= self.demand[row]
        if to != UNPLACED:
            self.used[to] += self.demand[row]
        self.host[row] = to

    def rows_on(self, host_row: int) -> Ints:
        """The instance rows on a host now, ascending."""
        return np.flatnonzero(self.host == host_row)

    def moves(self) -> list[Move]:
        """One move per instance whose host differs from the cluster's, by instance row."""
        before = self.cluster.instances.host
        rows = np.flatnonzero(self.host != before)
        return [Move(int(row), int(before[row]), int(self.host[row])) for row in rows]
