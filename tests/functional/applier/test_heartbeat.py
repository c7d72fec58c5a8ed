# SPDX-License-Identifier: Apache-2.0
"""The row by which a daemon says that it is alive, on a real database."""

import logging

import pytest
from oslo_db.exception import DBError
from sqlalchemy import text

from tests.functional.applier.conftest import Lab
from watcher.db import store
from watcher.db.heartbeat import Heartbeat
from watcher.db.models import Service


def rows(lab: Lab) -> list[Service]:
    with lab.database.reading() as session:
        return store.every(session, Service)


def test_each_beat_moves_the_one_row_on(lab: Lab) -> None:
    heartbeat = Heartbeat(lab.conf, lab.database, "watcher-test")
    heartbeat.beat()
    (first,) = rows(lab)
    heartbeat.beat()
    (second,) = rows(lab)
    assert (first.id, first.name, first.host) == (second.id, "watcher-test", "here")
    assert first.last_seen_up is not None
    assert second.last_seen_up is not None
    assert first.last_seen_up < second.last_seen_up


def test_two_daemons_on_one_host_have_rows_of_their_own(lab: Lab) -> None:
    for name in ("watcher-applier", "watcher-decision-engine"):
        Heartbeat(lab.conf, lab.database, name).beat()
    assert len(rows(lab)) == 2


def test_it_beats_every_interval_until_it_is_stopped(lab: Lab) -> None:
    lab.conf.set_override("periodic_interval", 1)
    heartbeat = Heartbeat(lab.conf, lab.database, "watcher-test")
    heartbeat.start()
    before = rows(lab)[0].last_seen_up
    lab.until(lambda: rows(lab)[0].last_seen_up != before, timeout_s=5)
    heartbeat.stop()
    assert not heartbeat._thread.is_alive()


def test_a_database_that_is_gone_is_said_once_and_once_when_it_is_back(
    lab: Lab, caplog: pytest.LogCaptureFixture
) -> None:
    lab.conf.set_override("periodic_interval", 1)
    heartbeat = Heartbeat(lab.conf, lab.database, "watcher-test")
    heartbeat.start()
    hide(lab, "services", "hidden")
    with caplog.at_level(logging.INFO, "watcher.db.heartbeat"):
        lab.until(lambda: "no heartbeat of watcher-test" in caplog.text, timeout_s=5)
        hide(lab, "hidden", "services")
        lab.until(lambda: "heartbeat of watcher-test is back" in caplog.text, timeout_s=5)
    heartbeat.stop()
    assert caplog.text.count("no heartbeat") == 1


def test_it_goes_on_after_what_nobody_foresaw(
    lab: Lab, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.conf.set_override("periodic_interval", 1)
    heartbeat = Heartbeat(lab.conf, lab.database, "watcher-test")
    heartbeat.start()

    def refused(*_: object) -> None:  # as by a PostgreSQL that has become a standby
        raise DBError("cannot execute UPDATE in a read-only transaction")

    monkeypatch.setattr(store, "every", refused)
    with caplog.at_level(logging.INFO, "watcher.db.heartbeat"):
        lab.until(lambda: "no heartbeat of watcher-test: DBError" in caplog.text, timeout_s=5)
        monkeypatch.undo()
        lab.until(lambda: "heartbeat of watcher-test is back" in caplog.text, timeout_s=5)
    heartbeat.stop()


def hide(lab: Lab, name: str, other: str) -> None:
    with lab.database.writing() as session:
        session.execute(text(f"ALTER TABLE {name} RENAME TO {other}"))
