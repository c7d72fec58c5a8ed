# SPDX-License-Identifier: Apache-2.0
"""The row by which a daemon says that it is alive, on a real database."""

import logging
import time
from datetime import timedelta

import pytest
from oslo_db.exception import DBError
from oslo_utils import timeutils
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


def test_two_daemons_of_one_name_are_told_of_each_other_once(
    lab: Lab, caplog: pytest.LogCaptureFixture
) -> None:
    one, two = (Heartbeat(lab.conf, lab.database, "watcher-applier") for _ in range(2))
    for heartbeat in (one, one, two):  # the second starts: it may be the first one's next life
        heartbeat.beat()
    assert caplog.text == ""
    for heartbeat in (one, two, one, two):
        heartbeat.beat()
    said = [record.getMessage() for record in caplog.records]
    assert said == 2 * [
        "another watcher-applier beats as host here: give each its own [DEFAULT] host, or they"
        " take each other's work"
    ]


def test_the_processes_of_an_api_share_a_row(lab: Lab, caplog: pytest.LogCaptureFixture) -> None:
    for heartbeat in 2 * [Heartbeat(lab.conf, lab.database, "watcher-api") for _ in range(2)]:
        heartbeat.beat()
    assert caplog.text == ""


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


class Daemon:
    """A daemon that beats and looks when a test says so, and keeps what it tells."""

    def __init__(self, lab: Lab, name: str, host: str) -> None:
        lab.conf.set_override("host", host)
        self.told: list[tuple[str, str, str]] = []
        self._heartbeat = Heartbeat(lab.conf, lab.database, name, self._tell)
        lab.conf.clear_override("host")

    def _tell(self, row: Service, before: str, now: str) -> None:
        self.told.append((row.host, before, now))

    def beat(self) -> None:
        self._heartbeat.beat()
        self._heartbeat.look()

    def look(self) -> list[tuple[str, str, str]]:
        self.told.clear()
        self._heartbeat.look()
        return self.told


def silence(lab: Lab, host: str) -> None:
    with lab.database.writing() as session:
        (row,) = store.every(session, Service, Service.host == host)
        long_ago = timeutils.utcnow() - timedelta(hours=1)
        store.change(session, row, last_seen_up=long_ago)


def test_one_daemon_tells_of_another_that_goes_and_comes_back(lab: Lab) -> None:
    engine = Daemon(lab, "watcher-decision-engine", "h1")
    applier = Daemon(lab, "watcher-applier", "h2")
    other = Daemon(lab, "watcher-applier", "h3")
    everyone = [engine, applier, other]
    for one in (*everyone, *everyone):
        one.beat()
    assert [one.told for one in everyone] == [[], [], []]
    silence(lab, "h3")
    assert [list(one.look()) for one in everyone[:2]] == [[("h3", "ACTIVE", "FAILED")], []]
    other.beat()
    assert [list(one.look()) for one in everyone[:2]] == [[("h3", "FAILED", "ACTIVE")], []]
    assert [list(one.look()) for one in everyone] == [[], [], []]


def test_when_the_one_that_tells_goes_the_next_tells_it_and_its_return(lab: Lab) -> None:
    engine = Daemon(lab, "watcher-decision-engine", "h1")
    applier = Daemon(lab, "watcher-applier", "h2")
    for one in (engine, applier, engine, applier):
        one.beat()
    silence(lab, "h1")
    assert applier.look() == [("h1", "ACTIVE", "FAILED")]
    again = Daemon(lab, "watcher-decision-engine", "h1")
    again.beat()
    assert applier.look() == [("h1", "FAILED", "ACTIVE")]
    assert again.look() == []


def test_a_daemon_that_was_frozen_tells_nothing_old(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Daemon(lab, "watcher-decision-engine", "h1")
    applier = Daemon(lab, "watcher-applier", "h2")
    for one in (engine, applier, engine):
        one.beat()
    silence(lab, "h2")
    awake_s = time.monotonic() + 1000
    monkeypatch.setattr("watcher.db.heartbeat.time.monotonic", lambda: awake_s)
    assert engine.look() == []
    assert engine.look() == []


def test_a_daemon_that_is_dead_is_announced(lab: Lab) -> None:
    lab.conf.set_override("periodic_interval", 1)
    Heartbeat(lab.conf, lab.database, "watcher-decision-engine").beat()
    heartbeat = Heartbeat(lab.conf, lab.database, "watcher-applier", lab.announcer.service)
    heartbeat.beat()
    for _ in range(2):
        heartbeat.look()
    with lab.database.writing() as session:
        (row,) = store.every(session, Service, Service.name == "watcher-decision-engine")
        store.change(session, row, last_seen_up=timeutils.utcnow() - timedelta(hours=1))
    heartbeat.look()
    assert lab.heard.count("service.update") == 1
