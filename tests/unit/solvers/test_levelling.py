# SPDX-License-Identifier: Apache-2.0
"""Levelling several loads at once."""

from collections.abc import Sequence

import numpy as np
import pytest

from tests.worlds import World, host_row, instance_row, world
from watcher.core.cluster import Cluster
from watcher.core.constraints import Constraints, movable
from watcher.core.placement import Load, Placement
from watcher.solvers.levelling import Levels, level, levelled, relative


def levels(
    cluster: Cluster,
    columns: Sequence[int] = (0,),
    threshold: float = 0.0,
    gain: float = 0.01,
    most: int | None = None,
    weights: Sequence[float] | None = None,
) -> Levels:
    size = len(columns)
    return Levels(
        tuple(columns),
        np.array(weights or [1.0] * size),
        np.full(size, threshold),
        cluster.hosts.usable,
        gain,
        most,
    )


def moved(cluster: Cluster, wanted: Levels) -> dict[str, str]:
    """Name of each moved instance -> the host it is on then."""
    result = levelled(cluster, (), movable(cluster)[0], wanted)
    names = cluster.instances.name
    return {names[one.instance]: cluster.hosts.name[one.destination] for one in result.moves}


def crowded(number: int = 4) -> World:
    """All instances on c1, nothing on c2."""
    built = world().host("c1")
    for one in range(number):
        built.runs(f"vm{one}")
    return built.host("c2")


def test_half_goes_to_the_empty_host() -> None:
    cluster = crowded().cluster()
    assert list(moved(cluster, levels(cluster)).values()) == ["c2", "c2"]


def test_nothing_moves_when_the_spread_is_small_enough() -> None:
    cluster = crowded().cluster()
    assert moved(cluster, levels(cluster, threshold=0.25)) == {}
    assert len(moved(cluster, levels(cluster, threshold=0.2))) == 1


def test_a_move_must_be_worth_it() -> None:
    cluster = crowded().cluster()
    # One of eight vCPUs to a host that is below by four eighths; the next gains less.
    assert len(moved(cluster, levels(cluster, gain=0.125))) == 2
    assert len(moved(cluster, levels(cluster, gain=0.2))) == 1
    assert moved(cluster, levels(cluster, gain=0.5)) == {}


def test_so_many_moves_and_no_more() -> None:
    cluster = crowded().cluster()
    assert len(moved(cluster, levels(cluster, most=1))) == 1


def test_hosts_of_unequal_size_compare_by_their_part() -> None:
    built = world().host("big", vcpus=16, memory_mb=64000)
    for one in range(8):
        built.runs(f"b{one}")
    cluster = built.host("small", vcpus=4).runs("s0").runs("s1").cluster()
    assert moved(cluster, levels(cluster)) == {}


def test_two_loads_are_levelled_together() -> None:
    built = world().host("cpu").runs("c", vcpus=4, memory_mb=0).runs("c2", vcpus=4, memory_mb=0)
    built.host("ram").runs("r", vcpus=0, memory_mb=8192).runs("r2", vcpus=0, memory_mb=8192)
    cluster = built.cluster()
    both = moved(cluster, levels(cluster, (0, 1)))
    assert sorted(both.values()) == ["cpu", "ram"]
    only_cpu = moved(cluster, levels(cluster, (0, 1), weights=(1.0, 0.0), threshold=0.1))
    assert set(only_cpu.values()) == {"ram"}


def test_a_target_without_room_is_passed_over() -> None:
    built = crowded().host("full", memory_mb=1024).runs("fat", vcpus=0, locked=True)
    cluster = built.cluster()
    assert "full" not in moved(cluster, levels(cluster)).values()


def test_server_groups_are_kept() -> None:
    built = world().group("g").host("c1").runs("a", group="g", vcpus=2)
    built.runs("stays", vcpus=4, locked=True).host("c2").runs("b", group="g", vcpus=1)
    cluster = built.cluster()
    assert moved(cluster, levels(cluster)) == {}
    free = cluster.with_instances(group=np.full(3, -1))
    assert moved(free, levels(free)) == {"a": "c2"}


def test_hosts_left_out_and_hosts_with_nothing_neither_give_nor_take() -> None:
    cluster = crowded().host("off", enabled=False).host("none", vcpus=0).cluster()
    assert set(moved(cluster, levels(cluster)).values()) == {"c2"}
    nothing = world().host("none", vcpus=0).runs("vm", vcpus=1).host("c2").cluster()
    assert moved(nothing, levels(nothing)) == {}


