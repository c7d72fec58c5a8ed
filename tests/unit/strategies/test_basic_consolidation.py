# SPDX-License-Identifier: Apache-2.0
"""Emptying the least loaded hosts, by measured CPU."""

from typing import Any

import pytest

from tests.plans import carried_out, measured, moves, switched
from tests.worlds import World, world
from watcher.core.cluster import Cluster
from watcher.core.errors import BadParameters, NoMetrics
from watcher.core.metrics import Aggregate
from watcher.core.parameters import parse, schema, with_defaults
from watcher.core.solution import Solution
from watcher.planners.weight import Weight
from watcher.strategies.basic_consolidation import BasicConsolidation, Parameters

CPU, HOST = "instance_cpu_usage", "host_cpu_usage"


def solve(
    cluster: Cluster,
    values: dict[str, float] | None = None,
    default: float | None = 10,
    hosts: dict[str, float] | None = None,
    **given: Any,
) -> Solution:
    """The solution when instances use so many percent of their vCPUs."""
    parameters = parse(Parameters, with_defaults(schema(Parameters), given))
    queries = BasicConsolidation().queries(parameters)
    answers = {CPU: values or {}} | ({HOST: hosts} if hosts else {})
    metrics = measured(cluster, queries, answers, {} if default is None else {CPU: default})
    return BasicConsolidation().solve(cluster, metrics, parameters)


def three() -> World:
    """Hosts of 8 vCPUs with 1, 2 and 3 instances of one."""
    built = world()
    for host, number in (("c1", 1), ("c2", 2), ("c3", 3)):
        built.host(host)
        for one in range(number):
            built.runs(f"{host}-{one}")
    return built


def test_the_least_loaded_hosts_are_emptied_and_disabled() -> None:
    solution = solve(three().cluster())
    assert switched(solution) == {"c1": "watcher_disabled", "c2": "watcher_disabled"}
    assert {destination for _, destination in moves(solution).values()} == {"c3"}
    assert solution.indicators == {
        "compute_nodes_count": 3,
        "released_compute_nodes_count": 2,
        "instance_migrations_count": 3,
        "hosts_in_use_before": 3,
        "hosts_in_use_after": 1,
        "hosts_in_use_lower_bound": 1,
        "gap_to_lower_bound_percent": 0.0,
    }
    assert solution.notes[0] == "2 of 3 hosts in use are emptied and disabled"


def test_all_moves_are_live_and_named() -> None:
    (first, *_) = (one for one in solve(three().cluster()).actions if one.type == "migrate")
    assert first.parameters["migration_type"] == "live"
    assert first.parameters["source_node"] == "c1"


# --- strategy-faults: each row a test


def test_fault_basic_moves_vms_to_a_disabled_host_without_enabling_it() -> None:
    built = world().host("c1").runs("vm1")
    built.host("c2", enabled=False, disabled_reason="hardware fault").runs("vm2", vcpus=2)
    solution = solve(built.cluster())
    assert solution.actions == ()
    assert "none of the 1 hosts in use can be emptied" in solution.notes[0]


def test_fault_basic_ignores_measured_cpu() -> None:
    built = world()
    for number in range(4):
        built.host(f"c{number}", vcpus=4, vcpus_ratio=16.0).runs(f"vm{number}", vcpus=4)
    solution = solve(built.cluster(), default=80)
    assert solution.actions == ()
    idle = solve(built.cluster(), default=15)
    assert idle.indicators["hosts_in_use_after"] == 1


def test_what_the_host_itself_uses_counts_too() -> None:
    built = world().host("c1").runs("vm1", vcpus=2).host("c2").runs("vm2", vcpus=3)
    assert moves(solve(built.cluster(), default=50))
    busy = solve(built.cluster(), default=50, hosts={"c2": 75.0, "c1": 12.5})
    assert set(moves(busy)) <= {"vm2"}


