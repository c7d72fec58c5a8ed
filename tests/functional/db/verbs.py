# SPDX-License-Identifier: Apache-2.0
"""What the verbs promise on every database: run on SQLite here, on servers by integration."""

import contextlib
import datetime
import threading
import time

import pytest
from sqlalchemy.exc import InvalidRequestError

from tests.functional.db import rows
from watcher.core.errors import AlreadyExists, Invalid, LostRace, NotFound
from watcher.db import store
from watcher.db.engine import after_commit
from watcher.db.models import (
    Action,
    ActionPlan,
    Audit,
    AuditTemplate,
    EfficacyIndicator,
    Goal,
    Service,
    Strategy,
)

NOON = datetime.datetime(2026, 11, 23, 12, 0, 0, 250_000)


class Getting:
    """``get`` and ``every``."""

    def test_a_row_is_found_by_uuid_in_any_case_and_by_name(self, database):
        audit = rows.make(database).audit
        with database.reading() as session:
            assert store.get(session, Audit, audit.uuid.upper()).id == audit.id
            assert store.get(session, Audit, "one").id == audit.id

    def test_only_goals_and_strategies_are_found_whatever_the_case_of_their_name(self, database):
        made = rows.make(database)
        with database.reading() as session:
            assert store.get(session, Goal, "GOAL-one").id == made.goal.id
            assert store.get(session, Strategy, "Strategy-ONE").id == made.strategy.id
            with pytest.raises(NotFound, match="Audit ONE could not be found"):
                store.get(session, Audit, "ONE")

    def test_a_name_that_looks_like_a_number_is_a_name(self, database):
        made = rows.make(database, "1")
        with database.reading() as session:
            assert store.get(session, Audit, "1").uuid == made.audit.uuid
            with pytest.raises(NotFound):
                store.get(session, ActionPlan, "1")

    def test_a_service_is_found_by_number_or_by_name_the_one_seen_last(self, database):
        with database.writing() as session:
            old = store.add(session, Service(name="watcher-applier", host="a", last_seen_up=NOON))
            later = NOON + datetime.timedelta(seconds=1)
            new = store.add(session, Service(name="watcher-applier", host="b", last_seen_up=later))
        with database.reading() as session:
            assert store.get(session, Service, str(old.id)).host == "a"
            assert store.get(session, Service, "watcher-applier").id == new.id

    def test_a_deleted_row_is_found_on_request_and_after_a_live_one_of_its_name(self, database):
        with database.writing() as session:
            old = store.add(session, Goal(name="dummy", display_name="old"))
            store.delete(session, old)
            with pytest.raises(NotFound):
                store.get(session, Goal, "dummy")
            assert store.get(session, Goal, "dummy", deleted=True).display_name == "old"
            store.add(session, Goal(name="dummy", display_name="new"))
            assert store.get(session, Goal, "dummy", deleted=True).display_name == "new"

    def test_what_was_not_loaded_raises_and_what_was_loaded_outlives_the_session(self, database):
        plan = rows.make(database).plan
        with database.reading() as session:
            bare = store.get(session, ActionPlan, plan.uuid)
            with pytest.raises(InvalidRequestError, match="lazy='raise'"):
                _ = bare.audit
        with database.reading() as session:
            full = store.get(
                session, ActionPlan, plan.uuid, load=("audit.goal", "strategy", "indicators")
            )
        assert full.audit.goal.name == "goal-one"
        assert full.strategy.name == "strategy-one"
        assert [indicator.value for indicator in full.indicators] == [0.1]

    def test_every_row_that_fits_comes_oldest_first_without_deleted_ones(self, database):
        made = rows.make(database, actions=3)
        mine = Action.action_plan_id == made.plan.id
        with database.writing() as session:
            store.delete(session, made.actions[1])
            assert [row.position for row in store.every(session, Action, mine)] == [0, 2]
            everything = store.every(session, Action, mine, deleted=True)
            assert [row.position for row in everything] == [0, 1, 2]


