# SPDX-License-Identifier: Apache-2.0
"""The planner ``weight``: importance first, real dependencies, no barriers."""

from dataclasses import fields
from typing import Any

import numpy as np
import pytest

from tests.shelves import pool_name, shelves
from tests.worlds import uuid, world
from watcher.core.cluster import Cluster
from watcher.core.errors import ImpossiblePlan, Invalid
from watcher.core.placement import Load
from watcher.core.plan import Plan
from watcher.core.solution import (
    Action,
    Solution,
    disable_host,
    enable_host,
    migrate,
    migrate_volume,
    nop,
    sleep,
    stop,
)
from watcher.planners.weight import Weight, WeightOptions

EMPTY = world().cluster()


def ordered(*actions: Action, cluster: Cluster = EMPTY, **options: Any) -> Plan:
    planner = Weight(WeightOptions(**options)) if options else Weight()
    return planner.order(Solution(actions), cluster)


def go(name: str, source: str, to: str | None = None) -> Action:
    return migrate(uuid(name), source, to, name=name)


def disable(name: str) -> Action:
    return disable_host(uuid(name), name, "watcher_disabled")


def enable(name: str) -> Action:
    return enable_host(uuid(name), name)


def power(name: str, state: str) -> Action:
    return Action("change_node_power_state", {"state": state, "resource_name": name}, "node")


def waits(plan: Plan, action: Action) -> set[str]:
    """What an action of a plan waits for: types, with the resource's name where it has one."""
    place = plan.actions.index(action)
    parents = [plan.actions[parent] for parent in plan.parents[place]]
    return {
        " ".join((one.type, one.parameters.get("resource_name", ""))).strip() for one in parents
    }


def two_hosts() -> Cluster:
    return world().host("c1").runs("a").runs("b").host("c2").host("c3").cluster()


def test_an_empty_solution_gives_an_empty_plan() -> None:
    assert ordered() == Plan()


def test_the_dummys_words_come_first_and_the_sleep_waits_for_them() -> None:
    plan = ordered(nop("hello"), nop("you"), sleep(1))
    assert plan.actions == (nop("hello"), nop("you"), sleep(1))
    assert plan.parents == ((), (0,), (0, 1))


def test_types_are_ordered_by_weight() -> None:
    volume = Action("volume_migrate", {}, "volume")
    resize = Action("resize", {}, "other")
    cluster = two_hosts()
    given = (resize, go("a", "c1", "c2"), stop("x"), disable("c3"), volume, nop("n"))
    plan = ordered(*given, cluster=cluster)
    assert plan.actions == tuple(reversed(given))


def test_types_do_not_wait_for_each_other() -> None:
    plan = ordered(stop("x"), disable("c3"), go("a", "c1", "c2"), cluster=two_hosts())
    assert plan.parents == ((), (), ())


def test_weights_can_be_changed() -> None:
    plan = ordered(nop("n"), stop("x"), weights={"nop": 1, "stop": 2})
    assert [one.type for one in plan.actions] == ["stop", "nop"]


def test_weights_may_come_as_text_from_a_configuration_file() -> None:
    plan = ordered(nop("n"), stop("x"), weights={"nop": "9", "stop": "10"})
    assert [one.type for one in plan.actions] == ["stop", "nop"]


def test_a_weight_that_is_no_number_is_refused() -> None:
    with pytest.raises(Invalid, match="weights"):
        Weight(WeightOptions(weights={"nop": "much"}))


def test_two_types_may_not_share_a_weight() -> None:
    with pytest.raises(Invalid, match="share a weight"):
        Weight(WeightOptions(weights={"nop": 1, "sleep": 1}))


def test_a_type_without_weight_is_refused_by_name() -> None:
    with pytest.raises(Invalid, match="action type dance has no weight"):
        ordered(Action("dance"))


def test_the_options_are_those_of_the_contract() -> None:
    assert WeightOptions().weights == {
        "nop": 70,
        "volume_migrate": 60,
        "change_nova_service_state": 50,
        "sleep": 40,
        "stop": 35,
        "migrate": 30,
        "resize": 20,
        "turn_host_to_acpi_s3_state": 10,
        "change_node_power_state": 9,
    }
    assert WeightOptions().parallelization.keys() == WeightOptions().weights.keys()
    assert [one.name for one in fields(Weight.Options)] == ["weights", "parallelization"]


def test_words_run_side_by_side_as_allowed() -> None:
    plan = ordered(nop("1"), nop("2"), nop("3"), parallelization={"nop": 2})
    assert plan.parents == ((), (), (0,))


def test_what_comes_after_a_sleep_waits_for_it() -> None:
    move = go("a", "c1", "c2")
    plan = ordered(move, sleep(1), disable("c3"), cluster=two_hosts())
    assert waits(plan, move) == {"sleep"}
    assert waits(plan, sleep(1)) == {"change_nova_service_state c3"}


def test_moves_off_a_host_wait_until_it_is_disabled() -> None:
    off, other = go("a", "c1", "c2"), go("b", "c1", "c3")
    plan = ordered(off, other, disable("c1"), cluster=two_hosts())
    assert waits(plan, off) == waits(plan, other) == {"change_nova_service_state c1"}


def test_moves_to_a_host_wait_until_it_is_enabled() -> None:
    move, other = go("a", "c1", "c2"), go("b", "c1", "c3")
    plan = ordered(move, other, enable("c2"), cluster=two_hosts())
    assert waits(plan, move) == {"change_nova_service_state c2"}
    assert waits(plan, other) == set()


