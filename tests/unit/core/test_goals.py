# SPDX-License-Identifier: Apache-2.0
"""Tests of watcher.core.goals."""

import json

import numpy as np
import pytest

from watcher.core import goals
from watcher.core.errors import Invalid
from watcher.core.goals import (
    HARDWARE_MAINTENANCE,
    SERVER_CONSOLIDATION,
    WORKLOAD_BALANCING,
    Decrease,
    Goal,
    Indicator,
    Ratio,
    efficacy,
)

RELEASED = {
    "compute_nodes_count": 8,
    "released_compute_nodes_count": 2,
    "instance_migrations_count": 5,
}


def test_there_are_ten_goals_with_the_names_of_the_contract():
    assert {goal.name: goal.display_name for goal in goals.GOALS} == {
        "unclassified": "Unclassified",
        "dummy": "Dummy goal",
        "server_consolidation": "Server Consolidation",
        "thermal_optimization": "Thermal Optimization",
        "workload_balancing": "Workload Balancing",
        "airflow_optimization": "Airflow Optimization",
        "noisy_neighbor": "Noisy Neighbor",
        "saving_energy": "Saving Energy",
        "hardware_maintenance": "Hardware Maintenance",
        "cluster_maintaining": "Cluster Maintaining",
    }


@pytest.mark.parametrize(
    ("goal", "indicators", "efficacies"),
    [
        (SERVER_CONSOLIDATION, list(RELEASED), ["released_nodes_ratio"]),
        (
            WORKLOAD_BALANCING,
            [
                "instance_migrations_count",
                "instances_count",
                "standard_deviation_after_audit",
                "standard_deviation_before_audit",
            ],
            ["live_migrations_count", "standard_deviation_decrease"],
        ),
        (
            HARDWARE_MAINTENANCE,
            [
                "live_migrate_instance_count",
                "planned_live_migrate_instance_count",
                "cold_migrate_instance_count",
                "planned_cold_migrate_instance_count",
                "volume_migrate_count",
                "planned_volume_migrate_count",
                "volume_update_count",
                "planned_volume_update_count",
            ],
            [
                "live_instance_migrate_ratio",
                "cold_instance_migrate_ratio",
                "volume_migrate_ratio",
                "volume_update_ratio",
            ],
        ),
    ],
    ids=lambda value: value.name if isinstance(value, Goal) else "",
)
def test_indicators_have_the_names_of_the_contract(goal, indicators, efficacies):
    named, ours = goal.indicators[: len(indicators)], goal.indicators[len(indicators) :]
    assert [indicator.name for indicator in named] == indicators
    assert not any(indicator.required for indicator in ours)
    assert [formula.name for formula in goal.formulas] == efficacies


def test_formulas_use_indicators_of_their_goal():
    for goal in goals.GOALS:
        names = {indicator.name for indicator in goal.indicators}
        for formula in goal.formulas:
            used = [value for key, value in vars(formula).items() if key not in _TEXTS]
            assert len(used) == 2
            assert names.issuperset(used), formula.name


_TEXTS = ("name", "description")


def test_the_schema_of_an_indicator_is_published_as_text():
    specification = WORKLOAD_BALANCING.specification()
    assert {frozenset(one) for one in specification} == {
        frozenset({"name", "description", "unit", "schema"})
    }
    schemas = {one["name"]: one["schema"] for one in specification}
    assert schemas["instances_count"] == '{"type": "integer", "minimum": 0}'
    assert json.loads(schemas["standard_deviation_after_audit"])["type"] == "number"


def test_a_goal_without_indicators_publishes_an_empty_list():
    assert goals.DUMMY.specification() == []


def test_efficacy_of_a_consolidation_is_the_share_of_released_hosts():
    rows, total = efficacy(SERVER_CONSOLIDATION, RELEASED)
    assert {row["name"]: row["value"] for row in rows} == RELEASED
    assert [(one["name"], one["unit"], one["value"]) for one in total] == [
        ("released_nodes_ratio", "%", 25.0)
    ]


def test_a_solution_without_numbers_has_no_efficacy():
    assert efficacy(SERVER_CONSOLIDATION, {}) == ([], [])
    assert efficacy(goals.DUMMY, {}) == ([], [])


