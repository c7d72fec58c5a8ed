# SPDX-License-Identifier: Apache-2.0
"""Choosing hosts to keep and emptying the others; relieving hosts that are too busy."""

import numpy as np

from tests.plans import lively
from tests.worlds import host_row, instance_row, world
from watcher.core.cluster import Cluster
from watcher.core.constraints import Constraints, movable
from watcher.core.placement import Load, Placement
from watcher.solvers.packing import Packing, consolidate, lower_bound, relieve


def packed(cluster: Cluster, max_moves: int | None = None) -> tuple[Packing, Placement]:
    placement = Placement(cluster)
    may_move, _ = movable(cluster)
    usable = cluster.hosts.usable
    return consolidate(Constraints(placement), may_move, usable, max_moves=max_moves), placement


def test_a_cluster_without_hosts_needs_none() -> None:
    packing, _ = packed(world().cluster())
    assert (packing.bound, packing.before, packing.after) == (0, 0, 0)


def test_the_bound_is_reached_where_it_can_be() -> None:
    built = world()
    for number in range(12):
        built.host(f"c{number:02}").runs(f"vm{number:02}", vcpus=2)
    packing, placement = packed(built.cluster())
    assert (packing.bound, packing.before, packing.after) == (3, 12, 3)
    assert len(placement.moves()) == 9


def test_large_hosts_are_kept_although_they_are_empty() -> None:
    built = world()
    for number in range(4):
        built.host(f"c{number}").runs(f"vm{number}", vcpus=8, memory_mb=16384)
    packing, placement = packed(built.host("big", vcpus=64, memory_mb=262144).cluster())
    assert packing.after == 1
    assert {int(row) for row in placement.host} == {host_row(placement.cluster, "big")}


def test_a_fixed_instance_keeps_its_host_and_the_host_takes_others() -> None:
    built = world().host("c1", memory_mb=32768).runs("a").host("c2").runs("fixed", locked=True)
    packing, placement = packed(built.cluster())
    assert packing.after == 1
    assert placement.host[instance_row(placement.cluster, "a")] == host_row(
        placement.cluster, "c2"
    )


def test_a_budget_of_moves_is_kept() -> None:
    for seed in range(40):
        cluster = lively(seed)
        _, placement = packed(cluster, max_moves=3)
        assert len(placement.moves()) <= 3


def test_more_moves_never_leave_more_hosts_in_use_than_none() -> None:
    for seed in range(40):
        packing, _ = packed(lively(seed))
        assert packing.bound <= packing.after <= packing.before


def test_a_host_that_gives_takes_nothing() -> None:
    for seed in range(40):
        _, placement = packed(lively(seed))
        moves = placement.moves()
        assert not {move.source for move in moves} & {move.destination for move in moves}


def test_hosts_over_their_limit_may_stay_so_in_the_bound() -> None:
    built = world().host("c1", memory_mb=1024).runs("a", memory_mb=4096)
    cluster = built.host("c2", memory_mb=1024).cluster()
    usable = cluster.hosts.usable
    assert lower_bound(Placement(cluster), usable, ~usable).hosts == 1


def relieved(
    cluster: Cluster, use: dict[str, float], spare: str = "", max_moves: int | None = None
) -> tuple[Placement, set[str]]:
    """Relieve hosts of 8 threads; what is not named in ``use`` is not measured, and demands 8."""
    rows = [instance_row(cluster, name) for name in use]
    demand, known = np.full(len(cluster.instances), 8.0), np.zeros(len(cluster.instances))
    demand[rows] = known[rows] = list(use.values())
    hosts = len(cluster.hosts)
    load = Load("cpu", demand, np.full(hosts, 8.0), np.zeros(hosts))
    placement = Placement(cluster, [load])
    extra = cluster.hosts.name == spare
    constraints = Constraints(placement, cluster.hosts.usable | extra)
    may_move, _ = movable(cluster)
    opened = relieve(
        constraints, may_move, cluster.hosts.usable, extra, known[:, None], max_moves=max_moves
    )
    return placement, set(cluster.hosts.name[opened])


def homes(placement: Placement) -> dict[str, str]:
    names = placement.cluster.hosts.name
    return {
        str(name): str(names[row])
        for name, row in zip(placement.cluster.instances.name, placement.host, strict=True)
    }


def test_relief_prefers_hosts_in_use_then_empty_ones_then_spare_ones() -> None:
    def build(other: float, enabled: bool) -> Cluster:
        built = world().host("c1").runs("a").runs("b").host("c2").runs("c")
        return built.host("c3", enabled=enabled).cluster()

    use = {"a": 5.0, "b": 6.0}
    placement, opened = relieved(build(1, True), {**use, "c": 1.0})
    assert homes(placement)["a"] == "c2"
    placement, opened = relieved(build(1, True), {**use, "c": 7.0})
    assert (homes(placement)["a"], opened) == ("c3", set())
    placement, opened = relieved(build(1, False), {**use, "c": 7.0}, "c3")
    assert (homes(placement)["a"], opened) == ("c3", {"c3"})


def test_several_instances_leave_when_one_is_not_enough() -> None:
    built = world().host("c1")
    for number in range(4):
        built.runs(f"vm{number}")
    placement, _ = relieved(
        built.host("c2").cluster(), {f"vm{number}": 4.0 for number in range(4)}
    )
    assert sorted(homes(placement).values()) == ["c1", "c1", "c2", "c2"]


def test_relief_keeps_to_its_budget() -> None:
    built = world().host("c1")
    for number in range(4):
        built.runs(f"vm{number}")
    use = {f"vm{number}": 4.0 for number in range(4)}
    placement, _ = relieved(built.host("c2").cluster(), use, max_moves=1)
    assert len(placement.moves()) == 1


def test_an_instance_that_uses_nothing_cures_nothing() -> None:
    built = world().host("c1").runs("a").runs("b").runs("idle").host("c2").runs("c")
    placement, _ = relieved(built.cluster(), {"a": 6.0, "b": 6.0, "idle": 0.0, "c": 5.0})
    assert not placement.moves()


def test_the_search_for_single_hosts_to_empty_gives_up() -> None:
    built = world()
    for number in range(60):
        built.host(f"c{number:02}").runs(f"vm{number:02}", memory_mb=9000)
    packing, _ = packed(built.cluster())
    assert (packing.before, packing.after) == (60, 60)


def test_what_is_not_measured_makes_no_host_too_busy() -> None:
    cluster = world().host("c1").runs("a").runs("b").host("c2").cluster()
    placement, _ = relieved(cluster, {"a": 4.0})
    assert not placement.moves()
