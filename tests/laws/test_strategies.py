# SPDX-License-Identifier: Apache-2.0
"""What holds for every strategy on every cluster."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.plans import LIVELY, carried_out, moves, only_instances, switched, walk
from tests.worlds import World, random_metrics, random_records, worlds
from watcher.core.cluster import Cluster, InstanceState
from watcher.core.constraints import Constraints, judgeable, touchable
from watcher.core.errors import ImpossiblePlan, NoMetrics
from watcher.core.metrics import Metrics
from watcher.core.placement import Placement
from watcher.core.plan import Plan
from watcher.core.records import assemble
from watcher.core.solution import MIGRATE, Solution
from watcher.planners.weight import Weight
from watcher.strategies.actuator import Actuator
from watcher.strategies.dummy import Dummy
from watcher.strategies.host_maintenance import HostMaintenance
from watcher.strategies.vm_workload_consolidation import VmWorkloadConsolidation
from watcher.strategies.workload_balance import WorkloadBalance

MOVERS = (VmWorkloadConsolidation(), WorkloadBalance(), HostMaintenance())
ALL = (*MOVERS, Dummy(), Actuator())
CASES = pytest.mark.parametrize("strategy", MOVERS, ids=lambda one: one.name)


def parameters_for(strategy: Any, cluster: Cluster, choice: int = 0) -> Any:
    if strategy.name == "host_maintenance":
        return strategy.parameters(
            maintenance_node=cluster.hosts.name[choice % len(cluster.hosts)]
        )
    if strategy.name == "workload_balance":
        return strategy.parameters(threshold=(25.0, 0.0, 10.0)[choice % 3])
    if strategy.name == "vm_workload_consolidation":
        return strategy.parameters(
            max_migrations=(0, 0, 2)[choice % 3], cpu_limit_percent=(80, 20, 10)[choice // 3 % 3]
        )
    if strategy.name == "actuator":
        return strategy.parameters(actions=[])
    return strategy.parameters()


def answer(
    strategy: Any, cluster: Cluster, seed: int = 0, choice: int = 0, *, hosts: bool = True
) -> tuple[Solution, Plan, Metrics]:
    """The strategy's solution and the plan of it; empty where it says that none is possible."""
    parameters = parameters_for(strategy, cluster, choice)
    metrics = random_metrics(cluster, strategy.queries(parameters), seed)
    metrics = metrics if hosts else only_instances(metrics)
    try:
        solution = strategy.solve(cluster, metrics, parameters)
    except (ImpossiblePlan, NoMetrics) as error:
        solution = Solution(notes=(str(error),))
    return solution, Weight().order(solution, cluster), metrics


CLUSTERS = st.one_of(LIVELY, LIVELY, worlds(min_hosts=1))
SEEDS = st.integers(0, 5)
LAW = settings(max_examples=40, deadline=None)


@CASES
@LAW
@given(cluster=CLUSTERS, seed=SEEDS)
def test_the_same_input_gives_the_same_solution(
    strategy: Any, cluster: Cluster, seed: int
) -> None:
    first, _, _ = answer(strategy, cluster, seed, seed)
    again, _, _ = answer(strategy, cluster, seed, seed)
    assert first == again


@CASES
@LAW
@given(cluster=CLUSTERS, seed=SEEDS)
def test_the_snapshot_is_left_alone(strategy: Any, cluster: Cluster, seed: int) -> None:
    before = cluster.instances.host.copy(), cluster.used.copy(), cluster.hosts.usable.copy()
    answer(strategy, cluster, seed, seed)
    after = cluster.instances.host, cluster.used, cluster.hosts.usable
    assert all((one == other).all() for one, other in zip(before, after, strict=True))


@CASES
@LAW
@given(cluster=CLUSTERS, seed=SEEDS, data=st.data())
def test_only_what_may_be_moved_is_touched(
    strategy: Any, cluster: Cluster, seed: int, data: st.DataObject
) -> None:
    marks = [
        data.draw(st.sampled_from((False, False, False, True))) for _ in cluster.instances.uuid
    ]
    cluster = cluster.with_instances(excluded=np.array(marks, dtype=np.bool_))
    solution, _, _ = answer(strategy, cluster, seed, seed)
    mask, _ = touchable(cluster)
    judged = judgeable(cluster)
    for action in solution.actions:
        if action.type == MIGRATE:
            row = cluster.instances.row_by_uuid[action.resource_id]
            assert mask[row]
            assert judged[row] or action.parameters.get("destination_node") is None


@CASES
@LAW
@given(cluster=CLUSTERS, seed=SEEDS)
def test_every_step_of_the_plan_is_one_that_novas_scheduler_accepts(
    strategy: Any, cluster: Cluster, seed: int
) -> None:
    solution, plan, _ = answer(strategy, cluster, seed, seed)
    targets = cluster.hosts.usable.copy()
    for name, state in switched(solution).items():
        targets[cluster.hosts.row_by_name[name]] = state == "enabled"
    for placement, row, to in walk(plan, cluster):
        assert Constraints(placement, targets, soft=False).permits(row, to)
    plan.replay(cluster)


