# SPDX-License-Identifier: Apache-2.0
"""The order of moves: every intermediate state fits, and a move waits only for its room.

A move waits for those that leave its destination, as many as it needs when all earlier arrivals
are counted as present; so any schedule that keeps the waits is safe, however the moves overlap.
Moves that wait for each other in a circle are broken up by a temporary stay on a third host
(Hermenier, Lawall and Muller, "BtrPlace", 2013, suspend instead); where there is none they are
reported as blocked.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heappop, heappush

import numpy as np

from watcher.core.cluster import NO_GROUP, UNPLACED, Bools, Floats
from watcher.core.constraints import Constraints
from watcher.core.placement import Move, Placement
from watcher.core.pools import pools_of


@dataclass(frozen=True)
class Step:
    """One move of a sequence: which of the given moves it serves, and the steps it waits for.

    ``waits`` are positions in the sequence, all smaller than the step's own. A move that is broken
    up has two steps with the same ``origin``.
    """

    move: Move
    origin: int
    waits: tuple[int, ...] = ()


@dataclass(frozen=True)
class Order:
    """The steps in order, and the numbers of the given moves for which no order was found."""

    steps: tuple[Step, ...] = ()
    blocked: tuple[int, ...] = ()


def sequence(placement: Placement, moves: Sequence[Move], targets: Bools | None = None) -> Order:
    """Order the moves, those given first as early as they can be; changes the placement.

    An instance may be named several times if its moves are in order. A destination UNPLACED
    (Nova's scheduler chooses) always fits. ``targets`` are the hosts for temporary stays, by
    default those that may take instances.
    """
    return _Sequencer(placement, moves, targets).run()


class _Sequencer:
    def __init__(self, placement: Placement, moves: Sequence[Move], targets: Bools | None) -> None:
        self.placement = placement
        self.moves = list(moves)
        self.origins = list(range(len(moves)))
        self.constraints = Constraints(placement, targets, soft=False)
        self.steps: list[Step] = []
        self._free_at_first = placement.free.copy()
        self._arrived: dict[int, Floats] = {}
        self._left: dict[int, list[int]] = {}
        self._last_of: dict[int, int] = {}
        self._size = (placement.demand / self.constraints.scale).sum(axis=1)
        self._ready = list(range(len(moves)))
        self._waiting: dict[int, tuple[int, int]] = {}
        self._by_host: dict[int, list[int]] = {}
        self._by_row: dict[int, list[int]] = {}

    def run(self) -> Order:
        while True:
            while self._ready:
                self._try(heappop(self._ready))
            if not self._waiting or not self._detour():
                break
        blocked = sorted(self.origins[number] for number in self._waiting)
        return Order(tuple(self.steps), tuple(blocked))

    def _try(self, number: int) -> None:
        """Make a move, or let it wait for the instance to come or for its room."""
        row, source, to = self.moves[number]
        if self.placement.host[row] == source and self._accepts(row, to):
            self._make(number)
        else:
            self._waiting[number] = (row, to)
            self._by_host.setdefault(to, []).append(number)
            self._by_row.setdefault(row, []).append(number)

    def _make(self, number: int) -> None:
        row, source, to = self.moves[number]
        waits = self._room_from(row, to) if to != UNPLACED else set()
        if row in self._last_of:
            waits.add(self._last_of[row])
        position = len(self.steps)
        self.steps.append(Step(self.moves[number], self.origins[number], tuple(sorted(waits))))
        self.placement.move(row, to)
        self._last_of[row] = position
        self._left.setdefault(source, []).append(position)
        woken = {*self._by_host.pop(source, ()), *self._by_row.pop(row, ())}
        for other in sorted(woken & self._waiting.keys()):
            del self._waiting[other]
            heappush(self._ready, other)

    def _accepts(self, row: int, to: int) -> bool:
        if to == UNPLACED:
            return True
        return self.placement.has_room(row, to) and (
            self._group_of(row) is None or bool(self.constraints.group_allows(row)[to])
        )

    def _group_of(self, row: int) -> int | None:
        """The anti-affinity group of an instance: the one policy that others' moves can cure."""
        group = int(self.placement.cluster.instances.group[row])
        if group == NO_GROUP or self.placement.cluster.groups[group].policy != "anti-affinity":
            return None
        return group

    def _room_from(self, row: int, to: int) -> set[int]:
        """The earlier departures from ``to`` that this arrival needs; counts the arrival."""
        demand = self.placement.demand
        arrived = self._arrived.get(to, 0.0) + demand[row]
        self._arrived[to] = arrived
        missing = np.where(demand[row] > 0, arrived - self._free_at_first[to], 0.0)
        group = self._group_of(row)
        waits = set()
        for position in self._left.get(to, ()):
            leaver = self.steps[position].move.instance
            if (missing > 0).any():
                waits.add(position)
                missing = missing - demand[leaver]
            elif group is None:
                break
            elif self._group_of(leaver) == group:
                waits.add(position)
        return waits

    def _detour(self) -> bool:
        """Send one of the waiting instances to a temporary host, so that its place is free.

        The smallest that has somewhere to stay goes; the rest of its move begins there.
        """
        wanted = {to for _, to in self._waiting.values()}
        order = sorted(self._waiting, key=lambda one: (self._size[self.moves[one].instance], one))
        for number in order:
            row, source, to = self.moves[number]
            # One stay per instance: a second would only push the circle around.
            if self.placement.host[row] != source or source not in wanted or row in self._last_of:
                continue
            stay = self.constraints.allowed(row)
            stay[list(wanted)] = False
            stay &= pools_of(self.placement.cluster).leading_to(to)
            if stay.any():
                third = int(np.argmax(stay))
                self.moves[number] = Move(row, third, to)
                self.moves.append(Move(row, source, third))
                self.origins.append(self.origins[number])
                self._make(len(self.moves) - 1)
                return True
        return False
