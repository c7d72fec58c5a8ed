# SPDX-License-Identifier: Apache-2.0
"""The planner ``by_host``: one action after the other, by the name of the host."""

from dataclasses import dataclass

from watcher.core.cluster import Cluster
from watcher.core.parameters import param
from watcher.core.plan import Plan
from watcher.core.solution import Solution


@dataclass(frozen=True)
class ByHostOptions:
    """The options of ``[watcher_planners.by_host]``."""

    backwards: bool = param(False, "From the last name to the first.")


class ByHost:
    """Orders; pure. Each action waits for the one before it."""

    name = "by_host"
    Options = ByHostOptions

    def __init__(self, options: ByHostOptions) -> None:
        self._options = options

    def order(self, solution: Solution, cluster: Cluster) -> Plan:
        """The actions in the order of ``resource_name``."""
        del cluster
        actions = sorted(
            solution.actions,
            key=lambda action: str(action.parameters.get("resource_name", "")),
            reverse=self._options.backwards,
        )
        return Plan(
            tuple(actions), tuple((place - 1,) if place else () for place in range(len(actions)))
        )
