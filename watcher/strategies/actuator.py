# SPDX-License-Identifier: Apache-2.0
"""``actuator``: the actions an operator writes down, as a plan."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from watcher.core.cluster import Cluster
from watcher.core.errors import BadParameters
from watcher.core.metrics import Metrics, Query
from watcher.core.parameters import REQUIRED, param
from watcher.core.solution import Action, Solution


@dataclass(frozen=True)
class Parameters:
    """The actions, in the form the API shows them."""

    actions: list[dict[str, Any]] = param(
        REQUIRED,
        "The actions: action_type, input_parameters and, where the type has one, resource_id.",
        items={
            "type": "object",
            "properties": {
                "action_type": {"type": "string", "description": "Name of an action type."},
                "resource_id": {"type": "string", "description": "What it is done to."},
                "input_parameters": {"type": "object", "description": "As the type asks."},
            },
            "required": ["action_type", "input_parameters"],
        },
    )


class Actuator:
    """Exactly the actions it is given, for scripts and tests; the planner orders them.

    An action that is given twice is done once.
    """

    name: ClassVar[str] = "actuator"
    display_name: ClassVar[str] = "Actuator"
    goal: ClassVar[str] = "unclassified"
    planner: ClassVar[str] = "weight"
    parameters = Parameters

    def queries(self, parameters: Parameters) -> Sequence[Query]:  # noqa: ARG002
        """Nothing is measured."""
        return ()

    def solve(
        self,
        cluster: Cluster,  # noqa: ARG002
        metrics: Metrics,  # noqa: ARG002
        parameters: Parameters,
    ) -> Solution:
        """The actions. Raises BadParameters for a resource_id inside the input parameters."""
        actions: list[Action] = []
        repeated = 0
        for given in parameters.actions:
            action = _action(given)
            if action in actions:
                repeated += 1
            else:
                actions.append(action)
        notes = (f"{repeated} repeated actions are done once",) if repeated else ()
        return Solution(tuple(actions), notes=notes)


def _action(given: Mapping[str, Any]) -> Action:
    if "resource_id" in given["input_parameters"]:
        raise BadParameters(
            "actions: resource_id stands beside input_parameters of an action, not in them"
        )
    return Action(
        given["action_type"], dict(given["input_parameters"]), given.get("resource_id", "")
    )
