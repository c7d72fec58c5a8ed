# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

from tests.shelves import pool_name, shelves
from tests.worlds import uuid, world
from watcher.core.plan import Plan
from watcher.core.solution import migrate, migrate_volume, nop, retype_volume
from watcher.core.storage import VolumeRecord
from watcher.solvers.lanes import laned

CLUSTER = world().host("c1").cluster()


def plan(*actions):
    return Plan(actions, tuple(() for _ in actions))


def moves(number, source="c1", target=None):
    return [migrate(f"u{source}{index}", source, target) for index in range(number)]


def test_without_limits_nothing_waits():
    given = plan(*moves(4))
    assert laned(given, {}, CLUSTER) == given
    assert laned(given, {"total": 0}, CLUSTER) == given


def test_so_many_run_at_the_same_time_and_the_others_follow():
    assert laned(plan(*moves(5)), {"total": 2}, CLUSTER).parents == ((), (), (0,), (1,), (2,))


def test_each_host_has_its_own_lanes_as_source_and_destination():
    given = plan(*moves(2, "a", "x"), *moves(2, "b", "x"))
    assert laned(given, {"node": 1}, CLUSTER).parents == ((), (0,), (1,), (2,))
    assert laned(plan(*moves(2, "a"), *moves(2, "b")), {"node": 1}, CLUSTER).parents == (
        *((), (0,)),
        *((), (2,)),
    )


def test_pools_count_as_source_and_as_destination():
    cluster = shelves().pool("p").holds("v").holds("w").pool("q").beside(CLUSTER)
    target = pool_name("q")
    given = plan(migrate_volume(uuid("v"), target), retype_volume(uuid("w"), "gold"), nop("x"))
    assert laned(given, {"pool": 1}, cluster).parents == ((), (0,), ())


def test_a_volume_that_nobody_knows_counts_for_its_destination_only():
    built = shelves().pool("p")
    built.volumes.append(VolumeRecord(uuid("lost"), "lost", 1, "elsewhere"))
    given = plan(migrate_volume("none", "q"), migrate_volume(uuid("lost"), "q"))
    for cluster in (CLUSTER, built.beside(CLUSTER)):
        assert laned(given, {"pool": 1}, cluster).parents == ((), (0,))


def test_what_waits_already_waits_still():
    given = replace(plan(*moves(3)), parents=((), (0,), (0,)))
    assert laned(given, {"total": 1}, CLUSTER).parents == ((), (0,), (0, 1))
