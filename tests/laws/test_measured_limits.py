# SPDX-License-Identifier: Apache-2.0
"""What holds for strategies that know limits, states or numbers of their own, on every cluster."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.answers import answer, ordered, parameters_for
from tests.laws.test_strategies import CLUSTERS, LAW, SEEDS
from tests.plans import carried_out, moves, only_instances, walk
from tests.worlds import random_metrics
from watcher.core.cluster import Cluster, InstanceState
from watcher.core.errors import NoMetrics
from watcher.core.parameters import parse
from watcher.core.placement import Placement
from watcher.core.solution import Solution
from watcher.strategies.allocation_balance import AllocationBalance
from watcher.strategies.basic_consolidation import BasicConsolidation
from watcher.strategies.host_maintenance import HostMaintenance
from watcher.strategies.outlet_temperature import OutletTemperature
from watcher.strategies.vm_workload_consolidation import VmWorkloadConsolidation
from watcher.strategies.workload_stabilization import WorkloadStabilization


def sums(placement: Placement, load: Any) -> Any:
    placed = placement.host >= 0
    weights = np.nan_to_num(load)[placed]
    return np.bincount(placement.host[placed], weights, minlength=len(placement.limit))


@LAW
@given(cluster=CLUSTERS, seed=SEEDS)
def test_consolidation_by_load_empties_a_host_or_leaves_it_alone(
    cluster: Cluster, seed: int
) -> None:
    strategy = VmWorkloadConsolidation()
    metrics = random_metrics(cluster, strategy.queries(strategy.parameters()), seed)
    # The limit of 100 % is never reached by these metrics, so no host has to be relieved.
    parameters = strategy.parameters(cpu_limit_percent=100, max_migrations=(0, 3)[seed % 2])
    roomy = cluster.with_hosts(total=cluster.hosts.total * np.array([20, 1, 1]))
    try:
        solution = strategy.solve(roomy, only_instances(metrics), parameters)
    except NoMetrics:
        return
    after = carried_out(ordered(strategy, solution, roomy), roomy)
    for source, _ in moves(solution).values():
        row = after.hosts.row_by_name[source]
        assert not after.rows_on(row).size
        assert not after.hosts.enabled[row]


@pytest.mark.parametrize(
    "strategy", [VmWorkloadConsolidation(), BasicConsolidation()], ids=lambda one: one.name
)
@LAW
@given(cluster=CLUSTERS, seed=SEEDS)
def test_consolidation_never_brings_a_host_above_its_load_limit(
    strategy: Any, cluster: Cluster, seed: int
) -> None:
    parameters = parse(strategy.parameters, {"cpu_limit_percent": 40})
    query = strategy.queries(parameters)[0]
    metrics = random_metrics(cluster, (query,), seed)
    try:
        solution = strategy.solve(cluster, metrics, parameters)
    except NoMetrics:
        return
    stays_below(solution, strategy, cluster, metrics[query], 0.4)


@LAW
@given(cluster=CLUSTERS, seed=SEEDS)
def test_levelling_never_brings_a_host_above_what_it_has(cluster: Cluster, seed: int) -> None:
    strategy = WorkloadStabilization()
    parameters = parse(strategy.parameters, {"thresholds": {"instance_cpu_usage": 0.0}})
    queries = strategy.queries(parameters)
    metrics = only_instances(random_metrics(cluster, queries, seed))
    try:
        solution = strategy.solve(cluster, metrics, parameters)
    except NoMetrics:
        return
    stays_below(solution, strategy, cluster, metrics[queries[0]], 1.0)


def stays_below(
    solution: Solution, strategy: Any, cluster: Cluster, usage: Any, part: float
) -> None:
    """Walk the plan: measured CPU stays below this part of each host, or below what it was."""
    busy = usage / 100 * cluster.instances.demand[:, 0]
    limit = part * cluster.hosts.total[:, 0]
    before = sums(Placement(cluster), busy)
    for placement, row, to in walk(ordered(strategy, solution, cluster), cluster):
        placement.move(row, to)
        assert (sums(placement, busy) <= np.maximum(limit, before) + 1e-6).all()


@LAW
@given(cluster=CLUSTERS, seed=SEEDS, number=st.integers(0, 2))
def test_what_balance_tells_of_the_spread_is_what_it_comes_to(
    cluster: Cluster, seed: int, number: int
) -> None:
    """Counted here by the definition, from the cluster after the plan."""
    solution, plan, _ = answer(AllocationBalance(), cluster, seed, number)
    names = parameters_for(AllocationBalance(), cluster, number).resources
    columns = [("vcpus", "memory_mb", "disk_gb").index(name) for name in names]
    for told, then in (
        ("standard_deviation_before_audit", cluster),
        ("standard_deviation_after_audit", carried_out(plan, cluster)),
    ):
        shares = then.used[:, columns] / then.hosts.capacity[:, columns]
        shares = shares[then.hosts.usable]
        spread = np.sqrt((shares.std(axis=0) ** 2).mean()) if len(shares) else 0.0
        assert solution.indicators[told] == pytest.approx(spread)


@LAW
@given(cluster=CLUSTERS, seed=SEEDS)
def test_a_hot_host_is_as_cool_as_was_expected_and_no_cool_one_becomes_hot(
    cluster: Cluster, seed: int
) -> None:
    """In a world where what is read rises with the work, as these metrics have it."""
    strategy = OutletTemperature()
    first = answer(strategy, cluster, seed, seed, lost=0.0)
    after = carried_out(first.plan, cluster)
    parameters = parameters_for(strategy, cluster, seed)
    query = strategy.queries(parameters)[0]
    if query not in first.metrics:
        return
    now = random_metrics(after, (query,), seed, lost=0.0)[query]
    usable = cluster.hosts.usable
    hot = now[usable] >= parameters.threshold
    was_hot = first.metrics[query][usable] >= parameters.threshold
    assert not (hot & ~was_hot).any()
    assert hot.sum() == first.solution.indicators.get("hosts_above_threshold_expected", hot.sum())


@LAW
@given(cluster=CLUSTERS, seed=SEEDS)
def test_maintenance_leaves_nothing_running_on_the_host(cluster: Cluster, seed: int) -> None:
    solution, plan, _ = answer(HostMaintenance(), cluster, seed, seed)
    name = parameters_for(HostMaintenance(), cluster, seed).maintenance_node
    if not solution.actions:
        return
    after = carried_out(plan, cluster)
    left = {after.instances.state[row] for row in after.rows_on(after.hosts.row_by_name[name])}
    assert left <= {InstanceState.SUSPENDED, InstanceState.ERROR}
