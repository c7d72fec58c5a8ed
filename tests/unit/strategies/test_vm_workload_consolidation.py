# SPDX-License-Identifier: Apache-2.0
"""The same instances on fewer hosts, and never too many on one."""

from typing import Any

import numpy as np
import pytest

from tests.checker import violations
from tests.plans import carried_out, measured, moves, switched
from tests.worlds import World, world
from watcher.core.cluster import Cluster
from watcher.core.errors import NoMetrics
from watcher.core.metrics import Metric
from watcher.core.parameters import parse
from watcher.core.solution import Solution
from watcher.planners.weight import Weight
from watcher.strategies.vm_workload_consolidation import Parameters, VmWorkloadConsolidation

CPU, RAM = "instance_cpu_usage", "instance_ram_usage"
HOST_CPU, HOST_RAM = "host_cpu_usage", "host_ram_usage"
EMPTIED = "watcher_disabled"


def solve(
    cluster: Cluster,
    values: dict[str, dict[str, float]] | None = None,
    default: dict[str, float] | None = None,
    **given: Any,
) -> Solution:
    """The solution; every instance uses 10 % of its CPUs unless said otherwise."""
    parameters = parse(Parameters, given)
    queries = VmWorkloadConsolidation().queries(parameters)
    defaults = {CPU: 10.0} if default is None else default
    metrics = measured(cluster, queries, values or {}, defaults)
    solution = VmWorkloadConsolidation().solve(cluster, metrics, parameters)
    Weight().order(solution, cluster).replay(cluster)
    return solution


def sparse(hosts: int = 4, **fields: Any) -> World:
    """So many hosts with one instance each."""
    built = world()
    for number in range(1, hosts + 1):
        built.host(f"c{number}").runs(f"vm{number}", **fields)
    return built


def test_what_fits_on_one_host_ends_on_one_host() -> None:
    solution = solve(sparse().cluster())
    assert len(moves(solution)) == 3
    assert list(switched(solution).values()) == [EMPTIED] * 3
    assert set(switched(solution)) == {source for source, _ in moves(solution).values()}
    assert solution.indicators == {
        "compute_nodes_count": 4,
        "released_compute_nodes_count": 3,
        "instance_migrations_count": 3,
        "hosts_in_use_before": 4,
        "hosts_in_use_after": 1,
        "hosts_in_use_lower_bound": 1,
        "gap_to_lower_bound_percent": 0.0,
        "released_hosts_with_1_migrations": 1,
        "released_hosts_with_2_migrations": 2,
    }


def test_fault_vm_workload_consolidation_packs_beyond_physical_cpus() -> None:
    """Upstream ended with 1 host at 320 % of its threads: it multiplied by the ratio."""
    built = world()
    for number in range(4):
        built.host(f"c{number}", vcpus_ratio=16.0).runs(f"vm{number}", vcpus=8)
    solution = solve(built.cluster(), default={CPU: 80.0})
    assert not moves(solution)
    assert solution.indicators["hosts_in_use_lower_bound"] == 4


def test_fault_vm_workload_consolidation_sees_no_overload_where_the_ratio_is_above_1() -> None:
    """Upstream saw no overload below ratio x threads and left a host at 150 %."""
    built = world().host("c1", vcpus_ratio=4.0)
    for number in range(3):
        built.runs(f"vm{number}", vcpus=4)
    cluster = built.host("c2").cluster()
    solution = solve(cluster, default={CPU: 100.0}, cpu_limit_percent=100)
    assert len(moves(solution)) == 1
    assert set(moves(solution).values()) == {("c1", "c2")}
    assert switched(solution) == {}
    assert "1 hosts above their load limit are relieved" in solution.notes


