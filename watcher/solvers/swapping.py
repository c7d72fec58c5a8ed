# SPDX-License-Identifier: Apache-2.0
"""Exchanges of two instances, where no single move helps.

Steepest descent by single moves stalls where the idle hosts are full of what is not balanced, or
where every instance is larger than what one host has too much of. An exchange needs room for the
difference only. Both hosts must take it in one order or the other without a temporary stay, so
each of the two moves fits at its time. Costs a few operations for each pair looked at.
"""

import numpy as np

from watcher.core.cluster import Bools, Floats, Ints
from watcher.core.constraints import Constraints
from watcher.core.placement import Placement

_TRIES = 16
"""So many of the best pairs are tried against rules that only one pair at a time can be asked."""
PARTNERS = 16
"""With the instances of so many of the least loaded hosts exchanges are looked for."""
PRICE = 2.0
"""An exchange is two moves, and must bring what two must."""


def exchange(
    constraints: Constraints, here: Ints, there: Ints, worth: Floats
) -> tuple[int, int] | None:
    """Make the exchange that is worth most and return its two instances; None when none may be.

    ``here`` are instances of one host, ``there`` of any others; ``worth`` is here x there, -inf
    where an exchange is not wanted. Changes the placement of ``constraints``.
    """
    if not (worth > -np.inf).any():
        return None
    worth = np.where(_fits(constraints.placement, here, there), worth, -np.inf)
    for _ in range(_TRIES):
        index = np.unravel_index(int(np.argmax(worth)), worth.shape)
        if worth[index] == -np.inf:
            return None
        pair = int(here[index[0]]), int(there[index[1]])
        if _exchanged(constraints, *pair):
            return pair
        worth[index] = -np.inf
    return None


def _fits(placement: Placement, here: Ints, there: Ints) -> Bools:
    """here x there: whether both hosts have room once the two have changed places."""
    source, hosts = placement.host[here[0]], placement.host[there]
    fits: Bools = np.ones((len(here), len(there)), dtype=np.bool_)
    for column in range(placement.demand.shape[1]):
        ours = placement.demand[here, column][:, None]
        theirs = placement.demand[there, column][None, :]
        free = placement.limit[:, column] - placement.used[:, column]
        largest = placement.largest[:, column]
        fits &= (theirs == 0) | ((theirs - ours <= free[source]) & (theirs <= largest[source]))
        fits &= (ours == 0) | ((ours - theirs <= free[hosts]) & (ours <= largest[hosts]))
    return fits


def _exchanged(constraints: Constraints, one: int, other: int) -> bool:
    """Exchange two instances if that may be, in an order in which both moves fit."""
    placement = constraints.placement
    for first, second in ((other, one), (one, other)):
        home, away = int(placement.host[first]), int(placement.host[second])
        if constraints.permits(first, away):
            placement.move(first, away)
            if constraints.permits(second, home):
                placement.move(second, home)
                return True
            placement.move(first, home)
    return False
