# SPDX-License-Identifier: Apache-2.0
"""Steepest descent on the spread of relative load."""

import numpy as np
import pytest

from tests.worlds import World, host_row, instance_row, world
from watcher.core.cluster import Cluster
from watcher.core.constraints import Constraints
from watcher.core.placement import Load, Placement
from watcher.solvers.balancing import Rules, balance, loads, spread


def placed(cluster: Cluster, use: dict[str, float], limit: float = 8.0) -> Placement:
    demand = np.zeros(len(cluster.instances))
    for name, value in use.items():
        demand[instance_row(cluster, name)] = value
    hosts = len(cluster.hosts)
    return Placement(cluster, [Load("cpu", demand, np.full(hosts, limit), np.zeros(hosts))])


def run(
    placement: Placement, threshold: float = 0.0, gain: float = 0.01, **more: int
) -> list[int]:
    cluster = placement.cluster
    every = np.ones(len(cluster.instances), dtype=np.bool_)
    rules = Rules(threshold, gain, more.get("max_moves"))
    return balance(Constraints(placement), every, cluster.hosts.usable, rules)


def stack(*uses: float) -> tuple[World, dict[str, float]]:
    """Instances with these uses, all on c1."""
    built = world().host("c1")
    for number, _ in enumerate(uses):
        built.runs(f"vm{number}")
    return built, {f"vm{number}": use for number, use in enumerate(uses)}


def test_the_move_that_lowers_the_spread_most_comes_first() -> None:
    built, use = stack(1.0, 3.0, 2.0)
    placement = placed(built.host("c2").cluster(), use)
    moved = run(placement)
    assert [placement.cluster.instances.name[row] for row in moved] == ["vm1"]
    assert spread(placement, placement.cluster.hosts.usable) == pytest.approx(0.0)


def test_nobody_moves_below_the_threshold() -> None:
    built, use = stack(1.0, 3.0)
    cluster = built.host("c2").cluster()
    assert run(placed(cluster, use), threshold=0.5)
    assert not run(placed(cluster, use), threshold=0.51)


def test_a_move_must_gain_enough_for_the_busier_of_its_hosts() -> None:
    built, use = stack(1.0, 1.0)
    cluster = built.host("c2").cluster()
    assert run(placed(cluster, use), gain=0.125)
    assert not run(placed(cluster, use), gain=0.126)


def test_a_move_that_only_swaps_the_roles_of_two_hosts_is_not_made() -> None:
    built, use = stack(4.0)
    assert not run(placed(built.host("c2").cluster(), use))


def test_the_limit_of_moves_is_kept() -> None:
    built, use = stack(*[1.0] * 8)
    assert len(run(placed(built.host("c2").cluster(), use), max_moves=2)) == 2


def test_hundreds_of_cold_hosts_without_room_do_not_hide_the_one_with_room() -> None:
    built, use = stack(2.0, 2.0)
    for number in range(150):
        built.host(f"full{number:03}", memory_mb=512)
    cluster = built.host("warm").runs("x").cluster()
    placement = placed(cluster, {**use, "x": 1.0})
    run(placement)
    rows = [instance_row(cluster, name) for name in use]
    assert host_row(cluster, "warm") in placement.host[rows]


def test_what_was_stuck_moves_when_another_move_made_room() -> None:
    built = world().host("c1").runs("big", memory_mb=16384)
    built.host("c2").runs("wide", memory_mb=8192).runs("rest", memory_mb=8192)
    cluster = built.host("c3", memory_mb=8192).cluster()
    placement = placed(cluster, {"big": 4.0, "wide": 1.0, "rest": 2.9})
    run(placement)
    assert placement.host[instance_row(cluster, "wide")] != host_row(cluster, "c2") or (
        placement.host[instance_row(cluster, "rest")] != host_row(cluster, "c2")
    )


def test_hosts_without_capacity_have_no_load_and_take_nothing() -> None:
    built, use = stack(2.0, 2.0)
    placement = placed(built.host("c2").cluster(), use, limit=0.0)
    assert not run(placement)
    assert list(loads(placement)) == [0.0, 0.0]


def test_no_hosts_have_no_spread() -> None:
    placement = placed(world().cluster(), {})
    assert spread(placement, placement.cluster.hosts.usable) == 0.0


def test_the_best_move_that_is_allowed_is_made() -> None:
    built = world().host("c1", zone="az1").runs("pinned", pinned_zone="az1").runs("free")
    cluster = built.runs("other", pinned_zone="az1").host("c2", zone="az2").cluster()
    placement = placed(cluster, {"pinned": 3.0, "free": 1.0, "other": 2.0})
    assert [cluster.instances.name[row] for row in run(placement)] == ["free"]


def test_a_small_host_is_not_filled_to_relieve_a_large_one_a_little() -> None:
    cluster = world().host("large").runs("a").runs("b").host("small").cluster()
    demand = np.zeros(2)
    demand[[instance_row(cluster, "a"), instance_row(cluster, "b")]] = 0.4, 8.0
    limit = np.zeros(2)
    limit[[host_row(cluster, "large"), host_row(cluster, "small")]] = 16.0, 0.9
    placement = Placement(cluster, [Load("cpu", demand, limit, np.zeros(2))])
    assert not run(placement)


def test_where_no_single_move_fits_two_instances_are_exchanged() -> None:
    built = world().host("busy").runs("a", memory_mb=4096).runs("b", memory_mb=4096)
    built.host("idle", memory_mb=9216).runs("c", memory_mb=4096).runs("d", memory_mb=4608)
    use = {"a": 4.0, "b": 3.5, "c": 1.0, "d": 0.5}
    placement = placed(built.cluster(), use)
    names = {str(placement.cluster.instances.name[row]) for row in run(placement)}
    assert names in ({"a", "c"}, {"b", "d"})
    assert placement.used[:, 3].tolist() == [4.5, 4.5]
    assert run(placed(built.cluster(), use), gain=0.2) == []
    assert run(placed(built.cluster(), use), max_moves=1) == []
    closed = placed(built.cluster(), use)
    every = np.ones(4, dtype=np.bool_)
    idle = closed.cluster.hosts.name == "idle"
    rules = Rules(0.0, 0.01)
    assert balance(Constraints(closed, idle), every, closed.cluster.hosts.usable, rules) == []


def test_an_idle_host_with_nothing_to_give_exchanges_nothing() -> None:
    built = world().host("busy").runs("a", vcpus=8).host("idle", memory_mb=512)
    assert run(placed(built.cluster(), {"a": 4.0})) == []
