# SPDX-License-Identifier: Apache-2.0
"""What becomes of a plan when one of its actions fails: continue, stop, rollback; and leases."""

import time
from typing import Any

import pytest

from tests.functional.applier.conftest import Lab
from watcher.actions.migrate import Migrate
from watcher.actions.sleep import Sleep
from watcher.applier import attempts, recheck, steps
from watcher.core import solution
from watcher.core.errors import Conflict, ServiceDown
from watcher.core.solution import disable_host, migrate, nop, sleep
from watcher.db import leases, store
from watcher.db.models import ActionPlan, Lease


def broken() -> solution.Action:
    return solution.Action("nop", {"message": "x", "fail_execute": True})


@pytest.mark.parametrize(
    ("on_failure", "states"),
    [
        ("continue", ["FAILED", "CANCELLED", "SUCCEEDED", "SUCCEEDED"]),
        ("stop", ["FAILED", "CANCELLED", "SUCCEEDED", "CANCELLED"]),
        ("rollback", ["FAILED", "CANCELLED", "SUCCEEDED", "CANCELLED"]),
    ],
)
@pytest.mark.parametrize("by", ["plan", "option"])
def test_after_a_failure_a_plan_goes_on_or_ends(
    lab: Lab, on_failure: str, states: list[str], by: str
) -> None:
    if by == "option":
        lab.conf.set_override("on_failure", on_failure, "watcher_applier")
    own = {"on_failure": on_failure} if by == "plan" else {}
    actions = (broken(), nop("child"), sleep(3.0), nop("other"))
    uuid = lab.plan(*actions, parents=[[], [0], [], [2]], **own)
    assert lab.run(uuid).state == "FAILED"
    assert lab.states(uuid) == states
    reason = str(lab.actions(uuid)[3].status_message)
    assert (on_failure == "continue") or ("failed, and the plan was to" in reason)


def test_a_rollback_takes_back_what_was_done_the_newest_first(lab: Lab) -> None:
    first, second = lab.servers(2)
    sources = (first.host, second.host)
    moves = [migrate(one.uuid, one.host, lab.roomy(one)) for one in (first, second)]
    busy = {*sources, lab.roomy(first), lab.roomy(second)}
    hosts = lab.simulator.world.hosts.values()
    host = next(one for one in hosts if one.enabled and one.name not in busy)
    empty = disable_host(host.uuid, host.name, "watcher_disabled")
    uuid = lab.plan(
        empty, *moves, broken(), parents=[[], [0], [1], [0, 1, 2]], on_failure="rollback"
    )
    plan = lab.run(uuid)
    actions = lab.actions(uuid)
    assert [one.state for one in actions] == ["SUCCEEDED"] * 3 + ["FAILED"] + ["SUCCEEDED"] * 3
    assert (first.host, second.host, host.enabled) == (*sources, True)
    assert [one.undoes for one in actions[4:]] == [actions[n].uuid for n in (2, 1, 0)]
    assert actions[5].parents == [actions[4].uuid]
    assert actions[4].status_message == f"Takes back action {actions[2].uuid}."
    assert plan.state == "FAILED"
    assert str(plan.status_message).endswith("fail_execute is set Rolled back: 3 of 3 actions.")


def test_what_a_rollback_cannot_take_back_says_so(lab: Lab) -> None:
    stopped, moved = lab.servers(2)
    source = moved.host
    uuid = lab.plan(
        solution.Action("stop", {"resource_id": stopped.uuid}),
        migrate(moved.uuid, source, lab.roomy(moved)),
        broken(),
        parents=[[], [0], [1]],
        on_failure="rollback",
    )
    plan = lab.run(uuid)
    assert lab.states(uuid) == ["SUCCEEDED", "SUCCEEDED", "FAILED", "SUCCEEDED"]
    said = "Not taken back: there is no action that starts an instance"
    assert lab.actions(uuid)[0].status_message == said
    assert str(plan.status_message).endswith("Rolled back: 1 of 2 actions.")
    assert moved.host == source


