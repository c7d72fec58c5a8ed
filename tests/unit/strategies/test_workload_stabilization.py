# SPDX-License-Identifier: Apache-2.0
"""Levelling measured loads."""

from dataclasses import replace
from typing import Any

import pytest

from tests.plans import measured, moves
from tests.worlds import World, world
from watcher.core.cluster import Cluster
from watcher.core.errors import BadParameters, NoMetrics
from watcher.core.metrics import Aggregate, Metric
from watcher.core.parameters import parse, schema, with_defaults
from watcher.core.solution import Solution
from watcher.planners.workload_stabilization import WorkloadStabilization as Planner
from watcher.strategies.workload_stabilization import Parameters, WorkloadStabilization

CPU, RAM, HOST = "instance_cpu_usage", "instance_ram_usage", "host_cpu_usage"


def solve(
    cluster: Cluster,
    values: dict[str, dict[str, float]] | None = None,
    default: dict[str, float] | None = None,
    **given: Any,
) -> Solution:
    """The solution for these measurements; every instance uses all its vCPUs by default."""
    parameters = parse(Parameters, with_defaults(schema(Parameters), given))
    queries = WorkloadStabilization().queries(parameters)
    metrics = measured(cluster, queries, values or {}, {CPU: 100} if default is None else default)
    return WorkloadStabilization().solve(cluster, metrics, parameters)


def crowded(number: int = 8, **fields: Any) -> World:
    built = world().host("c1")
    for one in range(number):
        built.runs(f"vm{one}", **fields)
    return built.host("c2")


def test_instances_move_until_the_spread_is_at_the_threshold() -> None:
    solution = solve(crowded().cluster())
    assert len(moves(solution)) == 4
    assert solution.indicators == {
        "instance_migrations_count": 4,
        "instances_count": 8,
        "standard_deviation_before_audit": 0.5,
        "standard_deviation_after_audit": 0.0,
        "standard_deviation_lower_bound": 0.0,
        "gap_to_standard_deviation_lower_bound": 0.0,
    }
    wide = solve(crowded().cluster(), thresholds={CPU: 0.3})
    assert len(moves(wide)) == 2
    assert wide.indicators["standard_deviation_after_audit"] == pytest.approx(0.25)
    assert wide.notes[0].startswith("2 migrations lower the standard deviation")


def test_level_hosts_are_left_alone() -> None:
    solution = solve(crowded().cluster(), thresholds={CPU: 0.5})
    assert solution.actions == ()
    assert solution.notes == ("the hosts are level: instance_cpu_usage 0.5000",)


def test_memory_or_both_may_be_levelled() -> None:
    built = world().host("c1", vcpus_ratio=4.0).runs("busy", vcpus=4).runs("busy2", vcpus=4)
    built.host("c2", vcpus_ratio=4.0).runs("fat", memory_mb=6144).runs("fat2", memory_mb=6144)
    use = {CPU: {"busy": 100, "busy2": 100}, RAM: {"fat": 6000, "fat2": 6000}}
    rest = {CPU: 0.0, RAM: 0.0}
    assert set(moves(solve(built.cluster(), use, rest, metrics=[RAM]))) <= {"fat", "fat2"}
    both = solve(built.cluster(), use, rest, metrics=[CPU, RAM])
    assert len(moves(both)) == 2
    weights = {"instance_ram_usage_weight": 0.0}
    uneven = solve(built.cluster(), use, rest, metrics=[CPU, RAM], weights=weights)
    assert set(moves(uneven)) <= {"busy", "busy2"}
    assert any("instance_ram_usage" in note and "stays above" in note for note in uneven.notes)


def test_what_the_host_uses_besides_counts() -> None:
    built = world().host("c1").runs("a").runs("b").host("c2").runs("c").runs("d")
    level = solve(built.cluster())
    assert level.actions == ()
    busy = solve(built.cluster(), {HOST: {"c1": 75.0}})
    assert set(moves(busy).values()) == {("c1", "c2")}


def test_so_many_migrations_and_no_more() -> None:
    assert len(moves(solve(crowded().cluster(), max_migrations=1))) == 1


def test_host_choice_and_retries_change_nothing() -> None:
    cluster = crowded().cluster()
    usual = solve(cluster)
    for choice in ("cycle", "fullsearch"):
        assert solve(cluster, host_choice=choice, retry_count=50) == usual


# --- strategy-faults: each row a test


def test_fault_workload_stabilization_destination_ram_vcpu_allocation_is_never_checked() -> None:
    built = crowded(memory_mb=2048).host("full", memory_mb=1024).host("small", vcpus=0)
    solution = solve(built.cluster())
    assert {destination for _, destination in moves(solution).values()} == {"c2"}


