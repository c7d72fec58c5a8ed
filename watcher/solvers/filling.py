# SPDX-License-Identifier: Apache-2.0
"""Filling hosts with instances: vector bin packing, host by host, over classes of like instances.

A host takes, one after the other, the instance whose demand lies best along what the host has left
(Panigrahy, Talwar, Uyeda and Wieder, "Heuristics for Vector Bin Packing", 2011: dot product), each
resource weighed by how scarce it is among the hosts still to fill, in one of several ``STYLES``.
Instances that are alike (same pool, same flavor, nearly the same load) form a class, so a step
looks at some hundred classes instead of 100,000 instances.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from watcher.core.cluster import Bools, Floats, Ints
from watcher.core.constraints import Constraints
from watcher.core.placement import Placement

_LOAD_STEPS = 8
"""Loads are told apart in so many steps within a class: more is slower and hardly better."""

_AT_ONCE = 3
"""With room for so many of a class a host takes one at a time, for twice as many two, ..."""


class Style(NamedTuple):
    """A way of filling: none is the best on every cloud.

    ``alignment`` 0 prefers large instances, 1 those whose demand lies along what is left, whatever
    their size; ``small_first`` begins with the hosts that have least room.
    """

    alignment: float
    small_first: bool


STYLES = (
    Style(0.75, small_first=False),
    Style(1.0, small_first=True),
    Style(1.0, small_first=False),
)


class Classes:
    """Instances waiting for a host, in classes; the largest of a class leaves it first."""

    def __init__(self, constraints: Constraints, rows: Ints) -> None:
        demand = constraints.placement.demand[rows]
        pool, masks = constraints.pools
        keys = np.column_stack([pool[rows], demand[:, :3], _steps(demand[:, 3:])])
        kinds, of = np.unique(keys, axis=0, return_inverse=True)
        of = of.reshape(-1)
        loads = demand[:, 3:].sum(axis=1) if demand.shape[1] > 3 else np.zeros(len(rows))
        order = np.lexsort((rows, -loads, of))
        self.rows = rows[order]
        edges = np.searchsorted(of[order], np.arange(len(kinds) + 1))
        self._head, self._end = edges[:-1].copy(), edges[1:]
        self._demands = demand[order]
        self.demand = self._demands[self._head]
        """classes x dimensions: what the next of each class demands."""
        self.waiting = np.ones(len(kinds), dtype=np.bool_)
        self.open_to = masks[kinds[:, 0].astype(np.int64)]
        """classes x hosts: the pools."""
        self.total = demand.sum(axis=0)
        """What all those still waiting demand."""

    def take(self, kind: int) -> int:
        """The next instance of a class, which thereby leaves it."""
        head = self._head[kind]
        self._head[kind] += 1
        self.total = self.total - self._demands[head]
        if head + 1 < self._end[kind]:
            self.demand[kind] = self._demands[head + 1]
        else:
            self.waiting[kind] = False
        return int(self.rows[head])

    def left(self) -> Ints:
        """The instances that found no host."""
        parts = [self.rows[head:end] for head, end in zip(self._head, self._end, strict=True)]
        return np.sort(np.concatenate(parts)) if parts else self.rows


def _steps(loads: Floats) -> Floats:
    top = loads.max(axis=0, initial=0.0)
    return np.ceil(loads / np.where(top > 0, top, 1.0) * _LOAD_STEPS)


def fill(constraints: Constraints, rows: Ints, hosts: Ints, style: Style) -> Ints:
    """Put these instances on these hosts, as many as fit; returns those that did not."""
    placement = constraints.placement
    grouped = np.fromiter((constraints.grouped(row) for row in rows), np.bool_, count=len(rows))
    ordered = by_size(constraints, rows[grouped])
    left = [row for row in ordered if not _fit(constraints, row, hosts)]
    classes = Classes(constraints, rows[~grouped])
    room = np.maximum(placement.limit[hosts] - placement.used[hosts], 0.0)
    worth = (room / constraints.scale).sum(axis=1)
    supply = room.sum(axis=0)
    for index in np.argsort(worth if style.small_first else -worth, kind="stable"):
        if not classes.waiting.any():
            break
        scarcity = classes.total / np.maximum(supply, 1e-9) / constraints.scale**2
        _fill_host(placement, classes, int(hosts[index]), (scarcity, style.alignment))
        supply = supply - room[index]
    return np.sort(np.concatenate([np.array(left, dtype=np.int64), classes.left()]))


def _fill_host(
    placement: Placement, classes: Classes, host: int, taste: tuple[Floats, float]
) -> None:
    """Give one host what fits best, one instance at a time, until nothing fits."""
    open_classes = np.flatnonzero(classes.waiting & classes.open_to[:, host])
    free = placement.limit[host] - placement.used[host]
    largest = placement.largest[host]
    weight, alignment = taste
    while open_classes.size:
        demand = classes.demand[open_classes]
        fits = ((demand <= np.minimum(free, largest)) | (demand == 0)).all(axis=1)
        if not fits.any():
            return
        open_classes, demand = open_classes[fits], demand[fits]
        length = np.maximum(demand**2 @ weight, 1e-30) ** (alignment / 2)
        along = (demand @ (weight * np.maximum(free, 0.0))) / length
        kind = int(open_classes[np.argmax(along)])
        size = classes.demand[kind]
        several = float(np.min(free / np.maximum(size, 1e-9))) / _AT_ONCE
        for _ in range(max(1, int(several))):
            row = classes.take(kind)
            free = free - placement.demand[row]
            placement.move(row, host)
            if not classes.waiting[kind] or (classes.demand[kind] > size).any():
                break
        if not classes.waiting[kind]:
            open_classes = open_classes[open_classes != kind]


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
    placed = placement.host >= 0
    return np.flatnonzero(placed & hosts[np.where(placed, placement.host, 0)])
