# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from tests.plans import moves
from tests.shelves import pool_name, shelves
from tests.worlds import uuid, world
from watcher.core.errors import BadParameters, Invalid, NotFound
from watcher.core.metrics import Metrics
from watcher.core.parameters import parse, schema, with_defaults
from watcher.planners.weight import Weight
from watcher.strategies.zone_migration import Parameters, ZoneMigration

C1 = [{"src_node": "c1", "dst_node": "c2"}]
FULL = {"src_pool": pool_name("full")}


def solve(cluster, **given):
    spec = schema(Parameters)
    parameters = parse(Parameters, with_defaults(spec, given))
    solution = ZoneMigration().solve(cluster, Metrics(), parameters)
    Weight().order(solution, cluster).replay(cluster)
    return solution


def names(solution):
    return [one.parameters["resource_name"] for one in solution.actions]


def test_storage_is_read_only_when_pools_are_named():
    strategy = ZoneMigration()
    assert strategy.models(Parameters()) == ()
    assert strategy.models(Parameters(storage_pools=[FULL])) == ("storage",)
    assert strategy.queries(Parameters()) == ()


# --- servers


def test_servers_go_to_the_host_that_is_named_live_or_cold():
    built = world().host("c1").runs("a").runs("b", state="stopped").runs("p", state="paused")
    solution = solve(built.host("c2").cluster(), compute_nodes=C1)
    assert moves(solution) == dict.fromkeys("abp", ("c1", "c2"))
    kinds = {one.parameters["resource_name"]: one.parameters for one in solution.actions}
    assert [kinds[name]["migration_type"] for name in "abp"] == ["live", "cold", "live"]
    assert solution.indicators["live_migrate_instance_count"] == 2
    assert solution.indicators["planned_cold_migrate_instance_count"] == 1


def test_without_a_destination_nova_chooses():
    built = world().host("c1").runs("a").host("c2")
    (action,) = solve(built.cluster(), compute_nodes=[{"src_node": "c1"}]).actions
    assert "destination_node" not in action.parameters


def test_where_nobody_could_take_it_nova_is_not_asked():
    built = world().host("c1").runs("a", vcpus=8).host("c2", vcpus=4)
    solution = solve(built.cluster(), compute_nodes=[{"src_node": "c1"}])
    assert solution.actions == ()
    assert "not enough vcpus left" in solution.notes[0]


def test_two_hosts_that_are_emptied_do_not_fill_each_other():
    built = world().host("c1").runs("a").host("c2").runs("b")
    solution = solve(built.cluster(), compute_nodes=[{"src_node": "c1"}, {"src_node": "c2"}])
    assert solution.actions == ()
    assert len(solution.notes) == 2


def test_fault_zone_migration_does_not_check_a_destination_for_room():
    """Upstream: an explicit destination is not checked for capacity."""
    built = world().host("c1")
    for number in range(12):
        built.runs(f"vm{number}", memory_mb=4096)
    solution = solve(built.host("c2", memory_mb=16384).cluster(), compute_nodes=C1)
    assert len(solution.actions) == 4
    assert solution.indicators["live_migrate_instance_count"] == 12
    assert solution.indicators["planned_live_migrate_instance_count"] == 4
    assert "is not moved: c2: not enough memory_mb left" in solution.notes[0]


@pytest.mark.parametrize("fields", [{"enabled": False}, {"up": False}, {"known": False}])
def test_fault_zone_migration_accepts_a_disabled_or_down_destination(fields):
    """Upstream: a disabled or down destination is accepted."""
    cluster = world().host("c1").runs("a").host("c2", **fields).cluster()
    solution = solve(cluster, compute_nodes=C1)
    assert solution.actions == ()
    assert solution.notes[0].startswith(f"instance a ({uuid('a')}) is not moved: c2: ")


@pytest.mark.parametrize(
    "fields", [{"locked": True}, {"state": "error"}, {"task_state": "migrating"}]
)
def test_what_may_not_be_moved_stays_with_its_reason(fields):
    cluster = world().host("c1").runs("a", **fields).host("c2").cluster()
    solution = solve(cluster, compute_nodes=C1)
    assert solution.actions == ()
    assert "is not moved: " in solution.notes[0]


def test_what_the_scope_excludes_stays():
    cluster = world().host("c1").runs("a").host("c2").cluster()
    excluded = cluster.with_instances(excluded=np.array([True]))
    assert solve(excluded, compute_nodes=C1).actions == ()


