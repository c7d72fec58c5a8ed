# SPDX-License-Identifier: Apache-2.0
"""Exchanges of two instances."""

from typing import Any

import numpy as np

from tests.worlds import World, instance_row, world
from watcher.core.cluster import Cluster
from watcher.core.constraints import Constraints
from watcher.core.placement import Placement
from watcher.solvers.swapping import exchange

FULL = {"memory_mb": 8192}


def pair(**fields: Any) -> World:
    """Two on c1, which has room for one more; one on c2, which is full."""
    built = world().host("c1", memory_mb=16384).runs("a", **FULL).runs("b")
    return built.host("c2", **FULL).runs("c", **{**FULL, **fields})


def exchanged(cluster: Cluster, worth: dict[str, float], there: str = "c") -> set[str]:
    """The names of the two, of which those on c1 are worth so much."""
    rows = np.array(sorted(instance_row(cluster, name) for name in worth))
    values = np.array([[worth[str(cluster.instances.name[row])]] for row in rows])
    other = np.array([instance_row(cluster, there)])
    found = exchange(Constraints(Placement(cluster)), rows, other, values)
    return {str(cluster.instances.name[row]) for row in found or ()}


def test_the_exchange_that_is_worth_most_is_made() -> None:
    cluster = pair(memory_mb=4096).cluster()
    assert exchanged(cluster, {"a": 1.0, "b": 2.0}) == {"b", "c"}
    assert exchanged(cluster, {"a": 2.0, "b": 1.0}) == {"a", "c"}


def test_nothing_is_exchanged_that_nobody_wants() -> None:
    assert exchanged(pair().cluster(), {"a": -np.inf, "b": -np.inf}) == set()


def test_the_one_that_frees_the_room_goes_first_whichever_it_is() -> None:
    built = world().host("c1", memory_mb=8192).runs("a", memory_mb=8192)
    cluster = built.host("c2", memory_mb=16384).runs("c", memory_mb=4096).cluster()
    assert exchanged(cluster, {"a": 1.0}) == {"a", "c"}


def test_two_full_hosts_exchange_nothing_without_a_place_in_between() -> None:
    built = world().host("c1", **FULL).runs("a", **FULL).host("c2", **FULL).runs("c", **FULL)
    assert exchanged(built.cluster(), {"a": 1.0}) == set()


def test_what_does_not_fit_after_the_exchange_is_not_tried() -> None:
    built = world().host("c1").runs("a", vcpus=8).host("c2", vcpus=4).runs("c")
    assert exchanged(built.cluster(), {"a": 1.0}) == set()


def test_rules_are_asked_of_each_of_the_two() -> None:
    built = world().host("c1", zone="az1").runs("a", pinned_zone="az1").runs("b")
    cluster = built.host("c2", zone="az2").runs("c").cluster()
    assert exchanged(cluster, {"a": 2.0, "b": 1.0}) == {"b", "c"}


def test_only_the_best_pairs_are_tried() -> None:
    built = world().host("c1", zone="az1", vcpus=64, memory_mb=65536, disk_gb=400)
    for number in range(20):
        built.runs(f"vm{number}", pinned_zone="az1")
    cluster = built.runs("free").host("c2", zone="az2").runs("c").cluster()
    worth = {f"vm{number}": 2.0 for number in range(20)}
    assert exchanged(cluster, {**worth, "free": 1.0}) == set()
