# SPDX-License-Identifier: Apache-2.0
"""Plans from PENDING to their end, by a running applier on the simulated cloud."""

import contextlib
import threading
import time
from collections.abc import Iterator

import pytest
from oslo_utils import uuidutils
from sqlalchemy.orm import Session

from tests.functional.applier.conftest import Lab
from watcher import context
from watcher.applier import plans, service
from watcher.core import solution
from watcher.core.errors import LostRace, ServiceDown
from watcher.core.solution import Action, disable_host, migrate, nop, sleep
from watcher.db import store
from watcher.db.models import ActionDescription, ActionPlan, Service
from watcher.messaging.rpc import Applier
from watcher.simulator import migrations


def broken(**more: bool) -> Action:
    return Action("nop", {"message": "m", **(more or {"fail_execute": True})})


def test_a_plan_of_nothing_succeeds(lab: Lab) -> None:
    assert lab.run(lab.plan()).state == "SUCCEEDED"


def test_a_plan_runs_to_its_end_on_this_host(lab: Lab) -> None:
    uuid = lab.plan(nop("a"), sleep(0.01), nop(None), parents=[[], [0], [1]])
    plan = lab.run(uuid)
    assert (plan.state, plan.hostname, plan.epoch) == ("SUCCEEDED", "here", 1)
    assert plan.status_message is None
    assert lab.states(uuid) == ["SUCCEEDED"] * 3


def test_an_action_begins_after_its_parents_have_ended(lab: Lab) -> None:
    uuid = lab.plan(sleep(0.1), nop("child"), parents=[[], [0]])
    lab.run(uuid)
    parent, child = lab.actions(uuid)
    assert parent.updated_at < child.updated_at


def test_everything_is_announced_before_and_after(lab: Lab) -> None:
    server = lab.server()
    uuid = lab.plan(migrate(server.uuid, server.host, lab.roomy(server)))
    lab.run(uuid)
    assert [event for event in lab.heard if "execution" in event] == [
        "action_plan.execution.start",
        "action.execution.start",
        "action.execution.end",
        "action_plan.execution.end",
    ]
    (started,) = lab.messages("action.execution.start")
    assert started["state"] == "ONGOING"


def test_ongoing_is_announced_before_the_cloud_is_touched(lab: Lab) -> None:
    """While the announcement is under way nothing has been asked of Nova but to look."""
    server = lab.server()
    asked_at_the_start = []
    announce = lab.announcer.job

    def listen(event_type: str, row: object, *, phase: str, **more: object) -> None:
        if (event_type, phase) == ("action.execution", "start"):
            asked = lab.simulator.requests
            asked_at_the_start.extend(method for _, method, path in asked if "action" in path)
        announce(event_type, row, phase=phase, **more)

    lab.announcer.job = listen  # type: ignore[method-assign]
    uuid = lab.plan(migrate(server.uuid, server.host, lab.roomy(server)))
    assert lab.run(uuid).state == "SUCCEEDED"
    assert asked_at_the_start == []


def test_the_intent_is_stored_with_what_was_there_before(lab: Lab) -> None:
    server = lab.server()
    source = server.host
    uuid = lab.plan(migrate(server.uuid, source, lab.roomy(server)))
    lab.run(uuid)
    assert lab.actions(uuid)[0].before == {"host": source, "status": "ACTIVE"}


def test_a_failed_action_fails_its_plan_which_names_it(lab: Lab) -> None:
    uuid = lab.plan(broken(), nop("independent"))
    plan = lab.run(uuid)
    failed, independent = lab.actions(uuid)
    assert failed.status_message == "Action failed in execute: fail_execute is set"
    assert (failed.state, independent.state, plan.state) == ("FAILED", "SUCCEEDED", "FAILED")
    named = f"Action {failed.uuid} (nop) failed in execute: fail_execute is set"
    assert plan.status_message == named
    assert lab.heard[-1] == "action_plan.execution.error"


