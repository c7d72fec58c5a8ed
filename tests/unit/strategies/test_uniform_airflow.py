# SPDX-License-Identifier: Apache-2.0
"""Taking work off hosts with a high air flow, and all of it where the fans are to blame."""

from typing import Any

import pytest

from tests.plans import measured, moves
from tests.worlds import World, world
from watcher.core.cluster import Cluster
from watcher.core.errors import NoMetrics
from watcher.core.parameters import parse, schema
from watcher.core.solution import Solution
from watcher.strategies.uniform_airflow import Parameters, UniformAirflow

AIR, IN, POWER = "host_airflow", "host_inlet_temp", "host_power"


def solve(
    cluster: Cluster, airflow: dict[str, float], values: Any = None, **given: Any
) -> Solution:
    parameters = parse(Parameters, given)
    queries = UniformAirflow().queries(parameters)
    metrics = measured(cluster, queries, {AIR: airflow, **(values or {})})
    return UniformAirflow().solve(cluster, metrics, parameters)


def two() -> World:
    built = world().host("loud").runs("a", vcpus=4).runs("b", vcpus=2).runs("e")
    built.host("mild").runs("m")
    return built.host("quiet").runs("q")


FLOWS = {"loud": 420.0, "mild": 250.0, "quiet": 200.0}
FAULT = {IN: {"loud": 22.0}, POWER: {"loud": 200.0}}


def test_one_instance_goes_to_the_quietest_host() -> None:
    solution = solve(two().cluster(), FLOWS)
    assert moves(solution) == {"e": ("loud", "quiet")}
    assert solution.indicators == {
        "instance_migrations_count": 1,
        "hosts_above_threshold_before": 1,
        "hosts_above_threshold_expected": 0,
        "hosts_with_fan_fault_count": 0,
    }
    assert solution.notes == ("1 hosts at or above 400 (0.1 CFM) are relieved",)


def test_a_cool_host_with_little_power_has_a_fault_and_is_emptied() -> None:
    solution = solve(two().cluster(), FLOWS, FAULT)
    assert set(moves(solution)) == {"a", "b", "e"}
    assert solution.indicators["hosts_with_fan_fault_count"] == 1
    assert solution.indicators["hosts_above_threshold_expected"] == 0
    assert solution.notes[-1] == "host loud is cool and idle at high air flow: look at its fans"


@pytest.mark.parametrize("missing", [IN, POWER])
def test_what_is_not_measured_is_no_sign_of_a_fault(missing: str) -> None:
    values = {name: column for name, column in FAULT.items() if name != missing}
    assert set(moves(solve(two().cluster(), FLOWS, values))) == {"e"}


@pytest.mark.parametrize("reason", [{IN: {"loud": 30.0}}, {POWER: {"loud": 400.0}}])
def test_a_warm_host_or_one_that_works_has_its_reason(reason: dict[str, Any]) -> None:
    assert set(moves(solve(two().cluster(), FLOWS, {**FAULT, **reason}))) == {"e"}


def test_all_of_a_faulty_host_or_nothing() -> None:
    built = two()
    built.instances[1] = built.instances[1]._replace(locked=True)
    solution = solve(built.cluster(), FLOWS, FAULT)
    assert solution.actions == ()
    assert "1 of 1 hosts stay at or above 400" in solution.notes[0]


def test_no_host_is_loud_and_silent_ones_are_told() -> None:
    solution = solve(two().cluster(), {"loud": 390.0})
    assert solution.actions == ()
    assert solution.notes == (
        "no host has an air flow of 400 (0.1 CFM) or more",
        "2 hosts without an air flow neither give nor take",
    )


def test_so_many_migrations_and_no_more() -> None:
    flows = {"loud": 500.0, "mild": 100.0, "quiet": 90.0}
    cluster = two().cluster()
    assert len(moves(solve(cluster, flows, threshold_airflow=300))) == 2
    assert len(moves(solve(cluster, flows, threshold_airflow=300, max_migrations=1))) == 1


def test_no_air_flow_at_all_is_an_error() -> None:
    with pytest.raises(NoMetrics, match=AIR):
        solve(two().cluster(), {})


def test_its_parameters_are_those_of_the_contract() -> None:
    properties = schema(Parameters)["properties"]
    defaults = {name: rule["default"] for name, rule in properties.items()}
    assert (defaults["threshold_airflow"], defaults["threshold_inlet_t"]) == (400.0, 28.0)
    assert (defaults["threshold_power"], defaults["period"]) == (350.0, 300)
    assert defaults["granularity"] == 300


def test_a_report_draws_its_thresholds() -> None:
    given = {"threshold_airflow": 410.0, "threshold_inlet_t": 29.0, "threshold_power": 360.0}
    assert UniformAirflow().marks(parse(Parameters, given)) == {
        "host_airflow": 410.0,
        "host_inlet_temp": 29.0,
        "host_power": 360.0,
    }
