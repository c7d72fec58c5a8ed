# SPDX-License-Identifier: Apache-2.0
"""How many hosts must stay in use, whatever is done."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watcher.solvers.bounds import best_count, hosts_in_use

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
