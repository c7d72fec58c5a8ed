# SPDX-License-Identifier: Apache-2.0
"""Draining: empty whole hosts one after the other, the least loaded first, into fuller ones.

A host is emptied completely or left alone, and only hosts that are in use and stand above it in
the ranking take its instances: each the first that fits of those that had least room. So the hosts
that are kept only gain, and the moves may be made in any order. Passes are repeated until one
empties nothing; one costs a sort of the hosts for each host that might be emptied, and some dozen
hosts for each of its instances.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from watcher.core.cluster import UNPLACED, Bools, Floats, Ints
from watcher.core.constraints import Constraints
from watcher.core.placement import Placement
from watcher.solvers.filling import by_size

_BLOCK = 64


@dataclass(frozen=True, eq=False)
class Drain:
    """What may be drained: ``hosts`` of which each ``kind`` keeps one, ranked by ``rank``.

    ``rank`` gives a number per host for a placement: the smaller, the sooner is it emptied.
    ``max_failures`` ends the search when more sources than that could not be emptied; None never.
    """

    hosts: Bools
    kind: Ints
    rank: Callable[[Placement], Floats]
    max_failures: int | None = None


def drain(constraints: Constraints, movable: Bools, wanted: Drain) -> list[int]:
    """Empty hosts, in the placement of ``constraints``; those emptied, in the order of it."""
    state = _State(constraints, movable, wanted)
    emptied: list[int] = []
    failures = 0
    while True:
        before = len(emptied)
        for source in state.candidates():
            if state.empty(source):
                emptied.append(source)
                continue
            failures += 1
            if wanted.max_failures is not None and failures > wanted.max_failures:
                return emptied
        if len(emptied) == before:
            return emptied


class _State:
    """Which hosts are open, how many of each kind, and what is on each, as the moves are made."""

    def __init__(self, constraints: Constraints, movable: Bools, wanted: Drain) -> None:
        self.constraints, self.wanted = constraints, wanted
        self.placement = constraints.placement
        homes = self.placement.host
        placed = np.flatnonzero(homes != UNPLACED)
        size = len(wanted.hosts)
        self.open = wanted.hosts.copy()
        self.left_of_kind = np.bincount(wanted.kind[self.open], minlength=size)
        self.stuck = np.bincount(homes[placed[~movable[placed]]], minlength=size) > 0
        self.count = np.bincount(homes[placed], minlength=size)
        order = placed[np.argsort(homes[placed], kind="stable")]
        edges = np.searchsorted(homes[order], np.arange(size + 1))
        self.on = [order[edges[row] : edges[row + 1]] for row in range(size)]

    def candidates(self) -> list[int]:
        """The hosts that may be emptied now, the lowest in the ranking first."""
        rows = np.flatnonzero(self.open & ~self.stuck & (self.count > 0))
        rank = self.wanted.rank(self.placement)[rows]
        return [int(row) for row in rows[np.argsort(rank, kind="stable")]]

    def empty(self, source: int) -> bool:
        """Move all instances of a host to hosts above it, the largest first, or none.

        The last open host of its kind is left alone.
        """
        kind = int(self.wanted.kind[source])
        targets = self._above(source)
        rows = self.on[source]
        if self.left_of_kind[kind] < 2 or not targets.size or not self._may_fit(rows, targets):
            return False
        if not self._move_all(rows, source, targets):
            return False
        self.open[source] = False
        self.left_of_kind[kind] -= 1
        return True

    def _above(self, source: int) -> Ints:
        """The hosts in use that rank above this one now; of equals those that come later."""
        rank = self.wanted.rank(self.placement)
        later = (rank > rank[source]) | ((rank == rank[source]) & (np.arange(len(rank)) > source))
        return np.flatnonzero(self.open & (self.count > 0) & later)

    def _may_fit(self, rows: Ints, targets: Ints) -> bool:
        """Whether there is room for the sum of them, and for the largest in each dimension."""
        placement = self.placement
        free = np.maximum(placement.limit[targets] - placement.used[targets], 0.0)
        demand = placement.demand[rows]
        if (demand.sum(axis=0) > free.sum(axis=0)).any():
            return False
        largest = np.maximum(placement.room(targets), 0.0).max(axis=0)
        return bool((demand.max(axis=0) <= largest).all())

    def _tightest(self, rows: Ints, targets: Ints) -> Ints:
        """The targets on which the least of these might fit, those with least room first."""
        room = self.placement.room(targets)
        least = self.placement.demand[rows].min(axis=0)
        some = ((least <= room) | (least == 0)).all(axis=1)
        left = (np.maximum(room[some], 0.0) / self.constraints.scale).sum(axis=1)
        ordered: Ints = targets[some][np.argsort(left, kind="stable")]
        return ordered

    def _first_fit(self, row: int, targets: Ints) -> int | None:
        """The first of these that this instance may go to."""
        pool, masks = self.constraints.pools
        demand, open_to = self.placement.demand[row], masks[pool[row]]
        for start in range(0, len(targets), _BLOCK):
            block = targets[start : start + _BLOCK]
            fits = ((demand <= self.placement.room(block)) | (demand == 0)).all(axis=1)
            for host in block[fits & open_to[block]]:
                if self.constraints.permits(row, int(host)):
                    return int(host)
        return None

    def _move_all(self, rows: Ints, source: int, targets: Ints) -> bool:
        placement = self.placement
        done: list[int] = []
        tightest = self._tightest(rows, targets)
        for row in by_size(self.constraints, rows):
            target = self._first_fit(row, tightest)
            if target is None:
                for moved in done:
                    placement.move(moved, source)
                return False
            placement.move(row, target)
            done.append(row)
        for row in done:
            home = int(placement.host[row])
            self.on[home] = np.append(self.on[home], row)
            self.count[home] += 1
        self.on[source], self.count[source] = rows[:0], 0
        return True
