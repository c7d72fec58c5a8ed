# SPDX-License-Identifier: Apache-2.0
"""What strategies say was refused is about instances that stay, and true of them."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.answers import answer
from tests.worlds import worlds
from watcher import plugins
from watcher.core.cluster import Cluster
from watcher.core.refusals import MOST_EXAMPLES, MOST_REASONS
from watcher.core.solution import MIGRATE

EXPLAINING = (
    *("basic", "vm_workload_consolidation", "node_resource_consolidation"),
    *("workload_stabilization", "workload_balance", "allocation_balance"),
    *("outlet_temperature", "uniform_airflow", "noisy_neighbor"),
)


@pytest.mark.parametrize("name", EXPLAINING)
@settings(deadline=None, max_examples=25)
@given(cluster=worlds(), seed=st.integers(0, 1_000))
def test_what_was_refused_is_about_what_stays(name: str, cluster: Cluster, seed: int) -> None:
    strategy: Any = plugins.strategy(name)
    solution, _, _ = answer(strategy, cluster, seed, seed)
    if solution.why_not is None:
        assert not solution.actions  # it raised, and said why
        return
    moved = {one.resource_id for one in solution.actions if one.type == MIGRATE}
    found = solution.why_not
    assert found.judged == found.stayed <= len(cluster.instances) - len(moved)
    rows = cluster.instances.row_by_uuid
    for one in (*found.instances, *found.destinations):
        assert one.reason
        assert 1 <= len(one.examples) <= min(one.count, MOST_EXAMPLES)
        assert not moved & {example.instance for example in one.examples}
    for one in found.instances:
        for example in one.examples:
            home = cluster.instances.host[rows[example.instance]]
            assert cluster.hosts.name[home] == example.host
    for one in found.destinations:
        assert one.count <= found.judged * (len(cluster.hosts) - 1)
        for example in one.examples:
            home = cluster.instances.host[rows[example.instance]]
            assert cluster.hosts.name[home] != example.host
    assert len(found.destinations) <= MOST_REASONS + 1
    refused = sum(one.count for one in found.destinations)
    assert refused <= found.judged * max(int(np.size(cluster.hosts.name)) - 1, 0)