@pytest.mark.parametrize(
    ("priority", "order"),
    [
        ({}, None),
        ({"compute": "vcpu_num"}, ["big", "mid", "old"]),
        ({"compute": "mem_size"}, ["mid", "big", "old"]),
        ({"compute": "disk_size"}, ["old", "big", "mid"]),
        ({"compute": "created_at"}, ["old", "mid", "big"]),
        ({"project": ["p2"], "compute": "vcpu_num"}, ["mid", "big", "old"]),
        ({"compute_node": ["c3"], "compute": "vcpu_num"}, ["old", "big", "mid"]),
    ],
)
def test_priorities_sort_and_the_first_listed_is_the_strongest(priority, order):
    sizes = {"big": (4, 1024, 20, "2026-03"), "mid": (2, 4096, 10, "2026-02")}
    built = world().host("c1")
    for name, (vcpus, memory_mb, disk_gb, created) in sizes.items():
        built.runs(
            *[name],
            vcpus=vcpus,
            memory_mb=memory_mb,
            disk_gb=disk_gb,
            created_at=created,
            project_id="p2" if name == "mid" else "p1",
        )
    built.host("c3").runs("old", disk_gb=40, created_at="2026-01", project_id="p1")
    built.host("c2", vcpus=64, memory_mb=65536)
    rules = [*C1, {"src_node": "c3", "dst_node": "c2"}]
    found = names(solve(built.cluster(), compute_nodes=rules, priority=priority))
    assert found == (order or found)
    assert len(found) == 3


def test_limits_are_on_what_runs_at_the_same_time_not_on_the_plan():
    """Upstream: parallel_total caps the number of actions in the plan."""
    built = world().host("c1", vcpus=64, memory_mb=65536)
    for number in range(10):
        built.runs(f"vm{number}")
    cluster = built.host("c2", vcpus=64, memory_mb=65536).cluster()
    solution = solve(cluster, compute_nodes=C1, parallel_per_node=2)
    assert len(solution.actions) == 10
    plan = Weight().order(solution, cluster)
    assert sum(not parents for parents in plan.parents) == 2
    capped = solve(cluster, compute_nodes=C1, max_actions=3)
    assert len(capped.actions) == 3
    assert capped.indicators["planned_live_migrate_instance_count"] == 3
    assert capped.indicators["live_migrate_instance_count"] == 10


# --- volumes


def two_pools(**fields):
    built = shelves().type("gold", volume_backend_name="full").type("any")
    built.type("iron", volume_backend_name="empty")
    return built.pool("full", **fields)


def beside(built):
    return built.beside(world().host("c1").runs("vm").host("c2").cluster())


def test_volumes_are_migrated_to_the_pool_that_is_named():
    built = two_pools().holds("a").holds("b", servers=["vm"]).pool("empty")
    solution = solve(beside(built), storage_pools=[{**FULL, "dst_pool": pool_name("empty")}])
    assert sorted(names(solution)) == ["a", "b"]
    assert {one.parameters["destination_node"] for one in solution.actions} == {pool_name("empty")}
    for name in ("volume_migrate", "volume_update"):
        assert solution.indicators[f"{name}_count"] == 2
        assert solution.indicators[f"planned_{name}_count"] == 2


def test_volumes_are_retyped_when_a_type_is_named():
    built = two_pools().holds("a", volume_type="gold").holds("b", volume_type="iron")
    solution = solve(beside(built.pool("empty")), storage_pools=[{**FULL, "dst_type": "iron"}])
    assert names(solution) == ["a"]
    assert solution.actions[0].parameters["destination_type"] == "iron"


def test_a_retype_that_needs_no_move_is_one_too():
    built = two_pools().holds("a", volume_type="gold")
    solution = solve(beside(built), storage_pools=[{**FULL, "dst_type": "any"}])
    assert names(solution) == ["a"]


def test_a_rule_with_the_type_comes_before_one_without():
    built = two_pools().holds("a", volume_type="gold").holds("b", volume_type="any").pool("empty")
    rules = [
        {**FULL, "dst_pool": pool_name("empty")},
        {**FULL, "src_type": "gold", "dst_type": "iron"},
    ]
    solution = solve(beside(built), storage_pools=rules)
    kinds = {
        one.parameters["resource_name"]: one.parameters["migration_type"]
        for one in solution.actions
    }
    assert kinds == {"a": "retype", "b": "migrate"}


def test_volumes_of_another_type_are_left():
    built = two_pools().holds("a", volume_type="gold").holds("b", volume_type="any").pool("empty")
    rules = [{**FULL, "src_type": "any", "dst_pool": pool_name("empty")}]
    assert names(solve(beside(built), storage_pools=rules)) == ["b"]


def test_what_a_pool_cannot_take_stays_with_its_reason():
    built = two_pools().holds("a", 60).holds("b", 60).holds("g", volume_type="gold")
    built.pool("empty", total_gb=100, free_gb=100)
    solution = solve(beside(built), storage_pools=[{**FULL, "dst_pool": pool_name("empty")}])
    assert len(solution.actions) == 1
    text = " ".join(solution.notes)
    assert "has 40 GiB left for 60 GiB" in text
    assert "does not serve volume type gold" in text


