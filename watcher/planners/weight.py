# SPDX-License-Identifier: Apache-2.0
"""The planner ``weight``: by importance of the action types, but waiting only for what matters.

Types with a higher weight come first in the plan. There are no barriers between types; an action
waits for those that make it possible, and a failure stops only what depends on it:

- a move waits for the moves that free its room, allocated and measured, and for its server group
  (``solvers.sequencing``); moves in a circle are broken up by a temporary move;
- moves off a host wait until that host is disabled, moves to a host until it is enabled; a move
  whose destination Nova chooses waits for all of these;
- a host is powered off after it is disabled and everything left, powered on before it is enabled;
- actions on the same resource follow each other;
- ``sleep`` waits for all that come before it, and all after it wait for it; ``nop`` and ``sleep``
  run side by side as ``parallelization`` allows. For the other types the applier keeps it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from typing import ClassVar

from watcher.core.cluster import UNPLACED, Cluster
from watcher.core.errors import ImpossiblePlan, Invalid
from watcher.core.parameters import param
from watcher.core.placement import Move, Placement
from watcher.core.plan import Plan
from watcher.core.solution import (
    CHANGE_SERVICE_STATE,
    MIGRATE,
    NOP,
    SLEEP,
    STOP,
    VOLUME_MIGRATE,
    Action,
    Solution,
)
from watcher.solvers.lanes import laned
from watcher.solvers.sequencing import sequence

POWER = "change_node_power_state"
WEIGHTS = {
    NOP: 70,
    "volume_migrate": 60,
    CHANGE_SERVICE_STATE: 50,
    SLEEP: 40,
    STOP: 35,
    MIGRATE: 30,
    "resize": 20,
    "turn_host_to_acpi_s3_state": 10,
    POWER: 9,
}
PARALLELIZATION = {
    "turn_host_to_acpi_s3_state": 2,
    "resize": 2,
    MIGRATE: 2,
    SLEEP: 1,
    CHANGE_SERVICE_STATE: 1,
    NOP: 1,
    STOP: 2,
    POWER: 2,
    "volume_migrate": 2,
}


@dataclass(frozen=True)
class WeightOptions:
    """The options of ``[watcher_planners.weight]`` (contract config §6)."""

    weights: Mapping[str, int] = param(
        dict(WEIGHTS),
        "Importance of each action type: those with a higher weight come first; all differ.",
    )
    parallelization: Mapping[str, int] = param(
        dict(PARALLELIZATION), "How many actions of each type run side by side."
    )


@dataclass
class _Draft:
    """A plan under construction: actions, the places of those each waits for, and their rank."""

    actions: list[Action] = field(default_factory=list)
    waits: list[set[int]] = field(default_factory=list)
    rank: list[tuple[float, int]] = field(default_factory=list)

    def add(self, action: Action, rank: tuple[float, int], waits: Iterable[int] = ()) -> int:
        """Add an action; returns its place."""
        self.actions.append(action)
        self.waits.append(set(waits))
        self.rank.append(rank)
        return len(self.actions) - 1

    def _children(self) -> list[list[int]]:
        children: list[list[int]] = [[] for _ in self.actions]
        for place, waits in enumerate(self.waits):
            for parent in waits:
                children[parent].append(place)
        return children

    def followers(self, places: Iterable[int]) -> set[int]:
        """Everything that waits for one of these, directly or through others."""
        children, found, todo = self._children(), set[int](), list(places)
        while todo:
            new = set(children[todo.pop()]) - found
            found |= new
            todo += new
        return found

    def plan(self) -> Plan:
        """The plan: by rank as far as the waits allow. Raises ImpossiblePlan for a circle."""
        children = self._children()
        missing = [len(waits) for waits in self.waits]
        ready = [(self.rank[place], place) for place, count in enumerate(missing) if not count]
        heapify(ready)
        order: dict[int, int] = {}
        while ready:
            _, place = heappop(ready)
            order[place] = len(order)
            for child in children[place]:
                missing[child] -= 1
                if not missing[child]:
                    heappush(ready, (self.rank[child], child))
        if len(order) < len(self.actions):
            stuck = sorted(
                {one.type for place, one in enumerate(self.actions) if place not in order}
            )
            raise ImpossiblePlan(f"the actions {', '.join(stuck)} wait for each other in a circle")
        parents = (tuple(sorted(order[parent] for parent in self.waits[place])) for place in order)
        return Plan(tuple(self.actions[place] for place in order), tuple(parents))


class Weight:
    """Orders actions by the weight of their type and by what really depends on what."""

    name: ClassVar[str] = "weight"
    Options: ClassVar[type] = WeightOptions

    def __init__(self, options: WeightOptions | None = None, group: str = "weight") -> None:
        given = options or WeightOptions()
        self._group = f"[watcher_planners.{group}]"
        self.weights = self._whole("weights", given.weights)
        self.parallelization = self._whole("parallelization", given.parallelization)
        if len(set(self.weights.values())) < len(self.weights):
            raise Invalid(f"{self._group} weights: two action types share a weight")

    def _whole(self, name: str, given: Mapping[str, object]) -> dict[str, int]:
        try:
            return {kind: int(str(value)) for kind, value in given.items()}
        except ValueError as error:
            raise Invalid(f"{self._group} {name}: {error}") from error

    def order(self, solution: Solution, cluster: Cluster) -> Plan:
        """The actions in order, each with those it waits for.

        Raises Invalid for an action type without a weight, ImpossiblePlan when a move fits at no
        moment or its instance is not where the move begins.
        """
        for action in solution.actions:
            if action.type not in self.weights:
                raise Invalid(
                    f"action type {action.type} has no weight; add it to {self._group} weights"
                )
        draft = _Draft()
        self._add_moves(draft, solution, cluster)
        for number, action in enumerate(solution.actions):
            if action.type != MIGRATE:
                draft.add(action, self._rank(action, number))
        _link_hosts(draft)
        _chain_resources(draft, cluster)
        self._link_idle(draft)
        return laned(draft.plan(), solution.limits, cluster)

    def _rank(self, action: Action, number: int) -> tuple[float, int]:
        weight = float(self.weights[action.type])
        if action.type == POWER and action.parameters.get("state") == "on":
            # What is powered on is wanted by what follows: it comes with the enabling of hosts.
            weight = self.weights.get(CHANGE_SERVICE_STATE, weight) + 0.5
        return (-weight, number)

    def _add_moves(self, draft: _Draft, solution: Solution, cluster: Cluster) -> None:
        """The migrations, in an order in which every intermediate state fits."""
        given = [action for action in solution.actions if action.type == MIGRATE]
        if solution.imaginary:
            for number, action in enumerate(given):
                draft.add(action, self._rank(action, number))
            return
        if not given:
            return
        moves = [_move(action, cluster) for action in given]
        targets = cluster.hosts.usable.copy()
        for action in solution.actions:
            row = cluster.hosts.row_by_name.get(_service_host(action))
            if row is not None:
                targets[row] &= action.parameters.get("state") == "enabled"
        loads = [load.forgiving for load in solution.loads]
        order = sequence(Placement(cluster, loads), moves, targets)
        if order.blocked:
            raise ImpossiblePlan(
                _blocked(given[order.blocked[0]], moves[order.blocked[0]], cluster)
            )
        for step in order.steps:
            action = _redirected(given[step.origin], step.move, cluster)
            draft.add(action, self._rank(action, len(draft.actions)), step.waits)

    def _link_idle(self, draft: _Draft) -> None:
        """Actions that touch nothing: side by side as allowed, and sleep separates the others."""
        ordered = sorted(range(len(draft.actions)), key=lambda place: draft.rank[place])
        for kind in (NOP, SLEEP):
            places = [place for place in ordered if draft.actions[place].type == kind]
            lanes = max(self.parallelization.get(kind, 1), 1)
            for before, after in zip(places, places[lanes:], strict=False):
                draft.waits[after].add(before)
        sleeps = [place for place in ordered if draft.actions[place].type == SLEEP]
        if sleeps:
            first, last = draft.rank[sleeps[0]], draft.rank[sleeps[-1]]
            below = [place for place in ordered if draft.rank[place] > last]
            # A host that is disabled after its last arrival comes after the sleep, not before.
            late = draft.followers(below)
            for place in ordered:
                if draft.rank[place] < first and place not in late:
                    _wait(draft, sleeps, place)
            for place in below:
                draft.waits[place].update(sleeps)


def _move(action: Action, cluster: Cluster) -> Move:
    uuid, parameters = action.resource_id, action.parameters
    row = cluster.instances.row_by_uuid.get(uuid)
    if row is None:
        raise ImpossiblePlan(f"instance {uuid} is not in the cluster")
    names = [parameters.get("source_node"), parameters.get("destination_node")]
    rows = [UNPLACED if name is None else cluster.hosts.row_by_name.get(name) for name in names]
    for name, found in zip(names, rows, strict=True):
        if found is None:
            raise ImpossiblePlan(f"host {name}, named by a move of instance {uuid}, is not known")
    return Move(row, *(int(found) for found in rows if found is not None))


def _blocked(action: Action, move: Move, cluster: Cluster) -> str:
    uuid, parameters = action.resource_id, action.parameters
    source, target = parameters.get("source_node"), parameters.get("destination_node")
    if cluster.instances.host[move.instance] != move.source:
        return f"instance {uuid} is not on host {source}"
    return (
        f"instance {uuid} cannot be moved from {source} to {target}: at no moment of the plan has"
        f" {target} room for it, and no other host could take it meanwhile"
    )


def _redirected(action: Action, move: Move, cluster: Cluster) -> Action:
    """The action with the ends of a step: those of a temporary stay are not the action's own."""
    names = cluster.hosts.name
    ends = {"source_node": names[move.source]}
    if move.destination != UNPLACED:
        ends["destination_node"] = names[move.destination]
    return Action(MIGRATE, {**action.parameters, **ends}, action.resource_id)