class Paging:
    """``page``."""

    @pytest.fixture
    def audits(self, database):
        """Six audits of two goals; every second one has a strategy and a start time."""
        with database.writing() as session:
            goals = [Goal(name=name, display_name=name) for name in ("b", "a")]
            store.add_all(session, goals)
            strategy = store.add(
                session, Strategy(name="s", display_name="s", goal_id=goals[0].id)
            )
            audits = [
                Audit(
                    name=f"audit-{number}",
                    audit_type="ONESHOT",
                    goal_id=goals[number % 2].id,
                    strategy_id=strategy.id if number % 2 else None,
                    start_time=NOON if number % 2 else None,
                )
                for number in range(6)
            ]
            store.add_all(session, audits)
        return audits

    def walk(self, database, limit, **asked):
        """The numbers of all audits, page by page."""
        names, marker, more = [], None, True
        with database.reading() as session:
            while more:
                found, more = store.page(session, Audit, limit=limit, marker=marker, **asked)
                assert len(found) == limit or not more
                names += [int(row.name[-1]) for row in found]
                marker = found[-1].uuid if found else None
        return names

    @pytest.mark.parametrize("ascending", [True, False])
    def test_pages_of_any_size_join_to_the_whole_in_order_nulls_first(
        self, database, audits, ascending
    ):
        assert len(audits) == 6
        for key, rising in {
            "id": [0, 1, 2, 3, 4, 5],
            "name": [0, 1, 2, 3, 4, 5],
            "state": [0, 1, 2, 3, 4, 5],
            "start_time": [0, 2, 4, 1, 3, 5],
            "goal_name": [1, 3, 5, 0, 2, 4],
            "strategy_name": [0, 2, 4, 1, 3, 5],
        }.items():
            whole = rising if ascending else rising[::-1]
            for limit in (1, 2, 4, 6, 100):
                walked = self.walk(database, limit, sort_key=key, ascending=ascending)
                assert walked == whole, (key, limit)

    def test_a_row_deleted_between_two_pages_hides_no_other(self, database, audits):
        with database.writing() as session:
            first, more = store.page(session, Audit, limit=2)
            assert more
            store.transition(session, audits[0], "CANCELLED")
            store.delete(session, audits[0])
            second, _ = store.page(session, Audit, limit=2, marker=first[1])
        assert [row.name for row in second] == ["audit-2", "audit-3"]

    def test_filters_and_no_limit(self, database, audits):
        with database.reading() as session:
            found, more = store.page(
                session, Audit, Audit.goal.has(Goal.name == "a"), limit=None, load=("goal",)
            )
        assert ([row.name[-1] for row in found], more) == (["1", "3", "5"], False)
        assert {row.goal.name for row in found} == {"a"}
        assert len(audits) == 6

    def test_a_key_that_is_none_is_refused(self, database):
        with database.reading() as session:
            for key in ("nonsense", "strategy", "strategy_nonsense", "indicators_id"):
                with pytest.raises(Invalid, match=f"cannot be sorted by {key}"):
                    store.page(session, ActionPlan, limit=1, sort_key=key)

    def test_an_unknown_marker_is_not_found(self, database):
        with database.reading() as session, pytest.raises(NotFound):
            store.page(session, Audit, limit=1, marker="nobody")


