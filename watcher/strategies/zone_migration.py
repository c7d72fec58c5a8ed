# SPDX-License-Identifier: Apache-2.0
"""``zone_migration``: moves the servers and volumes of hosts and pools that are to be serviced."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from watcher.core.cluster import VCPUS, Bools, Cluster
from watcher.core.constraints import LIVE, Constraints, migration_kind, touchable
from watcher.core.errors import Invalid
from watcher.core.metrics import Metrics, Query
from watcher.core.parameters import param
from watcher.core.placement import Placement
from watcher.core.refusals import WhyNot, combined, explain
from watcher.core.solution import Action, Solution, migrate, migrate_volume, retype_volume
from watcher.core.storage import Storage
from watcher.core.volume_placement import MIGRATE, RETYPE, VolumePlacement, volume_obstacles

_NAME = {"type": "string", "minLength": 1}
_NAMES = {"type": "array", "items": _NAME}
_NODES = {
    "type": "object",
    "properties": {"src_node": _NAME, "dst_node": _NAME},
    "required": ["src_node"],
    "additionalProperties": False,
}
_POOLS = {
    "type": "object",
    "properties": {"src_pool": _NAME, "dst_pool": _NAME, "src_type": _NAME, "dst_type": _NAME},
    "required": ["src_pool"],
    "oneOf": [{"required": ["dst_pool"]}, {"required": ["dst_type"]}],
    "additionalProperties": False,
}
_PRIORITY = {
    "project": {**_NAMES, "description": "Projects whose servers and volumes go first."},
    "compute_node": {**_NAMES, "description": "Hosts whose servers go first."},
    "storage_pool": {**_NAMES, "description": "Pools whose volumes go first."},
    "compute": {
        "enum": ["vcpu_num", "mem_size", "disk_size", "created_at"],
        "description": "Servers by size, the largest first, or by age, the oldest first.",
    },
    "storage": {
        "enum": ["size", "created_at"],
        "description": "Volumes by size, the largest first, or by age, the oldest first.",
    },
}


@dataclass(frozen=True)
class Parameters:
    """What is to be emptied, where to, and in which order."""

    compute_nodes: list[Mapping[str, str]] = param(
        [], "Hosts to empty: src_node, and dst_node or none to let Nova choose.", items=_NODES
    )
    storage_pools: list[Mapping[str, str]] = param(
        [],
        "Pools to empty: src_pool, src_type or none for all types, and either dst_pool or"
        " dst_type.",
        items=_POOLS,
    )
    parallel_total: int = param(
        6, "Migrations that run at the same time; 0 for no limit.", minimum=0
    )
    parallel_per_node: int = param(
        2, "Of these, from or to the same host; 0 for no limit.", minimum=0
    )
    parallel_per_pool: int = param(
        2, "Of these, from or to the same pool; 0 for no limit.", minimum=0
    )
    priority: dict[str, Any] = param(
        {},
        "What goes first; of several, the one that comes first in this list is the strongest.",
        properties=_PRIORITY,
        additionalProperties=False,
    )
    with_attached_volume: bool = param(
        False, "Migrate servers right after the volumes that are attached to them."
    )
    max_actions: int = param(
        0, "Actions in one plan at most, the first by priority; 0 for no limit.", minimum=0
    )


class ZoneMigration:
    """Empties hosts and pools: their servers and volumes go elsewhere, as far as they can.

    Servers on a ``src_node`` are migrated, running and paused ones live and stopped ones cold,
    to ``dst_node`` or to where Nova's scheduler sends them. Volumes on a ``src_pool`` are
    migrated to ``dst_pool`` or retyped to ``dst_type``; a rule that names the volume's type comes
    before one that does not. Volumes come first, since they take longest.

    Every destination is checked as Nova's and Cinder's schedulers would: state, room, type, zone.
    What cannot go is left out and told. ``parallel_*`` limit what runs at the same time, not what
    the plan holds; for that there is ``max_actions``.
    """

    name: ClassVar[str] = "zone_migration"
    display_name: ClassVar[str] = "Zone migration"
    goal: ClassVar[str] = "hardware_maintenance"
    planner: ClassVar[str] = "weight"
    parameters = Parameters

    def models(self, parameters: Parameters) -> Sequence[str]:
        """Block storage, only when pools are named."""
        return ("storage",) if parameters.storage_pools else ()

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

        Raises NotFound for a host, pool or type that does not exist, Invalid for rules that
        contradict each other.
        """
        volumes = _Volumes(cluster, parameters)
        servers = _Servers(cluster, parameters)
        actions = [*volumes.actions(), *servers.actions(volumes.followed)]
        if parameters.max_actions:
            actions = actions[: parameters.max_actions]
        indicators = {
            **servers.indicators(actions),
            **volumes.indicators(actions),
        }
        limits = {
            "total": parameters.parallel_total,
            "node": parameters.parallel_per_node,
            "pool": parameters.parallel_per_pool,
        }
        notes = (*volumes.notes, *servers.notes)
        if not actions and not notes:
            notes = ("there is nothing to move on the hosts and pools that are named",)
        return Solution(
            tuple(actions), indicators, notes, limits=limits, why_not=servers.why_not()
        )


