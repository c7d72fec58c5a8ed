# SPDX-License-Identifier: Apache-2.0
"""The strategy that does what it is told."""

from typing import Any

import pytest

from tests.worlds import world
from watcher.core.errors import BadParameters
from watcher.core.metrics import Metrics
from watcher.core.parameters import parse
from watcher.core.solution import Action, Solution
from watcher.strategies.actuator import Actuator, Parameters


def solve(*actions: dict[str, Any]) -> Solution:
    given = parse(Parameters, {"actions": list(actions)})
    return Actuator().solve(world().cluster(), Metrics(), given)


def test_the_actions_come_out_as_they_went_in() -> None:
    solution = solve(
        {"action_type": "nop", "input_parameters": {"message": "hi"}},
        {"action_type": "stop", "resource_id": "vm", "input_parameters": {}},
    )
    assert solution.actions == (Action("nop", {"message": "hi"}), Action("stop", {}, "vm"))


def test_a_repeated_action_is_done_once_and_noted() -> None:
    action = {"action_type": "nop", "input_parameters": {"message": "hi"}}
    solution = solve(action, action)
    assert len(solution.actions) == 1
    assert solution.notes == ("1 repeated actions are done once",)


def test_a_resource_among_the_input_parameters_is_refused() -> None:
    with pytest.raises(BadParameters, match="resource_id stands beside"):
        solve({"action_type": "stop", "input_parameters": {"resource_id": "vm"}})


@pytest.mark.parametrize(
    "action", [{"action_type": "nop"}, {"input_parameters": {}}, {"action_type": 1}, "nop"]
)
def test_an_incomplete_action_is_refused(action: Any) -> None:
    with pytest.raises(BadParameters):
        solve(action)


def test_the_actions_must_be_given() -> None:
    with pytest.raises(BadParameters):
        parse(Parameters, {})


def test_it_measures_nothing() -> None:
    assert Actuator().queries(Parameters(actions=[])) == ()
