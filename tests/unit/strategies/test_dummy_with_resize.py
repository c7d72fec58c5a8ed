# SPDX-License-Identifier: Apache-2.0
"""The strategy that shows what moves and a resize look like."""

from tests.worlds import world
from watcher.core import parameters
from watcher.core.metrics import Metrics
from watcher.core.solution import MIGRATE, RESIZE, nop, sleep
from watcher.planners.weight import Weight
from watcher.strategies.dummy_with_resize import DummyWithResize, Parameters


def test_its_actions_are_those_of_the_contract_on_any_cloud() -> None:
    cluster = world().cluster()
    solution = DummyWithResize().solve(cluster, Metrics(), Parameters(para2="bye"))
    assert solution.actions[:3] == (nop("hello World"), nop("bye"), sleep(5.0))
    first, second, resized = solution.actions[3:]
    assert (first.type, second.type, resized.type) == (MIGRATE, MIGRATE, RESIZE)
    assert first.input_parameters == {
        "migration_type": "live",
        "source_node": "compute2",
        "destination_node": "compute3",
        "resource_name": "server1",
        "resource_id": "b199db0c-1408-4d52-b5a5-5ca14de0ff36",
    }
    assert second.resource_id == resized.resource_id == "8db1b3c1-7938-4c34-8c03-6de14b874f8f"
    assert resized.parameters == {"flavor": "x2"}


def test_they_are_planned_although_no_cloud_has_their_instances() -> None:
    cluster = world().cluster()
    solution = DummyWithResize().solve(cluster, Metrics(), Parameters())
    plan = Weight().order(solution, cluster)
    assert sorted(map(repr, plan.actions)) == sorted(map(repr, solution.actions))
    (resized,) = (place for place, one in enumerate(plan.actions) if one.type == RESIZE)
    (moved,) = (
        place
        for place, one in enumerate(plan.actions)
        if one.type == MIGRATE and one.resource_id == plan.actions[resized].resource_id
    )
    assert moved in plan.parents[resized]


def test_it_measures_nothing_and_takes_what_dummy_takes() -> None:
    assert DummyWithResize().queries(Parameters()) == ()
    para1 = parameters.schema(Parameters)["properties"]["para1"]
    assert (para1["default"], para1["minimum"], para1["maximum"]) == (3.2, 1.0, 10.2)
