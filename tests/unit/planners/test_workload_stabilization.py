# SPDX-License-Identifier: Apache-2.0
"""The planner of the strategies that level."""

import pytest

from tests.worlds import uuid, world
from watcher.core.errors import Invalid
from watcher.core.solution import Solution, disable_host, migrate, nop, resize, sleep, stop
from watcher.planners.workload_stabilization import (
    WEIGHTS,
    WorkloadStabilization,
    WorkloadStabilizationOptions,
)

CLUSTER = world().host("c1").runs("a").runs("b").host("c2").host("c3").cluster()
MOVES = tuple(migrate(uuid(name), "c1", "c2", name=name) for name in "ab")


def test_by_weight_and_without_waits_where_nothing_is_to_wait_for() -> None:
    away = disable_host(uuid("c3"), "c3", "watcher_disabled")
    solution = Solution((*MOVES, away, nop("a"), nop("b")))
    plan = WorkloadStabilization().order(solution, CLUSTER)
    kinds = [action.type for action in plan.actions]
    assert kinds == ["nop", "nop", "change_nova_service_state", "migrate", "migrate"]
    assert plan.parents == ((),) * 5


def test_a_resize_waits_for_the_move_of_the_same_instance() -> None:
    solution = Solution((resize(uuid("a"), "m1.large"), *MOVES))
    plan = WorkloadStabilization().order(solution, CLUSTER)
    assert [action.type for action in plan.actions] == ["migrate", "migrate", "resize"]
    assert plan.actions[plan.parents[2][0]].resource_id == uuid("a")


def test_what_comes_after_a_sleep_waits_for_it() -> None:
    plan = WorkloadStabilization().order(Solution((*MOVES, sleep(1))), CLUSTER)
    assert plan.parents == ((), (0,), (0,))


def test_a_type_without_a_weight_is_refused_with_what_to_do() -> None:
    with pytest.raises(Invalid, match=r"stop has no weight.*planners\.workload_stabilization\]"):
        WorkloadStabilization().order(Solution((stop(uuid("a")),)), CLUSTER)


def test_weights_are_an_option() -> None:
    options = WorkloadStabilizationOptions(weights={**WEIGHTS, "stop": "9"})
    plan = WorkloadStabilization(options).order(Solution((*MOVES, stop(uuid("x")))), CLUSTER)
    assert plan.actions[0].type == "stop"
    wrong = WorkloadStabilizationOptions(weights={"nop": 1, "sleep": 1})
    with pytest.raises(Invalid, match="two action types share a weight"):
        WorkloadStabilization(wrong)


def test_its_weights_are_those_of_the_contract() -> None:
    assert WorkloadStabilizationOptions().weights == {
        "turn_host_to_acpi_s3_state": 0,
        "resize": 1,
        "migrate": 2,
        "sleep": 3,
        "change_nova_service_state": 4,
        "nop": 5,
    }