def test_a_move_without_destination_waits_for_every_switch() -> None:
    move = go("a", "c1")
    plan = ordered(move, disable("c3"), enable("c2"), cluster=two_hosts())
    assert waits(plan, move) == {"change_nova_service_state c2", "change_nova_service_state c3"}


def test_a_host_that_only_takes_instances_is_disabled_afterwards() -> None:
    plan = ordered(disable("c2"), go("a", "c1", "c2"), cluster=two_hosts())
    assert waits(plan, disable("c2")) == {"migrate a"}


def test_a_host_is_powered_off_last_and_on_first() -> None:
    off, on = power("c1", "off"), power("c2", "on")
    plan = ordered(off, on, enable("c2"), disable("c1"), go("a", "c1", "c2"), cluster=two_hosts())
    assert plan.actions[0] == on
    assert waits(plan, enable("c2")) == {"change_node_power_state c2"}
    assert waits(plan, off) == {
        "change_nova_service_state c1",
        "migrate a",
        "change_node_power_state c2",
    }


def test_two_actions_on_one_instance_follow_each_other() -> None:
    move, resize = go("a", "c1", "c2"), Action("resize", {"flavor": "x"}, uuid("a"))
    plan = ordered(resize, move, cluster=two_hosts())
    assert waits(plan, resize) == {"migrate a"}


def test_a_swap_of_full_hosts_goes_over_a_third_one() -> None:
    built = world().host("c1").runs("a", memory_mb=16384).host("c2").runs("b", memory_mb=16000)
    cluster = built.host("c3").cluster()
    plan = ordered(go("a", "c1", "c2"), go("b", "c2", "c1"), cluster=cluster)
    ends = [
        (one.parameters["source_node"], one.parameters["destination_node"]) for one in plan.actions
    ]
    assert ends == [("c2", "c3"), ("c1", "c2"), ("c3", "c1")]
    assert plan.parents == ((), (0,), (0, 1))


def test_a_host_that_the_plan_disables_is_no_place_for_a_temporary_stay() -> None:
    built = world().host("c1").runs("a", memory_mb=16384).host("c2").runs("b", memory_mb=16384)
    cluster = built.host("c3").cluster()
    with pytest.raises(ImpossiblePlan, match="at no moment of the plan has c2 room"):
        ordered(go("a", "c1", "c2"), go("b", "c2", "c1"), disable("c3"), cluster=cluster)


@pytest.mark.parametrize(
    ("action", "said"),
    [
        (go("zz", "c1", "c2"), "is not in the cluster"),
        (go("a", "c9", "c2"), "host c9, named by a move"),
        (go("a", "c1", "c9"), "host c9, named by a move"),
        (go("a", "c2", "c3"), "is not on host c2"),
        (go("a", "c1", "tiny"), "at no moment of the plan has tiny room"),
    ],
)
def test_a_move_that_cannot_be_made_is_refused_with_its_reason(action: Action, said: str) -> None:
    built = world().host("c1").runs("a").host("c2").host("c3").host("tiny", memory_mb=512)
    with pytest.raises(ImpossiblePlan, match=said):
        ordered(action, cluster=built.cluster())


def test_a_host_is_disabled_after_the_sleep_when_its_arrivals_are() -> None:
    move = go("a", "c1", "c2")
    plan = ordered(disable("c2"), sleep(1), move, cluster=two_hosts())
    assert plan.actions == (sleep(1), move, disable("c2"))


def test_on_and_off_of_one_machine_follow_each_other() -> None:
    plan = ordered(power("c1", "off"), power("c1", "on"), cluster=two_hosts())
    assert [one.parameters["state"] for one in plan.actions] == ["on", "off"]
    assert plan.parents == ((), (0,))


def test_actions_that_wait_for_each_other_in_a_circle_are_refused() -> None:
    with pytest.raises(ImpossiblePlan, match="wait for each other in a circle"):
        ordered(disable("c2"), enable("c2"), go("a", "c1", "c2"), cluster=two_hosts())


def test_moves_of_what_no_cloud_has_are_not_judged_by_the_cluster() -> None:
    moves = (go("nobody", "nowhere", "elsewhere"), go("another", "nowhere"))
    with pytest.raises(ImpossiblePlan, match="is not in the cluster"):
        Weight().order(Solution(moves), EMPTY)
    plan = Weight().order(Solution(moves, imaginary=True), EMPTY)
    assert plan.actions == moves


def test_a_server_and_a_volume_that_is_attached_to_it_are_not_moved_at_the_same_time() -> None:
    built = shelves().pool("p").holds("v", servers=["a"]).pool("q")
    cluster = built.beside(two_hosts())
    move = go("a", "c1", "c2")
    plan = ordered(move, migrate_volume(uuid("v"), pool_name("q")), cluster=cluster)
    assert [one.type for one in plan.actions] == ["volume_migrate", "migrate"]
    assert plan.parents == ((), (0,))
    lone = ordered(move, migrate_volume(uuid("other"), pool_name("q")), cluster=cluster)
    assert lone.parents == ((), ())


def test_a_move_waits_for_room_in_a_measured_load_as_well() -> None:
    cluster = two_hosts()
    names = [str(name) for name in cluster.instances.name]
    busy = np.array([{"a": 3.0, "b": 2.0}[name] for name in names])
    load = Load("cpu", busy, limit=np.full(3, 2.0), overhead=np.zeros(3))
    moves = (go("a", "c1", "c2"), go("b", "c1", "c2"))
    with pytest.raises(ImpossiblePlan, match="at no moment"):
        Weight().order(Solution(moves[:1], loads=(load,)), cluster)
    assert Weight().order(Solution(moves[1:], loads=(load,)), cluster).actions == moves[1:]