def _service_host(action: Action) -> str:
    """The host whose service an action switches, or ''."""
    if action.type != CHANGE_SERVICE_STATE:
        return ""
    return str(action.parameters.get("resource_name") or action.resource_id)


def _link_hosts(draft: _Draft) -> None:
    """Moves after the switching of their hosts; power off last, power on first."""
    off, to, unbound = _ends(draft.actions)
    for place, action in enumerate(draft.actions):
        host, state = _service_host(action), action.parameters.get("state")
        if host and state == "enabled":
            _wait(draft, to.get(host, ()), place)
        elif host and host in off:
            _wait(draft, off[host], place)
        elif host:
            draft.waits[place].update(to.get(host, ()))
        if host:
            _wait(draft, unbound, place)
    for place, action in enumerate(draft.actions):
        if action.type == POWER:
            _link_power(draft, place, off, to)


Ends = Mapping[str, Sequence[int]]


def _ends(actions: Sequence[Action]) -> tuple[Ends, Ends, Sequence[int]]:
    """Places of the moves by source, by destination, and of those without destination."""
    off: dict[str, list[int]] = {}
    to: dict[str, list[int]] = {}
    unbound = []
    for place, action in enumerate(actions):
        if action.type == MIGRATE:
            off.setdefault(action.parameters["source_node"], []).append(place)
            target = action.parameters.get("destination_node")
            if target is None:
                unbound.append(place)
            else:
                to.setdefault(target, []).append(place)
    return off, to, unbound


