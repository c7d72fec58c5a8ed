# SPDX-License-Identifier: Apache-2.0
"""Tests of watcher.core.plan."""

import pytest

from tests.shelves import pool_name, shelves
from tests.worlds import host_row, instance_row, uuid, world
from watcher.core.cluster import UNPLACED
from watcher.core.errors import ImpossiblePlan
from watcher.core.plan import Plan
from watcher.core.solution import (
    MIGRATE,
    Action,
    migrate,
    migrate_volume,
    nop,
    retype_volume,
)


@pytest.fixture
def cluster():
    return (
        world()
        .host("c1", vcpus=4)
        .runs("vm1", vcpus=4)
        .host("c2", vcpus=4)
        .runs("vm2", vcpus=4)
        .host("c3", vcpus=4)
        .cluster()
    )


def move(name, source, destination=None):
    return migrate(uuid(name), source, destination)


def plan(*actions):
    return Plan(actions, tuple((index - 1,) if index else () for index in range(len(actions))))


def test_a_plan_of_nothing_is_a_plan(cluster):
    assert Plan().replay(cluster).moves() == []


def test_each_action_has_its_parents():
    with pytest.raises(ImpossiblePlan, match="2 actions but parents for 1"):
        Plan((nop("a"), nop("b")), ((),))


@pytest.mark.parametrize("parent", [0, 1, 7, -1])
def test_a_parent_comes_before_its_child(parent):
    with pytest.raises(ImpossiblePlan, match="action 0 waits for one that does not come before"):
        Plan((nop("a"),), ((parent,),))


def test_a_replay_ends_where_the_plan_ends(cluster):
    placement = plan(
        move("vm1", "c1", "c3"), nop("between"), move("vm2", "c2", "c1"), move("vm1", "c3", "c2")
    ).replay(cluster)
    assert placement.host[instance_row(cluster, "vm1")] == host_row(cluster, "c2")
    assert placement.host[instance_row(cluster, "vm2")] == host_row(cluster, "c1")


def test_a_swap_that_needs_room_nobody_has_is_refused(cluster):
    with pytest.raises(ImpossiblePlan, match="host c2 has no room for instance"):
        plan(move("vm1", "c1", "c2"), move("vm2", "c2", "c1")).replay(cluster)


def test_an_unknown_instance_is_refused(cluster):
    with pytest.raises(ImpossiblePlan, match="is not in the cluster"):
        plan(move("vm9", "c1", "c3")).replay(cluster)


@pytest.mark.parametrize("source", ["c2", "c9"])
def test_an_instance_that_is_elsewhere_is_refused(cluster, source):
    with pytest.raises(ImpossiblePlan, match=f"is not on its source host {source}"):
        plan(move("vm1", source, "c3")).replay(cluster)


def test_a_move_without_a_source_is_refused(cluster):
    with pytest.raises(ImpossiblePlan, match="is not on its source host None"):
        plan(Action(MIGRATE, {"migration_type": "live"}, uuid("vm1"))).replay(cluster)


def test_an_unknown_destination_is_refused(cluster):
    with pytest.raises(ImpossiblePlan, match=r"destination host c9 of instance .* is not known"):
        plan(move("vm1", "c1", "c9")).replay(cluster)


def test_without_a_destination_the_instance_is_on_no_host_we_know(cluster):
    placement = plan(move("vm1", "c1")).replay(cluster)
    assert placement.host[instance_row(cluster, "vm1")] == UNPLACED


@pytest.fixture
def stored(cluster):
    """Two volumes of which the second pool takes one; only the first pool serves "gold"."""
    built = shelves().type("gold", volume_backend_name="p1").type("any")
    built.pool("p1").holds("a", 10).holds("b", 10).pool("p2", free_gb=15.0)
    return built.beside(cluster)


def to_pool(name, pool):
    return migrate_volume(uuid(name), pool_name(pool))


def test_volumes_are_replayed_where_the_storage_was_read(stored, cluster):
    plan(to_pool("a", "p2")).replay(stored)
    plan(to_pool("nobody", "nowhere")).replay(cluster)


@pytest.mark.parametrize(
    ("actions", "said"),
    [
        ((to_pool("a", "p2"), to_pool("b", "p2")), "5 GiB left for 10 GiB"),
        ((to_pool("a", "p1"),), "is on .* already"),
        ((to_pool("c", "p2"),), "is not in the block storage"),
        ((to_pool("a", "p3"),), "Storage pool .* could not be found"),
        ((retype_volume(uuid("a"), "silver"),), "Volume type silver could not be found"),
        ((to_pool("a", "p2"), retype_volume(uuid("a"), "gone")), "could not be found"),
    ],
)
def test_a_volume_goes_only_where_it_can(stored, actions, said):
    with pytest.raises(ImpossiblePlan, match=said):
        plan(*actions).replay(stored)


def test_a_retype_needs_a_pool_that_serves_the_type(stored):
    plan(retype_volume(uuid("a"), "gold"), retype_volume(uuid("b"), "any")).replay(stored)
    full = shelves().type("gold", volume_backend_name="p1").pool("p1", free_gb=5.0)
    beside = full.pool("p2").holds("a", 10).beside(stored)
    with pytest.raises(ImpossiblePlan, match="no pool that serves its new type"):
        plan(retype_volume(uuid("a"), "gold")).replay(beside)
