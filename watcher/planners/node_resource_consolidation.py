# SPDX-License-Identifier: Apache-2.0
"""The planner ``node_resource_consolidation``: disable, then move host by host, then enable."""

from typing import ClassVar

from watcher.core.cluster import Cluster
from watcher.core.errors import Invalid
from watcher.core.plan import Plan
from watcher.core.solution import CHANGE_SERVICE_STATE, MIGRATE, Action, Solution
from watcher.planners.weight import Weight, WeightOptions

_WEIGHTS = {CHANGE_SERVICE_STATE: 2, MIGRATE: 1}


class NodeResourceConsolidation:
    """Disables hosts first, moves one instance at a time off each host, then enables.

    Every migration waits until all hosts are disabled that are to be, so that Nova's scheduler
    does not choose one of them, and for those that free its room. A host that the plan disables
    and enables is enabled after the last migration off it and, where destinations are left to
    Nova, after all of these. Takes migrations and changes of host services only.
    """

    name: ClassVar[str] = "node_resource_consolidation"

    def __init__(self) -> None:
        self._inner = Weight(WeightOptions(weights=_WEIGHTS), self.name)

    def order(self, solution: Solution, cluster: Cluster) -> Plan:
        """The actions in order. Raises Invalid for another type, and what ``weight`` raises."""
        for action in solution.actions:
            if action.type not in _WEIGHTS:
                raise Invalid(
                    f"planner {self.name} cannot order an action of type {action.type}; it takes"
                    f" {' and '.join(_WEIGHTS)}"
                )
        closed = {_host(one) for one in solution.actions if _state(one) == "disabled"}
        last = [
            one for one in solution.actions if _state(one) == "enabled" and _host(one) in closed
        ]
        first = tuple(one for one in solution.actions if one not in last)
        plan = self._inner.order(Solution(first, imaginary=solution.imaginary), cluster)
        parents = [set(waits) for waits in plan.parents]
        _one_at_a_time(plan.actions, parents)
        parents += [_before_enabling(action, plan.actions) for action in last]
        return Plan((*plan.actions, *last), tuple(tuple(sorted(waits)) for waits in parents))


def _state(action: Action) -> str:
    if action.type != CHANGE_SERVICE_STATE:
        return ""
    return str(action.parameters.get("state", ""))


def _host(action: Action) -> str:
    return str(action.parameters.get("resource_name") or action.resource_id)


def _one_at_a_time(actions: tuple[Action, ...], parents: list[set[int]]) -> None:
    """Moves wait for what is disabled before them, and for the move before off the same host."""
    disabled: list[int] = []
    latest: dict[str, int] = {}
    for place, action in enumerate(actions):
        if _state(action) == "disabled":
            disabled.append(place)
        elif action.type == MIGRATE:
            source = action.parameters["source_node"]
            parents[place].update(disabled)
            if source in latest:
                parents[place].add(latest[source])
            latest[source] = place


def _before_enabling(action: Action, actions: tuple[Action, ...]) -> set[int]:
    """The disabling of this host, the moves off it, and those whose destination Nova chooses."""
    host = _host(action)
    waits = set()
    for place, other in enumerate(actions):
        if other.type != MIGRATE:
            mine = _host(other) == host
        else:
            unbound = other.parameters.get("destination_node") is None
            mine = unbound or other.parameters["source_node"] == host
        if mine:
            waits.add(place)
    return waits
