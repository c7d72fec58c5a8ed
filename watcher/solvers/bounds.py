# SPDX-License-Identifier: Apache-2.0
"""Lower bounds, so that a plan can say how far from the best it can be.

How many hosts must stay in use: for any prices w >= 0 of the resources, the hosts in use must
together be worth what the instances demand, ``sum(w . limit) >= w . demand``; taking the most
valuable hosts first gives the smallest number that reaches it. Every w gives a true bound; good
ones are found by raising the price of what is short (multiplicative weights: Arora, Hazan and
Kale, "The Multiplicative Weights Update Method", 2012). At its best it is the bound of the linear
relaxation, rounded up, for a few sorts and without an LP solver.
"""

from typing import NamedTuple

import numpy as np

from watcher.core.cluster import Bools, Floats

_ROUNDS = 60
_STEP = 1.0


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
    for prices in (*np.eye(len(needed)), *_learned(free, rest)):
        count = best_count(free @ prices, float(rest @ prices))
        if count + int(forced.sum()) > best.hosts:
            best = HostsBound(count + int(forced.sum()), prices / scale)
    return best


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