def test_a_host_that_is_emptied_takes_what_an_overloaded_one_could_give_nobody() -> None:
    """c3 is emptied into c2; only then is there a host with room for an instance of c1."""
    built = world().host("c1", vcpus_ratio=4.0).runs("a", vcpus=8).runs("b", vcpus=8)
    built.host("c2", vcpus=8, vcpus_ratio=4.0).runs("c", vcpus=2)
    cluster = built.host("c3", vcpus=8, vcpus_ratio=4.0).runs("d", vcpus=2).cluster()
    use = {CPU: {"a": 75.0, "b": 75.0, "c": 100.0, "d": 100.0}}
    solution = solve(cluster, use, {}, cpu_limit_percent=80)
    after = carried_out(Weight().order(solution, cluster), cluster)
    homes = dict(zip(after.instances.name, after.hosts.name[after.instances.host], strict=True))
    assert homes["a"] != homes["b"]
    assert homes["c"] == homes["d"]
    assert "1 hosts above their load limit are relieved" in solution.notes


def test_the_smallest_instance_that_cures_an_overload_is_moved() -> None:
    built = world().host("c1", vcpus_ratio=4.0).runs("small").runs("right", vcpus=3)
    cluster = built.runs("large", vcpus=6).host("c2").cluster()
    solution = solve(cluster, default={CPU: 100.0}, cpu_limit_percent=100)
    assert set(moves(solution)) == {"right"}


def test_an_overload_that_nobody_can_take_is_said() -> None:
    built = world().host("c1", vcpus_ratio=4.0).runs("a", vcpus=8).runs("b", vcpus=8)
    cluster = built.host("c2").runs("c", vcpus=8).cluster()
    solution = solve(cluster, default={CPU: 90.0}, cpu_limit_percent=100)
    assert not moves(solution)
    assert any("1 remain so" in note for note in solution.notes)


def test_fault_vm_workload_consolidation_takes_zero_use_for_no_data() -> None:
    """Upstream took 0.0 % for no data and counted all vCPUs as busy."""
    built = world()
    for number in range(4):
        built.host(f"c{number}", vcpus_ratio=16.0).runs(f"vm{number}", vcpus=8)
    assert len(moves(solve(built.cluster(), default={CPU: 0.0}))) == 3


def test_fault_vm_workload_consolidation_enables_hosts_the_operator_disabled() -> None:
    """Upstream moved 11 instances to a host disabled for 'hardware fault', and enabled it."""
    built = sparse(2, memory_mb=10240)
    broken = {"enabled": False, "disabled_reason": "hardware fault"}
    cluster = built.host("big", memory_mb=262144, vcpus=64, **broken).cluster()
    solution = solve(cluster)
    assert solution.actions == ()
    assert solution.indicators["compute_nodes_count"] == 2
    assert solution.indicators["released_compute_nodes_count"] == 0


def test_instances_on_a_host_that_somebody_else_disabled_stay() -> None:
    built = sparse(2).host("c3", enabled=False, disabled_reason="fan").runs("vm3")
    assert "vm3" not in moves(solve(built.cluster()))


def test_a_host_that_watcher_disabled_is_enabled_when_load_needs_it() -> None:
    built = world().host("c1", vcpus_ratio=4.0).runs("a", vcpus=6).runs("b", vcpus=6)
    cluster = built.host("c2", enabled=False, disabled_reason=EMPTIED).cluster()
    solution = solve(cluster, default={CPU: 100.0})
    assert switched(solution) == {"c2": "enabled"}
    assert [target for _, target in moves(solution).values()] == ["c2"]
    assert solution.indicators["released_compute_nodes_count"] == 0
    assert "1 hosts disabled by Watcher are enabled again" in solution.notes


def test_a_host_that_watcher_disabled_stays_so_when_no_load_needs_it() -> None:
    built = world().host("c1").runs("a")
    cluster = built.host("c2", enabled=False, disabled_reason=EMPTIED).runs("b").cluster()
    assert solve(cluster).actions == ()


@pytest.mark.parametrize("reason", ["watcher_maintaining", "fan", ""])
def test_other_disabled_hosts_are_not_enabled_whatever_the_load(reason: str) -> None:
    built = world().host("c1", vcpus_ratio=4.0).runs("a", vcpus=6).runs("b", vcpus=6)
    cluster = built.host("c2", enabled=False, disabled_reason=reason).cluster()
    assert solve(cluster, default={CPU: 100.0}).actions == ()


