# SPDX-License-Identifier: Apache-2.0
"""Taking work off hot hosts."""

from typing import Any

import pytest

from tests.plans import measured, moves
from tests.worlds import World, world
from watcher.core.cluster import Cluster
from watcher.core.errors import NoMetrics
from watcher.core.metrics import Metric
from watcher.core.parameters import parse, schema
from watcher.core.solution import Solution
from watcher.strategies.outlet_temperature import OutletTemperature, Parameters

OUT, IN, CPU = "host_outlet_temp", "host_inlet_temp", "instance_cpu_usage"


def solve(
    cluster: Cluster, outlet: dict[str, float], values: Any = None, **given: Any
) -> Solution:
    parameters = parse(Parameters, given)
    queries = OutletTemperature().queries(parameters)
    metrics = measured(cluster, queries, {OUT: outlet, **(values or {})})
    return OutletTemperature().solve(cluster, metrics, parameters)


def hot_and_cool() -> World:
    built = world().host("hot").runs("big", vcpus=4).runs("idle", vcpus=2).runs("small", vcpus=1)
    return built.host("mild").runs("m").host("cool").runs("c")


def test_what_works_goes_to_the_coolest_host_by_host_names() -> None:
    use = {CPU: {"big": 50, "idle": 0, "small": 100, "m": 100, "c": 100}}
    inlet = {IN: dict.fromkeys(("hot", "mild", "cool"), 20.0)}
    solution = solve(
        hot_and_cool().cluster(), {"hot": 36, "mild": 26, "cool": 25}, {**use, **inlet}
    )
    assert moves(solution) == {"small": ("hot", "cool")}
    assert solution.indicators == {
        "instance_migrations_count": 1,
        "hosts_above_threshold_before": 1,
        "hosts_above_threshold_expected": 0,
    }
    assert solution.notes == ("1 hosts at or above 35 degrees are expected below it",)
    assert solution.actions[0].parameters["migration_type"] == "live"


def test_without_cpu_and_inlet_it_goes_by_vcpus_and_the_coolest_outlet() -> None:
    solution = solve(hot_and_cool().cluster(), {"hot": 36, "mild": 26, "cool": 25})
    # 11 degrees for 6 threads more than on the coolest: one is too little, two are enough.
    assert moves(solution) == {"small": ("hot", "cool")}


def test_no_host_is_hot() -> None:
    solution = solve(hot_and_cool().cluster(), {"hot": 34, "mild": 26, "cool": 25})
    assert solution.actions == ()
    assert solution.notes == ("no host has an outlet temperature of 35 degrees or more",)


def test_a_host_without_a_temperature_neither_gives_nor_takes() -> None:
    solution = solve(hot_and_cool().cluster(), {"hot": 36, "mild": 26})
    assert moves(solution) == {"small": ("hot", "mild")}
    assert solution.notes[-1] == "1 hosts without an outlet temperature neither give nor take"


def test_disabled_hosts_take_nothing_and_the_note_says_what_stays() -> None:
    built = world().host("hot").runs("a").host("off", enabled=False)
    solution = solve(built.cluster(), {"hot": 36, "off": 20})
    assert solution.actions == ()
    assert "1 of 1 hosts stay at or above 35 degrees" in solution.notes[0]


def test_so_many_migrations_and_no_more() -> None:
    built = hot_and_cool()
    everything = solve(built.cluster(), {"hot": 36, "mild": 11, "cool": 10}, threshold=25)
    assert len(moves(everything)) > 1
    one = solve(
        built.cluster(), {"hot": 36, "mild": 11, "cool": 10}, threshold=25, max_migrations=1
    )
    assert len(moves(one)) == 1


def test_no_temperature_at_all_is_an_error() -> None:
    with pytest.raises(NoMetrics, match=OUT):
        solve(hot_and_cool().cluster(), {})


def test_it_looks_back_one_bucket_at_least() -> None:
    outlet, inlet, cpu = OutletTemperature().queries(Parameters())
    assert (outlet.metric, outlet.period_s, outlet.required) == (
        Metric.HOST_OUTLET_TEMP,
        300,
        True,
    )
    assert not inlet.required
    assert not cpu.required
    assert OutletTemperature().queries(parse(Parameters, {"period": 900}))[0].period_s == 900


def test_its_parameters_are_those_of_the_contract() -> None:
    properties = schema(Parameters)["properties"]
    assert properties["threshold"]["default"] == 35.0
    assert (properties["period"]["default"], properties["granularity"]["default"]) == (30, 300)


def test_a_report_draws_its_threshold() -> None:
    assert OutletTemperature().marks(parse(Parameters, {"threshold": 31.0})) == {OUT: 31.0}
