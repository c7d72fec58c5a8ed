# SPDX-License-Identifier: Apache-2.0
"""Emptying a host, or saying why it cannot be."""

from typing import Any

import numpy as np
import pytest

from tests.plans import moves, switched
from tests.worlds import World, world
from watcher.core.cluster import Cluster
from watcher.core.errors import BadParameters, ImpossiblePlan, Invalid, NotFound
from watcher.core.metrics import Metrics
from watcher.core.parameters import parse, schema
from watcher.core.solution import Solution
from watcher.planners.weight import Weight
from watcher.strategies.host_maintenance import HostMaintenance, Parameters

NO_LIVE, NO_COLD = {"disable_live_migration": True}, {"disable_cold_migration": True}


def solve(cluster: Cluster, **given: Any) -> Solution:
    parameters = parse(Parameters, {"maintenance_node": "c1", **given})
    solution = HostMaintenance().solve(cluster, Metrics(), parameters)
    Weight().order(solution, cluster).replay(cluster)
    return solution


def two(**fields: Any) -> World:
    return world().host("c1").runs("vm", **fields).host("c2")


def kinds(solution: Solution) -> list[str]:
    return [one.parameters.get("migration_type", one.type) for one in solution.actions]


def test_every_instance_goes_to_a_named_host_and_the_host_is_disabled() -> None:
    solution = solve(two().cluster())
    assert moves(solution) == {"vm": ("c1", "c2")}
    assert switched(solution) == {"c1": "watcher_maintaining"}
    assert solution.indicators["instance_migrations_count"] == 1


@pytest.mark.parametrize(
    ("state", "given", "expected"),
    [
        ("active", {}, ["live"]),
        ("active", NO_LIVE, ["cold"]),
        ("active", {**NO_LIVE, **NO_COLD}, ["stop"]),
        ("active", NO_COLD, ["live"]),
        ("paused", {}, ["live"]),
        ("stopped", {}, ["cold"]),
        ("stopped", NO_LIVE, ["cold"]),
        ("stopped", NO_COLD, []),
        ("stopped", {**NO_LIVE, **NO_COLD}, []),
        ("suspended", {}, []),
        ("shelved", {}, []),
        ("error", {}, []),
    ],
)
def test_what_happens_to_an_instance_follows_its_state(
    state: str, given: dict[str, bool], expected: list[str]
) -> None:
    solution = solve(two(state=state).cluster(), **given)
    assert kinds(solution) == ["change_nova_service_state", *expected]


def test_an_instance_that_stays_is_noted() -> None:
    (note,) = solve(two(state="suspended").cluster()).notes
    assert "stays on c1: it is suspended" in note


@pytest.mark.parametrize(
    ("fields", "given", "said"),
    [
        ({"locked": True}, {}, "vm .* is locked"),
        ({"task_state": "resize_migrating"}, {}, "is busy .resize_migrating"),
        ({"known": False}, {}, "is new and has not been read yet"),
        ({"state": "rescued"}, {}, "is rescued, and Nova does not migrate it"),
        ({"state": "building"}, {}, "is building"),
        ({"state": "resized"}, {}, "is resized"),
        ({"state": "paused"}, NO_LIVE, "is paused and live migration is disabled"),
    ],
)
def test_an_instance_that_may_not_be_touched_stops_the_audit_with_its_reason(
    fields: dict[str, Any], given: dict[str, bool], said: str
) -> None:
    with pytest.raises(ImpossiblePlan, match=said):
        solve(two(**fields).cluster(), **given)


def test_an_excluded_instance_stops_the_audit() -> None:
    cluster = two().cluster().with_instances(excluded=np.array([True]))
    with pytest.raises(ImpossiblePlan, match="is excluded by the audit's scope"):
        solve(cluster)


