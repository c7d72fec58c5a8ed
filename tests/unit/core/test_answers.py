# SPDX-License-Identifier: Apache-2.0
"""Moves as actions, and hosts told apart."""

import numpy as np

from tests.worlds import host_row, instance_row, world
from watcher.core.answers import balanced, consolidated, hosts_of, kinds, migrations
from watcher.core.placement import Move


def test_moves_are_told_with_names_and_by_the_state_of_the_instance() -> None:
    cluster = (
        world().host("c1").runs("vm1").runs("vm2", state="stopped").runs("vm3", state="error")
    ).host("c2")
    built = cluster.cluster()
    c1, c2 = host_row(built, "c1"), host_row(built, "c2")
    moves = [Move(instance_row(built, name), c1, c2) for name in ("vm1", "vm2", "vm3")]
    told = [one.parameters for one in migrations(built, moves)]
    assert [one["resource_name"] for one in told] == ["vm1", "vm2", "vm3"]
    assert [one["migration_type"] for one in told] == ["live", "cold", "live"]
    assert {(one["source_node"], one["destination_node"]) for one in told} == {("c1", "c2")}
    unnamed = migrations(built, moves, named=False)
    assert all("destination_node" not in one.parameters for one in unnamed)


def test_hosts_are_found_by_the_instances_on_them() -> None:
    assert hosts_of(np.array([2, -1, 0, 2]), 4).tolist() == [True, False, True, False]
    assert hosts_of(np.array([], dtype=np.int64), 1).tolist() == [False]


def test_hosts_are_alike_by_zone_hypervisor_and_aggregates() -> None:
    built = world().host("a").host("b").host("zone", zone="az2").host("ssd", aggregates={"ssd"})
    cluster = built.host("other", hypervisor_type="VMware").cluster()
    found = {
        name: int(kind) for name, kind in zip(cluster.hosts.name, kinds(cluster), strict=True)
    }
    assert found["a"] == found["b"]
    assert len(set(found.values())) == 4


def test_the_gap_of_a_consolidation_is_to_what_must_stay_in_use() -> None:
    told = consolidated(usable=9, released=3, moves=7, in_use=(8, 5, 4))
    assert told["gap_to_lower_bound_percent"] == 25.0
    assert told["hosts_in_use_after"] == 5
    empty = consolidated(usable=1, released=0, moves=0, in_use=(0, 0, 0))
    assert empty["gap_to_lower_bound_percent"] == 0.0


def test_the_gap_of_a_balancing_is_what_is_left_above_the_bound() -> None:
    told = balanced(moves=3, instances=9, deviations=(0.5, 0.25, 0.125))
    assert told["standard_deviation_before_audit"] == 0.5
    assert told["standard_deviation_lower_bound"] == 0.125
    assert told["gap_to_standard_deviation_lower_bound"] == 0.125
    exact = balanced(moves=0, instances=9, deviations=(0.1, 0.1, 0.1 + 1e-12))
    assert exact["gap_to_standard_deviation_lower_bound"] == 0.0
