# SPDX-License-Identifier: Apache-2.0
"""One world of the benchmarks in a process of its own: what each strategy makes of it.

    python -m tests.benchmarks.table HOSTS INSTANCES BUSY fragmented|spread

Prints a JSON object a line and strategy. The peak of memory is that of the process, the world and
its plans included; CPU seconds are those of solving alone.
"""

import json
import resource
import sys
import time
from typing import Any

from tests.benchmarks.test_strategies import cloud, measured
from tests.checker import violations
from watcher.core.cluster import MEMORY_MB, Cluster
from watcher.core.solution import MIGRATE, Solution
from watcher.planners.weight import Weight
from watcher.strategies.vm_workload_consolidation import VmWorkloadConsolidation
from watcher.strategies.workload_balance import WorkloadBalance

ASKED: tuple[tuple[Any, dict[str, float]], ...] = (
    (VmWorkloadConsolidation(), {"cpu_limit_percent": 100}),
    (VmWorkloadConsolidation(), {"cpu_limit_percent": 80}),
    (WorkloadBalance(), {}),
)


def row(cluster: Cluster, strategy: Any, given: dict[str, float], busy: float) -> dict[str, Any]:
    """What came of one strategy, and what the independent checker says of each step of its plan."""
    parameters = strategy.parameters(**given)
    metrics = measured(cluster, strategy, parameters, busy)
    begun = time.process_time()
    solution = strategy.solve(cluster, metrics, parameters)
    spent = time.process_time() - begun
    (cpu,) = metrics.columns.values()
    plan = Weight().order(solution, cluster)
    limit = given.get("cpu_limit_percent", 100)
    told = solution.indicators
    balanced = "standard_deviation_lower_bound" in told
    moved = [cluster.instances.row_by_uuid[one.resource_id] for one in _migrations(solution)]
    return {
        "strategy": strategy.name + (f" {limit} %" if given else ""),
        "cpu_s": round(spent, 2),
        "queries": len(strategy.queries(parameters)),
        "moves": len(moved),
        "gib": int(cluster.instances.demand[moved, MEMORY_MB].sum()) // 1024,
        "released": told.get("released_compute_nodes_count", 0),
        "before": told["standard_deviation_before_audit" if balanced else "hosts_in_use_before"],
        "after": told["standard_deviation_after_audit" if balanced else "hosts_in_use_after"],
        "bound": told[
            "standard_deviation_lower_bound" if balanced else "hosts_in_use_lower_bound"
        ],
        "gap": told[
            "gap_to_standard_deviation_lower_bound" if balanced else "gap_to_lower_bound_percent"
        ],
        "violations": len(violations(cluster, Solution(plan.actions), cpu, limit)),
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def _migrations(solution: Solution) -> list[Any]:
    return [action for action in solution.actions if action.type == MIGRATE]


def main(hosts: str, instances: str, busy: str, placing: str) -> None:
    cluster = cloud(int(hosts), int(instances), spread=placing == "spread")
    for strategy, given in ASKED:
        print(json.dumps(row(cluster, strategy, given, float(busy))), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
