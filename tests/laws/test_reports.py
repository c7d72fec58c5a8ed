# SPDX-License-Identifier: Apache-2.0
"""What a plan's report shows after the plan is what the plan's replay comes to."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.answers import answer, parameters_for, registered
from tests.laws.test_storage_strategies import CHOICES, balanced, migrated, planned, stored
from tests.plans import LIVELY
from tests.worlds import worlds
from watcher.core.cluster import UNPLACED, Cluster
from watcher.core.metrics import Metrics
from watcher.core.placement import Placement
from watcher.core.protocols import marks_of, models_of
from watcher.core.solution import VOLUME_MIGRATE
from watcher.core.volume_placement import VolumePlacement
from watcher.report import evidence
from watcher.report.account import Account, Deed, Head
from watcher.report.reasons import UNKNOWN
from watcher.report.sides import Doing, after, before

ONE_HOST = worlds(min_hosts=1)
CASES = pytest.mark.parametrize(
    "strategy",
    [one for one in registered() if one.name not in ("dummy_with_resize", "saving_energy")],
    ids=lambda one: one.name,
)


def kept(strategy: Any, cluster: Cluster, seed: int) -> Any:
    """A plan on a cluster, and its evidence after a stay in the database."""
    solution, plan, metrics = answer(strategy, cluster, seed, seed)
    marks = marks_of(strategy, parameters_for(strategy, cluster, seed))
    found = evidence.gather(cluster, plan, solution, metrics, marks)
    return solution, plan, evidence.unpack(evidence.pack(found))


@CASES
@settings(deadline=None, max_examples=15)
@given(cluster=st.one_of(LIVELY, ONE_HOST), seed=st.integers(0, 5))
def test_the_side_after_is_the_replay_of_the_plan_on_the_side_before(
    strategy: Any, cluster: Cluster, seed: int
) -> None:
    if models_of(strategy, parameters_for(strategy, cluster, seed)):
        return
    solution, plan, found = kept(strategy, cluster, seed)
    doings = [Doing(one.type, one.input_parameters) for one in plan.actions]
    start, end = before(found.hosts), after(found.hosts, doings)
    assert (start.used == cluster.used).all()
    replayed = plan.replay(cluster)
    assert (end.used == replayed.used).all()
    placed = replayed.host[replayed.host != UNPLACED]
    assert (end.count == np.bincount(placed, minlength=len(cluster.hosts))).all()
    carried = Placement(cluster.with_instances(host=replayed.host.copy()), solution.loads)
    following = [
        column
        for gauge, column in zip(found.hosts.gauges, end.gauges, strict=True)
        if gauge.follows
    ]
    assert len(following) == len(solution.loads)
    for number, column in enumerate(following):
        assert np.allclose(column, carried.used[:, 3 + number], atol=1e-4)


@CASES
@settings(deadline=None, max_examples=10)
@given(cluster=st.one_of(LIVELY, ONE_HOST), seed=st.integers(0, 5))
def test_every_action_has_a_reason_and_its_place_in_time(
    strategy: Any, cluster: Cluster, seed: int
) -> None:
    if models_of(strategy, parameters_for(strategy, cluster, seed)):
        return
    _, plan, found = kept(strategy, cluster, seed)
    deeds = [
        Deed(str(number), one.type, one.input_parameters, parents=tuple(map(str, parents)))
        for number, (one, parents) in enumerate(zip(plan.actions, plan.parents, strict=True))
    ]
    account = Account(Head("plan", "RECOMMENDED"), deeds, found)
    assert len(account.steps) == len(deeds)
    for step, parents in zip(account.steps, plan.parents, strict=True):
        assert step.why
        assert step.why != UNKNOWN
        assert "nan" not in step.why
        assert step.span.start >= max(
            (account.steps[one].span.end for one in parents), default=0.0
        )


@settings(deadline=None, max_examples=40)
@given(both=stored(), choice=CHOICES, solve=st.sampled_from((balanced, migrated)))
def test_pools_after_the_plan_hold_what_its_volumes_bring(
    both: Any, choice: int, solve: Any
) -> None:
    cluster, _ = both
    solution = solve(cluster, choice)
    plan = planned(solution, cluster)
    found = evidence.unpack(evidence.pack(evidence.gather(cluster, plan, solution, Metrics(), {})))
    assert found is not None
    assert found.pools is not None
    placement = VolumePlacement(cluster.storage)
    assert np.allclose(before(found.pools).used[:, 0], placement.used_gb, atol=1e-4)
    for action in plan.actions:
        if action.type == VOLUME_MIGRATE and "destination_node" in action.parameters:
            row = cluster.storage.volumes.row_by_uuid[action.resource_id]
            placement.move(row, cluster.storage.pool_row(action.parameters["destination_node"]))
    doings = [Doing(one.type, one.input_parameters) for one in plan.actions]
    assert np.allclose(after(found.pools, doings).used[:, 0], placement.used_gb, atol=1e-4)