def _wait(draft: _Draft, places: Iterable[int], parent: int) -> None:
    for place in places:
        draft.waits[place].add(parent)


def _link_power(draft: _Draft, place: int, off: Ends, to: Ends) -> None:
    host = draft.actions[place].parameters.get("resource_name")
    services = [one for one, other in enumerate(draft.actions) if _service_host(other) == host]
    if draft.actions[place].parameters.get("state") == "on":
        _wait(draft, [*services, *to.get(str(host), ())], place)
    else:
        draft.waits[place].update(services, off.get(str(host), ()))


def _chain_resources(draft: _Draft, cluster: Cluster) -> None:
    """Two actions on one resource never run side by side: the later waits for the one before."""
    last: dict[str, int] = {}
    for place in sorted(range(len(draft.actions)), key=lambda one: draft.rank[one]):
        for resource in _resources(draft.actions[place], cluster):
            if resource in last:
                draft.waits[place].add(last[resource])
            last[resource] = place


def _resources(action: Action, cluster: Cluster) -> Iterable[str]:
    """What an action is about; moving a volume is about the servers that it is attached to too."""
    resource = _service_host(action) or action.resource_id
    if action.type == VOLUME_MIGRATE and cluster.storage is not None:
        row = cluster.storage.volumes.row_by_uuid.get(resource)
        if row is not None:
            return (resource, *cluster.storage.volumes.servers[row])
    return (resource,) if resource else ()