@pytest.mark.parametrize("phase", ["pre_condition", "execute", "post_condition"])
def test_the_message_says_in_which_phase_an_action_failed(lab: Lab, phase: str) -> None:
    uuid = lab.plan(broken(**{f"fail_{phase}": True}))
    lab.run(uuid)
    (action,) = lab.actions(uuid)
    assert action.status_message == f"Action failed in {phase}: fail_{phase} is set"


def test_what_depends_on_a_failed_action_is_not_run(lab: Lab) -> None:
    uuid = lab.plan(broken(), nop("child"), nop("grandchild"), parents=[[], [0], [1]])
    lab.run(uuid)
    failed, child, grandchild = lab.actions(uuid)
    assert [child.state, grandchild.state] == ["CANCELLED", "CANCELLED"]
    named = f"Not run because action {failed.uuid} (nop) failed."
    assert child.status_message == grandchild.status_message == named


def test_a_skipped_action_lets_its_children_run_and_its_plan_succeed(lab: Lab) -> None:
    uuid = lab.plan(broken(skip_pre_condition=True), nop("child"), parents=[[], [0]])
    plan = lab.run(uuid)
    skipped, child = lab.actions(uuid)
    assert (skipped.state, child.state, plan.state) == ("SKIPPED", "SUCCEEDED", "SUCCEEDED")
    reason = "Action was skipped automatically: skip_pre_condition is set"
    assert skipped.status_message == reason
    assert plan.status_message == "One or more actions were skipped."


def test_an_action_skipped_by_the_user_is_left_alone(lab: Lab) -> None:
    uuid = lab.plan(broken(), nop("child"), parents=[[], [0]], state="RECOMMENDED")
    with lab.database.writing() as session:
        said = "Action skipped by user."
        store.transition(session, lab.actions(uuid)[0], "SKIPPED", said)
        store.transition(session, store.get(session, ActionPlan, uuid), "PENDING")
    assert lab.run(uuid).state == "SUCCEEDED"
    skipped, child = lab.actions(uuid)
    assert (skipped.state, skipped.status_message) == ("SKIPPED", said)
    assert child.state == "SUCCEEDED"


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        (Action("fly", {}), "Action type fly could not be found"),
        (Action("sleep", {"duration": -1}), "duration: -1 is less than the minimum of 0"),
        (Action("nop", {"massage": "m"}), "parameter massage is not known"),
    ],
)
def test_an_action_nobody_can_run_fails_before_it_begins(
    lab: Lab, action: Action, reason: str
) -> None:
    uuid = lab.plan(action)
    assert lab.run(uuid).state == "FAILED"
    message = str(lab.actions(uuid)[0].status_message)
    assert message.startswith(f"Action failed in pre_condition: {reason}")


def test_a_migration_nova_refuses_fails_with_novas_reason(lab: Lab) -> None:
    server = lab.server()
    source = server.host
    lab.simulator.faults.move("refused", server=server.uuid, text="No valid host was found.")
    uuid = lab.plan(migrate(server.uuid, source, lab.roomy(server)))
    plan = lab.run(uuid)
    message = str(lab.actions(uuid)[0].status_message)
    assert message.endswith("ended as error: No valid host was found.")
    assert str(plan.status_message).endswith("ended as error: No valid host was found.")
    assert server.host == source


def test_what_a_failed_action_did_is_undone_and_told(lab: Lab) -> None:
    server = lab.server()
    source, to = server.host, lab.roomy(server)
    lab.simulator.faults.move("error-after-move", server=server.uuid, text="x" * 300)
    uuid = lab.plan(migrate(server.uuid, source, to))
    assert lab.run(uuid).state == "FAILED"
    message = str(lab.actions(uuid)[0].status_message)
    assert message.endswith(f"; undone: the instance was moved back from {to} to {source}")
    assert len(message) == 255
    assert server.host == source


def drain(lab: Lab, reason: str, fault: str | None = None) -> tuple[str, str]:
    """A plan that empties a host with one instance; its uuid and the host's name."""
    server = lab.server()
    host = lab.simulator.world.hosts[server.host]
    if fault:
        lab.simulator.faults.move(fault, server=server.uuid)
    uuid = lab.plan(
        disable_host(host.uuid, host.name, reason),
        migrate(server.uuid, host.name, lab.roomy(server)),
        parents=[[], [0]],
    )
    return uuid, host.name


