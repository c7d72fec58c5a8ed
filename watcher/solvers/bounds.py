# SPDX-License-Identifier: Apache-2.0
"""Lower bounds, so that a plan can say how far from the best it can be.

How many hosts must stay in use: for any prices w >= 0 of the resources, the hosts in use must
together be worth what the instances demand, ``sum(w . limit) >= w . demand``; taking the most
valuable hosts first gives the smallest number that reaches it. Every w gives a true bound; good
ones are found by raising the price of what is short (multiplicative weights: Arora, Hazan and
Kale, "The Multiplicative Weights Update Method", 2012) and by looking along the mixtures of each
two resources, for mostly it is two that bind. At its best it is the bound of the linear
relaxation, rounded up, for some hundred sorts and without an LP solver.

How level a load can become: were instances as fine as sand, only what may not be moved would keep
hosts from being equal. That is a convex problem with one equation, solved by its two multipliers
(Boyd and Vandenberghe, "Convex Optimization", 2004, section 5.5), each by bisection.
"""

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np

from watcher.core.cluster import UNPLACED, Bools, Floats
from watcher.core.placement import Placement

_ROUNDS = 60
_STEP = 1.0
_MIXTURES = np.linspace(0.02, 0.98, 49)
_HALVINGS = 48
_DIGITS = 1e6


class HostsBound(NamedTuple):
    """At least this many hosts must stay in use, and the prices of the resources that prove it."""

    hosts: int
    prices: Floats


def hosts_in_use(limit: Floats, demand: Floats, forced: Bools) -> HostsBound:
    """The fewest hosts that can carry the demand.

    ``limit`` is hosts x dimensions (what each may carry), ``demand`` the dimensions' sums over all
    instances, ``forced`` the hosts that stay in use whatever happens. Any unit per dimension.
    """
    scale = np.maximum(limit.sum(axis=0), 1e-9)
    shares, needed = np.maximum(limit, 0.0) / scale, demand / scale
    rest = np.maximum(needed - shares[forced].sum(axis=0), 0.0)
    free = shares[~forced]
    best = HostsBound(int(forced.sum()), np.ones(len(needed)) / scale)
    if not free.size or not rest.any():
        return best
    most = -1.0
    for prices in (*np.eye(len(needed)), *_learned(free, rest), *_mixed(rest)):
        count = _share_count(free @ prices, float(rest @ prices))
        if count > most:
            most = count
            best = HostsBound(int(np.ceil(count - 1e-6)) + int(forced.sum()), prices / scale)
    return best


def _mixed(rest: Floats) -> list[Floats]:
    """Prices of two resources each, in all proportions."""
    unit = np.eye(len(rest)) / np.where(rest > 0, rest, 1.0)
    pairs = combinations(np.flatnonzero(rest > 0), 2)
    return [a * unit[one] + (1 - a) * unit[other] for one, other in pairs for a in _MIXTURES]


def _share_count(values: Floats, needed: float) -> float:
    """As ``best_count``, with the part of the last host that is needed."""
    largest = np.sort(values)[::-1]
    reached = np.cumsum(largest)
    needed = min(needed * (1 - 1e-9), float(reached[-1]))
    whole = int(np.searchsorted(reached, needed))
    before = float(reached[whole - 1]) if whole else 0.0
    return whole + (needed - before) / max(float(largest[whole]), 1e-30)


def best_count(values: Floats, needed: float) -> int:
    """How many of the largest values reach the needed sum; all of them when they never do."""
    reached = np.cumsum(np.sort(values)[::-1])
    # A part in a billion forgives the rounding of the sums.
    return min(int(np.searchsorted(reached, needed * (1 - 1e-9))) + 1, len(values))


def _learned(free: Floats, rest: Floats) -> list[Floats]:
    """Prices that rise for what the chosen hosts give too little of."""
    prices = np.ones(len(rest)) * (rest > 0)
    found = []
    for turn in range(_ROUNDS):
        prices = prices / prices.sum()
        found.append(prices)
        values = free @ prices
        count = best_count(values, float(rest @ prices))
        chosen = free[np.argpartition(-values, count - 1)[:count]].sum(axis=0)
        short = 1.0 - chosen / np.maximum(rest, 1e-12)
        prices = prices * np.exp(_STEP / (1 + turn / 20) * np.clip(short, -2.0, 1.0))
    return found


