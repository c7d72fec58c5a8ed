# SPDX-License-Identifier: Apache-2.0
"""The strategy that asks scoring engines, and the engines."""

import json

import pytest

from tests.worlds import world
from watcher.core.errors import Invalid
from watcher.core.metrics import Metrics
from watcher.core.parameters import schema
from watcher.core.protocols import Scorer
from watcher.core.solution import nop, sleep
from watcher.strategies.dummy_with_scorer import (
    FEATURES,
    WORKLOADS,
    DummyScorer,
    DummyWithScorer,
    Parameters,
    dummy_scorers,
)


def workload(**features: float) -> str:
    """What the dummy scorer recognises when all other features are 0."""
    values = [features.get(name, 0) for name in FEATURES]
    (number,) = json.loads(DummyScorer().calculate_score(json.dumps(values)))
    return WORKLOADS[number]


@pytest.mark.parametrize(
    ("features", "name"),
    [
        ({}, "idle"),
        ({"cpu_user_percent": 40, "cpu_system_percent": 10}, "cpu"),
        ({"cpu_user_percent": 49}, "idle"),
        ({"memory_used_percent": 80, "cpu_user_percent": 90}, "memory"),
        ({"swap_used_percent": 1}, "memory"),
        ({"network_in_mib_s": 20, "network_out_mib_s": 30, "swap_used_percent": 1}, "network"),
        ({"disk_read_mib_s": 50, "network_in_mib_s": 60}, "storage"),
        ({"cpu_iowait_percent": 20}, "storage"),
    ],
)
def test_the_scorer_recognises_workloads(features: dict[str, float], name: str) -> None:
    assert workload(**features) == name


def test_its_metainfo_names_nine_features_and_the_workloads() -> None:
    told = json.loads(DummyScorer().metainfo)
    assert told["feature_columns"] == list(FEATURES)
    assert len(FEATURES) == 9
    assert told["workloads"] == list(WORKLOADS)


def test_the_container_gives_three_engines() -> None:
    scores = {
        one.name: json.loads(one.calculate_score("[1, 2, 6]"))
        for one in dummy_scorers()
        if isinstance(one, Scorer) and one.metainfo == ""
    }
    assert scores == {"dummy_min_scorer": [1], "dummy_max_scorer": [6], "dummy_avg_scorer": [3]}


@pytest.mark.parametrize(
    "features", ["", "{", "3", '["a"]', "[null]", "[NaN]", "[1, 2]", "[1e999]", "[]"]
)
def test_features_that_are_none_are_refused_in_words(features: str) -> None:
    with pytest.raises(Invalid, match="dummy_scorer: "):
        DummyScorer().calculate_score(features)


def test_nothing_has_no_average() -> None:
    with pytest.raises(Invalid, match="dummy_avg_scorer: one feature"):
        dummy_scorers()[2].calculate_score("[]")


def test_it_says_the_greeting_the_workload_and_the_average() -> None:
    given = Parameters(param1=6.0, param2="bye")
    solution = DummyWithScorer().solve(world().cluster(), Metrics(), given)
    assert solution.actions == (
        nop("bye"),
        nop("detected workload: cpu"),
        nop("average: 3"),
        sleep(5.0),
    )


def test_it_asks_the_engines_it_is_given() -> None:
    smallest, *_ = dummy_scorers()
    solution = DummyWithScorer(average=smallest).solve(
        world().cluster(), Metrics(), Parameters(param1=6.0)
    )
    assert nop("average: 1") in solution.actions


def test_its_parameters_are_those_of_the_contract() -> None:
    properties = schema(Parameters)["properties"]
    param1 = properties["param1"]
    assert (param1["default"], param1["minimum"], param1["maximum"]) == (3.2, 1.0, 10.2)
    assert properties["param2"]["default"] == "hello"
    assert DummyWithScorer().queries(Parameters()) == ()
