# SPDX-License-Identifier: Apache-2.0
"""What strategies that move instances have in common: hosts told apart, moves told as actions."""

from collections.abc import Iterable

import numpy as np

from watcher.core.cluster import UNPLACED, Bools, Cluster, Ints
from watcher.core.constraints import LIVE, migration_kind
from watcher.core.placement import Move
from watcher.core.solution import Action, migrate


def migrations(cluster: Cluster, moves: Iterable[Move], *, named: bool = True) -> list[Action]:
    """A migrate action for each move, live or cold as the instance's state asks.

    Without ``named`` Nova's scheduler chooses the destinations.
    """
    names = cluster.hosts.name
    return [
        migrate(
            cluster.instances.uuid[move.instance],
            names[move.source],
            names[move.destination] if named else None,
            kind=migration_kind(cluster, move.instance) or LIVE,
            name=cluster.instances.name[move.instance],
        )
        for move in moves
    ]


def hosts_of(homes: Ints, size: int) -> Bools:
    """Of so many hosts, those named in these host rows; UNPLACED is no host."""
    found = np.zeros(size, dtype=np.bool_)
    found[homes[homes != UNPLACED]] = True
    return found


def kinds(cluster: Cluster) -> Ints:
    """For each host a number that it shares with those that are alike to Nova's scheduler."""
    hosts = cluster.hosts
    numbers: dict[tuple[str, str, frozenset[str]], int] = {}
    keys = zip(hosts.zone, hosts.hypervisor_type, map(frozenset, hosts.aggregates), strict=True)
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.int64)


def consolidated(
    *, usable: int, released: int, moves: int, in_use: tuple[int, int, int]
) -> dict[str, float]:
    """The indicators of a consolidation, and how far from the best it can be at most.

    ``in_use`` are the hosts in use before, after, and at least, whatever is done.
    """
    before, after, bound = in_use
    return {
        "compute_nodes_count": usable,
        "released_compute_nodes_count": released,
        "instance_migrations_count": moves,
        "hosts_in_use_before": before,
        "hosts_in_use_after": after,
        "hosts_in_use_lower_bound": bound,
        "gap_to_lower_bound_percent": 100.0 * (after - bound) / bound if bound else 0.0,
    }


def balanced(
    *, moves: int, instances: int, deviations: tuple[float, float, float]
) -> dict[str, float]:
    """The indicators of a balancing, and how far from the best it can be at most.

    ``deviations`` are the standard deviations before, after, and at least, whatever is done.
    """
    before, after, bound = deviations
    return {
        "instance_migrations_count": moves,
        "instances_count": instances,
        "standard_deviation_before_audit": before,
        "standard_deviation_after_audit": after,
        "standard_deviation_lower_bound": bound,
        "gap_to_standard_deviation_lower_bound": max(after - bound, 0.0),
    }