def test_a_host_that_could_not_be_emptied_is_enabled_again_by_a_visible_action(lab: Lab) -> None:
    uuid, name = drain(lab, solution.DISABLED_BY_CONSOLIDATION, "refused")
    plan = lab.run(uuid)
    assert lab.states(uuid) == ["SUCCEEDED", "FAILED", "SUCCEEDED"]
    disabled, failed, enabled = lab.actions(uuid)
    assert enabled.action_type == "change_nova_service_state"
    assert enabled.input_parameters["state"] == "enabled"
    assert enabled.parents == [disabled.uuid]
    assert disabled.uuid in str(enabled.status_message)
    assert plan.state == "FAILED"
    assert failed.uuid in str(plan.status_message)
    assert lab.simulator.world.hosts[name].enabled


def test_a_host_under_maintenance_stays_disabled(lab: Lab) -> None:
    uuid, name = drain(lab, solution.DISABLED_FOR_MAINTENANCE, "refused")
    lab.run(uuid)
    assert lab.states(uuid) == ["SUCCEEDED", "FAILED"]
    assert not lab.simulator.world.hosts[name].enabled


def test_an_emptied_host_stays_disabled_with_the_reason(lab: Lab) -> None:
    uuid, name = drain(lab, solution.DISABLED_BY_CONSOLIDATION)
    assert lab.run(uuid).state == "SUCCEEDED"
    host = lab.simulator.world.hosts[name]
    assert (host.enabled, host.disabled_reason) == (False, "watcher_disabled")


def test_two_deliveries_of_one_message_run_the_plan_once(lab: Lab) -> None:
    lab.applier()
    server = lab.server()
    uuid = lab.plan(migrate(server.uuid, server.host, lab.roomy(server)))
    for _delivery in range(2):
        Applier(lab.bus).launch_action_plan(context.for_job(uuid), uuid)
    assert lab.ended(uuid).state == "SUCCEEDED"
    assert len(lab.simulator.world.migrations) == 1
    assert lab.heard.count("action_plan.execution.start") == 1


