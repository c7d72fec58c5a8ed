# SPDX-License-Identifier: Apache-2.0
"""Limits on what runs at the same time, written into a plan as what waits for what.

The applier has limits of its own for all plans; these are those that one plan was asked for with.
Each group of actions that shares a limit (all migrations, those of one host, those of one pool)
is dealt to that many lanes, and in a lane one follows the other: O(actions).
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping

from watcher.core.cluster import Cluster
from watcher.core.plan import Plan
from watcher.core.solution import MIGRATE, VOLUME_MIGRATE, Action
from watcher.core.storage import NO_POOL

TOTAL, NODE, POOL = "total", "node", "pool"


def laned(plan: Plan, limits: Mapping[str, int], cluster: Cluster) -> Plan:
    """The plan with more waits, so that no limit is passed; 0 and what is not named is no limit.

    ``limits`` are ``total`` (migrations of servers and volumes), ``node`` (from or to one host)
    and ``pool`` (from or to one pool).
    """
    groups: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for place, action in enumerate(plan.actions):
        for group in _groups(action, cluster):
            groups[group].append(place)
    waits = [set(parents) for parents in plan.parents]
    for (kind, _), places in groups.items():
        lanes = limits.get(kind, 0)
        for before, after in zip(places, places[lanes:] if lanes else (), strict=False):
            waits[after].add(before)
    return Plan(plan.actions, tuple(tuple(sorted(parents)) for parents in waits))


def _groups(action: Action, cluster: Cluster) -> Iterator[tuple[str, str]]:
    """What a migration counts towards; of what takes part twice, once."""
    parameters = action.parameters
    target = parameters.get("destination_node")
    if action.type == MIGRATE:
        yield TOTAL, ""
        yield from {(NODE, str(name)) for name in (parameters["source_node"], target) if name}
    elif action.type == VOLUME_MIGRATE:
        yield TOTAL, ""
        yield from {(POOL, name) for name in (_pool(action, cluster), target) if name}


def _pool(action: Action, cluster: Cluster) -> str:
    """The pool that a volume is on, or ''."""
    storage = cluster.storage
    row = storage.volumes.row_by_uuid.get(action.resource_id) if storage else None
    if storage is None or row is None or storage.volumes.pool[row] == NO_POOL:
        return ""
    return str(storage.pools.name[storage.volumes.pool[row]])
