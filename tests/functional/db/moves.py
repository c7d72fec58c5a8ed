# SPDX-License-Identifier: Apache-2.0
"""What moving a row from state to state promises on every database, alone and in a crowd."""

import datetime
import logging
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.functional.db import rows
from watcher.core.errors import LostRace
from watcher.db import store
from watcher.db.models import ActionPlan, Audit

NOON = datetime.datetime(2026, 11, 23, 12)


class Moving:
    """``transition`` and ``swap``."""

    def test_a_move_is_kept_dated_told_and_logged(self, database, caplog):
        caplog.set_level(logging.INFO, "watcher.db.store")
        audit = rows.make(database).audit
        with database.writing() as session:
            store.transition(session, audit, "ONGOING", "picked up", hostname="engine-1")
        with database.reading() as session:
            found = store.get(session, Audit, audit.uuid)
        assert (found.state, found.status_message, found.hostname) == (
            "ONGOING", "picked up", "engine-1",
        )  # fmt: skip
        assert found.updated_at is not None
        assert (audit.state, audit.hostname) == ("ONGOING", "engine-1")
        assert caplog.messages == [f"audit {audit.uuid}: PENDING -> ONGOING (picked up)"]

    def test_a_long_message_is_cut_to_its_column(self, database):
        audit = rows.make(database).audit
        with database.writing() as session:
            store.transition(session, audit, "ONGOING", "ü" * 300)
        with database.reading() as session:
            found = store.get(session, Audit, audit.uuid).status_message
        assert found == "ü" * 254 + "…"

    def test_a_move_the_lifecycle_does_not_have_names_both_states(self, database):
        plan = rows.make(database).plan
        with pytest.raises(LostRace, match="is RECOMMENDED and cannot become ONGOING"):
            rows.move(database, plan, "ONGOING")

    def test_who_comes_late_learns_the_state_of_now_not_of_its_own_row(self, database):
        made = rows.make(database)
        with database.reading() as session:
            stale = store.get(session, Audit, made.audit.uuid)
        rows.move(database, made.audit, "CANCELLED")
        with pytest.raises(LostRace, match="is CANCELLED and cannot become ONGOING"):
            rows.move(database, stale, "ONGOING")
        assert stale.state == "PENDING"

    def test_who_decided_by_the_state_of_a_row_moves_it_only_from_there(self, database):
        stale = rows.make(database).plan
        with database.reading() as session:
            plan = store.get(session, ActionPlan, stale.uuid)
        rows.move(database, plan, "PENDING", "ONGOING")
        with (
            pytest.raises(LostRace, match="is ONGOING by now and not RECOMMENDED any more"),
            database.writing() as session,
        ):
            store.transition(session, stale, "CANCELLED", seen=True)
        with database.writing() as session:
            store.transition(session, plan, "CANCELLED", seen=True)

    def test_of_sixteen_writers_one_wins(self, database):
        uuid = rows.make(database).audit.uuid
        together = threading.Barrier(16)

        def claim(number):
            with database.reading() as session:
                audit = store.get(session, Audit, uuid)
            together.wait(timeout=30)
            try:
                with database.writing() as session:
                    store.transition(session, audit, "ONGOING", hostname=f"host-{number}")
            except LostRace as error:
                return str(error)
            return f"host-{number}"

        with ThreadPoolExecutor(16) as pool:
            answers = sorted(pool.map(claim, range(16)))
        lost = f"audit {uuid} is ONGOING and cannot become ONGOING"
        with database.reading() as session:
            assert answers == [lost] * 15 + [store.get(session, Audit, uuid).hostname]

    def test_of_sixteen_takers_of_a_plan_one_wins(self, database):
        uuid = rows.make(database).plan.uuid
        together = threading.Barrier(16)

        def take(number):
            with database.reading() as session:
                plan = store.get(session, ActionPlan, uuid)
            together.wait(timeout=30)
            try:
                with database.writing() as session:
                    store.swap(session, plan, "epoch", epoch=plan.epoch + 1, hostname=str(number))
            except LostRace:
                return None
            return plan

        with ThreadPoolExecutor(16) as pool:
            winners = list(filter(None, pool.map(take, range(16))))
        assert [plan.epoch for plan in winners] == [1]

    def test_an_old_epoch_writes_neither_plan_nor_action(self, database):
        made = rows.make(database)
        rows.move(database, made.plan, "PENDING", "ONGOING")
        with database.writing() as session:
            store.swap(session, made.plan, "epoch", epoch=1)
            store.transition(session, made.actions[0], "ONGOING", epoch=1)
        for row, state in ((made.plan, "SUCCEEDED"), (made.actions[0], "SUCCEEDED")):
            with pytest.raises(LostRace, match="epoch 0 is over"), database.writing() as session:
                store.transition(session, row, state, epoch=0)
            with database.writing() as session:
                store.transition(session, row, state, epoch=1)

    def test_a_swap_sees_a_null_as_a_value(self, database):
        audit = rows.make(database).audit
        with database.reading() as session:
            other = store.get(session, Audit, audit.uuid)
        with database.writing() as session:
            store.swap(session, audit, "next_run_time", next_run_time=NOON)
        with pytest.raises(LostRace, match="changed next_run_time"), database.writing() as session:
            store.swap(session, other, "next_run_time", next_run_time=None)
        with database.writing() as session:
            store.swap(session, audit, "next_run_time", next_run_time=None)

    def test_the_database_itself_refuses_a_state_that_is_none(self, database):
        made = rows.make(database)
        with (
            pytest.raises(Exception, match=r"(?i)constraint|ck_audits_state"),
            database.writing() as session,
        ):
            store.add(
                session,
                Audit(name="x", audit_type="ONESHOT", goal_id=made.goal.id, state="NONSENSE"),
            )
