# SPDX-License-Identifier: Apache-2.0
"""Plans from PENDING to their end, by a running applier on the simulated cloud."""

from typing import Any

import pytest
from sqlalchemy import event

from tests.functional.applier.conftest import Lab
from watcher.applier.plans import PlanRun
from watcher.core import solution
from watcher.core.solution import Action, disable_host, migrate, nop, sleep
from watcher.db import store
from watcher.db.models import ActionPlan, Audit
from watcher.decision_engine import history
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


def test_a_plan_of_a_dry_run_is_refused_whoever_made_it_pending(lab: Lab) -> None:
    server = lab.server()
    with lab.database.writing() as session:
        audit = store.every(session, Audit)[0]
        store.change(session, audit, dry_run=True)
    uuid = lab.plan(migrate(server.uuid, server.host, lab.roomy(server)), nop("a"))
    plan = lab.run(uuid)
    assert plan.state == "CANCELLED"
    assert plan.status_message == (
        f"Not run: action plan {uuid} is of the dry run {audit.uuid} and is never started: create"
        " the audit without dry_run, and start the plan of that one."
    )
    assert lab.states(uuid) == ["CANCELLED"] * 2
    assert not [path for _, method, path in lab.simulator.requests if method == "POST"
                and path.endswith("/action")]  # fmt: skip
    with lab.database.reading() as session:
        assert history.moved(session, 3600) == frozenset()  # nobody has to rest


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
    assert lab.actions(uuid)[0].before == {"host": source, "status": "ACTIVE", "migration": 0}


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
    """A plan that moves one instance away from a host; its uuid and the host's name."""
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
    moved = lab.server()
    host = lab.simulator.world.hosts[moved.host]
    for other in list(lab.simulator.world.servers.values()):
        if other.host == host.name and other is not moved:
            lab.simulator.delete_server(other.uuid)
    uuid, _ = drain(lab, solution.DISABLED_BY_CONSOLIDATION)
    assert lab.run(uuid).state == "SUCCEEDED"
    assert lab.states(uuid) == ["SUCCEEDED"] * 2
    assert (host.enabled, host.disabled_reason) == (False, "watcher_disabled")


def test_a_host_that_got_an_instance_meanwhile_is_enabled_again(lab: Lab) -> None:
    server = lab.server()
    host = lab.simulator.world.hosts[server.host]
    uuid = lab.plan(disable_host(host.uuid, host.name, solution.DISABLED_BY_CONSOLIDATION))
    assert lab.run(uuid).state == "SUCCEEDED"
    assert [row.action_type for row in lab.actions(uuid)] == ["change_nova_service_state"] * 2
    assert lab.states(uuid) == ["SUCCEEDED"] * 2
    assert host.enabled


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


def test_a_live_migration_that_cannot_be_broken_off_goes_on_and_is_told(lab: Lab) -> None:
    server = lab.server()
    source, to = server.host, lab.roomy(server)
    lab.applier(abort_on_cancel=True)
    lab.simulator.faults.move("stuck", server=server.uuid)
    lab.simulator.faults.add(
        service="compute", method="DELETE", path="/migrations/", status=409, times=None
    )
    uuid = lab.plan(migrate(server.uuid, source, to))
    lab.until(lambda: [one.status for one in lab.simulator.world.migrations] == ["running"])
    cancel(lab, uuid)
    lab.until(lambda: "action.cancel.error" in lab.heard)
    migrations.force_complete(lab.simulator.cloud, lab.simulator.world.migrations[0])
    lab.ended(uuid)
    assert server.host == to


def test_a_cancel_of_many_actions_is_a_handful_of_statements(lab: Lab) -> None:
    many = 1000
    uuid = lab.plan(sleep(3), *[nop("one of many")] * many, parents=[[], *[[0]] * many])
    lab.applier()
    lab.until(lambda: lab.states(uuid)[0] == "ONGOING")
    written: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        written.extend([statement] if statement.startswith("UPDATE actions") else [])

    event.listen(lab.database.engine, "before_cursor_execute", note)
    cancel(lab, uuid)
    assert lab.ended(uuid, 60).state == "CANCELLED"
    assert lab.states(uuid) == ["SUCCEEDED", *["CANCELLED"] * many]
    assert len(written) < 10
    lab.until(lambda: lab.heard.count("action.cancel.end") == many)
    assert lab.heard.count("action.cancel.start") == many


def test_a_cancel_that_breaks_off_is_told_as_an_error(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the applier itself, while the running action ends."""

    def broken(*_arguments: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(PlanRun, "_make_good", broken)
    uuid = lab.plan(sleep(3), nop("child"), parents=[[], [0]])
    lab.applier()
    lab.until(lambda: lab.states(uuid)[0] == "ONGOING")
    cancel(lab, uuid)
    assert lab.ended(uuid).state == "FAILED"
    lab.until(lambda: "action_plan.cancel.error" in lab.heard)
    assert "action_plan.execution.error" not in lab.heard
    (told,) = lab.messages("action_plan.cancel.error")
    assert told["state"] == "FAILED"
    assert told["fault"]["watcher_object.data"]["exception"] == "ZeroDivisionError"


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


def test_an_action_skipped_at_the_last_moment_is_not_run(lab: Lab) -> None:
    uuid = lab.plan(sleep(1.0), broken(), nop("child"), parents=[[], [0], [1]])
    lab.applier()
    lab.until(lambda: lab.states(uuid)[0] == "ONGOING")
    with lab.database.writing() as session:
        store.transition(session, lab.actions(uuid)[1], "SKIPPED")
    plan = lab.ended(uuid)
    assert lab.states(uuid) == ["SUCCEEDED", "SKIPPED", "SUCCEEDED"]
    assert (plan.state, plan.status_message) == (
        "SUCCEEDED",
        "One or more actions were skipped.",
    )
