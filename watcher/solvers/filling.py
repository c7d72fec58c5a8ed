# SPDX-License-Identifier: Apache-2.0
"""Filling hosts with instances: vector bin packing, the largest instance first.

Each instance goes to the host whose room lies best along what the instance demands (Panigrahy,
Talwar, Uyeda and Wieder, "Heuristics for Vector Bin Packing", 2011: dot product, here by the angle
alone), each resource weighed by how scarce it is among the hosts to fill. So hosts run out of all
their resources together, and the small instances, which come last, fill what the large ones left.
A step costs a few operations per host and resource, whatever the number of instances.
"""

from collections.abc import Sequence

import numpy as np

from watcher.core.cluster import NO_GROUP, RESOURCES, Bools, Floats, Ints
from watcher.core.constraints import Constraints
from watcher.core.placement import Placement


def fill(constraints: Constraints, rows: Ints, hosts: Ints) -> Ints:
    """Put these instances on these hosts, as many as fit; returns those that did not."""
    grouped = constraints.cluster.instances.group[rows] != NO_GROUP
    ordered = by_size(constraints, rows[grouped])
    left = [row for row in ordered if not _fit(constraints, row, hosts)]
    left += _Filling(constraints, rows[~grouped], hosts).run()
    return np.sort(np.array(left, dtype=np.int64))


class _Filling:
    """The room of the hosts in units that compare, and the search for each instance's host."""

    def __init__(self, constraints: Constraints, rows: Ints, hosts: Ints) -> None:
        placement = self._placement = constraints.placement
        self._rows, self._hosts = rows, hosts
        self._pool, masks = constraints.pools
        self._open_to = masks[:, hosts]
        self._all_open: Bools = np.logical_and.reduce(self._open_to, axis=1)
        demand = placement.demand[rows]
        free = placement.limit[hosts] - placement.used[hosts]
        supply = np.maximum(free, 0.0).sum(axis=0)
        self._weight: Floats = demand.sum(axis=0) / np.maximum(supply, 1e-9) / constraints.scale
        self._demand = demand * self._weight
        # A resource that nobody here asks for would only blur the angles.
        self._used = np.flatnonzero(self._weight > 0)
        self._room = np.ascontiguousarray((free * self._weight).T)
        most = np.minimum(placement.largest[hosts], placement.limit[hosts])
        self._largest = np.ascontiguousarray((most * self._weight).T)
        self._length = np.sqrt((self._room[self._used] ** 2).sum(axis=0) + 1e-18)

    def run(self) -> list[int]:
        """Place all, the largest first; returns those that found no room."""
        left = []
        if not self._hosts.size:
            return [int(row) for row in self._rows]
        size = self._demand.max(axis=1, initial=0.0)
        for index in np.lexsort((self._rows, -size)).tolist():
            found = self._best(index)
            if found is None:
                left.append(int(self._rows[index]))
            else:
                self._put(index, found)
        return left

    def _best(self, index: int) -> int | None:
        """Where the room lies best along this instance's demand; None when it fits nowhere."""
        demand = self._demand[index]
        along = np.zeros(len(self._hosts))
        fits: Bools = np.ones(len(self._hosts), dtype=np.bool_)
        for column in self._used:
            wanted = demand[column]
            if wanted > 0:
                room = self._room[column]
                # Whole numbers keep their rounding; of a load nothing is given away.
                least = wanted - (1e-12 if column < len(RESOURCES) else 0.0)
                fits &= room >= least
                fits &= self._largest[column] >= least
                along += room * wanted
        pool = self._pool[self._rows[index]]
        if not self._all_open[pool]:
            fits &= self._open_to[pool]
        along /= self._length
        ranked = np.where(fits, along, -np.inf)
        best = int(np.argmax(ranked))
        return best if ranked[best] > -np.inf else None

    def _put(self, index: int, host: int) -> None:
        self._placement.move(int(self._rows[index]), int(self._hosts[host]))
        self._room[:, host] -= self._demand[index]
        self._length[host] = np.sqrt((self._room[self._used, host] ** 2).sum() + 1e-18)


def _fit(constraints: Constraints, row: int, hosts: Ints) -> bool:
    target = best_fit(constraints, row, hosts)
    if target is not None:
        constraints.placement.move(row, target)
    return target is not None


def best_fit(constraints: Constraints, row: int, hosts: Ints) -> int | None:
    """Of these hosts, the one that this instance leaves least room on; None when it fits none."""
    candidates = hosts[constraints.allowed(row)[hosts]]
    if not candidates.size:
        return None
    placement = constraints.placement
    room = (placement.limit[candidates] - placement.used[candidates]) / constraints.scale
    return int(candidates[np.argmin(room.sum(axis=1))])


def by_size(constraints: Constraints, rows: Ints) -> Sequence[int]:
    """These instances, largest first by their share of an average host."""
    size = (constraints.placement.demand[rows] / constraints.scale).sum(axis=1)
    return [int(row) for row in rows[np.lexsort((rows, -size))]]


def rows_on(placement: Placement, hosts: Bools) -> Ints:
    """The instances on these hosts now, ascending."""
    # UNPLACED is -1: it picks what is appended, also where there are no hosts.
    return np.flatnonzero(np.append(hosts, False)[placement.host])
