# SPDX-License-Identifier: Apache-2.0
"""Consolidation as vector packing: choose the hosts to keep, empty the others, whole hosts only.

The hosts to keep are chosen by the prices that prove the lower bound (``bounds``), the fewest
moves first among equals. Then everything on the others is packed into the room of the kept ones.
What does not fit tells how many hosts more to keep, a few times; in the end hosts whose instances
did not all fit are put back, the most valuable first, until nothing is left over. So every host is
emptied completely or left alone, and hosts that are kept only gain: the moves may be made in any
order.
"""

from dataclasses import dataclass

import numpy as np

from watcher.core.cluster import Bools, Floats, Ints
from watcher.core.constraints import Constraints
from watcher.core.placement import Placement
from watcher.solvers.bounds import HostsBound, hosts_in_use
from watcher.solvers.filling import best_fit, by_size, fill, rows_on

_ROUNDS = 8
_REFILLS = 4
_WORK = 300_000_000
"""So many tries with another number of hosts, as long as instances x hosts stay below."""
_PRICE_STEPS = 16
_PART = 0.7
"""The hosts to keep get so much of what was left over as a margin more."""
_FAILURES = 40
"""A last search for single hosts to empty gives up after so many failures in a row."""
_TRIES = 10
"""An overloaded host gives up after so many of its instances in a row find no other host."""


@dataclass(frozen=True, eq=False)
class Packing:
    """What consolidation came to: the bound it started from and the one for the result."""

    bound: int
    """At least so many of the hosts stay in use, whatever is done."""
    before: int
    after: int
    """Hosts in use."""


@dataclass(frozen=True, eq=False)
class _Problem:
    """One round: what does not change while hosts are chosen and filled."""

    constraints: Constraints
    hosts: Bools
    """The hosts in play: those that may be emptied or filled."""
    fixed: Bools
    """Those of them that stay in use: something on them may not be moved."""
    count: Ints
    """Instances on each host."""
    value: Floats
    """What each host can carry, by the bound's prices."""
    bound: HostsBound
    needed: Floats
    """What all instances on these hosts demand together."""

    @property
    def placement(self) -> Placement:
        return self.constraints.placement


def consolidate(
    constraints: Constraints, movable: Bools, hosts: Bools, *, max_moves: int | None = None
) -> Packing:
    """Empty as many of these hosts as possible by moving instances among them.

    Changes ``constraints.placement``. ``movable`` marks the instances that may be moved; a host
    with others on it is never emptied, and none is emptied in part. Ends when a further round
    would not empty one host more.
    """
    placement = constraints.placement
    first = _pose(constraints, movable, hosts)
    before = int((hosts & (first.count > 0)).sum())
    after, problem = before, first
    for turn in range(_ROUNDS):
        spent = int((placement.host != placement.cluster.instances.host).sum())
        budget = None if max_moves is None else max_moves - spent
        reached = _improve(problem, after, budget)
        settled = reached <= problem.bound.hosts or (turn > 0 and reached >= after)
        after = reached
        if settled:
            break
        # Empty hosts are wanted by the first round only: after the plan they will be disabled, and
        # a later audit, which does not have them, must find nothing more to do.
        in_use = np.bincount(placement.host[placement.host >= 0], minlength=len(hosts)) > 0
        problem = _pose(constraints, movable, hosts & in_use)
    return Packing(first.bound.hosts, before, after)


def lower_bound(placement: Placement, hosts: Bools, fixed: Bools) -> HostsBound:
    """The fewest of these hosts that can carry the instances now on them."""
    rows = rows_on(placement, hosts)
    carried = np.zeros_like(placement.used)
    np.add.at(carried, placement.host[rows], placement.demand[rows])
    # A host that is over its limit may stay so; what it carries besides instances takes room.
    limit = np.maximum(placement.limit, placement.used) - (placement.used - carried)
    return hosts_in_use(limit[hosts], placement.demand[rows].sum(axis=0), fixed[hosts])


def _pose(constraints: Constraints, movable: Bools, hosts: Bools) -> _Problem:
    placement = constraints.placement
    placed = placement.host >= 0
    size = len(placement.cluster.hosts)
    count = np.bincount(placement.host[placed], minlength=size)
    stuck = np.bincount(placement.host[placed & ~movable], minlength=size)
    fixed = hosts & (stuck > 0)
    bound = lower_bound(placement, hosts, fixed)
    value = np.where(hosts, placement.limit @ bound.prices, 0.0)
    needed = placement.demand[rows_on(placement, hosts)].sum(axis=0)
    return _Problem(constraints, hosts, fixed, count, value, bound, needed)


def _improve(problem: _Problem, in_use: int, budget: int | None) -> int:
    """Try the fewest hosts, leave the better placement; hosts in use then."""
    placement = problem.placement
    start = placement.host.copy()
    moved = int((start != placement.cluster.instances.host).sum())
    reached = _attempt(problem, budget)
    after = int((placement.host != placement.cluster.instances.host).sum())
    if reached > in_use or (reached == in_use and after >= moved):
        restore(placement, start)
        return in_use
    return reached


