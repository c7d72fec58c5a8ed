# SPDX-License-Identifier: Apache-2.0
"""Lower bounds, so that a plan can say how far from the best it can be.

How many hosts must stay in use: for any prices w >= 0 of the resources, the hosts in use must
together be worth what the instances demand, ``sum(w . limit) >= w . demand``; taking the most
valuable hosts first gives the smallest number that reaches it. Every w gives a true bound; good
ones are found by raising the price of what is short (multiplicative weights: Arora, Hazan and
Kale, "The Multiplicative Weights Update Method", 2012) and by looking along the mixtures of each
two resources, for mostly it is two that bind. At its best it is the bound of the linear
relaxation, rounded up, for some hundred sorts and without an LP solver.
"""

from itertools import combinations
from typing import NamedTuple

import numpy as np

from watcher.core.cluster import Bools, Floats

_ROUNDS = 60
_STEP = 1.0
_MIXTURES = np.linspace(0.02, 0.98, 49)


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
