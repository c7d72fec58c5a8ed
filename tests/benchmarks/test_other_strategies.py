# SPDX-License-Identifier: Apache-2.0
"""Every strategy that has no benchmark of its own: how long it takes at size (design/targets)."""

import pytest

from tests.answers import parameters_for, registered
from tests.benchmarks.budget import within
from tests.benchmarks.test_strategies import cloud
from tests.worlds import random_metrics

pytestmark = pytest.mark.slow

OWN = {"vm_workload_consolidation", "workload_balance", "host_maintenance"}
OTHERS = [one for one in registered() if one.name not in OWN and not hasattr(one, "models")]
"""Those that read compute alone: the generated clouds have no storage and no bare metal."""


@pytest.mark.parametrize(
    ("hosts", "instances", "budget_s"), [(1_000, 20_000, 2.0), (5_000, 100_000, 10.0)]
)
@pytest.mark.parametrize("strategy", OTHERS, ids=lambda one: one.name)
def test_it_answers_in_time(strategy, hosts: int, instances: int, budget_s: float) -> None:
    cluster = cloud(hosts, instances)
    parameters = parameters_for(strategy, cluster)
    metrics = random_metrics(cluster, strategy.queries(parameters))
    solution = within(
        f"{strategy.name}, {hosts} x {instances}",
        budget_s,
        lambda: strategy.solve(cluster, metrics, parameters),
        rounds=1,
    )
    print(f"; {len(solution.actions)} actions", end="")