def restore(placement: Placement, host: Ints) -> None:
    """Put every instance back to the host it is given here."""
    for row in np.flatnonzero(placement.host != host):
        placement.move(int(row), int(host[row]))


def _choose(problem: _Problem, margin: float, budget: int | None) -> Bools:
    """Hosts to keep that could carry everything and so much more, with few instances elsewhere."""
    free = np.flatnonzero(problem.hosts & ~problem.fixed)
    wanted = hosts_in_use(
        np.maximum(problem.placement.limit, 0.0)[problem.hosts],
        problem.needed * (1 + margin),
        problem.fixed[problem.hosts],
    )
    size = max(max(wanted.hosts, problem.bound.hosts) - int(problem.fixed.sum()), 0)
    total = int(problem.count[free].sum())
    while True:
        kept = _kept(problem, free, size, margin)
        moves = total - int(problem.count[kept].sum())
        if budget is None or moves <= budget or size >= len(free):
            break
        size += max(1, (len(free) - size) // 32)
    keep = problem.fixed.copy()
    keep[kept] = True
    return keep


def _kept(problem: _Problem, free: Ints, size: int, margin: float) -> Ints:
    """Of the free hosts, so many with most instances that could still carry all and more."""
    if not free.size or not size:
        return free[:size]
    given = np.maximum(problem.placement.limit, 0.0)
    missing = problem.needed * (1 + margin) - given[problem.fixed].sum(axis=0)
    asked = missing > 0
    shares = given[free][:, asked] / missing[asked]
    prices = problem.bound.prices[asked] * missing[asked]
    count = problem.count[free] / max(float(problem.count[free].mean()), 1e-9)
    best = free[np.argsort(-problem.value[free], kind="stable")[:size]]
    low, high = -6.0, 6.0
    for _ in range(12):
        middle = (low + high) / 2
        found = _enough(shares, prices, (count, 10**middle), size)
        if found is None:
            low = middle
        else:
            best, high = free[found], middle
    return best


def _enough(shares: Floats, prices: Floats, liked: tuple[Floats, float], size: int) -> Ints | None:
    """So many hosts whose ``shares`` of each resource reach 1 together, or None if none is found.

    ``liked`` are the instances on each host and how much the worth of a host counts beside them.
    What is short becomes dearer, step by step, so that hosts of several shapes are mixed.
    """
    count, weight = liked
    prices = prices / max(float(prices.sum()), 1e-30) + 1e-6
    for step in range(_PRICE_STEPS):
        worth = shares @ prices
        score = count + weight * worth / max(float(worth.mean()), 1e-30)
        chosen = np.argsort(-score, kind="stable")[:size]
        given = shares[chosen].sum(axis=0)
        if (given >= 1).all():
            return chosen
        prices = prices * np.exp(20.0 / (1 + step / 4) * np.clip(1 - given, -0.2, 0.2))
        prices = prices / prices.sum()
    return None


def _tried(problem: _Problem, margin: float, budget: int | None) -> tuple[Bools, Ints]:
    """Choose hosts to keep and fill them; they, and the instances that did not fit."""
    keep = _choose(problem, margin, budget)
    away = rows_on(problem.placement, problem.hosts & ~keep)
    return keep, fill(problem.constraints, away, np.flatnonzero(keep))


def _margin(problem: _Problem, budget: int | None) -> float:
    """How much more than what is demanded the hosts to keep should have, so that few stay in use.

    With less, too much is left over and put back; found by trying, halving what is between too
    little and enough. Nothing changes.
    """
    placement = problem.placement
    start, whole = placement.host.copy(), float(problem.needed @ problem.bound.prices)
    low, high, margin = 0.0, np.inf, 0.0
    found: list[tuple[float, float]] = []
    work = int(problem.count.sum()) * problem.bound.hosts
    for _ in range(max(2, min(_REFILLS, _WORK // max(work, 1)))):
        keep, left = _tried(problem, margin, budget)
        restore(placement, start)
        over = float(placement.demand[left].sum(axis=0) @ problem.bound.prices)
        worth = problem.value[problem.hosts & ~keep].max(initial=0.0)
        hosts_over = over / worth if worth > 0 else 0.0
        found.append((int(keep.sum()) + hosts_over, margin))
        if not left.size or hosts_over < 0.1:
            high = margin
        else:
            low = margin
        if margin == high == 0.0 or (high - low) * problem.bound.hosts < 1.0:
            break
        margin = (low + high) / 2 if np.isfinite(high) else low + _PART * over / max(whole, 1e-30)
    return min(found)[1]


def _attempt(problem: _Problem, budget: int | None) -> int:
    """Empty every host that is not kept, put back those that cannot be; hosts in use then."""
    placement, hosts = problem.placement, problem.hosts
    start = placement.host.copy()
    keep, left = _tried(problem, _margin(problem, budget), budget)
    while left.size:
        back = _put_back(problem, keep, left)
        keep[back] = True
        home = np.flatnonzero(np.isin(start, back))
        changed = np.unique(np.concatenate([placement.host[home], back]))
        for row in home:
            placement.move(int(row), int(start[row]))
        left = left[~np.isin(start[left], back)]
        left = fill(problem.constraints, left, changed[keep[changed]])
    _empty_more(problem, keep, start, budget)
    return int(np.unique(placement.host[rows_on(placement, hosts)]).size)


def _put_back(problem: _Problem, keep: Bools, left: Ints) -> Ints:
    """The most valuable hosts not kept: enough of them for half of what is left over."""
    placement = problem.placement
    shut = np.flatnonzero(problem.hosts & ~keep)
    order = shut[np.argsort(-problem.value[shut], kind="stable")]
    over = float(placement.demand[left].sum(axis=0) @ problem.bound.prices) / 2
    number = int(np.searchsorted(np.cumsum(problem.value[order]), over)) + 1
    return order[:number]


def _empty_more(problem: _Problem, keep: Bools, start: Ints, budget: int | None) -> None:
    """Empty single kept hosts, the one with fewest instances first, while that succeeds."""
    placement = problem.placement
    failures = 0
    moved = int((placement.host != start).sum())
    used = np.bincount(placement.host[placement.host >= 0], minlength=len(keep))
    candidates = np.flatnonzero(keep & ~problem.fixed & (used > 0))
    for host in candidates[np.argsort(used[candidates], kind="stable")]:
        rows = placement.rows_on(int(host))
        if budget is not None and moved + len(rows) > budget:
            break
        others = keep & (np.bincount(placement.host[placement.host >= 0], minlength=len(keep)) > 0)
        others[host] = False
        if _empty(problem.constraints, rows, np.flatnonzero(others)):
            keep[host] = False
            moved += len(rows)
            failures = 0
        else:
            failures += 1
        if failures > _FAILURES:
            break


def _empty(constraints: Constraints, rows: Ints, others: Ints) -> bool:
    """Move all these instances to other hosts, or none."""
    placement = constraints.placement
    if not others.size:
        return False
    room = np.maximum(placement.limit[others] - placement.used[others], 0.0).sum(axis=0)
    if (placement.demand[rows].sum(axis=0) > room).any():
        return False
    done: list[tuple[int, int]] = []
    for row in by_size(constraints, rows):
        target = best_fit(constraints, row, others)
        if target is None:
            for moved, home in done:
                placement.move(moved, home)
            return False
        done.append((row, int(placement.host[row])))
        placement.move(row, target)
    return True


def relieve(
    constraints: Constraints,
    movable: Bools,
    hosts: Bools,
    spare: Bools,
    measured: Floats,
    *,
    max_moves: int | None = None,
) -> Bools:
    """Move instances off hosts whose measured load is over its limit; changes the placement.

    ``measured`` is instances x loads (the placement's dimensions after the allocated three), 0
    where nothing was measured: what is not known makes no host overloaded. A host is relieved
    into hosts in use, else into empty ones, else into ``spare`` ones. Returns the spare hosts
    that took something.
    """
    placement = constraints.placement
    known = _known_load(placement, measured)
    limit = placement.limit[:, 3:]
    over = hosts & (known > limit).any(axis=1)
    worst = np.flatnonzero(over)
    excess = (known / np.maximum(limit, 1e-9)).max(axis=1, initial=0.0)
    left = len(placement.host) if max_moves is None else max_moves
    opened = np.zeros_like(spare)
    for host in worst[np.argsort(-excess[worst], kind="stable")]:
        while left > 0 and (known[host] > limit[host]).any():
            rows = placement.rows_on(int(host))
            choices = (hosts & ~over | opened, spare & ~opened)
            need = known[host] - limit[host]
            row = _relieve_once(constraints, rows[movable[rows]], need, measured, choices)
            if row is None:
                break
            known[host] -= measured[row]
            opened |= spare & (np.arange(len(spare)) == placement.host[row])
            left -= 1
    return opened


def _known_load(placement: Placement, measured: Floats) -> Floats:
    """hosts x loads: what is measured, and what a host carries besides its instances."""
    placed = placement.host >= 0
    known = placement.used[:, 3:].copy()
    unknown = (placement.demand[:, 3:] - measured)[placed]
    np.subtract.at(known, placement.host[placed], unknown)
    return known


def _relieve_once(
    constraints: Constraints,
    rows: Ints,
    excess: Floats,
    measured: Floats,
    hosts: tuple[Bools, Bools],
) -> int | None:
    """Move one of these instances: the smallest that cures the excess, else the largest."""
    placement = constraints.placement
    share = measured[rows] / np.maximum(excess, 1e-9)
    weight = np.where(excess > 0, share, np.inf).min(axis=1, initial=np.inf)
    rank = np.where(weight >= 1, weight, 1e9 / np.maximum(weight, 1e-12))
    in_use = np.bincount(placement.host[placement.host >= 0], minlength=len(hosts[0])) > 0
    choices = (hosts[0] & in_use, hosts[0] & ~in_use, hosts[1])
    for row in rows[np.lexsort((rows, rank))][:_TRIES]:
        if not (measured[row][excess > 0] > 0).all():
            continue
        for choice in choices:
            target = best_fit(constraints, int(row), np.flatnonzero(choice))
            if target is not None:
                placement.move(int(row), target)
                return int(row)
    return None
