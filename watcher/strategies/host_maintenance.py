# SPDX-License-Identifier: Apache-2.0
"""``host_maintenance``: empties one host, so that people may work on it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from watcher.core.cluster import Bools, Cluster, InstanceState, Ints, words
from watcher.core.constraints import COLD, LIVE, Constraints, judgeable
from watcher.core.errors import ImpossiblePlan, Invalid
from watcher.core.metrics import Metrics, Query
from watcher.core.parameters import REQUIRED, param
from watcher.core.placement import Placement
from watcher.core.refusals import WhyNot, explain, unmovable
from watcher.core.solution import (
    DISABLED_FOR_MAINTENANCE,
    OUR_REASONS,
    Action,
    Solution,
    disable_host,
    enable_host,
    migrate,
    stop,
)
from watcher.solvers.filling import by_size

_STOP, _STAY = "stop", "stay"
_OFF = (
    InstanceState.STOPPED,
    InstanceState.SUSPENDED,
    InstanceState.SHELVED,
    InstanceState.SHELVED_OFFLOADED,
    InstanceState.SOFT_DELETED,
    InstanceState.DELETED,
    InstanceState.ERROR,
)
"""States in which an instance may stay on a host that people work on: nothing of it runs."""


@dataclass(frozen=True)
class Parameters:
    """Which host, where its instances go, and how they may be moved."""

    maintenance_node: str = param(REQUIRED, "Name of the host to empty.")
    backup_node: str | None = param(
        None, "Name of the host that takes all its instances; without one, Watcher chooses."
    )
    disable_live_migration: bool = param(
        False, "Migrate running instances cold, which interrupts them, instead of live."
    )
    disable_cold_migration: bool = param(
        False,
        "Leave stopped instances where they are; with live migration disabled too, running ones"
        " are stopped.",
    )


class HostMaintenance:
    """Disables a host and moves every instance away from it, or says why that cannot be.

    Nothing is begun that cannot be finished: when an instance may not be moved (locked, excluded,
    busy, in a state Nova does not move) or no other host can take it, the audit fails with that
    reason. Destinations are named by Watcher, by the room that all moves leave together; an
    instance whose flavor only a hypervisor can judge (pinned CPUs, NUMA, huge pages, PCI, vGPU,
    traits) goes where Nova's scheduler sends it.

    Active instances are migrated live, or cold, or stopped, as the parameters allow; paused ones
    live; stopped ones cold or not at all. Suspended, shelved and failed ones stay: nothing of them
    runs. The host is disabled with the reason ``watcher_maintaining``; a host that somebody else
    disabled keeps its reason. A backup host is enabled only if Watcher itself disabled it.
    """

    name: ClassVar[str] = "host_maintenance"
    display_name: ClassVar[str] = "Host Maintenance Strategy"
    goal: ClassVar[str] = "cluster_maintaining"
    planner: ClassVar[str] = "weight"
    parameters = Parameters

    def queries(self, parameters: Parameters) -> Sequence[Query]:  # noqa: ARG002
        """Nothing is measured."""
        return ()

    def solve(
        self,
        cluster: Cluster,
        metrics: Metrics,  # noqa: ARG002
        parameters: Parameters,
    ) -> Solution:
        """The plan.

        Raises NotFound for a host that does not exist, Invalid for a backup host that cannot be
        one, ImpossiblePlan when the host cannot be emptied.
        """
        case = _Case(cluster, parameters)
        ways = case.ways()
        targets, switched = case.targets()
        destinations = case.destinations(ways, targets)
        actions = [*switched, *case.disabling()]
        actions += [
            case.action(row, way, destinations) for row, way in ways.items() if way != _STAY
        ]
        moved = [row for row, way in ways.items() if way in (LIVE, COLD)]
        indicators = {
            "instances_count": len(ways),
            "instance_migrations_count": len(moved),
            "stopped_instances_count": sum(way == _STOP for way in ways.values()),
        }
        notes = case.notes(ways, destinations, actions)
        return Solution(tuple(actions), indicators, notes, why_not=case.why_not(ways))


class _Case:
    """One host to be emptied."""

    def __init__(self, cluster: Cluster, parameters: Parameters) -> None:
        self.cluster, self.parameters = cluster, parameters
        self.hosts, self.instances = cluster.hosts, cluster.instances
        self.source = cluster.host_row(parameters.maintenance_node)
        self.name = str(self.hosts.name[self.source])
        if not self.hosts.in_scope[self.source]:
            raise Invalid(f"host {self.name} is outside the audit's scope")

    def ways(self) -> dict[int, str]:
        """What happens to each instance on the host: live, cold, stop or stay."""
        rows = [int(row) for row in self.cluster.rows_on(self.source)]
        ways = {row: self._way(row) for row in rows}
        touched = [row for row, way in ways.items() if way != _STAY]
        refused = {row: why for row in touched if (why := self._obstacle(row))}
        obstacles = [f"instance {self._called(row)} {why}" for row, why in refused.items()]
        if touched and not self.hosts.up[self.source]:
            obstacles.insert(
                0, "it is down, and instances are migrated only from hosts that are up"
            )
        if touched and not self.hosts.known[self.source]:
            obstacles.insert(0, "it could not be read completely")
        if obstacles:
            said = {row: f"it {why}" for row, why in refused.items()}
            raise ImpossiblePlan(
                f"host {self.name} cannot be emptied: {'; '.join(obstacles)}",
                WhyNot(instances=unmovable(self.cluster, said)),
            )
        return ways

    def _way(self, row: int) -> str:
        """The table of the contract (§4.13), by what Nova can do in each state."""
        live = not self.parameters.disable_live_migration
        cold = not self.parameters.disable_cold_migration
        match InstanceState(self.instances.state[row]):
            case InstanceState.ACTIVE:
                return LIVE if live else COLD if cold else _STOP
            case InstanceState.STOPPED:
                return COLD if cold else _STAY
            case state if state in _OFF:
                return _STAY
        return LIVE

    def _obstacle(self, row: int) -> str:
        """Why this instance may not be touched, or ''."""
        state = InstanceState(self.instances.state[row])
        if self.instances.excluded[row]:
            return "is excluded by the audit's scope"
        if self.instances.locked[row]:
            return "is locked"
        if not self.instances.known[row]:
            return "is new and has not been read yet"
        if self.instances.task_state[row]:
            return f"is busy ({self.instances.task_state[row]})"
        if state is InstanceState.PAUSED:
            refused = self.parameters.disable_live_migration
            return "is paused and live migration is disabled" if refused else ""
        movable = state in (InstanceState.ACTIVE, InstanceState.STOPPED)
        return "" if movable else f"is {state.public}, and Nova does not migrate it"

    def _called(self, row: int) -> str:
        return f"{self.instances.name[row]} ({self.instances.uuid[row]})"

    def targets(self) -> tuple[Bools, list[Action]]:
        """The hosts that may take instances, and what makes them ready."""
        targets = self.hosts.usable.copy()
        targets[self.source] = False
        if self.parameters.backup_node is None:
            return targets, []
        row = self.cluster.host_row(self.parameters.backup_node)
        name, reason = str(self.hosts.name[row]), str(self.hosts.disabled_reason[row])
        for wrong, why in (
            (row == self.source, "is the host to be emptied"),
            (not self.hosts.up[row], "is down"),
            (not self.hosts.known[row], "could not be read completely"),
            (not self.hosts.in_scope[row], "is outside the audit's scope"),
        ):
            if wrong:
                raise Invalid(f"backup host {name} {why}")
        enabling = not self.hosts.enabled[row]
        ours = reason.startswith(OUR_REASONS) and reason != DISABLED_FOR_MAINTENANCE
        if enabling and not ours:
            raise Invalid(
                f"backup host {name} is disabled ({reason or 'no reason given'}), and not by a"
                " consolidation of Watcher; enable it or name another"
            )
        targets[:] = False
        targets[row] = True
        return targets, [enable_host(self.hosts.uuid[row], name)] if enabling else []

    def destinations(self, ways: dict[int, str], targets: Bools) -> dict[int, int]:
        """The host for each instance that is moved, with room for all of them together."""
        rows = np.array([row for row, way in ways.items() if way in (LIVE, COLD)], dtype=np.int64)
        reason, why_not = "", WhyNot()
        for roomiest in (True, False):
            constraints = Constraints(Placement(self.cluster), targets, soft=False)
            found, left = _place(constraints, rows, roomiest=roomiest)
            if left is None:
                return found
            if not reason:
                reason = f"instance {self._called(left)} ({constraints.summary(left)})"
                why_not = self._left(constraints, rows)
        if self.parameters.backup_node is not None:
            raise Invalid(f"backup host {self.parameters.backup_node} cannot take {reason}")
        raise ImpossiblePlan(
            f"host {self.name} cannot be emptied: no other host can take {reason}", why_not
        )

    def _left(self, constraints: Constraints, rows: Ints) -> WhyNot:
        """What is refused to those of these instances that found no host."""
        wanted = np.zeros(len(self.instances), dtype=np.bool_)
        wanted[rows] = True
        return explain(constraints, wanted, words([""] * len(wanted)))

    def why_not(self, ways: dict[int, str]) -> WhyNot:
        """Why some instances stay on the host."""
        stays = {row: f"it is {self._state(row)}" for row, way in ways.items() if way == _STAY}
        return WhyNot(instances=unmovable(self.cluster, stays))

    def _state(self, row: int) -> str:
        return InstanceState(self.instances.state[row]).public

    def disabling(self) -> list[Action]:
        """Disable the host, unless it is in maintenance or somebody else disabled it."""
        reason = str(self.hosts.disabled_reason[self.source])
        ours = reason.startswith(OUR_REASONS) and reason != DISABLED_FOR_MAINTENANCE
        if not self.hosts.enabled[self.source] and not ours:
            return []
        return [disable_host(self.hosts.uuid[self.source], self.name, DISABLED_FOR_MAINTENANCE)]

    def action(self, row: int, way: str, destinations: dict[int, int]) -> Action:
        """What is done to one instance; Nova chooses the host where Watcher cannot judge."""
        uuid = str(self.instances.uuid[row])
        if way == _STOP:
            return stop(uuid)
        named = self.parameters.backup_node is not None or judgeable(self.cluster)[row]
        destination = str(self.hosts.name[destinations[row]]) if named else None
        return migrate(uuid, self.name, destination, kind=way, name=str(self.instances.name[row]))

    def notes(
        self, ways: dict[int, str], destinations: dict[int, int], actions: Sequence[Action]
    ) -> tuple[str, ...]:
        """What is done, and what is left on the host."""
        stays = [row for row, way in ways.items() if way == _STAY]
        said = []
        if not actions:
            said.append(f"host {self.name} is already disabled and nothing on it is to be moved")
        said += [
            f"instance {self._called(row)} stays on {self.name}: it is {self._state(row)}"
            for row in stays
        ]
        chosen = [row for row in destinations if not judgeable(self.cluster)[row]]
        if chosen and self.parameters.backup_node is None:
            said.append(f"Nova's scheduler chooses the host of {len(chosen)} instances")
        return tuple(said)


def _place(
    constraints: Constraints, rows: Ints, *, roomiest: bool
) -> tuple[dict[int, int], int | None]:
    """A host for each instance, largest first; the first that fits nowhere, if any.

    Tried with the roomiest host for each, which keeps the cloud level, then with the tightest.
    """
    placement = constraints.placement
    found: dict[int, int] = {}
    for row in by_size(constraints, rows):
        candidates = np.flatnonzero(constraints.allowed(row))
        if not candidates.size:
            return found, row
        room = (placement.free[candidates] / constraints.scale).sum(axis=1)
        found[row] = int(candidates[np.argmax(room) if roomiest else np.argmin(room)])
        placement.move(row, found[row])
    return found, None
