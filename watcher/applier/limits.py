# SPDX-License-Identifier: Apache-2.0
"""How many actions run side by side, across all plans, while they run.

What waits in this process waits here; ``watcher.applier.admission`` asks the database whether the
actions of other appliers leave room too.

There are no barriers: an action starts as soon as those it waits for are over and every limit it
counts towards has room. Those of earlier plans, and of earlier places in a plan, go first.
"""

from bisect import insort
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping
from threading import Lock
from typing import Any, NamedTuple

from watcher.core.solution import touched

Need = Mapping[Hashable, int]
"""What an action takes one of while it runs, each with how many there are in all."""

TOTAL = "total"


class Waiting(NamedTuple):
    """An action that may run as far as its plan is concerned."""

    place: tuple[int, int]
    """Number of its plan, and its position in it."""
    need: Need
    start: Callable[[], object]


class Limits:
    """Counts what runs and starts what waits.

    ``total`` actions in all, ``per_node`` from each source host and ``per_node`` to each
    destination host, ``by_type`` of each action type named there. Two actions never run side by
    side on one instance, volume or host service.
    """

    def __init__(self, total: int, per_node: int, by_type: Mapping[str, int]) -> None:
        self._total = total
        self._per_node = per_node
        self._by_type = by_type
        self._lock = Lock()
        self._used: Counter[Hashable] = Counter()
        self._waiting: list[Waiting] = []

    def need(self, action_type: str, parameters: Mapping[str, Any]) -> dict[Hashable, int]:
        """What an action counts towards."""
        need: dict[Hashable, int] = {TOTAL: self._total}
        if action_type in self._by_type:
            need["type", action_type] = self._by_type[action_type]
        for name in ("source_node", "destination_node"):
            if parameters.get(name):
                need[name, parameters[name]] = self._per_node
        for resource in touched(action_type, parameters).changed:
            need["resource", resource] = 1
        return need

    def full(self, need: Need, running: Iterable[tuple[str, Mapping[str, Any]]]) -> str:
        """Which limit has no room for one more beside those that run; '' when all have.

        ``running`` are action types with their input parameters, wherever they run.
        """
        used = Counter(key for one in running for key in self.need(*one))
        full = (key for key, most in need.items() if used[key] >= most)
        return next((" ".join(key) if isinstance(key, tuple) else str(key) for key in full), "")

    def when_free(
        self, need: Need, start: Callable[[], object], place: tuple[int, int] = (0, 0)
    ) -> None:
        """Call ``start``, which must not block, as soon as there is room; ``release`` it then."""
        with self._lock:
            insort(self._waiting, Waiting(place, need, start), key=lambda one: one.place)
        self._admit()

    def release(self, need: Need) -> None:
        """An action is over."""
        with self._lock:
            self._used.subtract(need.keys())
            for key in need:
                if not self._used[key]:
                    del self._used[key]
        self._admit()

    def running(self, key: Hashable) -> int:
        """How many that count towards something run now."""
        return self._used[key]

    def state(self) -> tuple[int, int, int]:
        """How many run here, how many wait here, and how many may run in all."""
        with self._lock:
            return self._used[TOTAL], len(self._waiting), self._total

    def _admit(self) -> None:
        admitted = []
        with self._lock:
            kept: list[Waiting] = []
            for number, one in enumerate(self._waiting):
                if self._used[TOTAL] >= self._total:
                    kept += self._waiting[number:]
                    break
                if any(self._used[key] >= most for key, most in one.need.items()):
                    kept.append(one)
                else:
                    self._used.update(one.need.keys())
                    admitted.append(one.start)
            self._waiting = kept
        for start in admitted:
            start()
