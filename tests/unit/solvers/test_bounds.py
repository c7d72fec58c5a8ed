# SPDX-License-Identifier: Apache-2.0
"""How many hosts must stay in use, whatever is done."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.worlds import instance_row, world
from watcher.core.placement import Placement
from watcher.solvers.bounds import (
    Shares,
    best_count,
    fewest_over,
    hosts_in_use,
    lowest_deviation,
    lowest_deviations,
)

NONE = np.zeros(4, dtype=np.bool_)


def bound(limit: list[list[float]], demand: list[float], forced: list[bool] | None = None) -> int:
    marks = np.array(forced or [False] * len(limit), dtype=np.bool_)
    return hosts_in_use(np.array(limit), np.array(demand), marks).hosts


def test_nothing_needs_no_host() -> None:
    assert bound([[8, 8]] * 4, [0, 0]) == 0


def test_no_hosts_are_no_hosts() -> None:
    assert hosts_in_use(np.zeros((0, 2)), np.zeros(2), np.zeros(0, dtype=np.bool_)).hosts == 0


def test_the_scarcest_resource_decides() -> None:
    assert bound([[8, 8]] * 4, [1, 17]) == 3


def test_the_largest_hosts_are_counted_first() -> None:
    assert bound([[4], [16], [4], [8]], [17]) == 2


def test_hosts_that_must_stay_count_and_carry() -> None:
    assert bound([[4], [16], [4], [8]], [17], [True, False, True, False]) == 3
    assert bound([[4], [16], [4], [8]], [4], [True, False, True, False]) == 2


def test_two_resources_together_prove_more_than_each_alone() -> None:
    """Half of the hosts have only memory, half only CPUs; each resource alone says 2."""
    limit = [[8.0, 1.0], [8.0, 1.0], [1.0, 8.0], [1.0, 8.0]]
    assert bound(limit, [16.0, 0.0]) == 2
    assert bound(limit, [16.0, 16.0]) == 4


def test_demand_beyond_all_hosts_needs_them_all() -> None:
    assert bound([[8]] * 3, [1000]) == 3


@pytest.mark.parametrize(("needed", "count"), [(0.5, 1), (3.0, 1), (3.5, 2), (5.0, 2), (9.0, 3)])
def test_best_count_takes_the_largest_values_first(needed: float, count: int) -> None:
    assert best_count(np.array([1.0, 3.0, 2.0]), needed) == count


SMALL = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=6)


@settings(max_examples=150, deadline=None)
@given(limit=SMALL, share=st.tuples(st.floats(0, 1), st.floats(0, 1)))
def test_it_never_asks_for_more_hosts_than_could_do(
    limit: list[tuple[int, int]], share: tuple[float, float]
) -> None:
    hosts = np.array(limit, dtype=np.float64)
    demand = np.floor(hosts.sum(axis=0) * np.array(share))
    enough = next(
        count
        for count in range(len(hosts) + 1)
        for chosen in combinations(range(len(hosts)), count)
        if (hosts[list(chosen)].sum(axis=0) >= demand).all()
    )
    found = hosts_in_use(hosts, demand, np.zeros(len(hosts), dtype=np.bool_)).hosts
    assert found <= enough


def lowest(capacity: list[float], fixed: list[float], most: list[float], total: float) -> float:
    return lowest_deviation(Shares(np.array(capacity), np.array(fixed), np.array(most)), total)


FREE = float("inf")


def test_what_may_go_anywhere_can_be_level() -> None:
    assert lowest([8, 16, 4], [0, 0, 0], [FREE] * 3, 7) == 0
    assert lowest([], [], [], 0) == lowest([0, 0], [0, 0], [FREE] * 2, 0) == 0


def test_what_stays_keeps_its_host_above_the_others() -> None:
    """One host at 1, and 2 threads for the two others: at best 1, 0.125, 0.125."""
    found = lowest([8, 8, 8], [8, 0, 0], [FREE] * 3, 10)
    assert found == pytest.approx(np.std([1, 0.125, 0.125]), abs=2e-6)


def test_a_host_that_takes_nothing_stays_below_the_others() -> None:
    found = lowest([8, 8, 8], [0, 0, 0], [0, FREE, FREE], 16)
    assert found == pytest.approx(np.std([0, 1, 1]), abs=2e-6)


def test_of_unequal_hosts_the_mean_may_be_lowered_by_loading_the_large() -> None:
    """The small host is full of what stays; the load of the others need not be the same."""
    found = lowest([4, 8, 32], [4, 0, 0], [FREE] * 3, 12)
    grid = [np.std([1.0, (8 - large) / 8, large / 32]) for large in np.linspace(0, 8, 801)]
    assert found == pytest.approx(min(grid), abs=1e-4)
    assert found <= min(grid) + 1e-9


def test_a_small_host_beside_a_large_one_that_keeps_its_load() -> None:
    found = lowest([1, 100], [0, 90], [FREE] * 2, 90.1)
    assert found == pytest.approx(np.std([0.1, 0.9]), abs=2e-6)


PARTS = st.tuples(st.sampled_from((0, 4, 8, 32)), st.floats(0, 4), st.floats(0, 4), st.booleans())


@settings(max_examples=150, deadline=None)
@given(parts=st.lists(PARTS, min_size=1, max_size=6), chance=st.integers(0, 2**32))
def test_no_sharing_out_is_below_the_bound(
    parts: list[tuple[int, float, float, bool]], chance: int
) -> None:
    """Each host keeps what is fixed; the rest goes to those that take, at random."""
    capacity = np.array([float(part[0]) for part in parts])
    fixed = np.array([part[1] if part[0] else 0.0 for part in parts])
    moving = np.array([part[2] if part[0] else 0.0 for part in parts])
    takes = np.array([part[3] for part in parts]) & (capacity > 0)
    most = np.where(takes, np.inf, fixed + moving)
    bound = lowest_deviation(Shares(capacity, fixed, most), float((fixed + moving).sum()))
    random = np.random.default_rng(chance)
    kept = moving * random.random(len(parts)) if takes.any() else moving
    weights = np.where(takes, random.random(len(parts)) ** 3, 0.0)
    given_away = (moving - kept).sum() * weights / max(weights.sum(), 1e-30)
    loads = np.divide(
        fixed + kept + given_away, capacity, out=np.zeros(len(parts)), where=capacity > 0
    )
    assert bound <= loads.std() + 1e-9


def test_of_a_placement_what_may_not_be_moved_is_fixed() -> None:
    built = world().host("c1").runs("stays", vcpus=8).runs("goes", vcpus=2)
    cluster = built.host("c2").host("c3", enabled=False).unplaced("new").cluster()
    movable = np.ones(len(cluster.instances), dtype=np.bool_)
    hosts, placement = cluster.hosts.usable, Placement(cluster)
    assert lowest_deviations(placement, (0,), hosts, hosts, movable).tolist() == [0.0]
    movable[instance_row(cluster, "stays")] = False
    found = lowest_deviations(placement, (0, 1), hosts, hosts, movable)
    assert found.tolist() == pytest.approx([np.std([1.0, 0.25]), 0.0], abs=2e-6)


@pytest.mark.parametrize(
    ("used", "leaving", "least"),
    [
        ([90, 10], [90, 10], 0),
        ([90, 10], [5, 10], 1),  # what may leave is less than what is over
        ([90, 10], [10, 10], 1),  # or just as much: it stays at the line
        ([90, 85, 79], [90, 85, 79], 2),  # there is room for 1 of the 5 that are over
        ([90, 85, 70], [90, 85, 70], 1),  # for the smaller one
        ([90, 90], [90, 90], 2),
        ([], [], 0),
        ([80, 0], [80, 0], 0),  # at the line is over
    ],
)
def test_places_that_stay_over_their_line(used, leaving, least):
    line = np.full(len(used), 80.0)
    assert fewest_over(np.array(used, float), np.array(leaving, float), line) == least
