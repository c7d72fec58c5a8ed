# SPDX-License-Identifier: Apache-2.0
"""Every registered strategy, asked on a random world: its solution, its plan, what it measured."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from tests.plans import only_instances
from tests.worlds import random_metrics
from watcher import plugins
from watcher.core import parameters
from watcher.core.cluster import Cluster
from watcher.core.errors import ImpossiblePlan, NoMetrics
from watcher.core.metrics import Metrics
from watcher.core.plan import Plan
from watcher.core.solution import Solution

Given = Callable[[Cluster, int], Mapping[str, Any]]
CPU = "instance_cpu_usage"

GIVEN: Mapping[str, Given] = {
    "actuator": lambda _cluster, _choice: {"actions": []},
    "host_maintenance": lambda cluster, choice: {
        "maintenance_node": cluster.hosts.name[choice % len(cluster.hosts)]
    },
    "workload_balance": lambda _cluster, choice: {"threshold": (25.0, 0.0, 10.0)[choice % 3]},
    "vm_workload_consolidation": lambda _cluster, choice: {
        "max_migrations": (0, 0, 2)[choice % 3],
        "cpu_limit_percent": (80, 20, 10)[choice // 3 % 3],
    },
    "basic": lambda _cluster, choice: {"cpu_limit_percent": (80, 100, 20)[choice % 3]},
    "node_resource_consolidation": lambda _cluster, choice: {
        "host_choice": ("specify", "specify", "auto")[choice % 3],
        "enable_released": choice % 3 == 1,
    },
    "workload_stabilization": lambda _cluster, choice: {
        "metrics": ([CPU], [CPU, "instance_ram_usage"], ["instance_ram_usage"])[choice % 3],
        "thresholds": {CPU: 0.02, "instance_ram_usage": 0.05},
    },
    "allocation_balance": lambda _cluster, choice: {
        "threshold": (0.05, 0.0, 0.02)[choice % 3],
        "resources": (["vcpus", "memory_mb"], ["vcpus"], ["memory_mb", "disk_gb"])[choice % 3],
    },
    "outlet_temperature": lambda _cluster, choice: {"threshold": (25.0, 23.0, 30.0)[choice % 3]},
    "uniform_airflow": lambda _cluster, choice: {
        "threshold_airflow": (250.0, 200.0, 400.0)[choice % 3]
    },
    "noisy_neighbor": lambda _cluster, choice: {"steal_threshold": (10.0, 1.0, 5.0)[choice % 3]},
}
"""Parameters with which something is done on small worlds; others run with their defaults."""


class Answer(NamedTuple):
    """What came of asking a strategy."""

    solution: Solution
    plan: Plan
    metrics: Metrics


def registered() -> list[Any]:
    """Every strategy there is an entry point of."""
    return list(plugins.strategies().values())


def parameters_for(strategy: Any, cluster: Cluster, choice: int = 0) -> Any:
    """Parameters for this strategy, different for different choices."""
    given = GIVEN.get(strategy.name, lambda _cluster, _choice: {})(cluster, choice)
    spec = parameters.schema(strategy.parameters)
    return parameters.parse(strategy.parameters, parameters.with_defaults(spec, given))


def ordered(strategy: Any, solution: Solution, cluster: Cluster) -> Plan:
    """The plan of a solution by the strategy's own planner, with the planner's defaults."""
    return plugins.planners()[strategy.planner]().order(solution, cluster)


def answer(
    strategy: Any,
    cluster: Cluster,
    seed: int = 0,
    choice: int = 0,
    *,
    hosts: bool = True,
    lost: float = 0.02,
) -> Answer:
    """The solution and the plan of it; both empty where the strategy says that none is possible.

    Without ``hosts`` what hosts say of their own CPU and memory is not measured; ``lost`` is the
    part of the instances that are not.
    """
    given = parameters_for(strategy, cluster, choice)
    metrics = random_metrics(cluster, strategy.queries(given), seed, lost=lost)
    metrics = metrics if hosts else only_instances(metrics)
    try:
        solution = strategy.solve(cluster, metrics, given)
    except (ImpossiblePlan, NoMetrics) as error:
        solution = Solution(notes=(str(error),))
    return Answer(solution, ordered(strategy, solution, cluster), metrics)
