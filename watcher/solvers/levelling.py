# SPDX-License-Identifier: Apache-2.0
"""Levelling several loads at once, by steepest descent on the weighted sum of their variances.

A host's load is relative: what is used of what it has, per dimension. A host that is above the
mean in any dimension gives the instance, to the host, that lower the sum most, if that is worth a
move; what a move changes of a variance is exact, the mean of unequal hosts included. Targets are
looked at from the least loaded on, a block at a time, so a step costs the instances of one host
times a few dozen hosts, and one that finds nothing all hosts. Where no single move is left,
instances are exchanged with those of the least loaded hosts (``swapping``). Every step lowers the
sum by a fixed amount at least, so it ends.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from watcher.core.cluster import UNPLACED, Bools, Cluster, Floats, Ints
from watcher.core.constraints import Constraints
from watcher.core.placement import Load, Move, Placement
from watcher.solvers.bounds import lowest_deviations
from watcher.solvers.sequencing import sequence
from watcher.solvers.swapping import PARTNERS, PRICE, exchange

_BLOCK = 64
_LEAST = 1e-9


@dataclass(frozen=True, eq=False)
class Levels:
    """Which dimensions of a placement are levelled, among which hosts, and when they are level.

    ``columns``, ``weights`` and ``thresholds`` (standard deviations) go together. ``gain`` is what
    a move must bring: as much as between two equal hosts a move of ``gain`` of one of them, to a
    host that is below the other by twice as much.
    """

    columns: tuple[int, ...]
    weights: Floats
    thresholds: Floats
    hosts: Bools
    gain: float
    max_moves: int | None = None

    def deviations(self, placement: Placement) -> Floats:
        """The population standard deviation of the relative load in each dimension."""
        loads = relative(placement, self.columns)[self.hosts]
        return loads.std(axis=0) if len(loads) else np.zeros(len(self.columns))

    def spread(self, placement: Placement) -> float:
        """All of them in one number: the root of their weighted mean square."""
        return self._together(self.deviations(placement))

    def lower_bound(self, placement: Placement, movable: Bools) -> float:
        """The spread that is left at least, whatever is moved."""
        hosts = self.hosts
        return self._together(lowest_deviations(placement, self.columns, hosts, hosts, movable))

    def _together(self, deviations: Floats) -> float:
        total = float(self.weights.sum())
        return float(np.sqrt(self.weights @ deviations**2 / total)) if total else 0.0


def relative(placement: Placement, columns: tuple[int, ...]) -> Floats:
    """hosts x columns: what is used of the limit; 0 for a host that has nothing."""
    limit = placement.limit[:, list(columns)]
    used = placement.used[:, list(columns)]
    shares: Floats = np.divide(used, limit, out=np.zeros_like(used), where=limit > 0)
    return shares


def level(constraints: Constraints, movable: Bools, levels: Levels) -> list[int]:
    """Move instances until every dimension is level or no move nor exchange is worth it.

    Changes the placement of ``constraints``, whose targets take instances. Returns the moved
    instances in the order of the moves.
    """
    state = _State(constraints, movable, levels)
    moved: list[int] = []
    stuck = np.zeros(len(levels.hosts), dtype=np.bool_)
    progress = swapping = False
    while not state.is_level() and not _enough(moved, levels.max_moves):
        excess = np.where(levels.hosts & ~stuck, state.excess(), 0.0)
        source = int(np.argmax(excess)) if excess.size else 0
        if not excess.size or excess[source] <= 0:
            if not progress and swapping:
                break
            # What was stuck may have found room since: another look at all of them, at last with
            # exchanges as well.
            swapping |= not progress
            stuck[:] = progress = False
            continue
        made = state.best_move(source)
        if not made and swapping and not _enough(moved, levels.max_moves, 1):
            made = state.best_swap(source)
        stuck[source] = not made
        progress |= bool(made)
        moved += made
    return moved


def _enough(moved: list[int], most: int | None, more: int = 0) -> bool:
    return most is not None and len(set(moved)) + more >= most


@dataclass(frozen=True, eq=False)
class Levelled:
    """What levelling came to: the moves in an order that can be carried out, and their result."""

    placement: Placement
    moves: tuple[Move, ...]
    blocked: int
    """So many moves were left out, because no order of moves makes room for them."""
    spreads: tuple[float, float, float]
    """Before, after, and at least, whatever is moved."""


def levelled(cluster: Cluster, loads: Sequence[Load], movable: Bools, levels: Levels) -> Levelled:
    """Level the hosts among themselves, as far as the moves can be carried out."""
    placement = Placement(cluster, loads)
    before, bound = levels.spread(placement), levels.lower_bound(placement, movable)

    def found(placement: Placement, moves: Sequence[Move], blocked: int) -> Levelled:
        spreads = before, levels.spread(placement), bound
        return Levelled(placement, tuple(moves), blocked, spreads)

    turns = level(Constraints(placement, levels.hosts), movable, levels)
    last = {row: turn for turn, row in enumerate(turns)}
    wanted = sorted(placement.moves(), key=lambda move: last[move.instance])
    blocked = set(sequence(Placement(cluster, loads), wanted).blocked)
    if not blocked:
        return found(placement, wanted, 0)
    moves = [move for number, move in enumerate(wanted) if number not in blocked]
    placement = Placement(cluster, loads)
    for move in moves:
        placement.move(move.instance, move.destination)
    if levels.spread(placement) >= before:
        return found(Placement(cluster, loads), (), len(wanted))
    return found(placement, moves, len(blocked))


class _State:
    """The loads, which follow the placement, and the search for one host's best move."""

    def __init__(self, constraints: Constraints, movable: Bools, levels: Levels) -> None:
        self.constraints, self.levels = constraints, levels
        self.placement = constraints.placement
        self.columns = list(levels.columns)
        self.count = max(int(levels.hosts.sum()), 1)
        self.weights = levels.weights / max(float(levels.weights.max(initial=0.0)), _LEAST)
        self.limit = self.placement.limit[:, self.columns]
        self.able = (self.limit > 0).all(axis=1) & levels.hosts
        self.load = relative(self.placement, levels.columns)
        self.least = max(2.0 * levels.gain**2, _LEAST)
        self.chosen = np.flatnonzero(levels.hosts)
        self._sum_up()
        self._on: dict[int, set[int]] = {}
        for row in np.flatnonzero(movable & (self.placement.host != UNPLACED)):
            self._on.setdefault(int(self.placement.host[row]), set()).add(int(row))

    def is_level(self) -> bool:
        # Rounded, so that sums of the same loads in another order are equal.
        deviations = np.round(np.sqrt(np.maximum(self.squares - self.mean**2, 0.0)), 9)
        return bool((deviations <= self.levels.thresholds).all())

    def _sum_up(self) -> None:
        """The means of the loads and of their squares, anew: small errors do not add up."""
        loads = self.load[self.chosen]
        self.mean = loads.sum(axis=0) / self.count
        self.squares = (loads * loads).sum(axis=0) / self.count

    def excess(self) -> Floats:
        """By how much each host is above the mean, over all dimensions in which it is."""
        above: Floats = np.maximum(self.load - self.mean, 0.0) @ self.weights
        return np.round(above, 9)

    def best_move(self, source: int) -> tuple[int, ...]:
        """Make the best move off this host; its instance, or nothing when none is worth it."""
        rows = np.array(sorted(self._on.get(source, ())), dtype=np.int64)
        if not rows.size or not self.able[source]:
            return ()
        for hosts in self._coldest(source):
            falls = self._falls(source, hosts, self.placement.demand[rows][:, None, :])
            if not (falls >= self.least).any():
                return ()  # those to come are more loaded still
            found = self._best_of(rows, hosts, falls)
            if found is not None:
                row, host = found
                self.placement.move(row, host)
                self._follow(row, source)
                self._sum_up()
                return (row,)
        return ()

    def best_swap(self, source: int) -> tuple[int, ...]:
        """Exchange an instance of this host for one of the coldest, if it is worth it."""
        hosts = next(self._coldest(source), self.chosen[:0])[:PARTNERS]
        here = np.array(sorted(self._on.get(source, ())), dtype=np.int64)
        there = np.array(
            sorted(row for host in hosts for row in self._on.get(int(host), ())), dtype=np.int64
        )
        if not here.size or not there.size or not self.able[source]:
            return ()
        demand = self.placement.demand
        less = demand[here][:, None, :] - demand[there][None, :, :]
        falls = self._falls(source, self.placement.host[there], less)
        worth = np.where(falls >= PRICE * self.least, np.round(falls, 12), -np.inf)
        found = exchange(self.constraints, here, there, worth)
        if found is None:
            return ()
        one, other = found
        self._follow(other, int(self.placement.host[one]))
        self._follow(one, source)
        self._sum_up()
        return found

    def _coldest(self, source: int) -> Iterator[Ints]:
        """The targets in blocks, the least loaded first; mostly only the first is looked at."""
        hosts = np.flatnonzero(self.constraints.targets & self.able)
        hosts = hosts[hosts != source]
        load = np.round(self.load[hosts] @ self.weights, 9)
        if len(hosts) > _BLOCK:
            border = np.partition(load, _BLOCK - 1)[_BLOCK - 1]
            first = np.flatnonzero(load <= border)
            yield hosts[first[np.argsort(load[first], kind="stable")]]
            hosts, load = hosts[load > border], load[load > border]
        hosts = hosts[np.argsort(load, kind="stable")]
        for start in range(0, len(hosts), _BLOCK):
            yield hosts[start : start + _BLOCK]

    def _best_of(self, rows: Ints, hosts: Ints, falls: Floats) -> tuple[int, int] | None:
        """Of these instances and hosts the pair whose move lowers the sum most."""
        gains = falls >= self.least
        demand = self.placement.demand[rows][:, None, :]
        gains &= ((demand <= self.placement.room(hosts)[None, :, :]) | (demand == 0)).all(axis=2)
        worth = np.where(gains, np.round(falls, 12), -np.inf).ravel()
        for _ in range(int(gains.sum())):
            index = int(np.argmax(worth))
            row, host = int(rows[index // len(hosts)]), int(hosts[index % len(hosts)])
            if self.constraints.permits(row, host):
                return row, host
            worth[index] = -np.inf
        return None

    def _falls(self, source: int, hosts: Ints, amounts: Floats) -> Floats:
        """instances x hosts: by how much the weighted sum of squared deviations falls.

        When so much goes from the source to each host: instances x hosts (or 1) x dimensions.
        """
        falls = np.zeros((len(amounts), len(hosts)))
        for number, column in enumerate(self.columns):
            amount = amounts[:, :, column]
            less = amount / self.limit[source, number]
            more = amount / self.limit[hosts, number][None, :]
            here, there = self.load[source, number], self.load[hosts, number][None, :]
            squares = less * (2 * here - less) - more * (2 * there + more)
            grown = more - less
            # The squares fall by so much, and the mean moves: n * mean^2 is no deviation.
            falls += self.weights[number] * (
                squares + grown * (2 * self.mean[number] + grown / self.count)
            )
        return falls

    def _follow(self, row: int, source: int) -> None:
        """An instance has moved from there to where it is now."""
        host = int(self.placement.host[row])
        self._on[source].discard(row)
        self._on.setdefault(host, set()).add(row)
        changed = [source, host]
        self.load[changed] = self.placement.used[changed][:, self.columns] / self.limit[changed]
