# SPDX-License-Identifier: Apache-2.0
"""Cooling: take just so much work off hosts that something rises on with their work.

What is read of a host (a temperature, an air flow) is taken as a base and a rise in proportion to
the work of its instances. So a reading that must stay below a threshold is a limit on the work,
and a host above it has to give some away: the smallest instance that is enough, or else the
largest, to the host whose reading is expected to be lowest. No host is brought to the threshold.
What is expected is a model; the next audit reads what became of it.
"""

from dataclasses import dataclass

import numpy as np

from watcher.core.cluster import UNPLACED, Bools, Cluster, Floats, InstanceState, Ints
from watcher.core.constraints import Constraints
from watcher.core.loads import Use
from watcher.core.placement import Load, Placement
from watcher.solvers.filling import by_size

_WORK = 3
"""The dimension of the placement that is the work."""
_STRICTLY = 1e-6
_TRIES = 20


@dataclass(frozen=True, eq=False)
class Readings:
    """What was read of each host, what would be read of it without work, and the threshold.

    ``nan`` is what nobody knows. Where the base is not known, the coolest host is compared with.
    """

    value: Floats
    base: Floats
    threshold: float

    @property
    def hot(self) -> Bools:
        """The hosts at or above the threshold."""
        return at_least(self.value, self.threshold)

    @property
    def order(self) -> Ints:
        """Those hosts, the highest reading first."""
        rows = np.flatnonzero(self.hot)
        ordered: Ints = rows[np.argsort(-self.value[rows], kind="stable")]
        return ordered


def at_least(value: Floats, threshold: float) -> Bools:
    """Where a value is known and at or above the threshold."""
    above: Bools = np.nan_to_num(value, nan=-np.inf) >= threshold
    return above


def work(cluster: Cluster, use: Use) -> Floats:
    """What each instance works: CPU in use in threads; all it has where that is not measured."""
    active = cluster.instances.state == InstanceState.ACTIVE
    return np.where(use.unmeasured & active, use.given, use.known)


class Cooling:
    """A placement in which work has a limit per host, and the search for what to move.

    Only ``targets`` take work, and only they are learned from: what a broken host shows does not
    follow its work. ``placement`` starts as the cluster is; ``expected`` tells the readings after
    what was moved.
    """

    def __init__(
        self, cluster: Cluster, amounts: Floats, readings: Readings, targets: Bools
    ) -> None:
        self.readings = readings
        homes = cluster.instances.host
        placed = homes != UNPLACED
        self._before = np.bincount(homes[placed], amounts[placed], minlength=len(readings.value))
        self._slope = self._slopes(targets)
        room = (readings.threshold - _STRICTLY - readings.value) / self._slope
        limit = np.where(np.isnan(room), 0.0, self._before + room)
        load = Load("work below the threshold", amounts, limit, np.zeros(len(limit)))
        self.placement = Placement(cluster, [load])
        self.constraints = Constraints(self.placement, targets & ~np.isnan(readings.value))

    def _slopes(self, sound: Bools) -> Floats:
        """By how much each host's reading rises with a unit of work; always above 0."""
        value = np.where(sound, self.readings.value, np.nan)
        base = self.readings.base.copy()
        idle = np.zeros(len(value))
        unknown = np.isnan(base)
        if not np.isnan(value).all():
            coolest = int(np.nanargmin(value))
            base[unknown], idle[unknown] = value[coolest], self._before[coolest]
        rise, worked = value - base, self._before - idle
        known = ~np.isnan(rise) & (worked > 0)
        total = float(worked[known].sum())
        mean = float(np.maximum(rise[known], 0.0).sum()) / total if total > 0 else 1.0
        mean = max(mean, _STRICTLY)
        own = np.divide(
            rise, worked, out=np.full(len(rise), mean), where=known & (np.nan_to_num(rise) > 0)
        )
        # A host that is to cool is judged by itself, one that is to take work with caution.
        slopes: Floats = np.where(self.readings.hot, own, np.maximum(own, mean))
        return slopes

    def expected(self) -> Floats:
        """The readings after what was moved."""
        change = self.placement.used[:, _WORK] - self._before
        after: Floats = self.readings.value + self._slope * change
        return after

    def run(self, movable: Bools, emptied: Bools, most: int = 0) -> None:
        """Relieve the hosts at or above the threshold, the highest first; some are to be emptied.

        A host that has been relieved may take a little again, so it is gone round until nothing
        moves. ``most`` are the migrations off hosts that are not to be emptied; 0 for no limit.
        """
        moved = -1
        spent = 0
        while moved:
            moved = 0
            for host in self.readings.order:
                if emptied[host]:
                    moved += self._empty(int(host), movable)
                else:
                    gone = self._relieve(int(host), movable, most - spent if most else None)
                    moved, spent = moved + gone, spent + gone

    def _relieve(self, host: int, movable: Bools, left: int | None) -> int:
        """Move work off a host until it is expected below the threshold; how many moved."""
        moved = 0
        placement = self.placement
        while left is None or moved < left:
            excess = placement.used[host, _WORK] - placement.limit[host, _WORK]
            if excess <= 0:
                break
            rows = placement.rows_on(host)
            amounts = placement.demand[rows, _WORK]
            rows = rows[movable[rows] & (amounts > 0) & (amounts <= self._most())]
            if not self._first_that_fits(rows, excess):
                break
            moved += 1
        return moved

    def _most(self) -> float:
        """The most work that any target may still take."""
        free = self.placement.limit[:, _WORK] - self.placement.used[:, _WORK]
        return float(free[self.constraints.targets].max(initial=0.0))

    def _first_that_fits(self, rows: Ints, excess: float) -> bool:
        amounts = self.placement.demand[rows, _WORK]
        rank = np.where(amounts >= excess, amounts, 1e12 - amounts)
        order = rows[np.argsort(rank, kind="stable")][:_TRIES]
        return any(self._to_the_coolest(int(row)) for row in order)

    def _empty(self, host: int, movable: Bools) -> int:
        """Move all instances off a host, or none; how many moved."""
        rows = self.placement.rows_on(host)
        if not movable[rows].all():
            return 0
        for number, row in enumerate(ordered := by_size(self.constraints, rows)):
            if not self._to_the_coolest(row):
                for gone in ordered[:number]:
                    self.placement.move(gone, host)
                return 0
        return len(rows)

    def _to_the_coolest(self, row: int) -> bool:
        hosts = np.flatnonzero(self.constraints.allowed(row))
        if not hosts.size:
            return False
        expected = np.round(self.expected()[hosts], 6)
        self.placement.move(row, int(hosts[np.argmin(expected)]))
        return True
