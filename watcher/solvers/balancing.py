# SPDX-License-Identifier: Apache-2.0
"""Balancing by steepest descent: from the busiest hosts to idle ones, each move a gain.

The load of a host is relative: what its instances use over what the host has, so hosts of any size
compare. A move is judged by the busier of its two hosts, before and after; among those that gain
enough, the one that lowers the spread (the sum of squares) most is made. Destinations are looked
at from the least loaded on, a block at a time, so a step costs the instances of one host times a
few dozen hosts, however large the cloud. Where no single move is left, instances are exchanged
with those of the least loaded hosts (``swapping``).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from watcher.core.cluster import Bools, Floats, Ints
from watcher.core.constraints import Constraints
from watcher.core.placement import Placement
from watcher.solvers.swapping import PARTNERS, PRICE, exchange

_BLOCK = 64
LOAD = 3
"""The dimension of a placement that is balanced: the first measured load."""


@dataclass(frozen=True)
class Rules:
    """When a host is a source, what a move must bring, and how many there may be.

    ``threshold`` is a relative load (1.0 = all of the host), ``gain`` the least fall of the load
    of the busier host of a move, ``max_moves`` None for no limit.
    """

    threshold: float
    gain: float
    max_moves: int | None = None


def spread(placement: Placement, hosts: Bools) -> float:
    """The population standard deviation of the relative load of these hosts; 0 for none."""
    return float(np.std(loads(placement)[hosts])) if hosts.any() else 0.0


def loads(placement: Placement) -> Floats:
    """The relative load of each host; 0 for a host without capacity."""
    limit = placement.limit[:, LOAD]
    relative: Floats = np.divide(
        placement.used[:, LOAD], limit, out=np.zeros(len(limit)), where=limit > 0
    )
    return relative


def balance(constraints: Constraints, movable: Bools, sources: Bools, rules: Rules) -> list[int]:
    """Move instances until no source at or above the threshold has a move that gains enough, nor
    an exchange of two instances that gains what two moves must.

    Changes ``constraints.placement``, whose first load is the one to balance; only
    ``constraints.targets`` take instances. Returns the moved instances in the order of the moves.
    """
    state = _State(constraints, movable)
    moved: list[int] = []
    stuck = np.zeros(len(sources), dtype=np.bool_)
    progress = swapping = False
    while rules.max_moves is None or len(set(moved)) < rules.max_moves:
        open_to = sources & ~stuck & (state.load >= rules.threshold)
        if not open_to.any():
            if not progress and swapping:
                break
            # What was stuck may have found room since: another look at all of them, at last with
            # exchanges as well.
            swapping |= not progress
            stuck[:] = progress = False
            continue
        source = int(np.argmax(np.where(open_to, state.load, -1.0)))
        made = state.best_move(source, rules.gain)
        left = rules.max_moves is None or len(set(moved)) + 1 < rules.max_moves
        if not made and swapping and left:
            made = state.best_swap(source, PRICE * rules.gain)
        stuck[source] = not made
        progress |= bool(made)
        moved += made
    return moved


class _State:
    """Loads that follow the placement, and the search for one host's best move."""

    def __init__(self, constraints: Constraints, movable: Bools) -> None:
        self.constraints = constraints
        self.placement = constraints.placement
        self.limit = self.placement.limit[:, LOAD]
        self.load = loads(self.placement)
        # A host without capacity is infinitely far from taking anything.
        usable = self.limit > 0
        self._inverse = np.where(usable, 1.0 / np.where(usable, self.limit, 1.0), np.inf)
        self._takers = np.flatnonzero(constraints.targets & usable)
        placed = movable & (self.placement.host >= 0)
        self._on: dict[int, set[int]] = {}
        for row in np.flatnonzero(placed):
            self._on.setdefault(int(self.placement.host[row]), set()).add(int(row))

    def best_move(self, source: int, gain: float) -> tuple[int, ...]:
        """Make the best move off this host and return its instance; nothing when none gains."""
        rows = np.array(sorted(self._on.get(source, ())), dtype=np.int64)
        demand = self.placement.demand[rows, LOAD]
        share = demand * self._inverse[source]
        rows = rows[(demand > 0) & (share >= gain)]
        if not rows.size:
            return ()
        least = self.placement.demand[rows, LOAD].min()
        colder = self.load + least * self._inverse <= self.load[source] - gain
        for hosts in self._coldest(np.flatnonzero(self.constraints.targets & colder)):
            found = self._best_in(source, rows, hosts, gain)
            if found is not None:
                row, host = found
                self.placement.move(row, host)
                self._follow(row, source)
                return (row,)
        return ()

    def best_swap(self, source: int, gain: float) -> tuple[int, ...]:
        """Exchange an instance of this host for one of the least loaded ones, if that gains."""
        takers = self._takers
        if not takers.size or not self.constraints.targets[source]:
            return ()
        # No exchange does more than to make the two hosts equal.
        apart = self.load[source] - self.load[takers]
        if apart.max() < gain:
            return ()
        part = self.limit[takers] / (self.limit[takers] + self.limit[source])
        hosts = next(self._coldest(takers[apart * part >= gain]), takers[:0])[:PARTNERS]
        here = np.array(sorted(self._on.get(source, ())), dtype=np.int64)
        there = np.array(
            sorted(row for host in hosts for row in self._on.get(int(host), ())), dtype=np.int64
        )
        if not here.size or not there.size:
            return ()
        demand, homes = self.placement.demand[:, LOAD], self.placement.host[there]
        less = demand[here][:, None] - demand[there][None, :]
        before, below = self.load[source], self.load[homes]
        after, then = before - less / self.limit[source], below + less / self.limit[homes]
        falls = before**2 + below**2 - after**2 - then**2
        gains = (before - np.maximum(after, then) >= gain) & (falls > 0)
        found = exchange(self.constraints, here, there, np.where(gains, falls, -np.inf))
        if found is None:
            return ()
        one, other = found
        self._follow(other, int(self.placement.host[one]))
        self._follow(one, source)
        return found

    def _coldest(self, hosts: Ints) -> Iterator[Ints]:
        """These hosts in blocks, the least loaded first; mostly only the first is looked at."""
        load = self.load[hosts]
        if len(hosts) > _BLOCK:
            border = np.partition(load, _BLOCK - 1)[_BLOCK - 1]
            first = np.flatnonzero(load <= border)
            yield hosts[first[np.argsort(load[first], kind="stable")]]
            hosts, load = hosts[load > border], load[load > border]
        hosts = hosts[np.argsort(load, kind="stable")]
        for start in range(0, len(hosts), _BLOCK):
            yield hosts[start : start + _BLOCK]

    def _best_in(
        self, source: int, rows: Ints, hosts: Ints, gain: float
    ) -> tuple[int, int] | None:
        """The best move of one of these instances to one of these hosts."""
        demand = self.placement.demand[rows, LOAD][:, None]
        before, there = self.load[source], self.load[hosts]
        after, then = before - demand / self.limit[source], there + demand / self.limit[hosts]
        gains = before - np.maximum(after, then) >= gain
        falls = before**2 + there**2 - after**2 - then**2
        gains &= falls > 0
        if not gains.any():
            return None
        gains &= self._room(rows, hosts)
        worth = np.where(gains, falls, -np.inf).ravel()
        for _ in range(int(gains.sum())):
            index = int(np.argmax(worth))
            row, host = int(rows[index // len(hosts)]), int(hosts[index % len(hosts)])
            if self.constraints.permits(row, host):
                return row, host
            worth[index] = -np.inf
        return None

    def _room(self, rows: Ints, hosts: Ints) -> Bools:
        demand = self.placement.demand[rows][:, None, :]
        free = self.placement.room(hosts)[None, :, :]
        room: Bools = ((demand <= free) | (demand == 0)).all(axis=2)
        return room

    def _follow(self, row: int, source: int) -> None:
        """An instance has moved from there to where it is now."""
        host = int(self.placement.host[row])
        self._on[source].discard(row)
        self._on.setdefault(host, set()).add(row)
        for changed in (source, host):
            self.load[changed] = self.placement.used[changed, LOAD] / self.limit[changed]