def test_fault_host_maintenance_plans_what_a_full_cluster_cannot_take() -> None:
    """Upstream planned 7 migrations without destination, although no other host had a free MB."""
    built = world().host("c1")
    for number in range(7):
        built.runs(f"vm{number}", memory_mb=2048)
    cluster = built.host("c2").runs("full", memory_mb=16384).cluster()
    with pytest.raises(ImpossiblePlan, match=r"no other host can take .* memory_mb left"):
        solve(cluster)


def test_the_room_is_counted_for_all_instances_together() -> None:
    built = world().host("c1").runs("a", memory_mb=9000).runs("b", memory_mb=7000)
    assert len(moves(solve(built.host("c2").cluster()))) == 2
    with pytest.raises(ImpossiblePlan):
        solve(built.runs("c", memory_mb=385).cluster())


def test_spreading_gives_way_to_packing_when_only_packing_fits() -> None:
    built = world().host("c1").runs("a", memory_mb=6000).runs("b", memory_mb=8000)
    cluster = built.host("c2", memory_mb=8000).host("c3", memory_mb=9000, vcpus=2).cluster()
    assert moves(solve(cluster)) == {"a": ("c1", "c3"), "b": ("c1", "c2")}


def test_the_roomiest_host_is_preferred() -> None:
    cluster = two().host("c3", memory_mb=65536).cluster()
    assert moves(solve(cluster)) == {"vm": ("c1", "c3")}


def test_disabled_and_down_hosts_take_nothing() -> None:
    built = world().host("c1").runs("vm").host("c2", enabled=False).host("c3", up=False)
    with pytest.raises(ImpossiblePlan, match="1 host: disabled, 1 host: down"):
        solve(built.cluster())


def test_what_only_the_hypervisor_can_judge_goes_where_nova_sends_it() -> None:
    solution = solve(two(extra_specs={"hw:numa_nodes": "2"}).cluster())
    assert moves(solution) == {"vm": ("c1", None)}
    assert solution.notes == ("Nova's scheduler chooses the host of 1 instances",)


def test_the_backup_host_takes_all() -> None:
    cluster = two().host("c3", memory_mb=65536).cluster()
    assert moves(solve(cluster, backup_node="c2")) == {"vm": ("c1", "c2")}


def test_fault_host_maintenance_does_not_check_the_disk_of_the_backup_host() -> None:
    """Upstream sent 800 GB to a host with 100 GB."""
    built = world().host("c1", disk_gb=1000)
    for number in range(8):
        built.runs(f"vm{number}", disk_gb=100)
    cluster = built.host("c2", disk_gb=100).cluster()
    with pytest.raises(Invalid, match=r"backup host c2 cannot take .* not enough disk_gb left"):
        solve(cluster, backup_node="c2")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"up": False}, "c2 is down"),
        ({"known": False}, "c2 could not be read completely"),
        ({"enabled": False, "disabled_reason": "broken fan"}, r"disabled \(broken fan\)"),
        ({"enabled": False}, "no reason given"),
        ({"enabled": False, "disabled_reason": "watcher_maintaining"}, "watcher_maintaining"),
    ],
)
def test_a_backup_host_that_cannot_be_one_is_refused(fields: dict[str, Any], said: str) -> None:
    cluster = world().host("c1").runs("vm").host("c2", **fields).cluster()
    with pytest.raises(Invalid, match=said):
        solve(cluster, backup_node="c2")


def test_the_host_itself_is_no_backup_host() -> None:
    with pytest.raises(Invalid, match="is the host to be emptied"):
        solve(two().cluster(), backup_node="c1")


def test_a_backup_host_that_watcher_disabled_is_enabled_first() -> None:
    built = world().host("c1").runs("vm")
    cluster = built.host("c2", enabled=False, disabled_reason="watcher_disabled").cluster()
    solution = solve(cluster, backup_node="c2")
    assert switched(solution) == {"c2": "enabled", "c1": "watcher_maintaining"}
    plan = Weight().order(solution, cluster)
    migration = next(place for place, one in enumerate(plan.actions) if one.type == "migrate")
    assert {plan.actions[one].parameters["resource_name"] for one in plan.parents[migration]} == {
        "c1",
        "c2",
    }