class Writing:
    """``add``, ``change``, ``delete`` and what happens around a commit."""

    def test_values_come_back_as_they_went(self, database):
        value = {"a": [1, None, {"b": "ü😀"}], "c": 0.1}
        with database.writing() as session:
            goal = store.add(
                session, Goal(name="g😀", display_name="ü", efficacy_specification=[value])
            )
            store.add(
                session,
                Audit(name="a", audit_type="EVENT", goal_id=goal.id, parameters=value,
                      next_run_time=NOON, force=True),
            )  # fmt: skip
        with database.reading() as session:
            audit = store.get(session, Audit, "a", load=("goal",))
        assert audit.goal.name == "g😀"
        assert audit.goal.efficacy_specification == [value]
        assert (audit.parameters, audit.scope, audit.interval) == (value, [], None)
        assert (audit.next_run_time, audit.force, audit.auto_trigger) == (NOON, True, False)
        assert (audit.state, audit.deleted, audit.updated_at) == ("PENDING", 0, None)
        assert len(audit.uuid) == 36

    def test_a_taken_name_is_refused_and_free_again_once_its_row_is_deleted(self, database):
        made = rows.make(database)
        again = {"name": "one", "audit_type": "ONESHOT", "goal_id": made.goal.id}
        with (
            pytest.raises(AlreadyExists, match="Audit one exists already"),
            database.writing() as s,
        ):
            store.add(s, Audit(**again))
        rows.move(database, made.audit, "CANCELLED")
        with database.writing() as session:
            store.delete(session, made.audit)
            store.add(session, Audit(**again))

    def test_renaming_to_a_taken_name_is_refused(self, database):
        rows.make(database, "one")
        two = rows.make(database, "two").audit
        number = two.id
        with pytest.raises(AlreadyExists), database.writing() as session:
            store.change(session, two, name="one")
        with database.reading() as session:
            assert store.get(session, Audit, "two").id == number

    def test_a_change_is_kept_and_dated_even_if_the_row_is_from_an_earlier_session(self, database):
        audit = rows.make(database).audit
        with database.writing() as session:
            store.change(session, audit, interval="10", parameters={"a": 1})
        with database.reading() as session:
            found = store.get(session, Audit, audit.uuid)
        assert (found.interval, found.parameters) == ("10", {"a": 1})
        assert found.updated_at >= found.created_at

    def test_a_change_to_what_is_there_already_is_none(self, database, announced):
        audit = rows.make(database).audit
        del announced[:]
        with database.writing() as session:
            store.change(session, audit, interval=None, scope=[])
        assert announced == []
        assert audit.updated_at is None

    def test_a_state_cannot_be_changed_in_passing(self, database):
        audit = rows.make(database).audit
        with database.writing() as session, pytest.raises(ValueError, match="transition"):
            store.change(session, audit, state="ONGOING")

    def test_deleting_a_plan_takes_its_actions_and_indicators(self, database):
        made = rows.make(database)
        other = rows.make(database, "other")
        with database.writing() as session:
            store.delete(session, made.plan)
        with database.reading() as session:
            with pytest.raises(NotFound):
                store.get(session, ActionPlan, made.plan.uuid)
            plan = store.get(session, ActionPlan, made.plan.uuid, deleted=True)
            assert (plan.state, plan.deleted) == ("DELETED", plan.id)
            assert plan.deleted_at is not None
            actions = store.every(session, Action, deleted=True)
            assert [(row.state, row.deleted) for row in actions] == [
                *(("DELETED", row.id) for row in made.actions),
                *(("PENDING", 0) for row in other.actions),
            ]
            assert [row.action_plan_id for row in store.every(session, EfficacyIndicator)] == [
                other.plan.id
            ]

    def test_deleting_an_audit_keeps_its_plan(self, database):
        made = rows.make(database)
        rows.move(database, made.audit, "ONGOING", "SUCCEEDED")
        with database.writing() as session:
            store.delete(session, made.audit)
            plan = store.get(session, ActionPlan, made.plan.uuid, load=("audit",))
        assert (plan.state, plan.audit.deleted) == ("RECOMMENDED", made.audit.id)

    def test_deleting_twice_or_what_is_at_work_is_refused(self, database):
        made = rows.make(database)
        with database.writing() as session:
            template = store.add(session, AuditTemplate(name="t", goal_id=made.goal.id))
            store.delete(session, template)
            with pytest.raises(NotFound):
                store.delete(session, template)
        rows.move(database, made.audit, "ONGOING")
        with pytest.raises(LostRace, match="is ONGOING"), database.writing() as session:
            store.delete(session, made.audit)

    def test_an_error_leaves_nothing_behind_and_nothing_is_announced(self, database, announced):
        done = []
        with contextlib.suppress(RuntimeError), database.writing() as session:
            goal = store.add(session, Goal(name="g", display_name="g"))
            after_commit(session, lambda: done.append("never"))
            raise RuntimeError
        assert goal.name == "g"
        with database.reading() as session:
            assert store.every(session, Goal) == []
        assert (done, announced) == ([], [])

    def test_rows_made_before_a_transaction_that_was_cut_are_added_by_the_second_try(
        self, database
    ):
        goals = [Goal(name=name, display_name=name) for name in "ab"]
        tries = []

        def work(session):
            store.add_all(session, goals)
            tries.append(session)
            if len(tries) == 1:
                raise LostRace("the database broke a deadlock") from RuntimeError()

        database.persist(work, threading.Event())
        with database.reading() as session:
            found = {row.name: row.id for row in store.every(session, Goal)}
        assert found == {row.name: row.id for row in goals}
        assert None not in found.values()

    def test_a_deadlock_is_tried_again_after_a_pause(self, database):
        moments = []

        def work(session):
            moments.append(time.monotonic())
            if len(moments) < 6:
                raise LostRace("the database broke a deadlock") from RuntimeError()

        database.persist(work, threading.Event())
        assert moments[-1] - moments[0] > 0.01  # five pauses, up to 0.05 s each, drawn

    def test_work_for_after_the_commit_finds_it_done(self, database):
        seen = []

        def look():
            with database.reading() as session:
                seen.append(store.get(session, Goal, "g").display_name)

        with database.writing() as session:
            store.add(session, Goal(name="g", display_name="shown"))
            after_commit(session, look)
        assert seen == ["shown"]

    def test_changes_are_announced_in_order_with_the_states_of_their_time(
        self, database, announced
    ):
        with database.writing() as session:
            goal = store.add(session, Goal(name="g", display_name="g"))
            audit = store.add(session, Audit(name="a", audit_type="ONESHOT", goal_id=goal.id))
            store.transition(session, audit, "ONGOING")
            store.transition(session, audit, "SUCCEEDED")
            store.delete(session, audit)
        assert [(change.kind, change.old_state, change.state) for change in announced] == [
            ("create", None, None),
            ("create", None, "PENDING"),
            ("update", "PENDING", "ONGOING"),
            ("update", "ONGOING", "SUCCEEDED"),
            ("update", "SUCCEEDED", "DELETED"),
            ("delete", "SUCCEEDED", "DELETED"),
        ]

    def test_announced_rows_have_what_a_payload_shows(self, database, announced):
        rows.make(database)
        shown = {type(change.row).__name__: change.row for change in announced}
        assert shown["Audit"].goal.name == "goal-one"
        assert shown["ActionPlan"].audit.strategy.name == "strategy-one"
        assert shown["Action"].action_plan.audit.goal.name == "goal-one"
