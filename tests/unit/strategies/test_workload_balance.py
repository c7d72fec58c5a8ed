# SPDX-License-Identifier: Apache-2.0
"""Balancing by relative load, in one plan."""

from typing import Any

import numpy as np
import pytest

from tests.plans import measured, moves
from tests.worlds import World, world
from watcher.core.cluster import Cluster
from watcher.core.errors import BadParameters, NoMetrics
from watcher.core.metrics import Metric
from watcher.core.parameters import parse, schema
from watcher.core.placement import Move
from watcher.core.solution import Solution
from watcher.strategies.workload_balance import Parameters, WorkloadBalance, _Case

CPU, RAM = "instance_cpu_usage", "instance_ram_usage"


def solve(
    cluster: Cluster, values: dict[str, float], default: float | None = None, **given: Any
) -> Solution:
    """The solution when instances use so many percent of their vCPUs (or MiB)."""
    parameters = parse(Parameters, given)
    queries = WorkloadBalance().queries(parameters)
    defaults = {} if default is None else {parameters.metrics: default}
    metrics = measured(cluster, queries, {parameters.metrics: values}, defaults)
    return WorkloadBalance().solve(cluster, metrics, parameters)


def crowded(vms: int = 8, **fields: Any) -> World:
    """All instances on c1, nothing on c2."""
    built = world().host("c1")
    for number in range(vms):
        built.runs(f"vm{number}", **fields)
    return built.host("c2")


def test_a_busy_host_gives_half_to_an_idle_one_in_one_plan() -> None:
    solution = solve(crowded().cluster(), {}, 100)
    assert len(moves(solution)) == 4
    assert set(moves(solution).values()) == {("c1", "c2")}
    assert solution.indicators["standard_deviation_before_audit"] == pytest.approx(0.5)
    assert solution.indicators["standard_deviation_after_audit"] == pytest.approx(0)
    assert solution.indicators["instance_migrations_count"] == 4
    assert solution.indicators["instances_count"] == 8


def test_all_migrations_are_live_and_named_by_host_name() -> None:
    action = solve(crowded().cluster(), {}, 100).actions[0]
    assert action.parameters["migration_type"] == "live"
    assert action.parameters["destination_node"] == "c2"


def test_fault_workload_balance_averages_absolute_cores() -> None:
    """Upstream compared absolute cores with an average over hosts of different size: no move."""
    built = world().host("c1", vcpus=10)
    for number in range(9):
        built.runs(f"vm{number}")
    cluster = built.host("c2", vcpus=40).runs("a", vcpus=6).host("c3", vcpus=40).runs("b", vcpus=6)
    solution = solve(cluster.cluster(), {}, 100, threshold=25)
    assert moves(solution)
    assert {source for source, _ in moves(solution).values()} == {"c1"}
    assert solution.indicators["busiest_host_percent_after"] < 50


def test_load_is_relative_so_a_small_host_is_busier_than_a_large_one() -> None:
    built = world().host("small", vcpus=4).runs("a", vcpus=2).runs("b", vcpus=2)
    cluster = built.host("large", vcpus=64).runs("c", vcpus=8).cluster()
    assert {source for source, _ in moves(solve(cluster, {}, 100)).values()} == {"small"}


def test_fault_workload_balance_dies_of_an_instance_without_a_sample() -> None:
    """Upstream raised KeyError."""
    values = {f"vm{number}": 100.0 for number in range(1, 8)}
    solution = solve(crowded().cluster(), values)
    assert "vm0" not in moves(solution)
    assert len(moves(solution)) == 3
    assert any("1 running instances have no measurement" in note for note in solution.notes)


def test_a_host_with_an_unmeasured_instance_takes_no_others() -> None:
    cluster = crowded().runs("unknown").host("c3").cluster()
    values = {f"vm{number}": 100.0 for number in range(8)}
    assert {target for _, target in moves(solve(cluster, values)).values()} == {"c3"}


def test_a_stopped_instance_needs_no_sample() -> None:
    cluster = crowded().runs("off", state="stopped").cluster()
    values = {f"vm{number}": 100.0 for number in range(8)}
    solution = solve(cluster, values)
    assert {target for _, target in moves(solution).values()} == {"c2"}
    assert not any("no measurement" in note for note in solution.notes)


def test_no_metrics_at_all_is_an_error_not_a_balanced_cloud() -> None:
    with pytest.raises(NoMetrics, match="instance_cpu_usage has no sample"):
        solve(crowded().cluster(), {})


def test_zero_load_is_not_missing_load() -> None:
    solution = solve(crowded().cluster(), {}, 0)
    assert not solution.actions
    assert solution.notes == (
        "no host is at or above the threshold of 25 %: the busiest is at 0.0 %",
    )