def _rank(order: Sequence[str], values: Iterable[Any]) -> list[int]:
    """For each value its place in a list of priorities, the end for those that are not in it."""
    places = {name: place for place, name in enumerate(order)}
    return [places.get(str(value), len(order)) for value in values]


class _Servers:
    """The servers on the hosts to be emptied."""

    def __init__(self, cluster: Cluster, parameters: Parameters) -> None:
        self._cluster, self._priority = cluster, parameters.priority
        self._last = parameters.with_attached_volume
        self.notes: list[str] = []
        self._rules: dict[int, int | None] = {}
        for rule in parameters.compute_nodes:
            source = cluster.host_row(rule["src_node"])
            named = rule.get("dst_node")
            target = None if named is None else cluster.host_row(named)
            if self._rules.setdefault(source, target) != target or source == target:
                raise Invalid(
                    f"host {rule['src_node']} cannot be emptied to itself, or to two hosts"
                )
        placement = Placement(cluster)
        self._constraints = {
            target: Constraints(placement, self._open_to(target), soft=False)
            for target in self._rules.values()
        }
        on = cluster.instances.host
        self._rows = [int(row) for row in np.flatnonzero(np.isin(on, list(self._rules)))]

    def actions(self, first: Sequence[str]) -> list[Action]:
        """The migrations by priority, those of the servers in ``first`` before the others."""
        mask, reasons = touchable(self._cluster)
        found = []
        for row in self._ordered(first):
            target = self._rules[int(self._cluster.instances.host[row])]
            if not mask[row]:
                self._leave(row, str(reasons[row]))
                continue
            action = self._action(row, target)
            if action is not None:
                found.append(action)
        return found

    def _open_to(self, target: int | None) -> Bools:
        """Where the servers of a rule may go: to its target, or to all that is not emptied."""
        usable = self._cluster.hosts.usable
        hosts = np.isin(np.arange(len(usable)), list(self._rules), invert=True)
        return usable & (hosts if target is None else np.arange(len(usable)) == target)

    def why_not(self) -> WhyNot:
        """What is refused to the servers that stay."""
        mask, reasons = touchable(self._cluster)
        homes = self._cluster.instances.host
        parts = []
        for target, constraints in self._constraints.items():
            sources = [source for source, to in self._rules.items() if to == target]
            mine = np.isin(homes, sources)
            parts.append(explain(constraints, mask & mine, np.where(mine, reasons, "")))
        return combined(parts)

    def _action(self, row: int, target: int | None) -> Action | None:
        constraints = self._constraints[target]
        places = np.flatnonzero(constraints.allowed(row))
        if not places.size:
            why = str(constraints.why_not(row)[target]) if target is not None else ""
            name = "" if target is None else f"{self._cluster.hosts.name[target]}: "
            self._leave(row, name + why if why else constraints.summary(row))
            return None
        room = constraints.placement.free[places, VCPUS]
        host = int(places[np.argmax(room)])
        constraints.placement.move(row, host)
        instances, hosts = self._cluster.instances, self._cluster.hosts
        return migrate(
            str(instances.uuid[row]),
            str(hosts.name[instances.host[row]]),
            None if target is None else str(hosts.name[target]),
            kind=migration_kind(self._cluster, row) or LIVE,
            name=str(instances.name[row]),
        )

    def _leave(self, row: int, why: str) -> None:
        instances = self._cluster.instances
        self.notes.append(
            f"instance {instances.name[row]} ({instances.uuid[row]}) is not moved: {why}"
        )

    def _ordered(self, first: Sequence[str]) -> list[int]:
        instances = self._cluster.instances
        rows = np.array(self._rows, dtype=np.int64)
        hosts = self._cluster.hosts.name[instances.host[rows]]
        keys: list[Sequence[Any]] = []
        if self._last and first:
            keys.append(_rank(first, instances.uuid[rows]))
        keys.append(_rank(self._priority.get("project", ()), instances.project_id[rows]))
        keys.append(_rank(self._priority.get("compute_node", ()), hosts))
        column = self._priority.get("compute")
        if column == "created_at":
            keys.append(list(instances.created_at[rows]))
        elif column is not None:
            index = ("vcpu_num", "mem_size", "disk_size").index(column)
            keys.append([-int(size) for size in instances.demand[rows, index]])
        order = sorted(range(len(rows)), key=lambda at: tuple(key[at] for key in keys))
        return [int(rows[at]) for at in order]

    def indicators(self, actions: Sequence[Action]) -> dict[str, float]:
        """How many could be migrated, and how many are."""
        kinds = [migration_kind(self._cluster, row) for row in self._rows]
        planned = [action.parameters.get("migration_type") for action in actions]
        return {
            f"{prefix}{kind}_migrate_instance_count": given.count(kind)
            for prefix, given in (("", kinds), ("planned_", planned))
            for kind in ("live", "cold")
        }


