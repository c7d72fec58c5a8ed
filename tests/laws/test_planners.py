# SPDX-License-Identifier: Apache-2.0
"""What holds for every planner, whatever the solution."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.plans import LIVELY, moves, overlapped
from tests.worlds import worlds
from watcher import plugins
from watcher.core.cluster import Cluster
from watcher.core.constraints import Constraints, migrates
from watcher.core.errors import ImpossiblePlan
from watcher.core.placement import Placement
from watcher.core.plan import Plan
from watcher.core.solution import (
    MIGRATE,
    Action,
    Solution,
    disable_host,
    enable_host,
    migrate,
    nop,
    sleep,
    stop,
)
from watcher.planners.weight import Weight

CLUSTERS = st.one_of(LIVELY, LIVELY, worlds(min_hosts=2))
LAW = settings(max_examples=100, deadline=None)
PLANNERS = pytest.mark.parametrize("planner", sorted(plugins.planners()))


def order(planner: str, solution: Solution, cluster: Cluster) -> Plan:
    return plugins.planners()[planner]().order(solution, cluster)


def shuffled_moves(cluster: Cluster, seed: int) -> list[Action]:
    """Migrations from the cluster to a state that random moves, one by one, can reach."""
    chance = random.Random(seed)
    placement = Placement(cluster)
    constraints = Constraints(placement, cluster.hosts.usable)
    live = migrates(cluster, "live")
    rows = [row for row in range(len(cluster.instances)) if live[row] and placement.host[row] >= 0]
    for _ in range(40 if rows else 0):
        row = chance.choice(rows)
        places = [host for host, allowed in enumerate(constraints.allowed(row)) if allowed]
        if places:
            placement.move(row, chance.choice(places))
    names = cluster.hosts.name
    actions = [
        migrate(
            cluster.instances.uuid[move.instance],
            names[move.source],
            names[move.destination],
            name=cluster.instances.name[move.instance],
        )
        for move in placement.moves()
    ]
    chance.shuffle(actions)
    return actions


@PLANNERS
@LAW
@given(cluster=CLUSTERS, seed=st.integers(0, 1000))
def test_a_plan_is_safe_however_its_actions_overlap(
    planner: str, cluster: Cluster, seed: int
) -> None:
    solution = Solution(tuple(shuffled_moves(cluster, seed)))
    try:
        plan = order(planner, solution, cluster)
    except ImpossiblePlan:
        return
    plan.replay(cluster)
    overlapped(plan, cluster, seed)


@LAW
@given(cluster=CLUSTERS, seed=st.integers(0, 1000))
def test_every_action_comes_once_and_a_broken_up_move_ends_where_it_should(
    cluster: Cluster, seed: int
) -> None:
    wanted = shuffled_moves(cluster, seed)
    hosts = cluster.hosts
    others = [
        *(disable_host(hosts.uuid[0], hosts.name[0], "why"), nop("a"), sleep(1), nop("b")),
        *(enable_host(hosts.uuid[1], hosts.name[1]), stop("no instance of this cluster")),
    ]
    try:
        plan = Weight().order(Solution((*wanted, *others)), cluster)
    except ImpossiblePlan:
        return
    assert sorted(map(repr, others)) == sorted(
        repr(action) for action in plan.actions if action.type != MIGRATE
    )
    ends = {name: destination for name, (_, destination) in moves(plan).items()}
    assert ends == {
        action.parameters["resource_name"]: action.parameters["destination_node"]
        for action in wanted
    }
    assert all(parent < place for place, many in enumerate(plan.parents) for parent in many)


@PLANNERS
@LAW
@given(cluster=CLUSTERS, seed=st.integers(0, 1000))
def test_the_same_solution_gives_the_same_answer(
    planner: str, cluster: Cluster, seed: int
) -> None:
    solution = Solution(tuple(shuffled_moves(cluster, seed)))

    def answer() -> object:
        try:
            return order(planner, solution, cluster)
        except ImpossiblePlan as error:
            return str(error)

    assert answer() == answer()