@CASES
@LAW
@given(cluster=CLUSTERS, seed=SEEDS)
def test_no_instance_is_moved_twice(strategy: Any, cluster: Cluster, seed: int) -> None:
    solution, _, _ = answer(strategy, cluster, seed, seed)
    moved = [action.resource_id for action in solution.actions if action.type == MIGRATE]
    assert len(moved) == len(set(moved))


@LAW
@given(cluster=CLUSTERS, seed=SEEDS)
def test_consolidation_empties_a_host_or_leaves_it_alone(cluster: Cluster, seed: int) -> None:
    strategy = VmWorkloadConsolidation()
    metrics = random_metrics(cluster, strategy.queries(strategy.parameters()), seed)
    # The limit of 100 % is never reached by these metrics, so no host has to be relieved.
    parameters = strategy.parameters(cpu_limit_percent=100, max_migrations=(0, 3)[seed % 2])
    roomy = cluster.with_hosts(total=cluster.hosts.total * np.array([20, 1, 1]))
    try:
        solution = strategy.solve(roomy, only_instances(metrics), parameters)
    except NoMetrics:
        return
    after = carried_out(Weight().order(solution, roomy), roomy)
    for source, _ in moves(solution).values():
        row = after.hosts.row_by_name[source]
        assert not after.rows_on(row).size
        assert not after.hosts.enabled[row]
    assert solution.indicators["hosts_in_use_after"] <= solution.indicators["hosts_in_use_before"]
    assert (
        solution.indicators["hosts_in_use_lower_bound"]
        <= solution.indicators["hosts_in_use_after"]
    )


@LAW
@given(cluster=CLUSTERS, seed=SEEDS)
def test_consolidation_never_brings_a_host_above_its_load_limit(
    cluster: Cluster, seed: int
) -> None:
    strategy = VmWorkloadConsolidation()
    parameters = strategy.parameters(cpu_limit_percent=40)
    query = strategy.queries(parameters)[0]
    metrics = random_metrics(cluster, (query,), seed)
    try:
        solution = strategy.solve(cluster, metrics, parameters)
    except NoMetrics:
        return
    busy = metrics[query] / 100 * cluster.instances.demand[:, 0]
    limit = 0.4 * cluster.hosts.total[:, 0]
    before = _sums(Placement(cluster), busy)
    for placement, row, to in walk(Weight().order(solution, cluster), cluster):
        placement.move(row, to)
        assert (_sums(placement, busy) <= np.maximum(limit, before) + 1e-6).all()


def _sums(placement: Placement, load: Any) -> Any:
    placed = placement.host >= 0
    weights = np.nan_to_num(load)[placed]
    return np.bincount(placement.host[placed], weights, minlength=len(placement.limit))


@LAW
@given(cluster=CLUSTERS, seed=SEEDS)
def test_balancing_never_makes_the_spread_worse(cluster: Cluster, seed: int) -> None:
    solution, _, _ = answer(WorkloadBalance(), cluster, seed, seed)
    if solution.indicators:
        before = solution.indicators["standard_deviation_before_audit"]
        after = solution.indicators["standard_deviation_after_audit"]
        assert after < before if moves(solution) else after == before


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


@CASES
@LAW
@given(cluster=CLUSTERS, seed=SEEDS)
def test_a_second_run_on_the_result_has_nothing_to_do(
    strategy: Any, cluster: Cluster, seed: int
) -> None:
    choice = 3 * seed if strategy.name == "vm_workload_consolidation" else seed
    _, plan, _ = answer(strategy, cluster, seed, choice, hosts=False)
    again, _, _ = answer(strategy, carried_out(plan, cluster), seed, choice, hosts=False)
    assert again.actions == ()


@CASES
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 100), chance=st.randoms(use_true_random=False))
def test_the_order_in_which_rows_were_collected_changes_nothing(
    strategy: Any, seed: int, chance: Any
) -> None:
    hosts, instances, groups = random_records(seed, 12, 60)
    straight = assemble(hosts, instances, groups)
    for rows in (hosts, instances, groups):
        chance.shuffle(rows)
    shuffled = assemble(hosts, instances, groups)
    assert answer(strategy, straight)[0] == answer(strategy, shuffled)[0]


@pytest.mark.parametrize("strategy", ALL, ids=lambda one: one.name)
def test_an_empty_cluster_needs_no_change_of_the_cloud(strategy: Any) -> None:
    if strategy.name == "host_maintenance":
        pytest.skip("it names a host, and there is none")
    empty = World().cluster()
    solution, plan, _ = answer(strategy, empty)
    assert not moves(solution)
    assert not switched(solution)
    assert len(plan.actions) == len(solution.actions)
