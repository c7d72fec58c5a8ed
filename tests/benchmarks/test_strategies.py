# SPDX-License-Identifier: Apache-2.0
"""Strategies and planner at size: how long, how much memory, how far from the best (design/targets).

The clouds are those of the targets: hosts of 32 to 128 threads, flavors of 1 to 16 vCPUs and 2 to
64 GiB, long-tailed CPU use, 3 % of the hosts disabled, 5 % of the instances stopped, instances
scattered so that nearly every host is half empty.
"""

import subprocess
import sys
from functools import cache

import numpy as np
import pytest

from tests.benchmarks.budget import within
from tests.checker import violations
from tests.worlds import FLAVORS, SHAPES, host_record, instance_record
from watcher.core.cluster import Cluster
from watcher.core.metrics import Metric, Metrics
from watcher.core.records import assemble
from watcher.core.solution import MIGRATE, Solution
from watcher.planners.weight import Weight
from watcher.strategies.host_maintenance import HostMaintenance
from watcher.strategies.vm_workload_consolidation import VmWorkloadConsolidation
from watcher.strategies.workload_balance import WorkloadBalance

MEMORY_MB = 500

pytestmark = pytest.mark.slow


@cache
def cloud(hosts: int, instances: int, seed: int = 1, *, spread: bool = False) -> Cluster:
    """Hosts and instances of all sizes; every instance where it fits, at random.

    With ``spread`` where most memory is left, of thirty hosts. Of more than a hundred instances a
    host all are of the smallest flavor.
    """
    chance = np.random.default_rng(seed)
    shapes = np.array(SHAPES)[chance.integers(0, len(SHAPES), hosts)]
    weights = np.array((8, 8, 8, 8, 5, 5, 3, 3, 1, 1)) / 50
    demand = np.array(FLAVORS)[chance.choice(len(FLAVORS), instances, p=weights)]
    if instances > 100 * hosts:
        demand[:] = FLAVORS[0]
    free = np.stack([shapes[:, 0] * 4, shapes[:, 1] * 1024 - 2048, shapes[:, 0] * 100], axis=1)
    homes = []
    for need in demand:
        tried = chance.integers(0, hosts, 30)
        found = tried[(free[tried] >= need).all(axis=1)]
        if spread and found.size:
            found = found[[np.argmax(free[found, 1])]]
        homes.append(f"h{found[0]:05}" if found.size else "")
        free[found[:1]] -= need
    host_records = [
        host_record(
            f"h{number:05}",
            vcpus=int(vcpus),
            memory_mb=int(memory_gb) * 1024,
            disk_gb=int(vcpus) * 100,
            memory_mb_reserved=2048,
            vcpus_ratio=4.0,
            enabled=bool(chance.random() > 0.03),
        )
        for number, (vcpus, memory_gb) in enumerate(shapes)
    ]
    instance_records = [
        instance_record(
            f"vm{number:06}",
            home,
            vcpus=int(need[0]),
            memory_mb=int(need[1]),
            disk_gb=int(need[2]),
            state="stopped" if chance.random() < 0.05 else "active",
        )
        for number, (home, need) in enumerate(zip(homes, demand, strict=True))
    ]
    return assemble(host_records, instance_records)


def measured(cluster: Cluster, strategy, parameters, busy: float) -> Metrics:
    """CPU use of the instances: beta-distributed, times ``busy``."""
    use = np.random.default_rng(7).beta(1.2, 6.0, len(cluster.instances))
    queries = strategy.queries(parameters)
    return Metrics(
        {
            query: np.minimum(100.0, 100.0 * busy * use)
            for query in queries
            if query.metric is Metric.INSTANCE_CPU_USAGE
        }
    )


def solve(strategy, cluster: Cluster, busy: float, **given) -> Solution:
    parameters = strategy.parameters(**given)
    return strategy.solve(cluster, measured(cluster, strategy, parameters, busy), parameters)


