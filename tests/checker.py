# SPDX-License-Identifier: Apache-2.0
"""A plan walked step by step with plain dictionaries: shares no code with solvers or constraints.

It knows what the benchmarks' clouds have: capacities, measured CPU, service states.
"""

from collections import Counter, defaultdict
from typing import Any

from watcher.core.cluster import Cluster
from watcher.core.solution import Action, Solution

RESOURCES = range(3)


def violations(
    cluster: Cluster, solution: Solution, cpu_percent: Any, limit_percent: float = 100.0
) -> list[str]:
    """What is wrong with these migrations, made in the order given; empty when nothing is.

    ``cpu_percent`` is each instance's use of its own vCPUs, in the cluster's rows.
    """
    walk = _Walk(cluster, cpu_percent, limit_percent / 100.0)
    for action in solution.actions:
        walk.switch(action)
    for action in solution.actions:
        if action.type == "migrate":
            walk.migrate(action)
    return walk.ended()


class _Walk:
    def __init__(self, cluster: Cluster, cpu_percent: Any, share: float) -> None:
        hosts, instances = cluster.hosts, cluster.instances
        self.names = [str(name) for name in hosts.name]
        self.capacity = {
            name: [
                int((hosts.total[row][r] - hosts.reserved[row][r]) * hosts.ratio[row][r])
                for r in RESOURCES
            ]
            for row, name in enumerate(self.names)
        }
        self.threads = {n: share * float(hosts.total[r][0]) for r, n in enumerate(self.names)}
        self.open_to = {n for r, n in enumerate(self.names) if hosts.up[r] and hosts.enabled[r]}
        self.used: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0, 0.0])
        self.place: dict[str, str] = {}
        self.need: dict[str, list[float]] = {}
        for row, uuid in enumerate(instances.uuid):
            amounts = [int(amount) for amount in instances.demand[row]]
            self.need[uuid] = [*amounts, float(cpu_percent[row]) / 100.0 * amounts[0]]
            if instances.host[row] >= 0:
                self.place[uuid] = self.names[instances.host[row]]
                self._add(uuid, self.place[uuid], 1)
        self.wrong: list[str] = []
        self.moved, self.left = Counter[str](), Counter[str]()

    def switch(self, action: Action) -> None:
        if action.type == "change_nova_service_state":
            on = action.parameters["state"] == "enabled"
            (self.open_to.add if on else self.open_to.discard)(action.parameters["resource_name"])

    def migrate(self, action: Action) -> None:
        uuid, to = action.resource_id, action.parameters["destination_node"]
        if self.place[uuid] != action.parameters["source_node"]:
            self.wrong.append(f"{uuid} is not on its source")
        if to not in self.open_to:
            self.wrong.append(f"{to} takes no instances")
        self._add(uuid, self.place[uuid], -1)
        self._add(uuid, to, 1)
        self.left[self.place[uuid]] += 1
        self.place[uuid] = to
        self.moved[uuid] += 1
        for resource in RESOURCES:
            if self.need[uuid][resource] and self.used[to][resource] > self.capacity[to][resource]:
                self.wrong.append(f"{to} is over its allocation of {resource}")
        if self.used[to][3] > self.threads[to] + 1e-6:
            self.wrong.append(f"{to} is over its CPU")

    def ended(self) -> list[str]:
        again = [
            f"{uuid} is moved {times} times" for uuid, times in self.moved.items() if times > 1
        ]
        shut = set(self.place.values()) - self.open_to
        return (
            self.wrong + again + [f"{name} is emptied in part" for name in shut & set(self.left)]
        )

    def _add(self, uuid: str, host: str, sign: int) -> None:
        for column, amount in enumerate(self.need[uuid]):
            self.used[host][column] += sign * amount
