# SPDX-License-Identifier: Apache-2.0
"""A plan walked step by step with plain dictionaries: shares no code with solvers or constraints.

It knows what the benchmarks' clouds have: capacities, measured CPU, service states, locks.
"""

from collections import Counter, defaultdict
from typing import Any

from watcher.core.cluster import Cluster
from watcher.core.solution import Solution

RESOURCES = range(3)


def violations(
    cluster: Cluster, solution: Solution, cpu_percent: Any, limit_percent: float = 100.0
) -> list[str]:
    """What is wrong with these migrations, made in the order given; empty when nothing is.

    ``cpu_percent`` is each instance's use of its own vCPUs, in the cluster's rows.
    """
    hosts, instances = cluster.hosts, cluster.instances
    names = [str(name) for name in hosts.name]
    capacity = {
        name: [
            int((hosts.total[row][r] - hosts.reserved[row][r]) * hosts.ratio[row][r])
            for r in RESOURCES
        ]
        for row, name in enumerate(names)
    }
    threads = {name: float(hosts.total[row][0]) for row, name in enumerate(names)}
    place, need, busy = {}, {}, {}
    used: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0, 0.0])
    for row, uuid in enumerate(instances.uuid):
        need[uuid] = [int(amount) for amount in instances.demand[row]]
        busy[uuid] = float(cpu_percent[row]) / 100.0 * need[uuid][0]
        if instances.host[row] >= 0:
            place[uuid] = names[instances.host[row]]
            _add(used[place[uuid]], need[uuid], busy[uuid], 1)
    wrong, moved, source_of = [], Counter[str](), Counter[str]()
    open_to = {name for row, name in enumerate(names) if hosts.up[row] and hosts.enabled[row]}
    for action in solution.actions:
        if action.type == "change_nova_service_state":
            change = open_to.add if action.parameters["state"] == "enabled" else open_to.discard
            change(action.parameters["resource_name"])
    for action in solution.actions:
        if action.type != "migrate":
            continue
        uuid, to = action.resource_id, action.parameters["destination_node"]
        if place[uuid] != action.parameters["source_node"]:
            wrong.append(f"{uuid} is not on its source")
        if to not in open_to:
            wrong.append(f"{to} takes no instances")
        _add(used[place[uuid]], need[uuid], busy[uuid], -1)
        source_of[place[uuid]] += 1
        _add(used[to], need[uuid], busy[uuid], 1)
        place[uuid] = to
        moved[uuid] += 1
        over = [r for r in RESOURCES if need[uuid][r] and used[to][r] > capacity[to][r]]
        wrong += [f"{to} is over its allocation of {r}" for r in over]
        if used[to][3] > threads[to] * limit_percent / 100.0 + 1e-6:
            wrong.append(f"{to} is over its CPU")
    wrong += [f"{uuid} is moved {times} times" for uuid, times in moved.items() if times > 1]
    left = set(place.values())
    wrong += [f"{name} is disabled with instances" for name in left - open_to if source_of[name]]
    return wrong


def _add(sums: list[float], need: list[int], busy: float, sign: int) -> None:
    for resource in RESOURCES:
        sums[resource] += sign * need[resource]
    sums[3] += sign * busy