class _Volumes:
    """The volumes in the pools to be emptied; none when no pool is named."""

    def __init__(self, cluster: Cluster, parameters: Parameters) -> None:
        self._cluster, self._priority = cluster, parameters.priority
        self.notes: list[str] = []
        self.followed: list[str] = []
        self._rows: list[int] = []
        self._rules: dict[tuple[int, int | None], Mapping[str, str]] = {}
        if not parameters.storage_pools:
            return
        if cluster.storage is None:
            raise Invalid("zone_migration of pools needs the block storage")
        self._storage: Storage = cluster.storage
        for rule in parameters.storage_pools:
            self._add_rule(rule)
        pools = [pool for pool, _ in self._rules]
        held = np.flatnonzero(np.isin(self._storage.volumes.pool, pools))
        self._rows = [int(row) for row in held if self._rule(int(row)) is not None]

    def _add_rule(self, rule: Mapping[str, str]) -> None:
        storage = self._storage
        pool = storage.pool_row(rule["src_pool"])
        kind = storage.type_row(rule["src_type"]) if "src_type" in rule else None
        if "dst_pool" in rule and storage.pool_row(rule["dst_pool"]) == pool:
            raise Invalid(f"pool {rule['src_pool']} cannot be emptied to itself")
        if "dst_type" in rule:
            storage.type_row(rule["dst_type"])
        if self._rules.setdefault((pool, kind), rule) != rule:
            raise Invalid(f"there are two different rules for pool {rule['src_pool']}")

    def _rule(self, row: int) -> Mapping[str, str] | None:
        volumes = self._storage.volumes
        pool, kind = int(volumes.pool[row]), int(volumes.type[row])
        rule = self._rules.get((pool, kind), self._rules.get((pool, None)))
        if rule is not None and rule.get("dst_type") in (self._storage.type_name(row), ""):
            return None
        return rule

    def actions(self) -> list[Action]:
        """The migrations and retypes by priority."""
        if not self._rows:
            return []
        placement = VolumePlacement(self._storage)
        obstacles = {kind: volume_obstacles(self._cluster, kind) for kind in (MIGRATE, RETYPE)}
        found = []
        for row in self._ordered():
            rule = self._rule(row) or {}
            kind = RETYPE if "dst_type" in rule else MIGRATE
            plan: Callable[..., str] = self._retype if kind == RETYPE else self._migrate
            why = str(obstacles[kind][row]) or plan(placement, row, rule)
            if why:
                name, uuid = self._called(row)
                self.notes.append(f"volume {name} ({uuid}) is not moved: {why}")
                continue
            name, uuid = self._called(row)
            self.followed += self._storage.volumes.servers[row]
            found.append(
                retype_volume(uuid, self._type(rule), name=name)
                if kind == RETYPE
                else migrate_volume(uuid, rule["dst_pool"], name=name)
            )
        return found

    def _called(self, row: int) -> tuple[str, str]:
        volumes = self._storage.volumes
        return str(volumes.name[row]), str(volumes.uuid[row])

    def _type(self, rule: Mapping[str, str]) -> str:
        return self._storage.types[self._storage.type_row(rule["dst_type"])].name

    def _migrate(self, placement: VolumePlacement, row: int, rule: Mapping[str, str]) -> str:
        """Take a migration down; why not, or ''."""
        target = self._storage.pool_row(rule["dst_pool"])
        why = placement.why_not(row, target, int(self._storage.volumes.type[row]))
        if not why:
            placement.move(row, target)
        return why

    def _retype(self, placement: VolumePlacement, row: int, rule: Mapping[str, str]) -> str:
        """Take a retype down, with the pool that Cinder would choose; why not, or ''."""
        kind = self._storage.type_row(rule["dst_type"])
        served = placement.serves(kind)
        if served[placement.pool[row]]:
            return ""  # Cinder leaves it where it is
        places = np.flatnonzero(served & placement.fits(row))
        if not places.size:
            return f"no pool that serves volume type {rule['dst_type']} has room for it"
        placement.move(row, int(places[np.argmax(placement.free_gb[places])]))
        return ""

    def _ordered(self) -> list[int]:
        volumes = self._storage.volumes
        rows = np.array(self._rows, dtype=np.int64)
        keys: list[Sequence[Any]] = [
            _rank(self._priority.get("project", ()), volumes.project_id[rows]),
            _rank(
                self._priority.get("storage_pool", ()),
                self._storage.pools.name[volumes.pool[rows]],
            ),
        ]
        if self._priority.get("storage") == "size":
            keys.append([-int(size) for size in volumes.size_gb[rows]])
        elif self._priority.get("storage") == "created_at":
            keys.append(list(volumes.created_at[rows]))
        order = sorted(range(len(rows)), key=lambda at: tuple(key[at] for key in keys))
        return [int(rows[at]) for at in order]

    def indicators(self, actions: Sequence[Action]) -> dict[str, float]:
        """How many could be moved, and how many are; told twice for readers of both names."""
        planned = sum(
            action.parameters.get("migration_type") in (MIGRATE, RETYPE) for action in actions
        )
        return {
            f"{prefix}{stem}_count": count
            for stem in ("volume_migrate", "volume_update")
            for prefix, count in (("", len(self._rows)), ("planned_", planned))
        }
