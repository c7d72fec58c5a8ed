# SPDX-License-Identifier: Apache-2.0
"""What leaves the database for good, and what stays."""

import datetime

import pytest
from oslo_utils import timeutils

from tests.functional.db import rows
from watcher.core.errors import Conflict, Invalid, NotFound
from watcher.db import purge, store
from watcher.db.models import (
    Action,
    ActionPlan,
    Audit,
    Base,
    EfficacyIndicator,
    Goal,
    Lock,
    Strategy,
)


def delete(database, *gone, days_ago=0):
    """Soft-delete rows, some days ago."""
    with database.writing() as session:
        for row in gone:
            if isinstance(row, Audit):
                store.transition(session, row, "CANCELLED")
            store.delete(session, row)
            store.change(
                session, row, deleted_at=timeutils.utcnow() - datetime.timedelta(days=days_ago)
            )


def delete_all(database, made, days_ago=0):
    """Soft-delete a whole family."""
    gone = (made.plan, made.audit, made.strategy, made.goal)
    delete(database, *gone, days_ago=days_ago)


def run(database, **asked):
    """Purge; the counts, without zeros and total."""
    with database.reading() as session:
        selection = purge.select_rows(session, **asked)
    with database.writing() as session:
        purge.erase(session, selection)
    counts = selection.counts()
    assert counts.pop("Total") == sum(counts.values())
    return {kind: count for kind, count in counts.items() if count}


FAMILY = {"Goals": 1, "Strategies": 1, "Audits": 1, "Action Plans": 1, "Actions": 2}


def everything(database):
    """How many rows each table has, deleted or not, without zeros."""
    models = [one.class_ for one in Base.registry.mappers if one.class_ is not Lock]
    with database.reading() as session:
        counts = {
            model.__name__: len(store.every(session, model, deleted=True)) for model in models
        }
    return {name: count for name, count in counts.items() if count}


def test_live_rows_stay(database):
    rows.make(database)
    assert run(database) == {}


def test_a_deleted_family_goes_as_a_whole(database):
    delete_all(database, rows.make(database))
    assert run(database) == FAMILY
    assert everything(database) == {}


def test_rows_deleted_lately_stay(database):
    delete_all(database, rows.make(database, "old"), days_ago=11)
    delete_all(database, rows.make(database, "new"), days_ago=9)
    assert run(database, age_in_days=10) == FAMILY
    with database.reading() as session:
        assert store.get(session, Goal, "goal-new", deleted=True)
    with pytest.raises(Invalid, match="negative"):
        run(database, age_in_days=-1)


def test_orphans_go_too_unless_they_are_excluded(database):
    made = rows.make(database)
    delete(database, made.goal)
    assert run(database, orphans=False) == {}  # the live strategy still refers to the goal
    assert run(database) == FAMILY
    assert everything(database) == {}


def test_live_actions_keep_their_deleted_plan_when_orphans_are_excluded(database):
    made = rows.make(database)
    delete(database, made.plan)
    with database.writing() as session:
        store.add(session, Action(action_plan_id=made.plan.id, action_type="nop"))
    assert run(database, orphans=False) == {}
    assert run(database) == {"Action Plans": 1, "Actions": 3}


@pytest.mark.parametrize("path", [["PENDING"], ["PENDING", "ONGOING"]])
def test_a_plan_at_work_stays_with_all_it_refers_to(database, path):
    made = rows.make(database)
    rows.move(database, made.plan, *path)
    delete(database, made.audit, made.strategy, made.goal)
    assert run(database) == {}
    rows.move(database, made.plan, "CANCELLED" if len(path) == 1 else "FAILED")
    assert run(database) == FAMILY


def test_one_goal_can_be_purged_alone_once_it_is_deleted(database):
    one, two = rows.make(database, "one"), rows.make(database, "two")
    delete_all(database, one)
    delete_all(database, two)
    with pytest.raises(NotFound):
        run(database, goal="nobody")
    assert run(database, goal="goal-one") == FAMILY
    assert everything(database)["Goal"] == 1
    with database.writing() as session:
        store.add(session, Goal(name="live", display_name="live"))
    with pytest.raises(Conflict, match="live"):
        run(database, goal="live")


def test_a_limit_takes_whole_goals_the_oldest_first(database):
    for name, actions in (("big", 5), ("small", 1), ("tiny", 0)):
        delete_all(database, rows.make(database, name, actions=actions))
    with database.reading() as session:
        selection = purge.select_rows(session)
    assert selection.counts()["Total"] == 9 + 5 + 4
    assert selection.at_most(17).counts()["Total"] == 9 + 5
    assert list(selection.at_most(9).counts().values()) == [1, 1, 0, 1, 1, 5, 9]
    assert selection.at_most(8).counts()["Actions"] == 1
    assert selection.at_most(3).counts()["Total"] == 0


def test_more_rows_than_one_statement_takes(database, monkeypatch):
    monkeypatch.setattr(purge, "CHUNK", 2)
    for number in range(5):
        delete_all(database, rows.make(database, str(number)))
    assert run(database) == {kind: 5 * count for kind, count in FAMILY.items()}


def test_a_row_added_meanwhile_is_not_torn_from_its_parent(database):
    made = rows.make(database)
    delete(database, made.plan, made.audit, made.strategy, made.goal)
    with database.reading() as session:
        selection = purge.select_rows(session)
    with database.writing() as session:
        store.add(session, Strategy(name="late", display_name="late", goal_id=made.goal.id))
    with pytest.raises(Conflict, match="purge again"), database.writing() as session:
        purge.erase(session, selection)
    with database.reading() as session:
        assert store.every(session, ActionPlan, deleted=True)
        assert store.every(session, EfficacyIndicator, deleted=True)