def test_a_retype_needs_room_too_and_what_may_not_be_moved_stays():
    built = two_pools().holds("a", 60).holds("s", snapshots=True)
    built.pool("empty", total_gb=50, free_gb=50)
    solution = solve(beside(built), storage_pools=[{**FULL, "dst_type": "iron"}])
    assert solution.actions == ()
    text = " ".join(solution.notes)
    assert "no pool that serves volume type iron has room for it" in text
    assert "has snapshots" in text


@pytest.mark.parametrize(
    ("priority", "order"),
    [
        ({"storage": "size"}, ["big", "old", "mine"]),
        ({"storage": "created_at"}, ["old", "mine", "big"]),
        ({"project": ["p1"], "storage": "size"}, ["mine", "big", "old"]),
        ({"storage_pool": [pool_name("half")], "storage": "size"}, ["old", "big", "mine"]),
    ],
)
def test_priorities_of_volumes(priority, order):
    built = (
        two_pools()
        .holds("big", 30, created_at="3")
        .holds("mine", 10, created_at="2", project_id="p1")
    )
    built.pool("half").holds("old", 20, created_at="1").pool("empty")
    rules = [
        {**FULL, "dst_pool": pool_name("empty")},
        {"src_pool": pool_name("half"), "dst_pool": pool_name("empty")},
    ]
    assert names(solve(beside(built), storage_pools=rules, priority=priority)) == order


def test_servers_follow_their_volumes():
    built = two_pools().holds("a", servers=["vm"]).pool("empty")
    cluster = built.beside(
        world().host("c1").runs("first", vcpus=4).runs("vm").host("c2").cluster()
    )
    given = {
        "storage_pools": [{**FULL, "dst_pool": pool_name("empty")}],
        "compute_nodes": C1,
        "priority": {"compute": "vcpu_num"},
    }
    assert names(solve(cluster, **given)) == ["a", "first", "vm"]
    solution = solve(cluster, **given, with_attached_volume=True)
    assert names(solution) == ["a", "vm", "first"]
    plan = Weight().order(solution, cluster)
    places = {one.parameters["resource_name"]: at for at, one in enumerate(plan.actions)}
    assert places["a"] in plan.parents[places["vm"]]  # never both at the same time


# --- what cannot be


def test_hosts_pools_and_types_that_do_not_exist_are_told():
    cluster = beside(two_pools())
    with pytest.raises(NotFound, match="Compute host nowhere"):
        solve(cluster, compute_nodes=[{"src_node": "nowhere"}])
    with pytest.raises(NotFound, match="Storage pool nowhere"):
        solve(cluster, storage_pools=[{"src_pool": "nowhere", "dst_type": "any"}])
    with pytest.raises(NotFound, match="Volume type lead"):
        solve(cluster, storage_pools=[{**FULL, "dst_type": "lead"}])


@pytest.mark.parametrize(
    "rules",
    [
        {"compute_nodes": [{"src_node": "c1", "dst_node": "c1"}]},
        {"compute_nodes": [*C1, {"src_node": "c1"}]},
        {"storage_pools": [{**FULL, "dst_pool": FULL["src_pool"]}]},
        {"storage_pools": [{**FULL, "dst_type": "any"}, {**FULL, "dst_type": "iron"}]},
    ],
)
def test_rules_that_contradict_each_other_are_refused(rules):
    with pytest.raises(Invalid):
        solve(beside(two_pools()), **rules)


@pytest.mark.parametrize(
    "given",
    [
        {"storage_pools": [FULL]},
        {"storage_pools": [{**FULL, "dst_pool": "p", "dst_type": "t"}]},
        {"compute_nodes": [{"dst_node": "c1"}]},
        {"compute_nodes": [{"src_node": "c1", "more": "x"}]},
        {"priority": {"compute": "colour"}},
        {"priority": {"disk": []}},
    ],
)
def test_parameters_of_the_wrong_form_are_refused(given):
    with pytest.raises(BadParameters):
        parse(Parameters, given)


def test_pools_cannot_be_emptied_without_the_storage():
    with pytest.raises(Invalid, match="needs the block storage"):
        solve(world().cluster(), storage_pools=[{**FULL, "dst_type": "any"}])


def test_nothing_named_is_nothing_to_do():
    solution = solve(world().host("c1").cluster())
    assert solution.actions == ()
    assert solution.notes == ("there is nothing to move on the hosts and pools that are named",)


def test_what_is_refused_is_told_for_each_rule():
    built = world().host("c1").runs("a", locked=True).host("c2").runs("b", vcpus=4)
    built.host("c3", vcpus=2).host("c4", up=False)
    rules = [{"src_node": "c1"}, {"src_node": "c2", "dst_node": "c3"}]
    refused = solve(built.cluster(), compute_nodes=rules).why_not
    assert [(one.reason, one.count) for one in refused.instances] == [("it is locked", 1)]
    counts = {one.reason: one.count for one in refused.destinations}
    assert counts == {
        "not offered by the strategy": 1,
        "not enough vcpus left": 1,
        "down": 1,
    }
