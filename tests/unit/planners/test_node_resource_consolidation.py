# SPDX-License-Identifier: Apache-2.0
"""Disable, move host by host, enable."""

import pytest

from tests.worlds import uuid, world
from watcher.core.errors import Invalid
from watcher.core.plan import Plan
from watcher.core.solution import Action, Solution, disable_host, enable_host, migrate, stop
from watcher.planners.node_resource_consolidation import NodeResourceConsolidation

CLUSTER = (
    world()
    .host("c1")
    .runs("a")
    .runs("b")
    .host("c2")
    .runs("x")
    .runs("y")
    .host("c3")
    .host("c4")
    .host("c5", enabled=False, disabled_reason="watcher_disabled")
    .cluster()
)


def disable(name: str) -> Action:
    return disable_host(uuid(name), name, "watcher_disabled")


def enable(name: str) -> Action:
    return enable_host(uuid(name), name)


def go(name: str, source: str, to: str | None = "c3") -> Action:
    return migrate(uuid(name), source, to, name=name)


def ordered(*actions: Action) -> Plan:
    return NodeResourceConsolidation().order(Solution(actions), CLUSTER)


def waits(plan: Plan, action: Action) -> set[str]:
    parents = plan.parents[plan.actions.index(action)]
    return {
        f"{plan.actions[one].type[:7]} {plan.actions[one].parameters['resource_name']}"
        for one in parents
    }


def test_moves_wait_for_all_disables_and_go_one_at_a_time_off_each_host() -> None:
    moves = [go("a", "c1"), go("b", "c1"), go("x", "c2"), go("y", "c2")]
    plan = ordered(*moves, disable("c1"), disable("c2"))
    assert plan.parents[:2] == ((), ())
    both = {"change_ c1", "change_ c2"}
    assert waits(plan, moves[0]) == both
    assert waits(plan, moves[1]) == {*both, "migrate a"}
    assert waits(plan, moves[2]) == both
    assert waits(plan, moves[3]) == {*both, "migrate x"}


def test_a_host_is_enabled_after_the_last_move_off_it() -> None:
    plan = ordered(disable("c1"), disable("c2"), go("a", "c1"), go("x", "c2"), enable("c1"))
    assert plan.actions[-1] == enable("c1")
    assert waits(plan, enable("c1")) == {"change_ c1", "migrate a"}


def test_and_after_all_whose_destination_nova_chooses() -> None:
    moves = go("a", "c1", None), go("x", "c2", None)
    plan = ordered(disable("c1"), disable("c4"), *moves, enable("c1"), enable("c4"))
    assert waits(plan, enable("c1")) == {"change_ c1", "migrate a", "migrate x"}
    assert waits(plan, enable("c4")) == {"change_ c4", "migrate a", "migrate x"}


def test_a_host_that_is_only_enabled_is_enabled_before_it_takes_instances() -> None:
    move = go("a", "c1", "c5")
    plan = ordered(move, enable("c5"))
    assert waits(plan, move) == {"change_ c5"}


def test_nothing_is_a_plan_of_nothing() -> None:
    assert ordered().actions == ()


def test_other_actions_are_refused() -> None:
    with pytest.raises(Invalid, match="cannot order an action of type stop"):
        ordered(stop(uuid("a")))
