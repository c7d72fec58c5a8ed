# SPDX-License-Identifier: Apache-2.0
"""Draining: empty whole hosts one after the other, the least loaded first, into fuller ones.

A host is emptied completely or left alone, and only hosts that are in use and stand above it in
the ranking take its instances, each the tightest that it fits. So the hosts that are kept only
gain, and the moves may be made in any order. Passes are repeated until one empties nothing; a pass
costs one look at all hosts per instance of a host that can be emptied, and mostly one per host
that cannot.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from watcher.core.cluster import UNPLACED, Bools, Floats, Ints
from watcher.core.constraints import Constraints
from watcher.core.placement import Placement
from watcher.solvers.filling import best_fit, by_size


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
    placement = constraints.placement
    stuck = placement.host[~movable & (placement.host != UNPLACED)]
    open_to = wanted.hosts.copy()
    emptied: list[int] = []
    failures = 0
    while True:
        count = np.bincount(
            placement.host[placement.host != UNPLACED], minlength=len(wanted.hosts)
        )
        candidates = open_to & (count > 0)
        candidates[stuck] = False
        before = len(emptied)
        rank = wanted.rank(placement)
        for source in np.flatnonzero(candidates)[np.argsort(rank[candidates], kind="stable")]:
            if not _last_of_kind(wanted.kind, open_to, int(source)):
                above = _above(wanted, placement, open_to, int(source))
                if _move_all(constraints, int(source), above):
                    open_to[source] = False
                    emptied.append(int(source))
                    continue
            failures += 1
            if wanted.max_failures is not None and failures > wanted.max_failures:
                return emptied
        if len(emptied) == before:
            return emptied


def _last_of_kind(kind: Ints, open_to: Bools, source: int) -> bool:
    return int((open_to & (kind == kind[source])).sum()) < 2


def _above(wanted: Drain, placement: Placement, open_to: Bools, source: int) -> Ints:
    """The hosts in use that rank above this one now; of equals those that come later."""
    rank = wanted.rank(placement)
    in_use = np.bincount(placement.host[placement.host != UNPLACED], minlength=len(rank)) > 0
    later = (rank > rank[source]) | ((rank == rank[source]) & (np.arange(len(rank)) > source))
    return np.flatnonzero(open_to & in_use & later)


def _move_all(constraints: Constraints, source: int, targets: Ints) -> bool:
    """Move all instances of this host to these, the largest first, or none."""
    placement = constraints.placement
    rows = placement.rows_on(source)
    if not targets.size:
        return False
    room = np.maximum(placement.limit[targets] - placement.used[targets], 0.0).sum(axis=0)
    if (placement.demand[rows].sum(axis=0) > room).any():
        return False
    done: list[int] = []
    for row in by_size(constraints, rows):
        target = best_fit(constraints, row, targets)
        if target is None:
            for moved in done:
                placement.move(moved, source)
            return False
        placement.move(row, target)
        done.append(row)
    return True