def test_of_eight_appliers_one_gets_the_plan(lab: Lab) -> None:
    uuid = lab.plan(nop("a"))
    got = []
    threads = [
        threading.Thread(target=lambda: got.append(plans.claim(lab.database, uuid, "here")))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([plan for plan in got if plan]) == 1
    assert lab.row(uuid).epoch == 1


def test_a_message_starts_a_plan_at_once(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "LOOK_S", 60)
    lab.applier()
    uuid = lab.plan(nop("a"))
    Applier(lab.bus).launch_action_plan(context.for_job(uuid), uuid)
    assert lab.ended(uuid).state == "SUCCEEDED"


@pytest.mark.parametrize("state", ["RECOMMENDED", "CANCELLED", "SUCCEEDED"])
def test_a_plan_that_is_not_pending_is_not_run(lab: Lab, state: str) -> None:
    lab.applier()
    uuid = lab.plan(nop("a"), state=state)
    Applier(lab.bus).launch_action_plan(context.for_job(uuid), uuid)
    other = lab.plan(nop("b"))
    lab.ended(other)
    assert (lab.row(uuid).state, lab.states(uuid)) == (state, ["PENDING"])


def test_an_unknown_plan_does_no_harm(lab: Lab) -> None:
    lab.applier()
    unknown = uuidutils.generate_uuid()
    Applier(lab.bus).launch_action_plan(context.for_job(unknown), unknown)
    assert lab.run(lab.plan(nop("a"))).state == "SUCCEEDED"


def test_a_cancelled_plan_finishes_what_runs_and_begins_nothing(lab: Lab) -> None:
    lab.applier()
    uuid = lab.plan(sleep(1.0), nop("child"), nop("grandchild"), parents=[[], [0], [1]])
    lab.until(lambda: lab.states(uuid)[0] == "ONGOING")
    cancel(lab, uuid)
    assert lab.ended(uuid).state == "CANCELLED"
    assert lab.states(uuid) == ["SUCCEEDED", "CANCELLED", "CANCELLED"]
    told = [event for event in lab.heard if "cancel" in event]
    assert told[0] == "action_plan.cancel.start"
    assert told[-1] == "action_plan.cancel.end"
    assert sorted(told[1:-1]) == ["action.cancel.end"] * 2 + ["action.cancel.start"] * 2


def test_a_plan_cancelled_while_its_last_action_runs_is_cancelled(lab: Lab) -> None:
    lab.applier()
    uuid = lab.plan(sleep(0.5))
    lab.until(lambda: lab.states(uuid) == ["ONGOING"])
    cancel(lab, uuid)
    assert lab.ended(uuid).state == "CANCELLED"
    assert lab.states(uuid) == ["SUCCEEDED"]


@pytest.mark.parametrize("abort", [True, False])
def test_a_cancel_breaks_off_a_live_migration_only_if_told_to(lab: Lab, abort: bool) -> None:
    server = lab.server()
    source, to = server.host, lab.roomy(server)
    lab.applier(abort_on_cancel=abort)
    lab.simulator.faults.move("stuck", server=server.uuid)
    uuid = lab.plan(migrate(server.uuid, source, to))
    lab.until(lambda: [one.status for one in lab.simulator.world.migrations] == ["running"])
    cancel(lab, uuid)
    if not abort:
        lab.until(lambda: "action_plan.cancel.start" in lab.heard)
        migrations.force_complete(lab.simulator.cloud, lab.simulator.world.migrations[0])
    assert lab.ended(uuid).state == "CANCELLED"
    assert lab.states(uuid) == ["CANCELLED" if abort else "SUCCEEDED"]
    assert server.host == (source if abort else to)
    assert lab.heard.count("action.cancel.end") == int(abort)


def cancel(lab: Lab, uuid: str) -> None:
    """As the API does it."""
    with lab.database.writing() as session:
        store.transition(session, store.get(session, ActionPlan, uuid), "CANCELLING")


def test_a_cancelled_drain_enables_its_host_again(lab: Lab) -> None:
    server = lab.server()
    host = lab.simulator.world.hosts[server.host]
    lab.applier()
    uuid = lab.plan(
        disable_host(host.uuid, host.name, solution.DISABLED_BY_CONSOLIDATION),
        sleep(1.0),
        migrate(server.uuid, host.name, lab.roomy(server)),
        parents=[[], [0], [1]],
    )
    lab.until(lambda: lab.states(uuid)[1] == "ONGOING")
    cancel(lab, uuid)
    assert lab.ended(uuid).state == "CANCELLED"
    assert lab.states(uuid) == ["SUCCEEDED", "SUCCEEDED", "CANCELLED", "SUCCEEDED"]
    assert host.enabled


def test_a_superseded_applier_cannot_write(lab: Lab) -> None:
    uuid = lab.plan(sleep(1.0), nop("child"), parents=[[], [0]])
    lab.applier()
    lab.until(lambda: lab.states(uuid)[0] == "ONGOING")
    with lab.database.writing() as session:
        plan = store.get(session, ActionPlan, uuid)
        store.swap(session, plan, "epoch", epoch=plan.epoch + 1, hostname="there")
    lab.run(lab.plan(nop("next")))
    assert (lab.row(uuid).state, lab.row(uuid).hostname) == ("ONGOING", "there")
    assert lab.states(uuid) == ["ONGOING", "PENDING"]


def test_plans_left_running_by_this_host_are_cancelled_at_its_start(lab: Lab) -> None:
    mine, others = (lab.plan(nop("a"), nop("b"), hostname=name) for name in ("here", "there"))
    with lab.database.writing() as session:
        for uuid in (mine, others):
            store.transition(session, store.get(session, ActionPlan, uuid), "ONGOING")
            store.transition(session, lab.actions(uuid)[0], "ONGOING")
    lab.applier()
    row = lab.row(mine)
    assert (row.state, lab.states(mine)) == ("CANCELLED", ["CANCELLED"] * 2)
    assert "applier on host here was stopped" in str(row.status_message)
    assert "applier on host here was stopped" in str(lab.actions(mine)[0].status_message)
    assert lab.states(others) == ["ONGOING", "PENDING"]
    stale = store.get
    with lab.database.writing() as session, pytest.raises(LostRace):
        store.transition(session, stale(session, ActionPlan, mine), "SUCCEEDED", epoch=0)


def test_a_stop_lets_running_actions_end_and_begins_no_more(lab: Lab) -> None:
    applier = lab.applier()
    uuid = lab.plan(sleep(0.5), nop("child"), parents=[[], [0]])
    lab.until(lambda: lab.states(uuid)[0] == "ONGOING")
    applier.stop()
    applier.wait()
    assert lab.states(uuid) == ["SUCCEEDED", "PENDING"]
    assert lab.row(uuid).state == "ONGOING"
    lab.applier()
    assert (lab.row(uuid).state, lab.states(uuid)) == ("CANCELLED", ["SUCCEEDED", "CANCELLED"])


def test_a_stop_does_not_wait_longer_than_it_may(lab: Lab) -> None:
    applier = lab.applier(shutdown_timeout=0)
    uuid = lab.plan(sleep(60))
    lab.until(lambda: lab.states(uuid) == ["ONGOING"])
    applier.stop()
    applier.wait()
    assert lab.states(uuid) == ["ONGOING"]


def test_more_plans_than_workers_wait_for_their_turn(lab: Lab) -> None:
    uuids = [lab.plan(sleep(0.05)) for _ in range(5)]
    lab.applier(workers=2)
    assert {lab.ended(uuid).state for uuid in uuids} == {"SUCCEEDED"}


def test_the_database_tells_of_the_applier_and_its_actions(lab: Lab) -> None:
    lab.applier()
    with lab.database.reading() as session:
        (service,) = store.every(session, Service)
        described = {row.action_type for row in store.every(session, ActionDescription)}
    assert (service.name, service.host) == ("watcher-applier", "here")
    assert service.last_seen_up is not None
    assert described >= {"nop", "sleep", "migrate", "change_nova_service_state"}


def test_a_database_that_is_away_for_a_while_is_waited_for(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("watcher.applier.steps.DATABASE_RETRY_S", 0.05)
    writing, until_s = lab.database.writing, time.monotonic() + 60

    @contextlib.contextmanager
    def fails() -> Iterator[Session]:
        if threading.current_thread().name.startswith("action") and time.monotonic() < until_s:
            raise ServiceDown("the database does not answer")
        with writing() as session:
            yield session

    uuid = lab.plan(sleep(0.2), nop("child"), parents=[[], [0]])
    lab.applier()
    lab.until(lambda: lab.states(uuid)[0] == "ONGOING")
    monkeypatch.setattr(lab.database, "writing", fails)
    until_s = time.monotonic() + 0.5
    assert lab.ended(uuid).state == "SUCCEEDED"
    assert lab.states(uuid) == ["SUCCEEDED"] * 2


def test_a_broken_deadlock_is_run_again(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    writing, broken = lab.database.writing, []

    @contextlib.contextmanager
    def deadlocks() -> Iterator[Session]:
        with writing() as session:
            yield session
            if threading.current_thread().name.startswith("action") and len(broken) < 3:
                broken.append(True)
                session.rollback()
                raise LostRace("the database broke a deadlock") from KeyError()

    monkeypatch.setattr(lab.database, "writing", deadlocks)
    assert lab.run(lab.plan(nop("a"))).state == "SUCCEEDED"
    assert len(broken) == 3


def test_an_applier_that_breaks_leaves_nothing_ongoing(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    uuid = lab.plan(nop("a"), nop("b"), parents=[[], [0]])
    monkeypatch.setattr("watcher.applier.flow.TaskflowEngine.run", breaks)
    plan = lab.run(uuid)
    assert (plan.state, lab.states(uuid)) == ("FAILED", ["CANCELLED", "CANCELLED"])
    assert plan.status_message == "The applier failed: ZeroDivisionError"