def test_fault_vm_workload_consolidation_counts_released_hosts_below_zero() -> None:
    """Upstream counted down once per instance moved to a disabled host, and died at -9."""
    built = world().host("c1", vcpus_ratio=8.0)
    for number in range(10):
        built.runs(f"vm{number}", vcpus=2)
    cluster = built.host("c2", vcpus=32, enabled=False, disabled_reason=EMPTIED).cluster()
    solution = solve(cluster, default={CPU: 100.0})
    assert len(moves(solution)) > 1
    assert solution.indicators["released_compute_nodes_count"] == 0


def test_fault_vm_workload_consolidation_moves_off_hosts_it_does_not_release() -> None:
    """Upstream wasted 2 migrations and released nothing."""
    built = world().host("c1").runs("a").runs("b").runs("big", memory_mb=14000)
    cluster = built.host("c2").runs("c", memory_mb=8192).cluster()
    assert solve(cluster).actions == ()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"locked": True}, "it is locked"),
        ({"state": "suspended"}, "it is suspended"),
        ({"state": "error"}, "it is error"),
        ({"extra_specs": {"hw:numa_nodes": "1"}}, "only its hypervisor can judge"),
    ],
)
def test_an_instance_that_may_not_be_moved_keeps_its_host_in_use(
    fields: dict[str, Any], said: str
) -> None:
    cluster = world().host("c1").runs("a", **fields).runs("b").host("c2").runs("c").cluster()
    solution = solve(cluster)
    assert moves(solution) == {"c": ("c2", "c1")}
    assert any("1 hosts stay in use" in note and said in note for note in solution.notes)


def test_an_excluded_instance_keeps_its_host_in_use() -> None:
    cluster = sparse(2).cluster()
    cluster = cluster.with_instances(excluded=cluster.instances.name == "vm1")
    assert moves(solve(cluster)) == {"vm2": ("c2", "c1")}


def test_a_host_that_is_empty_already_is_disabled() -> None:
    solution = solve(world().host("c1").runs("vm").host("c2").cluster())
    assert switched(solution) == {"c2": EMPTIED}
    assert not moves(solution)


def test_the_last_enabled_host_is_never_disabled() -> None:
    cluster = world().host("c1").host("c2").cluster()
    assert len(switched(solve(cluster))) == 1
    assert solve(world().host("c1").cluster()).actions == ()


def test_stopped_instances_are_migrated_cold_and_paused_ones_live() -> None:
    built = world().host("c1").runs("stay", vcpus=4, locked=True)
    built.host("c2").runs("off", state="stopped").runs("paused", state="paused")
    solution = solve(built.cluster())
    kinds = {
        action.parameters["resource_name"]: action.parameters.get("migration_type")
        for action in solution.actions
    }
    assert kinds == {"off": "cold", "paused": "live", "c2": None}


def test_an_instance_without_a_measurement_counts_as_fully_busy() -> None:
    built = world().host("c1", vcpus_ratio=4.0).runs("a", vcpus=4)
    cluster = built.host("c2", vcpus_ratio=4.0).runs("b", vcpus=8).cluster()
    assert moves(solve(cluster, {CPU: {"a": 0.0, "b": 0.0}}, {}))
    solution = solve(cluster, {CPU: {"a": 100.0}}, {})
    assert not moves(solution)
    assert any(
        "1 running instances have no measurement and count as using all" in note
        for note in solution.notes
    )


def test_an_instance_without_a_measurement_makes_no_host_overloaded() -> None:
    built = world().host("c1", vcpus_ratio=4.0).runs("a", vcpus=8).runs("b", vcpus=8)
    cluster = built.host("c2").runs("c").cluster()
    assert not moves(solve(cluster, {CPU: {"c": 50.0}}, {}))


def test_a_stopped_instance_without_a_measurement_uses_nothing() -> None:
    built = world().host("c1", vcpus_ratio=4.0).runs("a", vcpus=6)
    cluster = built.host("c2", vcpus_ratio=4.0).runs("off", vcpus=8, state="stopped").cluster()
    solution = solve(cluster, {CPU: {"a": 100.0}}, {})
    assert len(moves(solution)) == 1
    assert not any("no measurement" in note for note in solution.notes)