def test_a_host_is_never_emptied_in_part() -> None:
    built = world().host("c1").runs("vm1").runs("off", state="stopped")
    solution = solve(built.host("c2").runs("vm2", vcpus=2).cluster())
    assert solution.actions == ()
    assert "1 hosts keep an instance that may not be moved live" in solution.notes[1]


def test_an_instance_without_a_measurement_counts_as_busy_and_0_is_0() -> None:
    built = world()
    for number in range(2):
        built.host(f"c{number}", vcpus_ratio=4.0).runs(f"vm{number}", vcpus=8)
    idle = solve(built.cluster(), {"vm0": 0, "vm1": 0}, None)
    assert len(moves(idle)) == 1
    blind = solve(built.cluster(), {"vm0": 1}, None)
    assert blind.actions == ()
    assert "1 running instances have no measurement" in blind.notes[-1]


def test_no_measurement_at_all_is_an_error() -> None:
    with pytest.raises(NoMetrics, match="instance_cpu_usage"):
        solve(three().cluster(), {}, None)


def test_so_many_hosts_tried_in_vain_end_it() -> None:
    built = world().host("c1", zone="az1").runs("vm1", pinned_zone="az1")
    built.host("c2", zone="az2").runs("vm2", vcpus=2).host("c3", zone="az2").runs("vm3", vcpus=3)
    cluster = built.cluster()
    assert set(moves(solve(cluster, migration_attempts=1))) == {"vm2"}
    assert set(moves(solve(cluster, migration_attempts=0))) == {"vm2"}


def test_a_second_audit_finds_nothing_more() -> None:
    cluster = three().cluster()
    plan = Weight().order(solve(cluster), cluster)
    assert solve(carried_out(plan, cluster)).actions == ()


def test_hosts_without_instances_need_no_plan_and_have_no_bound() -> None:
    solution = solve(world().host("c1").cluster())
    assert solution.actions == ()
    assert solution.indicators["gap_to_lower_bound_percent"] == 0.0


def test_how_samples_become_one_number_is_asked_of_the_source() -> None:
    parameters = parse(Parameters, {"period": 60, "aggregation_method": {"instance": "max"}})
    of_instances, of_hosts = BasicConsolidation().queries(parameters)
    assert (of_instances.aggregate, of_hosts.aggregate) == (Aggregate.MAX, Aggregate.MEAN)
    assert (of_instances.period_s, of_instances.granularity_s) == (60, 300)
    assert (of_instances.required, of_hosts.required) == (True, False)
    old = parse(Parameters, {"aggregation_method": {"node": "min", "compute_node": "max"}})
    assert BasicConsolidation().queries(old)[1].aggregate is Aggregate.MIN


def test_its_parameters_are_those_of_the_contract() -> None:
    spec = schema(Parameters)
    defaults = {name: rule.get("default") for name, rule in spec["properties"].items()}
    assert (defaults["migration_attempts"], defaults["period"]) == (0, 7200)
    assert defaults["granularity"] == 300
    filled = with_defaults(spec, {"aggregation_method": {"instance": "max"}})
    assert filled["aggregation_method"] == {"instance": "max", "compute_node": "mean", "node": ""}
    with pytest.raises(BadParameters, match=r"aggregation_method\.instance"):
        parse(Parameters, {"aggregation_method": {"instance": "count"}})


@pytest.mark.parametrize("word", ["false", "No", "0", " off ", ""])
def test_instances_that_want_no_optimisation_are_left_alone_where_that_counts(word: str) -> None:
    built = world().host("c1").runs("a", metadata={"optimize": word})
    cluster = built.host("c2").runs("b").runs("c", metadata={"optimize": "true"}).cluster()
    assert set(moves(solve(cluster))) == {"a"}
    assert set(moves(solve(cluster, check_optimize_metadata=False))) == {"a"}
    solution = solve(cluster, check_optimize_metadata=True)
    assert moves(solution) == {}
    assert solution.why_not is not None
    assert [one.reason for one in solution.why_not.instances] == ["its metadata optimize says no"]