def test_an_empty_host_is_only_disabled() -> None:
    solution = solve(world().host("c1").host("c2").cluster())
    assert switched(solution) == {"c1": "watcher_maintaining"}
    assert len(solution.actions) == 1


@pytest.mark.parametrize("reason", ["watcher_maintaining", "broken fan", ""])
def test_a_host_that_is_disabled_already_keeps_its_reason(reason: str) -> None:
    cluster = world().host("c1", enabled=False, disabled_reason=reason).host("c2").cluster()
    solution = solve(cluster)
    assert solution.actions == ()
    assert solution.notes == ("host c1 is already disabled and nothing on it is to be moved",)


def test_a_host_disabled_by_a_consolidation_is_taken_over_for_maintenance() -> None:
    built = world().host("c1", enabled=False, disabled_reason="watcher_disabled")
    assert switched(solve(built.host("c2").cluster())) == {"c1": "watcher_maintaining"}


def test_an_unknown_host_is_named_in_the_error() -> None:
    with pytest.raises(NotFound, match="Compute host c9 could not be found"):
        solve(two().cluster(), maintenance_node="c9")
    with pytest.raises(NotFound, match="c8"):
        solve(two().cluster(), backup_node="c8")


@pytest.mark.parametrize("fields", [{"up": False}, {"known": False}])
def test_a_host_that_cannot_send_its_instances_is_an_error(fields: dict[str, Any]) -> None:
    cluster = world().host("c1", **fields).runs("vm").host("c2").cluster()
    with pytest.raises(ImpossiblePlan, match="cannot be emptied: it"):
        solve(cluster)


def test_a_host_out_of_scope_is_refused() -> None:
    cluster = two().cluster()
    cluster = cluster.with_hosts(in_scope=cluster.hosts.name == "c2")
    with pytest.raises(Invalid, match="outside the audit's scope"):
        solve(cluster)


def test_an_anti_affinity_group_is_kept() -> None:
    built = world().group("g").host("c1").runs("a", group="g")
    cluster = built.host("c2").runs("b", group="g").host("c3", memory_mb=8192).cluster()
    assert moves(solve(cluster)) == {"a": ("c1", "c3")}


def test_a_soft_group_does_not_stand_in_the_way() -> None:
    built = world().group("g", "soft-anti-affinity").host("c1").runs("a", group="g")
    cluster = built.host("c2").runs("b", group="g").cluster()
    assert moves(solve(cluster)) == {"a": ("c1", "c2")}


def test_its_parameters_are_those_of_the_contract() -> None:
    spec = schema(Parameters)
    assert set(spec["properties"]) == {
        "maintenance_node",
        "backup_node",
        "disable_live_migration",
        "disable_cold_migration",
    }
    assert spec["required"] == ["maintenance_node"]
    with pytest.raises(BadParameters):
        parse(Parameters, {})


def test_it_measures_nothing() -> None:
    assert HostMaintenance().queries(Parameters(maintenance_node="c1")) == ()


def test_what_stays_is_told_with_its_reason() -> None:
    refused = solve(two(state="suspended").cluster()).why_not
    assert refused is not None
    assert [(one.reason, one.count) for one in refused.instances] == [("it is suspended", 1)]


def test_what_makes_it_impossible_is_told() -> None:
    with pytest.raises(ImpossiblePlan) as locked:
        solve(two(locked=True).cluster())
    assert locked.value.why_not is not None
    assert [one.reason for one in locked.value.why_not.instances] == ["it is locked"]
    with pytest.raises(ImpossiblePlan) as full:
        solve(world().host("c1").runs("vm", vcpus=4).host("c2", vcpus=2).cluster())
    assert full.value.why_not is not None
    (reason,) = full.value.why_not.destinations
    assert (reason.reason, reason.count) == ("not enough vcpus left", 1)
    assert [one.host for one in reason.examples] == ["c2"]
