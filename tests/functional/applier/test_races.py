# SPDX-License-Identifier: Apache-2.0
"""Two that decide about one action at the same time, and commits whose answer is lost."""

import contextlib
import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from sqlalchemy.orm import Session

from tests.functional.applier.conftest import Lab
from watcher.actions.nop import Nop
from watcher.applier import service
from watcher.applier.plans import Engine, PlanRun, claim
from watcher.applier.service import ApplierService
from watcher.core import solution
from watcher.core.errors import ActionFailed, LostRace, ServiceDown
from watcher.core.solution import migrate, nop, sleep
from watcher.db import store
from watcher.db.models import Action, ActionPlan


def slow_check(lab: Lab, **settings: Any) -> str:
    """A running plan whose first action is looked at by a Nova that is slow, then says no."""
    server = lab.server()
    with lab.simulator.cloud.lock:
        fault = lab.simulator.faults.add(
            service="compute",
            path=f"servers/{server.uuid}",
            status=503,
            delay_s=1.0,
            times=None,
            body={},
        )
    uuid = lab.plan(
        migrate(server.uuid, server.host, lab.roomy(server)), nop("child"), parents=[[], [0]]
    )
    lab.applier(**settings)
    lab.until(lambda: fault.hits)
    assert lab.states(uuid) == ["PENDING"] * 2
    return uuid


def test_a_cancel_during_a_check_that_fails_ends_the_plan(lab: Lab) -> None:
    uuid = slow_check(lab)
    with lab.database.writing() as session:
        store.transition(session, store.get(session, ActionPlan, uuid), "CANCELLING")
    assert lab.ended(uuid).state == "CANCELLED"
    assert lab.states(uuid) == ["CANCELLED"] * 2


def test_a_skip_by_the_user_during_a_check_that_fails_ends_the_plan(lab: Lab) -> None:
    uuid = slow_check(lab, patience=0)
    with lab.database.writing() as session:
        store.transition(session, lab.actions(uuid)[0], "SKIPPED")
    plan = lab.ended(uuid)
    assert (plan.state, lab.states(uuid)) == ("SUCCEEDED", ["SKIPPED", "SUCCEEDED"])


