# SPDX-License-Identifier: Apache-2.0
"""Many rows moved at once: all of them, or none and LostRace."""

import pytest

from watcher.core.errors import LostRace
from watcher.db import models, store


@pytest.fixture
def filled(database, announced):
    """A database with one plan of 1,200 pending actions, and what it announces from now on."""
    with database.writing() as session:
        goal = store.add(session, models.Goal(name="g", display_name="g"))
        audit = models.Audit(name="a", audit_type="ONESHOT", goal=goal, strategy=None)
        store.add(session, audit)
        plan = store.add(session, models.ActionPlan(audit=audit, strategy=None))
        actions = (models.Action(action_plan=plan, action_type="nop") for _ in range(1200))
        store.add_all(session, actions)
    announced.clear()
    return database, announced


def states_of(database):
    with database.reading() as session:
        return [row.state for row in store.every(session, models.Action)]


def test_all_rows_move_and_are_told(filled):
    database, told = filled
    with database.writing() as session:
        rows = store.every(session, models.Action)
        store.transition_all(session, rows, "CANCELLED")
        assert rows[7].state == "CANCELLED"
        assert rows[7].updated_at is not None
    assert states_of(database) == ["CANCELLED"] * 1200
    assert [(change.kind, change.old_state) for change in told] == [("update", "PENDING")] * 1200


def test_all_rows_get_the_same_message_and_those_of_another_epoch_none(filled):
    database, _ = filled
    with database.writing() as session:
        rows = store.every(session, models.Action)
        store.transition_all(session, rows, "CANCELLED", "x" * 300, epoch=0)
    with database.reading() as session:
        (said,) = {row.status_message for row in store.every(session, models.Action)}
    assert (len(said), said[-1]) == (models.MESSAGE_LENGTH, "…")
    with database.writing() as session:
        store.swap(session, store.every(session, models.ActionPlan)[0], epoch=1)
    with pytest.raises(LostRace), database.writing() as session:
        store.transition_all(session, store.every(session, models.Action), "DELETED", epoch=0)


def test_one_row_that_cannot_move_holds_back_all(filled):
    database, told = filled
    with database.writing() as session:
        store.transition(session, store.every(session, models.Action)[-1], "SKIPPED")
    told.clear()
    with pytest.raises(LostRace, match="CANCELLED"), database.writing() as session:
        store.transition_all(session, store.every(session, models.Action), "CANCELLED")
    assert states_of(database) == ["PENDING"] * 1199 + ["SKIPPED"]
    assert told == []


def test_no_rows_are_no_work(filled):
    database, told = filled
    with database.writing() as session:
        store.transition_all(session, [], "CANCELLED")
    assert told == []