def test_many_targets_are_looked_at_until_one_has_room() -> None:
    built = world().host("busy", vcpus=8)
    for one in range(8):
        built.runs(f"vm{one}", memory_mb=1024)
    for one in range(80):
        built.host(f"full{one}", memory_mb=1024).runs(f"fat{one}", vcpus=1, locked=True)
    cluster = built.host("open").runs("x", vcpus=2).cluster()
    assert set(moved(cluster, levels(cluster)).values()) == {"open"}


def test_an_instance_that_may_not_be_moved_stays() -> None:
    cluster = crowded().cluster()
    placement = Placement(cluster)
    nobody = np.zeros(len(cluster.instances), dtype=np.bool_)
    assert level(Constraints(placement), nobody, levels(cluster)) == []


def test_the_spread_is_the_weighted_root_mean_square() -> None:
    cluster = crowded(8).cluster()
    placement = Placement(cluster)
    one = levels(cluster, (0, 1))
    assert one.deviations(placement).tolist() == [0.5, 0.25]
    assert one.spread(placement) == pytest.approx(np.sqrt((0.25 + 0.0625) / 2))
    assert levels(cluster, (0, 1), weights=(1, 0)).spread(placement) == pytest.approx(0.5)
    assert levels(cluster, (0,), weights=(0.0,)).spread(placement) == 0.0
    empty = world().cluster()
    assert levels(empty).spread(Placement(empty)) == 0.0
    assert relative(placement, (0,))[host_row(cluster, "c1"), 0] == 1.0


def test_without_hosts_there_is_nothing_to_do() -> None:
    empty = world().cluster()
    assert levelled(empty, (), movable(empty)[0], levels(empty)).moves == ()


def circle() -> tuple[Cluster, Load]:
    """Two hosts that are full of memory, and a load that asks for an exchange."""
    built = world().host("c1", memory_mb=2048).runs("a", memory_mb=2048)
    built.host("c2", memory_mb=2048).runs("b", memory_mb=2048)
    cluster = built.cluster()
    return cluster, Load("load", np.ones(2), np.ones(2), np.zeros(2))


def test_moves_that_no_order_makes_room_for_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The search itself makes none; only what becomes of several moves of one instance can."""
    cluster, _ = circle()
    a, b = instance_row(cluster, "a"), instance_row(cluster, "b")

    def exchanged(constraints: Constraints, _movable: object, _levels: Levels) -> list[int]:
        placement = constraints.placement
        home = int(placement.host[a])
        placement.move(a, int(placement.host[b]))
        placement.move(b, home)
        return [a, b]

    monkeypatch.setattr("watcher.solvers.levelling.level", exchanged)
    result = levelled(cluster, (), movable(cluster)[0], levels(cluster))
    assert (result.moves, result.blocked) == ((), 2)
    assert (result.placement.host == cluster.instances.host).all()


def test_the_others_are_made_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    built = world().host("c1", memory_mb=6144).runs("a", memory_mb=4096).runs("c", memory_mb=2048)
    built.host("c2", memory_mb=4096).runs("b", memory_mb=4096).host("c3", memory_mb=2048)
    cluster = built.cluster()
    a, b, c = (instance_row(cluster, name) for name in "abc")

    def crossed(constraints: Constraints, _movable: object, _levels: Levels) -> list[int]:
        placement = constraints.placement
        homes = [int(placement.host[row]) for row in (a, b)]
        placement.move(c, host_row(cluster, "c3"))
        placement.move(a, homes[1])
        placement.move(b, homes[0])
        return [c, a, b]

    def no_detour(*_: object) -> bool:
        return False

    monkeypatch.setattr("watcher.solvers.levelling.level", crossed)
    monkeypatch.setattr("watcher.solvers.sequencing._Sequencer._detour", no_detour)
    result = levelled(cluster, (), movable(cluster)[0], levels(cluster))
    assert [cluster.instances.name[one.instance] for one in result.moves] == ["c"]
    assert result.blocked == 2
    assert result.placement.host[a] == host_row(cluster, "c1")


def test_where_no_single_move_fits_two_instances_are_exchanged() -> None:
    """The idle host is full of memory; the busy one can take one of its instances first."""
    built = world().host("busy", vcpus=16).runs("a", vcpus=4, memory_mb=4096)
    built.runs("b", vcpus=4, memory_mb=4096).host("idle", vcpus=16, memory_mb=8704)
    cluster = built.runs("c", memory_mb=4096).runs("d", memory_mb=4608).cluster()
    assert sorted(moved(cluster, levels(cluster)).values()) == ["busy", "idle"]
    assert moved(cluster, levels(cluster, most=1)) == {}
    assert moved(cluster, levels(cluster, gain=0.2)) == {}
    locked = np.isin(cluster.instances.name, ("c", "d"))
    assert moved(cluster.with_instances(locked=locked), levels(cluster)) == {}