def test_without_any_cpu_measurement_there_is_no_plan() -> None:
    with pytest.raises(NoMetrics, match="instance_cpu_usage"):
        solve(sparse().cluster(), default={})


def test_measured_memory_counts_where_memory_is_overcommitted() -> None:
    built = world()
    for name in ("c1", "c2"):
        built.host(name, memory_ratio=4.0).runs(f"vm-{name}", memory_mb=16384)
    cluster = built.cluster()
    assert moves(solve(cluster, default={CPU: 1.0, RAM: 4096.0}))
    assert not moves(solve(cluster, default={CPU: 1.0, RAM: 12288.0}))
    assert moves(solve(cluster, default={CPU: 1.0}))


def test_what_a_host_uses_besides_its_instances_takes_room() -> None:
    built = world().host("c1").runs("a", vcpus=4)
    cluster = built.host("c2").runs("b", vcpus=4).cluster()
    busy = {HOST_CPU: {"c1": 60.0, "c2": 60.0}}
    assert moves(solve(cluster, default={CPU: 50.0}))
    assert not moves(solve(cluster, busy, {CPU: 50.0}))


def test_memory_that_a_host_uses_itself_takes_room() -> None:
    built = world()
    for name in ("c1", "c2"):
        built.host(name, memory_ratio=2.0).runs(f"vm-{name}", memory_mb=8192)
    cluster = built.cluster()
    used = {CPU: 1.0, RAM: 6000.0}
    assert moves(solve(cluster, default=used))
    own = {HOST_RAM: {"c1": 12000 * 1024.0, "c2": 12000 * 1024.0}}
    assert not moves(solve(cluster, own, used))


def test_the_cpu_limit_can_be_chosen() -> None:
    cluster = sparse(2, vcpus=4).cluster()
    busy = {CPU: 100.0}
    assert not moves(solve(cluster, default=busy, cpu_limit_percent=99))
    assert moves(solve(cluster, default=busy, cpu_limit_percent=100))


def test_the_number_of_migrations_can_be_limited() -> None:
    solution = solve(sparse(6).cluster(), max_migrations=2)
    assert len(moves(solution)) == 2
    assert len(switched(solution)) == 2
    assert "at most 2 migrations were asked for" in solution.notes


def test_with_few_migrations_the_hosts_with_few_instances_are_emptied() -> None:
    built = world().host("c1").runs("a").runs("b").runs("c").host("c2").runs("d")
    built.host("c3").runs("e").runs("f").runs("g").runs("h")
    assert moves(solve(built.cluster(), max_migrations=1)).keys() == {"d"}


def test_anti_affinity_keeps_two_hosts_in_use() -> None:
    built = world().group("g").host("c1").runs("a", group="g").host("c2").runs("b", group="g")
    solution = solve(built.host("c3").runs("c").cluster())
    assert len(moves(solution)) == 1
    assert solution.indicators["hosts_in_use_after"] == 2
    assert solution.indicators["hosts_in_use_lower_bound"] == 1


def test_a_pinned_instance_stays_in_its_zone() -> None:
    built = world().host("c1", zone="az1").runs("a", pinned_zone="az1")
    cluster = built.host("c2", zone="az2").runs("b", pinned_zone="az2").cluster()
    assert not moves(solve(cluster))


def test_hosts_out_of_scope_are_left_alone() -> None:
    cluster = sparse(3).cluster()
    cluster = cluster.with_hosts(in_scope=cluster.hosts.name != "c3")
    solution = solve(cluster)
    assert "c3" not in {host for pair in moves(solution).values() for host in pair}
    assert solution.indicators["compute_nodes_count"] == 2


def test_the_plan_reaches_the_lower_bound_where_whole_hosts_are_full() -> None:
    found = solve(sparse(16, memory_mb=4096).cluster()).indicators
    assert found["hosts_in_use_after"] == found["hosts_in_use_lower_bound"] == 4