@pytest.fixture
def silence(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Nova does not answer when it is asked how to take a migration back; who asked."""
    asked: list[str] = []

    def silent(move: Migrate, _before: object) -> None:
        asked.append(move._uuid)
        raise ServiceDown("Nova does not answer")

    monkeypatch.setattr(Migrate, "reverse", silent)
    monkeypatch.setattr(attempts, "RETRY_S", 0.1)
    return asked


def moves_and_fails(lab: Lab) -> str:
    moves = [migrate(one.uuid, one.host, lab.roomy(one)) for one in lab.servers(3)]
    return lab.plan(*moves, broken(), parents=[[], [], [], [0, 1, 2]], on_failure="rollback")


def test_a_cloud_that_is_silent_at_a_rollback_is_waited_for_once(
    lab: Lab, silence: list[str]
) -> None:
    lab.applier(patience=1)
    plan = lab.run(moves_and_fails(lab))
    assert str(plan.status_message).endswith("Rolled back: 0 of 3 actions.")
    first, *others = silence
    assert silence.count(first) > 2
    assert len({*others} - {first}) == len([one for one in others if one != first]) == 2


def test_a_stop_does_not_wait_for_a_cloud_that_is_silent_at_a_rollback(
    lab: Lab, silence: list[str]
) -> None:
    applier = lab.applier(patience=60, shutdown_timeout=1)
    uuid = moves_and_fails(lab)
    lab.until(lambda: silence)
    begun_s = time.monotonic()
    applier.stop()
    applier.wait()
    assert time.monotonic() - begun_s < 30
    assert lab.row(uuid).state == "ONGOING"
    assert [one.status_message for one in lab.actions(uuid)[:3]] == [None] * 3


def test_a_stop_does_not_wait_for_a_cloud_that_is_silent_before_a_plan(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def silent(*_: object) -> None:
        asked.append(1)
        raise ServiceDown("Nova does not answer")

    monkeypatch.setattr(recheck, "_stale", silent)
    monkeypatch.setattr(attempts, "RETRY_S", 0.1)
    applier = lab.applier(patience=60, shutdown_timeout=1)
    server = lab.server()
    uuid = lab.plan(migrate(server.uuid, server.host, lab.roomy(server)))
    lab.until(lambda: asked)
    begun_s = time.monotonic()
    applier.stop()
    applier.wait()
    assert time.monotonic() - begun_s < 30
    assert (lab.row(uuid).state, lab.states(uuid)) == ("ONGOING", ["PENDING"])


def test_a_rollback_that_was_under_way_goes_on_and_begins_once(lab: Lab) -> None:
    server = lab.server()
    source, to = server.host, lab.roomy(server)
    uuid = lab.plan(migrate(server.uuid, source, to), broken(), on_failure="rollback")
    lab.run(uuid)
    back = lab.actions(uuid)[2]
    with lab.database.writing() as session:  # as if the applier had died before it was begun
        plan = store.get(session, ActionPlan, uuid)
        session.connection().exec_driver_sql(
            f"UPDATE action_plans SET state = 'ONGOING' WHERE id = {plan.id}"
        )
        session.connection().exec_driver_sql(
            f"UPDATE actions SET state = 'PENDING' WHERE id = {back.id}"
        )
    server.host = to
    assert lab.ended(uuid).state == "FAILED"
    assert lab.states(uuid) == ["SUCCEEDED", "FAILED", "SUCCEEDED"]
    assert server.host == source


def test_a_plan_of_which_not_much_is_left_is_not_begun(lab: Lab) -> None:
    first, second, third = lab.servers(3)
    moves = [migrate(one.uuid, "elsewhere", lab.roomy(one)) for one in (first, second)]
    uuid = lab.plan(*moves, migrate(third.uuid, third.host, lab.roomy(third)))
    plan = lab.run(uuid)
    assert (plan.state, lab.states(uuid)) == ("FAILED", ["CANCELLED"] * 3)
    assert str(plan.status_message).startswith(
        f"Not started: 2 of 3 migrations do not fit the cloud any more (the first: instance"
        f" {first.uuid} is not on elsewhere any more)"
    )
    assert not lab.simulator.world.migrations


def test_a_plan_of_which_most_is_left_is_begun_and_the_rest_skipped(lab: Lab) -> None:
    first, second, third = lab.servers(3)
    moves = [migrate(one.uuid, one.host, lab.roomy(one)) for one in (second, third)]
    uuid = lab.plan(migrate(first.uuid, "elsewhere", lab.roomy(first)), *moves)
    assert lab.run(uuid).state == "SUCCEEDED"
    assert lab.states(uuid) == ["SKIPPED", "SUCCEEDED", "SUCCEEDED"]


class TestLeases:
    """Plans that are started one after another, no applier at work."""

    def start(self, lab: Lab, *actions: solution.Action) -> str:
        uuid = lab.plan(*actions, state="RECOMMENDED")
        with lab.database.writing() as session:
            leases.launch(session, store.get(session, ActionPlan, uuid))
        return uuid

    def test_two_plans_do_not_have_one_instance(self, lab: Lab) -> None:
        first = self.start(lab, migrate("vm", "a", "b"))
        with pytest.raises(Conflict, match=f"instance vm is in the hands of .* {first}, which is"):
            self.start(lab, nop("x"), migrate("vm", "b", "c"))

    def test_two_plans_may_use_one_host_that_neither_changes(self, lab: Lab) -> None:
        self.start(lab, migrate("vm1", "a", "b"))
        self.start(lab, migrate("vm2", "a", "b"))

    def test_a_host_that_a_plan_uses_is_not_disabled_by_another(self, lab: Lab) -> None:
        self.start(lab, migrate("vm1", "a", "b"))
        with pytest.raises(Conflict, match="host b is in the hands of action plan"):
            self.start(lab, disable_host("uuid", "b", "watcher_disabled"))

    def test_a_plan_that_is_refused_leaves_nothing(self, lab: Lab) -> None:
        self.start(lab, migrate("vm1", "a", "b"))
        with pytest.raises(Conflict):
            self.start(lab, migrate("vm2", "a", "b"), migrate("vm1", "a", "b"))
        self.start(lab, migrate("vm2", "a", "b"))

    def test_what_a_plan_had_is_free_when_it_has_ended(self, lab: Lab) -> None:
        first = self.start(lab, migrate("vm", "a", "b"))
        with lab.database.writing() as session:
            store.transition(session, store.get(session, ActionPlan, first), "CANCELLED")
            assert store.every(session, Lease) == []
        self.start(lab, migrate("vm", "a", "b"))

    def test_an_action_skipped_before_the_start_has_nothing(self, lab: Lab) -> None:
        self.start(lab, migrate("vm", "a", "b"))
        uuid = lab.plan(migrate("vm", "a", "b"), sleep(0), state="RECOMMENDED")
        with lab.database.writing() as session:
            store.transition(session, lab.actions(uuid)[0], "SKIPPED")
            leases.launch(session, store.get(session, ActionPlan, uuid))


def test_two_appliers_keep_one_limit_together(lab: Lab) -> None:
    uuids = [lab.plan(sleep(0.3), sleep(0.3)) for _ in range(2)]
    lab.applier(parallel_total=1)
    lab.conf.set_override("host", "there")
    lab.applier(parallel_total=1)
    most = 0
    while any(lab.row(uuid).state not in ("SUCCEEDED", "FAILED") for uuid in uuids):
        states = [state for uuid in uuids for state in lab.states(uuid)]
        most = max(most, states.count("ONGOING"))
    assert {lab.row(uuid).state for uuid in uuids} == {"SUCCEEDED"}
    assert {lab.row(uuid).hostname for uuid in uuids} == {"here", "there"}
    assert most == 1


def test_an_action_that_waits_for_another_applier_leaves_the_cloud_in_peace(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[float] = []
    check = Sleep.check

    def counted(action: Sleep) -> Any:
        checked.append(action._duration_s)
        return check(action)

    monkeypatch.setattr(Sleep, "check", counted)
    monkeypatch.setattr(steps, "ROOM_S", 0.1)
    lab.applier(parallel_total=1)
    first = lab.plan(sleep(2.0))
    lab.until(lambda: lab.states(first) == ["ONGOING"])
    lab.conf.set_override("host", "there")
    lab.applier(parallel_total=1)
    second = lab.plan(sleep(0.0))
    assert {lab.ended(uuid).state for uuid in (first, second)} == {"SUCCEEDED"}
    assert lab.row(second).hostname == "there"
    assert 2 <= checked.count(0.0) <= 3