@pytest.mark.parametrize(
    ("hosts", "instances", "busy", "gap_percent", "budget_s"),
    [
        (100, 1_000, 1.0, 2.0, 0.5),
        (500, 5_000, 1.0, 2.0, 2.0),
        (500, 5_000, 3.0, 2.0, 3.0),
        (1_000, 20_000, 1.0, 2.0, 10.0),
        (1_000, 20_000, 3.0, 2.0, 10.0),
        (5_000, 100_000, 1.0, 5.0, 60.0),
        (5_000, 100_000, 3.0, 5.0, 60.0),
    ],
)
def test_consolidation_comes_near_its_lower_bound_in_time(
    hosts: int, instances: int, busy: float, gap_percent: float, budget_s: float
) -> None:
    cluster = cloud(hosts, instances)
    strategy = VmWorkloadConsolidation()
    solution = within(
        f"vm_workload_consolidation, {hosts} x {instances}, CPU use x {busy:g}",
        budget_s,
        lambda: solve(strategy, cluster, busy, cpu_limit_percent=100),
        rounds=1,
    )
    numbers = solution.indicators
    print(
        f"; hosts in use {numbers['hosts_in_use_before']} ->"
        f" {numbers['hosts_in_use_after']}, bound {numbers['hosts_in_use_lower_bound']},"
        f" {numbers['instance_migrations_count']} moves",
        end="",
    )
    assert numbers["gap_to_lower_bound_percent"] <= gap_percent
    use = measured(cluster, strategy, strategy.parameters(), busy)
    (cpu,) = use.columns.values()
    assert violations(cluster, solution, cpu) == []


@pytest.mark.parametrize(
    ("hosts", "instances", "spread", "budget_s"),
    [(100, 1_000, 0.05, 0.5), (1_000, 20_000, 0.03, 1.0), (5_000, 100_000, 0.02, 10.0)],
)
def test_balancing_levels_the_cloud_in_time(
    hosts: int, instances: int, spread: float, budget_s: float
) -> None:
    cluster = cloud(hosts, instances)
    solution = within(
        f"workload_balance, {hosts} x {instances}",
        budget_s,
        lambda: solve(WorkloadBalance(), cluster, 3.0),
        rounds=1,
    )
    numbers = solution.indicators
    print(
        f"; spread {numbers['standard_deviation_before_audit']:.3f} ->"
        f" {numbers['standard_deviation_after_audit']:.4f},"
        f" {numbers['instance_migrations_count']} moves",
        end="",
    )
    assert numbers["standard_deviation_after_audit"] <= spread


def test_maintenance_is_planned_in_time() -> None:
    cluster = cloud(5_000, 100_000)
    solution = within(
        "host_maintenance, 5000 x 100000",
        2.0,
        lambda: solve(HostMaintenance(), cluster, 1.0, maintenance_node="h00007"),
        rounds=1,
    )
    assert solution.actions


def test_ten_thousand_actions_are_ordered_in_time() -> None:
    cluster = cloud(5_000, 100_000)
    solution = solve(VmWorkloadConsolidation(), cluster, 1.0, max_migrations=9_500)
    actions = solution.actions[:10_000]
    assert sum(action.type == MIGRATE for action in actions) > 8_000
    plan = within(
        f"plan of {len(actions)} actions", 1.0, lambda: Weight().order(Solution(actions), cluster)
    )
    within("its replay", 1.0, lambda: plan.replay(cluster))


_ALONE = """
import re
from tests.benchmarks.test_strategies import *

def peak():  # ru_maxrss would begin with what this process's parent has
    status = open("/proc/self/status").read()
    return int(re.search(r"VmHWM:\\s+([0-9]+) kB", status)[1]) // 1024

before = peak()
cluster = cloud(5_000, 100_000)
Weight().order(solve(VmWorkloadConsolidation(), cluster, 3.0, cpu_limit_percent=100), cluster)
Weight().order(solve(WorkloadBalance(), cluster, 3.0), cluster)
print(before, peak())
"""


def test_solving_and_planning_stay_below_the_memory_budget() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _ALONE], capture_output=True, text=True, check=True
    )
    before, peak = map(int, done.stdout.split())
    print(f"\npeak memory {peak} MiB ({before} before the cloud), budget {MEMORY_MB}", end="")
    assert peak < MEMORY_MB
