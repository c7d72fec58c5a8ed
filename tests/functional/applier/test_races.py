# SPDX-License-Identifier: Apache-2.0
"""Two that decide about one action at the same time, and commits whose answer is lost."""

import contextlib
import itertools
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy.orm import Session

from tests.functional.applier.conftest import Lab
from watcher.applier import service
from watcher.core.errors import ServiceDown
from watcher.core.solution import migrate, nop, sleep
from watcher.db import store
from watcher.db.models import ActionPlan


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
    monkeypatch.setattr("watcher.db.engine.Database.pauses_s", lambda _: itertools.repeat(0.05))
    writing, lost = lab.database.writing, []

    @contextlib.contextmanager
    def loses() -> Iterator[Session]:
        with writing() as session:
            yield session
        mine = threading.current_thread().name.startswith("action")
        if mine and not lost and lab.states(uuid)[0] == state:
            lost.append(state)
            raise ServiceDown("Lost connection to server during query")

    uuid = lab.plan(nop("a"), nop("child"), parents=[[], [0]])
    monkeypatch.setattr(lab.database, "writing", loses)
    assert lab.run(uuid).state == "SUCCEEDED"
    assert (lost, lab.states(uuid)) == ([state], ["SUCCEEDED"] * 2)
    for phase in ("start", "end"):
        assert lab.heard.count(f"action.execution.{phase}") == 2


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
