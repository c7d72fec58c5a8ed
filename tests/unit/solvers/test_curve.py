# SPDX-License-Identifier: Apache-2.0
"""Hosts released against moves."""

import numpy as np

from watcher.solvers.curve import most_released, release_curve


def test_the_hosts_with_fewest_instances_are_the_cheapest() -> None:
    instances = np.array([5, 1, 0, 3])
    assert [most_released(instances, moves) for moves in (0, 1, 3, 4, 8, 9, 99)] == [
        *(0, 1, 1, 2, 2, 3, 3)
    ]


def test_the_curve_has_round_numbers_and_ends_before_the_whole_plan() -> None:
    assert release_curve(np.array([2, 10, 3, 0])) == {2: 1, 5: 2, 10: 2}
    assert release_curve(np.array([], dtype=np.int64)) == {}
