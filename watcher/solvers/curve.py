# SPDX-License-Identifier: Apache-2.0
"""Hosts released against moves: an operator chooses the point on the curve."""

import numpy as np

from watcher.core.cluster import Ints

_POINTS = tuple(n * 10**power for power in range(6) for n in (1, 2, 5))
"""1, 2, 5, 10, ... 500,000 moves."""


def most_released(instances: Ints, moves: int) -> int:
    """How many hosts so many moves can empty at most; ``instances`` are those on each host.

    A host is emptied by moving each instance on it once; hosts without instances need no move and
    are not counted. No plan can do better, so it is a bound as well.
    """
    cost = np.cumsum(np.sort(instances[instances > 0]))
    return int(np.searchsorted(cost, moves, side="right"))


def release_curve(instances: Ints) -> dict[int, int]:
    """Moves -> hosts emptied, for round numbers of moves that empty one of these hosts, not all.

    ``instances`` are those on each host that a plan empties. Where hosts that are kept only gain,
    any of the others may be left as they are, so every point is a plan.
    """
    whole = int(instances.sum())
    points = {moves: most_released(instances, moves) for moves in _POINTS if moves < whole}
    return {moves: released for moves, released in points.items() if released}