def test_it_asks_one_question_per_metric_of_which_one_must_be_answered() -> None:
    queries = VmWorkloadConsolidation().queries(Parameters(period=60, granularity=10))
    assert [(one.metric, one.required) for one in queries] == [
        (Metric.INSTANCE_CPU_USAGE, True),
        (Metric.INSTANCE_RAM_USAGE, False),
        (Metric.HOST_CPU_USAGE, False),
        (Metric.HOST_RAM_USAGE, False),
    ]
    assert {(one.period_s, one.granularity_s) for one in queries} == {(60, 10)}


def test_an_instance_does_not_leave_the_last_host_of_its_zone_for_nothing() -> None:
    cluster = world().host("c1").runs("a").host("c2", zone="az2").runs("b").cluster()
    solution = solve(cluster)
    assert solution.actions == ()
    assert "each of the 2 kinds of host" in solution.notes[-1]


def test_of_the_empty_hosts_of_a_zone_one_stays_enabled() -> None:
    built = world().host("c1").runs("a").host("d1", zone="az2").host("d2", zone="az2")
    assert switched(solve(built.cluster())) == {"d1": EMPTIED}


def test_limits_leave_hosts_with_many_instances_and_plans_that_release_few() -> None:
    cluster = world().host("c1").runs("a").runs("b").host("c2").runs("c").host("c3").runs("d")
    assert set(moves(solve(cluster.cluster(), max_migrations_per_host=1))) == {"c", "d"}
    solution = solve(sparse().cluster(), min_released_hosts=4)
    assert solution.actions == ()
    assert "3 hosts could be emptied, fewer than the 4 that are worth a plan" in solution.notes


def test_what_was_refused_is_told() -> None:
    built = world().host("c1").runs("a").runs("b", locked=True).host("c2", vcpus=4).runs("c")
    refused = solve(built.host("c3", up=False).cluster(), {"instance_cpu_usage": {}}).why_not
    assert refused is not None
    assert [one.reason for one in refused.instances] == ["it is locked"]


def test_an_overloaded_host_takes_instances_only_after_it_was_relieved() -> None:
    """At 5,000 hosts one was told to take an instance before its own overload had left."""
    built = world().host("c0", vcpus_ratio=4.0).runs("vm0", vcpus=6).runs("vm1", vcpus=3)
    built.host("c1", vcpus_ratio=4.0).runs("vm2", vcpus=8).runs("vm3", vcpus=3)
    cluster = built.runs("vm4", vcpus=2).host("c2", vcpus_ratio=4.0).cluster()
    busy = np.full(5, 100.0)
    solution = solve(cluster, default={CPU: 100.0}, cpu_limit_percent=100)
    assert moves(solution) == {"vm2": ("c1", "c2"), "vm1": ("c0", "c1")}
    assert violations(cluster, solution, busy) == []
    plan = Weight().order(solution, cluster)
    assert violations(cluster, Solution(plan.actions), busy) == []


def test_overloaded_hosts_that_wait_for_each_other_only_give() -> None:
    """x wants the memory that y leaves, y the CPU that x leaves, and c3 was to be emptied."""
    roomy = {"vcpus_ratio": 4.0, "memory_ratio": 4.0}
    built = world().host("c1", **roomy).runs("p", vcpus=6).runs("x", vcpus=3)
    built.host("c2", **roomy).runs("q", memory_mb=9216).runs("y", memory_mb=8192)
    cluster = built.host("c3", vcpus=5, memory_mb=9216, **roomy).runs("z").cluster()
    cpu = {"p": 100.0, "x": 100.0, "q": 10.0, "y": 100.0, "z": 10.0}
    ram = {"p": 100.0, "x": 1024.0, "q": 9216.0, "y": 8192.0, "z": 100.0}
    solution = solve(cluster, {CPU: cpu, RAM: ram}, {}, cpu_limit_percent=100)
    assert moves(solution) == {"x": ("c1", "c3")}
    assert any("take nothing in this plan" in note for note in solution.notes)