def test_a_required_indicator_that_is_missing_is_named():
    with pytest.raises(Invalid, match="needs the efficacy indicator instance_migrations_count"):
        efficacy(SERVER_CONSOLIDATION, {**RELEASED, "instance_migrations_count": None})


def test_an_optional_indicator_may_be_missing_and_takes_its_formula_along():
    rows, total = efficacy(
        WORKLOAD_BALANCING, {"instance_migrations_count": 3, "instances_count": None}
    )
    assert [row["name"] for row in rows] == ["instance_migrations_count"]
    assert total == []


def test_indicators_the_goal_does_not_declare_come_last_and_may_be_negative():
    rows, _ = efficacy(SERVER_CONSOLIDATION, {"lower_bound_gap": -1.5, **RELEASED})
    assert rows[-1] == {
        "name": "lower_bound_gap",
        "description": "Lower bound gap, given by the strategy.",
        "unit": None,
        "value": -1.5,
    }
    assert [row["name"] for row in rows[:3]] == list(RELEASED)


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        (-1, "must be 0 or more, not -1.0"),
        (1.5, "must be a whole number, not 1.5"),
        ("many", "must be a number, not 'many'"),
        ([3], "must be a number"),
        (float("nan"), "must be finite"),
        (float("inf"), "must be finite"),
    ],
)
def test_a_value_its_schema_does_not_allow_is_refused(value, complaint):
    with pytest.raises(Invalid, match=complaint):
        efficacy(SERVER_CONSOLIDATION, {**RELEASED, "released_compute_nodes_count": value})


def test_an_extra_indicator_must_be_a_finite_number():
    with pytest.raises(Invalid, match="efficacy indicator gap of goal dummy must be finite"):
        efficacy(goals.DUMMY, {"gap": float("nan")})


def test_numbers_of_numpy_become_plain_numbers_for_json():
    rows, _ = efficacy(SERVER_CONSOLIDATION, {name: np.int64(1) for name in RELEASED})
    assert [type(row["value"]) for row in rows] == [int] * 3
    rows, total = efficacy(
        WORKLOAD_BALANCING,
        {
            "instance_migrations_count": np.int64(2),
            "standard_deviation_before_audit": np.float64(0.2),
            "standard_deviation_after_audit": np.float64(0.05),
        },
    )
    assert type(rows[-1]["value"]) is float
    assert [(one["name"], round(one["value"], 6)) for one in total] == [
        ("standard_deviation_decrease", 75.0)
    ]
    json.dumps([rows, total])


def test_a_share_of_nothing_is_zero():
    ratio = Ratio("r", "d", part="planned", of="candidates")
    assert ratio.value({"planned": 3, "candidates": 0}) == 0.0
    assert ratio.value({"planned": 0, "candidates": 0}) == 0.0
    assert ratio.value({"planned": 3}) is None
    assert ratio.value({"candidates": 3}) is None


def test_a_decrease_is_negative_when_it_grew_and_zero_from_nothing():
    decrease = Decrease("d", "d", before="b", after="a")
    assert decrease.value({"b": 2.0, "a": 3.0}) == -50.0
    assert decrease.value({"b": 0.0, "a": 3.0}) == 0.0
    assert decrease.value({"b": 2.0}) is None
    assert decrease.value({"a": 2.0}) is None


def test_the_maintenance_ratios_are_planned_of_possible():
    counts = dict.fromkeys((one.name for one in HARDWARE_MAINTENANCE.indicators), 0)
    counts |= {"live_migrate_instance_count": 4, "planned_live_migrate_instance_count": 3}
    _, total = efficacy(HARDWARE_MAINTENANCE, counts)
    assert [one["value"] for one in total] == [75.0, 0.0, 0.0, 0.0]


def test_an_indicator_says_its_schema():
    assert Indicator("n", "d", minimum=1).schema == {"type": "integer", "minimum": 1}


def test_a_global_efficacy_beyond_all_numbers_is_left_out():
    values = {"instance_migrations_count": 1}
    values |= {"standard_deviation_before_audit": 5e-324, "standard_deviation_after_audit": 1e300}
    assert efficacy(WORKLOAD_BALANCING, values)[1] == []
