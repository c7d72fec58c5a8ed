# SPDX-License-Identifier: Apache-2.0
"""Tests of watcher.core.placement."""

import numpy as np
import pytest

from tests.worlds import host_row, instance_row, world
from watcher.core.cluster import UNPLACED
from watcher.core.placement import Load, Move, Placement


@pytest.fixture
def cluster():
    return (
        world()
        .host("c1", vcpus=4, memory_mb=4096)
        .runs("vm1", vcpus=2, memory_mb=1024)
        .runs("vm2", vcpus=2, memory_mb=1024)
        .host("c2", vcpus=2, memory_mb=8192)
        .host("c3", vcpus=1, memory_mb=1024)
        .unplaced("vm3", vcpus=1, memory_mb=0, disk_gb=0)
        .cluster()
    )


def rows(cluster, *names):
    return [host_row(cluster, n) if n[0] == "c" else instance_row(cluster, n) for n in names]


def test_it_starts_as_the_cluster_is(cluster):
    placement = Placement(cluster)
    assert (placement.host == cluster.instances.host).all()
    assert (placement.used == cluster.used).all()
    assert placement.names == ("vcpus", "memory_mb", "disk_gb")
    assert placement.moves() == []


def test_a_move_takes_room_here_and_gives_it_back_there(cluster):
    placement = Placement(cluster)
    c1, c2, vm1 = rows(cluster, "c1", "c2", "vm1")
    placement.move(vm1, c2)
    assert placement.used[c1].tolist() == [2, 1024, 10]
    assert placement.used[c2].tolist() == [2, 1024, 10]
    assert placement.free[c2].tolist() == [0, 7168, 190]
    assert placement.moves() == [Move(vm1, c1, c2)]
    assert cluster.instances.host[vm1] == c1


def test_a_move_to_where_it_is_changes_nothing(cluster):
    placement = Placement(cluster)
    c1, vm1 = rows(cluster, "c1", "vm1")
    placement.move(vm1, c1)
    assert (placement.used == cluster.used).all()


def test_there_and_back_is_no_move(cluster):
    placement = Placement(cluster)
    c1, c2, vm1 = rows(cluster, "c1", "c2", "vm1")
    placement.move(vm1, c2)
    placement.move(vm1, c1)
    assert placement.moves() == []
    assert (placement.used == cluster.used).all()


def test_what_is_on_no_host_takes_no_room(cluster):
    placement = Placement(cluster)
    c1, c2, vm1, vm3 = rows(cluster, "c1", "c2", "vm1", "vm3")
    placement.move(vm3, c2)
    assert placement.used[c2].tolist() == [1, 0, 0]
    placement.move(vm1, UNPLACED)
    assert placement.used[c1].tolist() == [2, 1024, 10]
    assert Move(vm3, UNPLACED, c2) in placement.moves()


def test_an_instance_fits_where_every_resource_has_room_and_where_it_is(cluster):
    c1, c2, c3, vm1 = rows(cluster, "c1", "c2", "c3", "vm1")
    fits = Placement(cluster).fits(vm1)
    assert fits[[c1, c2, c3]].tolist() == [True, True, False]


def test_a_full_host_takes_what_demands_nothing_there(cluster):
    placement = Placement(cluster)
    c3, vm1, vm3 = rows(cluster, "c3", "vm1", "vm3")
    placement.limit[c3] = [1, -5, -5]
    assert placement.fits(vm3)[c3]
    assert placement.has_room(vm3, c3)
    placement.move(vm1, c3)
    assert not placement.fits(vm3)[c3]
    assert not placement.has_room(vm3, c3)


def test_has_room_says_what_fits_says(cluster):
    placement = Placement(cluster)
    placement.move(*rows(cluster, "vm1", "c2"))
    for row in range(len(cluster.instances)):
        said = [placement.has_room(row, host) for host in range(len(cluster.hosts))]
        assert said == placement.fits(row).tolist()


def test_the_rows_on_a_host_follow_the_moves(cluster):
    placement = Placement(cluster)
    c1, c2, vm1, vm2 = rows(cluster, "c1", "c2", "vm1", "vm2")
    assert placement.rows_on(c1).tolist() == sorted([vm1, vm2])
    placement.move(vm1, c2)
    assert placement.rows_on(c1).tolist() == [vm2]
    assert placement.rows_on(c2).tolist() == [vm1]


def test_a_load_fills_a_host_as_an_allocation_does(cluster):
    c1, c2, vm1, vm2 = rows(cluster, "c1", "c2", "vm1", "vm2")
    demand = np.zeros(3)
    demand[[vm1, vm2]] = [30.0, 20.0]
    load = Load("cpu", demand, limit=np.full(3, 40.0), overhead=np.full(3, 5.0))
    placement = Placement(cluster, [load])
    assert placement.names[3] == "cpu"
    assert placement.used[c1, 3] == 55.0
    assert placement.used[c2, 3] == 5.0
    assert placement.fits(vm1)[c2]
    placement.used[c2, 3] = 11.0
    assert not placement.fits(vm1)[c2]
    assert not placement.has_room(vm1, c2)
    placement.move(vm2, c2)
    assert placement.used[:, 3][[c1, c2]].tolist() == [35.0, 31.0]


def test_room_is_what_is_left_or_what_one_instance_may_have(cluster):
    placement = Placement(cluster)
    c1, c2 = rows(cluster, "c1", "c2")
    placement.largest[c2] = [1, 2048, 50]
    assert placement.room(np.array([c1, c2])).tolist() == [[0, 2048, 180], [1, 2048, 50]]


def test_a_forgiving_load_has_room_for_a_sum_that_was_rounded():
    load = Load("cpu", np.array([0.1] * 3), limit=np.array([0.3]), overhead=np.zeros(1))
    assert sum(load.demand) > load.limit[0]
    assert sum(load.demand) <= load.forgiving.limit[0]