def test_fault_workload_stabilization_fullsearch_names_a_vm_several_times() -> None:
    built = crowded().host("c3").host("c4")
    cluster = built.cluster()
    solution = solve(cluster, host_choice="fullsearch", thresholds={CPU: 0.01})
    moved = [action.resource_id for action in solution.actions]
    assert len(moved) == len(set(moved)) == 6
    plan = Planner().order(solution, cluster)
    plan.replay(cluster)


def test_fault_workload_stabilization_retry_count_larger_than_the_number_of_hosts() -> None:
    assert len(moves(solve(crowded().cluster(), retry_count=1000.5))) == 4


def test_fault_workload_stabilization_one_host_without_a_sample_aborts_the_audit() -> None:
    built = crowded().host("blind").runs("silent")
    values = {CPU: {f"vm{one}": 100.0 for one in range(8)}}
    solution = solve(built.cluster(), values, {})
    assert {destination for _, destination in moves(solution).values()} == {"c2"}
    assert "1 running instances have no measurement and stay" in solution.notes
    assert "1 hosts whose load is not known neither give nor take" in solution.notes
    told = solve(built.cluster(), {**values, HOST: {"blind": 10.0}}, {})
    assert {destination for _, destination in moves(told).values()} == {"c2", "blind"}


def test_fault_workload_stabilization_result_is_random() -> None:
    built = world()
    for number in range(6):
        built.host(f"c{number}")
        for one in range(number):
            built.runs(f"vm{number}-{one}")
    cluster = built.cluster()
    first = solve(cluster, thresholds={CPU: 0.01})
    assert all(solve(cluster, thresholds={CPU: 0.01}) == first for _ in range(3))


def test_nothing_measured_at_all_is_an_error() -> None:
    with pytest.raises(NoMetrics, match=CPU):
        solve(crowded().cluster(), {}, {})


def test_moves_that_were_left_out_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from watcher.solvers import levelling

    real = levelling.levelled

    def short(*given: Any) -> Any:
        found = real(*given)
        return replace(found, moves=found.moves[:-1], blocked=1)

    monkeypatch.setattr("watcher.strategies.workload_stabilization.levelled", short)
    assert solve(crowded().cluster()).notes[-1].startswith("1 moves were left out")


def test_what_is_asked_of_the_source() -> None:
    given = {"metrics": [CPU, RAM], "periods": {"instance": 60, "node": 30}}
    parameters = parse(Parameters, {**given, "aggregation_method": {"node": "max"}})
    asked = WorkloadStabilization().queries(parameters)
    assert [one.metric for one in asked] == [
        *(Metric.INSTANCE_CPU_USAGE, Metric.HOST_CPU_USAGE),
        *(Metric.INSTANCE_RAM_USAGE, Metric.HOST_RAM_USAGE),
    ]
    assert [one.period_s for one in asked] == [60, 30, 60, 30]
    assert [one.required for one in asked] == [True, False, True, False]
    assert (asked[0].aggregate, asked[1].aggregate) == (Aggregate.MEAN, Aggregate.MAX)


def test_its_parameters_are_those_of_the_contract_and_halves_are_filled_up() -> None:
    filled = with_defaults(schema(Parameters), {"periods": {"instance": 60}})
    assert filled["metrics"] == [CPU]
    assert filled["thresholds"] == {CPU: 0.1, RAM: 0.1}
    assert filled["weights"] == {f"{CPU}_weight": 1.0, f"{RAM}_weight": 1.0}
    assert filled["instance_metrics"] == {CPU: HOST, RAM: "host_ram_usage"}
    assert (filled["host_choice"], filled["retry_count"]) == ("retry", 1)
    assert filled["periods"] == {"instance": 60, "compute_node": 600, "node": 0}
    assert filled["aggregation_method"] == {"instance": "mean", "compute_node": "mean", "node": ""}
    assert filled["granularity"] == 300


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({"metrics": ["cpu_util"]}, "metrics"),
        ({"metrics": []}, "metrics"),
        ({"thresholds": {CPU: 1.5}}, "thresholds"),
        ({"weights": {"instance_cpu_usage_weight": -1}}, "weights"),
        ({"host_choice": "random"}, "host_choice"),
        ({"retry_count": 0}, "retry_count"),
        ({"periods": {"instance": -1}}, "periods"),
    ],
)
def test_what_cannot_be_is_refused_by_name(given: dict[str, Any], word: str) -> None:
    with pytest.raises(BadParameters, match=word):
        parse(Parameters, given)