@pytest.mark.parametrize("state", ["ONGOING", "SUCCEEDED"])
def test_a_commit_whose_answer_is_lost_is_not_a_lost_race(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    uuid = lab.plan(nop("a"), nop("child"), parents=[[], [0]])
    lost = lose_answers(lab, monkeypatch, "action", lambda: lab.states(uuid)[0] == state)
    assert lab.run(uuid).state == "SUCCEEDED"
    assert lost
    assert lab.states(uuid) == ["SUCCEEDED"] * 2
    for phase in ("start", "end"):
        assert lab.heard.count(f"action.execution.{phase}") == 2


def test_a_plans_end_whose_answer_is_lost_is_its_end(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    uuid = lab.plan(nop("a"))
    lost = lose_answers(lab, monkeypatch, "plan", lambda: lab.row(uuid).state == "SUCCEEDED")
    assert lab.run(uuid).state == "SUCCEEDED"
    lab.until(lambda: "action_plan.execution.end" in lab.heard)
    assert lost
    assert "action_plan.cancel.start" not in lab.heard


@pytest.mark.parametrize("when", ["before the commit", "after the commit"])
def test_the_actions_of_a_rollback_are_added_once_whenever_the_database_is_cut(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    server = lab.server()
    source = server.host
    broken = solution.Action("nop", {"message": "", "fail_execute": True})
    uuid = lab.plan(
        migrate(server.uuid, source, lab.roomy(server)),
        broken,
        parents=[[], [0]],
        on_failure="rollback",
    )
    if when == "after the commit":
        lost = lose_answers(lab, monkeypatch, "plan", lambda: len(lab.states(uuid)) > 2)
    else:
        lost, add_all = [], store.add_all

        def cut(session: Session, rows: Any) -> None:
            add_all(session, rows)
            if not lost and threading.current_thread().name.startswith("plan"):
                lost.append(rows)
                raise ServiceDown("Lost connection to server during query")

        monkeypatch.setattr(store, "add_all", cut)
        monkeypatch.setattr(
            "watcher.db.engine.Database.pauses_s", lambda _: itertools.repeat(0.05)
        )
    assert lab.run(uuid).state == "FAILED"
    assert lost
    assert lab.states(uuid) == ["SUCCEEDED", "FAILED", "SUCCEEDED"]
    assert server.host == source


def lose_answers(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, threads: str, when: Callable[[], bool]
) -> list[str]:
    """Let one of these threads not hear once that what it wrote is safe; told in the list."""
    monkeypatch.setattr("watcher.db.engine.Database.pauses_s", lambda _: itertools.repeat(0.05))
    writing, lost = lab.database.writing, []

    @contextlib.contextmanager
    def loses() -> Iterator[Session]:
        with writing() as session:
            yield session
        name = threading.current_thread().name
        if name.startswith(threads) and not lost and when():
            lost.append(name)
            raise ServiceDown("Lost connection to server during query")

    monkeypatch.setattr(lab.database, "writing", loses)
    return lost


def taken_by_another(lab: Lab, uuid: str) -> None:
    with lab.database.writing() as session:
        plan = store.get(session, ActionPlan, uuid)
        store.swap(session, plan, "epoch", epoch=plan.epoch + 1, hostname="there")


class TestOfAnotherByNow:
    """A plan run that was frozen, and the plan was taken over meanwhile."""

    def begin(self, lab: Lab, engine: Engine, *actions: solution.Action) -> PlanRun:
        idle = ApplierService(lab.conf, lab.database, lab.bus, lab.announcer, lab.clients)
        plan = claim(lab.database, lab.plan(*actions), "here")
        assert plan is not None
        return PlanRun(idle._wires, engine, plan, {})

    def test_at_its_very_end_it_is_not_cancelled(self, lab: Lab) -> None:
        class Freezes:
            def run(self, actions: Sequence[Action], run: Callable[[Action], None]) -> None:
                for one in actions:
                    run(one)
                if not actions:  # nothing to make good: what comes next is the plan's end
                    taken_by_another(lab, begun.uuid)

        begun = self.begin(lab, Freezes(), nop("a"))
        begun.run()
        plan = lab.row(begun.uuid)
        assert (plan.state, plan.hostname) == ("ONGOING", "there")
        assert "action_plan.cancel.start" not in lab.heard

    def test_a_cancel_is_left_to_its_new_owner(self, lab: Lab) -> None:
        class Runs:
            def run(self, actions: Sequence[Action], run: Callable[[Action], None]) -> None:
                for one in actions:
                    run(one)

        begun = self.begin(lab, Runs(), nop("a"))
        taken_by_another(lab, begun.uuid)
        with pytest.raises(LostRace, match="taken by another applier"):
            begun.cancel()
        begun.run()
        assert (lab.row(begun.uuid).state, lab.states(begun.uuid)) == ("ONGOING", ["PENDING"])

    def test_what_fails_is_not_undone_a_second_time(
        self, lab: Lab, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        undone: list[object] = []
        monkeypatch.setattr(Nop, "undo", lambda action: str(undone.append(action)))

        def fails(_: Nop) -> None:
            taken_by_another(lab, uuid)
            raise ActionFailed("the end of a wait")

        monkeypatch.setattr(Nop, "perform", fails)
        uuid = lab.plan(nop("a"))
        lab.applier()
        lab.until(lambda: lab.row(uuid).hostname == "there")
        lab.run(lab.plan())
        assert (undone, lab.states(uuid)) == ([], ["ONGOING"])


def test_an_applier_that_starts_beside_a_faster_one_on_a_new_database_starts(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.describe(lab.database)
    every, looks = store.every, []

    def before_the_faster_one_wrote(*asked: Any, **more: Any) -> list[Any]:
        looks.append(asked)
        return [] if len(looks) == 1 else every(*asked, **more)

    monkeypatch.setattr(store, "every", before_the_faster_one_wrote)
    service.describe(lab.database)
    assert len(looks) == 2


def test_a_stop_while_a_cancel_waits_for_the_database_does_not_wait_longer_than_it_may(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    applier = lab.applier(shutdown_timeout=1)
    uuid = lab.plan(sleep(60))
    lab.until(lambda: lab.states(uuid) == ["ONGOING"])
    waits = threading.Event()

    @contextlib.contextmanager
    def away() -> Iterator[Session]:
        if threading.current_thread().name == "due-plans":
            waits.set()
        raise ServiceDown("the database does not answer")
        yield

    with lab.database.writing() as session:
        store.transition(session, store.get(session, ActionPlan, uuid), "CANCELLING")
        monkeypatch.setattr(lab.database, "writing", away)
    assert waits.wait(10)
    applier.stop()
    waiting = threading.Thread(target=applier.wait, daemon=True)
    waiting.start()
    waiting.join(10)
    late = waiting.is_alive()
    monkeypatch.undo()
    waiting.join(30)
    assert not late