class Shares(NamedTuple):
    """A load that is shared out among hosts: columns of one entry per host, in one unit.

    ``fixed`` is what stays on each host whatever is done, ``most`` what it may carry at most, and
    ``capacity`` what a relative load of 1 is; hosts without capacity carry nothing.
    """

    capacity: Floats
    fixed: Floats
    most: Floats


def lowest_deviations(
    placement: Placement, columns: Sequence[int], hosts: Bools, taking: Bools, movable: Bools
) -> Floats:
    """For each of these columns, the standard deviation of the loads that is left at least.

    Of the relative loads of ``hosts``, among which instances are moved: the ``movable`` ones may
    leave, hosts that are not ``taking`` get nothing. Room and rules can only make it more.
    """
    on = np.flatnonzero(movable & (placement.host != UNPLACED))
    found = np.zeros(len(columns))
    for place, column in enumerate(columns):
        used, capacity = placement.used[:, column], placement.limit[:, column]
        leaving = np.bincount(placement.host[on], placement.demand[on, column], len(hosts))
        most = np.where(taking, np.inf, used)
        shares = Shares(*(values[hosts] for values in (capacity, used - leaving, most)))
        found[place] = lowest_deviation(shares, float(used[hosts & (capacity > 0)].sum()))
    return found


def lowest_deviation(shares: Shares, total: float) -> float:
    """The standard deviation of the relative loads that no sharing out of ``total`` is below.

    Cut to six digits. 0 where what stays leaves every host room to be as loaded as all others.
    Costs some thousand passes over the hosts, or one when it is 0.
    """
    able = shares.capacity > 0
    if not able.any():
        return 0.0
    capacity = np.where(able, shares.capacity, 1.0)
    low = np.where(able, shares.fixed / capacity, 0.0)
    high = np.where(able, np.maximum(shares.most, shares.fixed) / capacity, 0.0)
    capacity = np.where(able, capacity, 0.0)
    level = total / float(capacity.sum())
    if (low <= level).all() and (level <= high).all():
        return 0.0
    bottom, top = float(low.min()), float(max(low.max(), level, 0.0))
    for _ in range(_HALVINGS):
        mean = (bottom + top) / 2
        loads = _shared(mean, capacity, (low, high), total)
        if float(loads.mean()) > mean:
            bottom = mean
        else:
            top = mean
    return float(np.floor(float(loads.std()) * _DIGITS) / _DIGITS)


def fewest_over(used: Floats, leaving: Floats, line: Floats) -> int:
    """How many places stay at or above their line whatever is moved among them.

    ``used`` and ``line`` are by place, in one unit; ``leaving`` is how much of ``used`` may be
    moved away. Of plans that bring no place up to its line: a place above it must lose what is
    over, and all that they lose goes into the room of those below. The places with the least over
    are cured first, as if everything fitted anywhere: rules and sizes can only make it more.
    """
    over = used - line
    curable = np.sort(over[(over >= 0) & (leaving > over)])
    room = float(-over[over < 0].sum())
    cured = int(np.searchsorted(np.cumsum(curable), room, side="right"))
    return int((over >= 0).sum()) - cured


def _shared(mean: float, capacity: Floats, box: tuple[Floats, Floats], total: float) -> Floats:
    """The loads in the box that are nearest to the mean and share out the total."""
    left, right = -1.0, 1.0

    def loads(price: float) -> Floats:
        found: Floats = np.clip(mean + price * capacity, *box)
        return found

    # In units of the largest host a price of 1 raises that host's load by its whole capacity.
    scale = 1.0 / float(capacity.max())
    for _ in range(_HALVINGS):
        if float(loads(right * scale) @ capacity) >= total:
            break
        right *= 2
    for _ in range(_HALVINGS):
        if float(loads(left * scale) @ capacity) <= total:
            break
        left *= 2
    for _ in range(_HALVINGS):
        price = (left + right) / 2
        if float(loads(price * scale) @ capacity) < total:
            left = price
        else:
            right = price
    return loads(right * scale)
