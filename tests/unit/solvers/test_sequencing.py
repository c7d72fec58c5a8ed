# SPDX-License-Identifier: Apache-2.0
"""The order of moves, the waits between them, and circles."""

from tests.worlds import host_row, instance_row, world
from watcher.core.cluster import UNPLACED, Cluster
from watcher.core.placement import Move, Placement
from watcher.solvers.sequencing import Order, sequence

HALF = 8192
"""Two of these fill a host."""


def move(cluster: Cluster, name: str, to: str | None) -> Move:
    row = instance_row(cluster, name)
    target = UNPLACED if to is None else host_row(cluster, to)
    return Move(row, int(cluster.instances.host[row]), target)


def ordered(cluster: Cluster, **wanted: str | None) -> Order:
    return sequence(Placement(cluster), [move(cluster, *one) for one in wanted.items()])


def steps(cluster: Cluster, order: Order) -> list[tuple[str, str, tuple[int, ...]]]:
    hosts, names = cluster.hosts.name, cluster.instances.name
    return [
        (str(names[one.move.instance]), str(hosts[one.move.destination]), one.waits)
        for one in order.steps
    ]


def test_moves_into_free_room_wait_for_nothing_and_keep_their_order() -> None:
    cluster = world().host("c1").runs("a").runs("b").host("c2").cluster()
    order = ordered(cluster, b="c2", a="c2")
    assert steps(cluster, order) == [("b", "c2", ()), ("a", "c2", ())]
    assert order.blocked == ()


def test_a_move_waits_for_the_one_that_frees_its_room() -> None:
    built = world().host("c1").runs("a", memory_mb=16384).host("c2").runs("b", memory_mb=16384)
    cluster = built.host("c3").cluster()
    order = ordered(cluster, a="c2", b="c3")
    assert steps(cluster, order) == [("b", "c3", ()), ("a", "c2", (0,))]


def test_a_later_arrival_counts_the_earlier_ones() -> None:
    """Both fit alone; together they need the room of the one that leaves."""
    built = world().host("c1").runs("a", memory_mb=HALF).runs("b", memory_mb=HALF)
    cluster = built.host("c2").runs("old", memory_mb=HALF).host("c3").cluster()
    order = ordered(cluster, a="c2", old="c3", b="c2")
    assert steps(cluster, order) == [("a", "c2", ()), ("old", "c3", ()), ("b", "c2", (1,))]


def test_a_circle_is_broken_up_by_a_stay_on_a_third_host() -> None:
    built = world().host("c1").runs("a", memory_mb=16384).host("c2").runs("b", memory_mb=16000)
    cluster = built.host("c3").cluster()
    order = ordered(cluster, a="c2", b="c1")
    assert steps(cluster, order) == [("b", "c3", ()), ("a", "c2", (0,)), ("b", "c1", (0, 1))]
    assert [one.origin for one in order.steps] == [1, 0, 1]


def test_a_circle_that_nobody_can_break_is_reported() -> None:
    built = world().host("c1").runs("a", memory_mb=16384).host("c2").runs("b", memory_mb=16384)
    order = ordered(built.cluster(), a="c2", b="c1")
    assert order.blocked == (0, 1)
    assert order.steps == ()


def test_a_disabled_host_is_no_place_for_a_temporary_stay() -> None:
    built = world().host("c1").runs("a", memory_mb=16384).host("c2").runs("b", memory_mb=16384)
    cluster = built.host("c3", enabled=False).cluster()
    assert ordered(cluster, a="c2", b="c1").blocked == (0, 1)


def test_a_move_that_never_fits_is_reported_and_the_others_are_made() -> None:
    cluster = world().host("c1").runs("a", vcpus=8).runs("b").host("c2", vcpus=4).cluster()
    order = ordered(cluster, a="c2", b="c2")
    assert steps(cluster, order) == [("b", "c2", ())]
    assert order.blocked == (0,)


def test_an_instance_that_is_elsewhere_is_reported() -> None:
    cluster = world().host("c1").runs("a").host("c2").host("c3").cluster()
    wrong = Move(0, host_row(cluster, "c2"), host_row(cluster, "c3"))
    assert sequence(Placement(cluster), [wrong]).blocked == (0,)


def test_moves_of_one_instance_follow_each_other() -> None:
    cluster = world().host("c1").runs("a").host("c2").host("c3").cluster()
    c1, c2, c3 = (host_row(cluster, name) for name in ("c1", "c2", "c3"))
    order = sequence(Placement(cluster), [Move(0, c2, c3), Move(0, c1, c2)])
    assert steps(cluster, order) == [("a", "c2", ()), ("a", "c3", (0,))]


def test_a_move_without_destination_always_fits_and_frees_its_room() -> None:
    built = world().host("c1").runs("a", memory_mb=16384).host("c2").runs("b", memory_mb=16384)
    order = ordered(built.cluster(), a="c2", b=None)
    assert [one.origin for one in order.steps] == [1, 0]
    assert order.steps[1].waits == (0,)


def test_a_member_of_an_anti_affinity_group_waits_until_another_has_left() -> None:
    built = world().group("g").host("c1").runs("a", group="g").host("c2").runs("b", group="g")
    cluster = built.host("c3").cluster()
    order = ordered(cluster, a="c2", b="c3")
    assert steps(cluster, order) == [("b", "c3", ()), ("a", "c2", (0,))]


def test_members_of_an_anti_affinity_group_change_places_over_a_third_host() -> None:
    built = world().group("g").host("c1").runs("a", group="g").host("c2").runs("b", group="g")
    cluster = built.host("c3").cluster()
    order = ordered(cluster, a="c2", b="c1")
    assert order.blocked == ()
    assert len(order.steps) == 3


def test_a_move_waits_for_no_more_departures_than_it_needs() -> None:
    built = world().host("c1").runs("a", memory_mb=16384)
    built.host("c2").runs("b", memory_mb=16384, vcpus=0).runs("c", memory_mb=0, vcpus=1)
    cluster = built.host("c3").cluster()
    order = ordered(cluster, b="c3", c="c3", a="c2")
    assert steps(cluster, order)[2] == ("a", "c2", (0,))
