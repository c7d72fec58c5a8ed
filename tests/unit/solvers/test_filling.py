# SPDX-License-Identifier: Apache-2.0
"""Filling hosts with instances."""

import numpy as np

from tests.worlds import host_row, instance_row, world
from watcher.core.cluster import Cluster
from watcher.core.constraints import Constraints
from watcher.core.placement import Load, Placement
from watcher.solvers.filling import best_fit, by_size, fill, rows_on


def rows(cluster: Cluster, *names: str) -> np.ndarray:
    return np.array([instance_row(cluster, name) for name in names], dtype=np.int64)


def hosts(cluster: Cluster, *names: str) -> np.ndarray:
    return np.array([host_row(cluster, name) for name in names], dtype=np.int64)


def home(constraints: Constraints, name: str) -> str:
    cluster = constraints.cluster
    return str(cluster.hosts.name[constraints.placement.host[instance_row(cluster, name)]])


def test_what_fits_is_put_there_and_what_does_not_is_returned() -> None:
    built = world().host("c1").runs("a", memory_mb=8192).runs("b", memory_mb=8192, vcpus=2)
    cluster = built.host("c2", memory_mb=9000).cluster()
    constraints = Constraints(Placement(cluster))
    left = fill(constraints, rows(cluster, "a", "b"), hosts(cluster, "c2"))
    assert len(left) == 1
    (stayed,) = cluster.instances.name[left]
    assert home(constraints, stayed) == "c1"
    assert home(constraints, ({"a", "b"} - {stayed}).pop()) == "c2"


def test_shapes_that_complement_each_other_share_a_host() -> None:
    """Two hosts are just enough if each gets a CPU-heavy and a memory-heavy instance."""
    built = world().host("old", vcpus=64, memory_mb=65536)
    for number in range(2):
        built.runs(f"cpu{number}", vcpus=7, memory_mb=2048)
        built.runs(f"ram{number}", vcpus=1, memory_mb=14336)
    cluster = built.host("c1").host("c2").cluster()
    constraints = Constraints(Placement(cluster))
    left = fill(
        constraints,
        rows(cluster, "cpu0", "cpu1", "ram0", "ram1"),
        hosts(cluster, "c1", "c2"),
    )
    assert not left.size


def test_pools_are_kept() -> None:
    built = world().host("c1", zone="az1").runs("a", pinned_zone="az1").runs("b")
    cluster = built.host("c2", zone="az2").cluster()
    constraints = Constraints(Placement(cluster))
    left = fill(constraints, rows(cluster, "a", "b"), hosts(cluster, "c2"))
    assert list(cluster.instances.name[left]) == ["a"]


def test_server_groups_are_kept() -> None:
    built = world().group("g").host("c1").runs("a", group="g").host("c2").runs("b", group="g")
    cluster = built.host("c3").cluster()
    constraints = Constraints(Placement(cluster))
    left = fill(constraints, rows(cluster, "a", "b"), hosts(cluster, "c3"))
    assert len(left) == 1


def test_a_host_over_its_limit_takes_only_what_demands_nothing_there() -> None:
    built = world().host("c1").runs("a", disk_gb=0).runs("b", disk_gb=1)
    cluster = built.host("c2", disk_gb=10).runs("big", disk_gb=20).cluster()
    constraints = Constraints(Placement(cluster))
    left = fill(constraints, rows(cluster, "a", "b"), hosts(cluster, "c2"))
    assert list(cluster.instances.name[left]) == ["b"]


def test_loads_limit_a_host_as_allocations_do() -> None:
    built = world().host("c1")
    for number in range(6):
        built.runs(f"vm{number}")
    cluster = built.host("c2").cluster()
    load = Load("cpu", np.full(6, 2.0), np.full(2, 8.0), np.zeros(2))
    constraints = Constraints(Placement(cluster, [load]))
    left = fill(constraints, np.arange(6), hosts(cluster, "c2"))
    assert len(left) == 2


def test_the_best_fit_is_the_host_with_least_room() -> None:
    built = world().host("c1").runs("a").host("c2").host("c3").runs("b", memory_mb=8192)
    cluster = built.host("c4", memory_mb=512).cluster()
    constraints = Constraints(Placement(cluster))
    found = best_fit(constraints, instance_row(cluster, "a"), np.arange(4))
    assert found == host_row(cluster, "c3")


def test_without_room_there_is_no_best_fit() -> None:
    cluster = world().host("c1").runs("a").host("c2", memory_mb=512).cluster()
    constraints = Constraints(Placement(cluster))
    assert best_fit(constraints, 0, np.arange(2)) is None


def test_the_largest_instance_comes_first() -> None:
    built = world().host("c1").runs("a", vcpus=2).runs("b", vcpus=4).runs("c", memory_mb=12288)
    cluster = built.cluster()
    order = by_size(Constraints(Placement(cluster)), np.arange(3))
    assert [cluster.instances.name[row] for row in order] == ["c", "b", "a"]


def test_the_instances_on_some_hosts_are_found() -> None:
    cluster = world().host("c1").runs("a").host("c2").runs("b").unplaced("c").cluster()
    found = rows_on(Placement(cluster), cluster.hosts.name == "c2")
    assert list(cluster.instances.name[found]) == ["b"]


def test_without_hosts_all_are_left() -> None:
    cluster = world().host("c1").runs("a").cluster()
    left = fill(Constraints(Placement(cluster)), np.arange(1), np.array([], dtype=np.int64))
    assert left.tolist() == [0]


def test_an_instance_larger_than_what_a_host_gives_to_one_is_left() -> None:
    built = world().host("c1").runs("a", vcpus=4).host("c2", vcpus=2, vcpus_ratio=8.0)
    cluster = built.cluster()
    constraints = Constraints(Placement(cluster))
    assert fill(constraints, rows(cluster, "a"), hosts(cluster, "c2")).size


def test_on_no_hosts_there_is_nothing() -> None:
    cluster = world().unplaced("a").cluster()
    assert not rows_on(Placement(cluster), np.zeros(0, dtype=np.bool_)).size
