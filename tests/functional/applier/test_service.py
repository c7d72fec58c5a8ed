# SPDX-License-Identifier: Apache-2.0
"""Which plans an applier takes, what it survives, how it starts and stops."""

import contextlib
import itertools
import pathlib
import re
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from oslo_utils import uuidutils
from sqlalchemy.orm import Session

from tests.functional.applier.conftest import Lab
from watcher.applier import plans, service
from watcher.context import RequestContext
from watcher.core.errors import Invalid, LostRace, ServiceDown
from watcher.core.solution import migrate, nop, sleep
from watcher.db import store
from watcher.db.models import ActionDescription, ActionPlan, Service
from watcher.messaging.rpc import Applier


def test_two_deliveries_of_one_message_run_the_plan_once(lab: Lab) -> None:
    lab.applier()
    server = lab.server()
    uuid = lab.plan(migrate(server.uuid, server.host, lab.roomy(server)))
    for _delivery in range(2):
        Applier(lab.bus).launch_action_plan(RequestContext(), uuid)
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
    Applier(lab.bus).launch_action_plan(RequestContext(), uuid)
    assert lab.ended(uuid).state == "SUCCEEDED"


@pytest.mark.parametrize("state", ["RECOMMENDED", "CANCELLED", "SUCCEEDED"])
def test_a_plan_that_is_not_pending_is_not_run(lab: Lab, state: str) -> None:
    lab.applier()
    uuid = lab.plan(nop("a"), state=state)
    Applier(lab.bus).launch_action_plan(RequestContext(), uuid)
    other = lab.plan(nop("b"))
    lab.ended(other)
    assert (lab.row(uuid).state, lab.states(uuid)) == (state, ["PENDING"])


def test_an_unknown_plan_does_no_harm(lab: Lab) -> None:
    lab.applier()
    unknown = uuidutils.generate_uuid()
    Applier(lab.bus).launch_action_plan(RequestContext(), unknown)
    assert lab.run(lab.plan(nop("a"))).state == "SUCCEEDED"


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


def test_plans_left_running_by_this_host_go_on_and_those_of_others_do_not(lab: Lab) -> None:
    mine, others = (lab.plan(nop("a"), nop("b"), hostname=name) for name in ("here", "there"))
    with lab.database.writing() as session:
        for uuid in (mine, others):
            store.transition(session, store.get(session, ActionPlan, uuid), "ONGOING")
            store.transition(session, lab.actions(uuid)[0], "ONGOING")
    lab.applier()
    assert (lab.ended(mine).state, lab.states(mine)) == ("SUCCEEDED", ["SUCCEEDED"] * 2)
    assert lab.states(others) == ["ONGOING", "PENDING"]


def test_a_plan_of_a_host_that_shows_no_sign_of_life_is_taken_over(lab: Lab) -> None:
    lab.conf.set_override("service_down_time", 1)
    uuid = lab.plan(nop("a"), nop("b"), parents=[[], [0]], hostname="there")
    with lab.database.writing() as session:
        store.add(session, Service(name="watcher-applier", host="there"))
        store.transition(session, store.get(session, ActionPlan, uuid), "ONGOING")
        store.transition(session, lab.actions(uuid)[0], "ONGOING")
    lab.applier()
    plan = lab.ended(uuid)
    assert (plan.state, plan.hostname, plan.epoch) == ("SUCCEEDED", "here", 1)


def test_a_cancel_that_was_under_way_is_finished_by_who_takes_over(lab: Lab) -> None:
    uuid = lab.plan(nop("a"), nop("b"), parents=[[], [0]], hostname="here")
    with lab.database.writing() as session:
        plan = store.get(session, ActionPlan, uuid)
        store.transition(session, plan, "ONGOING")
        store.transition(session, lab.actions(uuid)[0], "ONGOING")
        store.transition(session, plan, "CANCELLING")
    lab.applier()
    assert lab.ended(uuid).state == "CANCELLED"
    assert lab.states(uuid) == ["SUCCEEDED", "CANCELLED"]


def test_what_waited_for_a_failed_action_does_not_run_after_a_restart_either(lab: Lab) -> None:
    uuid = lab.plan(nop("a"), nop("b"), nop("c"), parents=[[], [0], [1]], hostname="here")
    with lab.database.writing() as session:
        store.transition(session, store.get(session, ActionPlan, uuid), "ONGOING")
        first = lab.actions(uuid)[0]
        store.transition(session, first, "ONGOING")
        store.transition(session, first, "FAILED", "Action failed in execute: no")
    lab.applier()
    assert lab.ended(uuid).state == "FAILED"
    assert lab.states(uuid) == ["FAILED", "CANCELLED", "CANCELLED"]
    assert lab.row(uuid).status_message == f"Action {first.uuid} (nop) failed in execute: no"


def test_a_stop_lets_running_actions_end_and_the_next_start_goes_on(lab: Lab) -> None:
    applier = lab.applier()
    uuid = lab.plan(sleep(0.5), nop("child"), parents=[[], [0]])
    lab.until(lambda: lab.states(uuid)[0] == "ONGOING")
    applier.stop()
    applier.wait()
    assert lab.states(uuid) == ["SUCCEEDED", "PENDING"]
    assert lab.row(uuid).state == "ONGOING"
    lab.applier()
    assert (lab.ended(uuid).state, lab.states(uuid)) == ("SUCCEEDED", ["SUCCEEDED"] * 2)


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
    monkeypatch.setattr("watcher.db.engine.Database.pauses_s", lambda _: itertools.repeat(0.05))
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


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        ({"workflow_engine": "clockwork"}, "workflow_engine is 'clockwork'; there is taskflow"),
        ({"parallelization": {"migrate": "many"}}, "parallelization: invalid literal"),
        ({"parallelization": {"migrate": "0"}}, "parallelization: a number below 1"),
    ],
)
def test_a_wrong_setting_is_one_clear_sentence(
    lab: Lab, setting: dict[str, Any], reason: str
) -> None:
    with pytest.raises(Invalid, match=re.escape(reason)):
        lab.applier(**setting)


def test_the_former_place_of_parallelization_is_still_read(lab: Lab) -> None:
    file = pathlib.Path(lab.conf.config_file[0])
    file.write_text(file.read_text() + "[watcher_planners.weight]\nparallelization = migrate:3\n")
    lab.conf.reload_config_files()
    assert lab.conf.watcher_applier.parallelization == {"migrate": "3"}


def test_the_loop_outlives_a_database_that_is_away(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    lab.applier()
    with monkeypatch.context() as away:

        def fails() -> None:
            raise ServiceDown("the database does not answer")

        away.setattr(lab.database, "reading", fails)
        lab.until(lambda: "looking for action plans: the database" in caplog.text)
    assert lab.run(lab.plan(nop("a"))).state == "SUCCEEDED"
    assert caplog.text.count("looking for action plans") == 1