def test_below_the_threshold_nothing_moves() -> None:
    assert not solve(crowded().cluster(), {}, 50, threshold=51).actions
    assert solve(crowded().cluster(), {}, 50, threshold=50).actions


def test_an_evenly_busy_cloud_is_left_alone_and_the_note_says_why() -> None:
    built = world()
    for name in ("c1", "c2"):
        built.host(name).runs(f"{name}a", vcpus=4).runs(f"{name}b", vcpus=4)
    solution = solve(built.cluster(), {}, 90)
    assert not solution.actions
    assert "no move would lower the load" in solution.notes[0]


def test_a_move_that_gains_too_little_is_not_made() -> None:
    cluster = crowded(2).cluster()
    assert solve(cluster, {}, 100, threshold=0, min_gain_percent=12).actions
    assert not solve(cluster, {}, 100, threshold=0, min_gain_percent=13).actions


def test_the_number_of_migrations_can_be_limited() -> None:
    assert len(moves(solve(crowded().cluster(), {}, 100, max_migrations=1))) == 1


def test_paused_is_moved_live_but_stopped_and_locked_stay() -> None:
    built = world().host("c1").runs("p", state="paused", vcpus=4).runs("s", state="stopped")
    cluster = built.runs("l", locked=True, vcpus=3).host("c2").cluster()
    assert set(moves(solve(cluster, {}, 100))) == {"p"}


def test_memory_can_be_balanced() -> None:
    cluster = crowded(8, memory_mb=2048).cluster()
    solution = solve(cluster, {}, 1024, metrics=RAM)
    assert len(moves(solution)) == 4
    assert solution.indicators["standard_deviation_before_audit"] == pytest.approx(0.25)


def test_a_destination_needs_room_by_allocation() -> None:
    cluster = world().host("c1").runs("a", memory_mb=4096).runs("b", memory_mb=4096)
    assert not solve(cluster.host("c2", memory_mb=2048).cluster(), {}, 100, threshold=0).actions


def test_where_the_coldest_host_is_full_the_next_one_takes_it() -> None:
    built = world().host("c1").runs("a", memory_mb=4096, vcpus=4)
    built.runs("b", vcpus=4, locked=True)
    cluster = built.host("c2", memory_mb=2048).host("c3").runs("c").cluster()
    assert moves(solve(cluster, {"b": 50, "a": 100, "c": 50}))["a"] == ("c1", "c3")


def test_moves_that_wait_for_each_other_in_a_circle_are_left_out() -> None:
    built = world().host("c1").runs("a", memory_mb=16384).host("c2").runs("b", memory_mb=16384)
    cluster = built.cluster()
    case = _Case(cluster, np.array([50.0, 60.0]), Parameters())
    swap = [
        Move(0, *map(int, cluster.instances.host)),
        Move(1, *map(int, cluster.instances.host[::-1])),
    ]
    assert case._feasible(swap) == []
    assert any("2 moves were left out" in note for note in case.notes([]))


def test_what_is_left_of_broken_moves_is_not_made_when_it_makes_things_worse() -> None:
    cluster = world().host("c1").runs("a").host("c2").runs("b").cluster()
    case = _Case(cluster, np.full(2, 50.0), Parameters())
    ends = [int(row) for row in cluster.instances.host]
    assert case._feasible([Move(0, ends[0], ends[1])]) == []
    assert case.blocked == 1


def test_it_asks_one_question_about_all_instances() -> None:
    queries = WorkloadBalance().queries(Parameters(period=600, granularity=60))
    assert [(one.metric, one.period_s, one.granularity_s) for one in queries] == [
        (Metric.INSTANCE_CPU_USAGE, 600, 60)
    ]


def test_the_choice_of_metric_is_enforced() -> None:
    with pytest.raises(BadParameters):
        parse(Parameters, {"metrics": "host_power"})


def test_its_parameters_are_those_of_the_contract() -> None:
    properties = schema(Parameters)["properties"]
    defaults = {name: spec["default"] for name, spec in properties.items()}
    assert defaults["metrics"] == "instance_cpu_usage"
    assert (defaults["threshold"], defaults["period"], defaults["granularity"]) == (25.0, 300, 300)
    assert {properties[name]["type"] for name in ("threshold", "period", "granularity")} == {
        "number"
    }


def test_what_is_not_measured_is_among_what_was_refused() -> None:
    built = world().host("c1").runs("a").runs("b").host("c2").runs("c")
    refused = solve(built.cluster(), {"a": 10.0, "c": 10.0}).why_not
    assert refused is not None
    assert [one.reason for one in refused.instances] == ["its load is not measured"]


def test_a_report_draws_its_threshold_for_the_load_it_balances() -> None:
    given = {"metrics": "instance_ram_usage", "threshold": 70.0}
    assert WorkloadBalance().marks(parse(Parameters, given)) == {"instance_ram_usage": 70.0}
