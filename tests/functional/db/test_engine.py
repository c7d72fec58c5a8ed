# SPDX-License-Identifier: Apache-2.0
"""Options, unreachable databases, and threads on SQLite."""

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from oslo_config import cfg
from sqlalchemy import QueuePool, create_engine
from sqlalchemy.exc import DBAPIError

from tests.functional.db import rows
from watcher import config
from watcher.core.errors import Invalid, ServiceDown, Unavailable
from watcher.db import engine, store
from watcher.db.engine import Database
from watcher.db.models import Action, Audit, Goal


def configured(**options):
    """Private options of [database]."""
    conf = cfg.ConfigOpts()
    config.OPTIONS.register(conf)
    engine.OPTIONS.register(conf)
    conf([])
    for name, value in options.items():
        conf.set_override(name, value, "database")
    return conf


def test_sqlite_has_no_pool_to_wait_for(sqlite_url):
    Database(configured(connection=sqlite_url, pool_timeout=1)).upgrade()


def test_without_a_connection_the_database_is_a_file_in_the_state_path(tmp_path):
    conf = configured()
    conf.set_override("state_path", str(tmp_path))
    Database(conf).upgrade()
    assert (tmp_path / "watcher.sqlite").exists()


@pytest.mark.parametrize(
    ("url", "error", "text"),
    [
        ("nonsense", Invalid, "connection cannot be used: Could not parse"),
        ("oracle9://x", Invalid, "connection cannot be used"),
        ("sqlite:////nonexistent/x", ServiceDown, "unable to open database file"),
        ("postgresql://u:hidden@127.0.0.1:1/x", ServiceDown, "127.0.0.1:1/x.*Connection refused"),
        ("mysql://u:hidden@127.0.0.1:1/x", ServiceDown, "127.0.0.1:1/x.*Can't connect"),
    ],
)
def test_a_database_that_cannot_be_reached_is_one_line_without_password(url, error, text):
    with pytest.raises(error, match=text) as caught:
        Database(url)
    assert "\n" not in str(caught.value)
    assert "hidden" not in str(caught.value)


def test_a_server_that_does_not_answer_is_tried_as_often_as_configured(caplog):
    conf = configured(
        connection="mysql+pymysql://u@127.0.0.1:1/x", max_retries=3, retry_interval=0
    )
    with pytest.raises(ServiceDown):
        Database(conf)
    assert [record.args[0] for record in caplog.records] == [1, 2]


@pytest.mark.parametrize(
    ("said", "waited"),
    [
        ("FATAL:  password authentication failed", False),
        ('FATAL:  role "u" does not exist', False),
        ("FATAL:  the database system is starting up", True),
        ("connection refused", True),
    ],
)
def test_postgresql_is_waited_for_unless_it_has_said_no(said, waited):
    assert engine._may_pass(DBAPIError("", {}, psycopg.OperationalError(said))) is waited


@pytest.mark.parametrize(
    ("options", "pauses_s"),
    [
        ({}, [1, 2, 4, 8, 10, 10]),
        ({"db_retry_interval": 3, "db_inc_retry_interval": False}, [3] * 6),
        ({"db_retry_interval": 0, "db_max_retry_interval": 3}, [1, 2, 3, 3, 3, 3]),
    ],
)
def test_work_that_must_not_be_lost_is_tried_again_as_configured(sqlite_url, options, pauses_s):
    conf = cfg.ConfigOpts()
    engine.OPTIONS.register(conf)
    conf([], default_config_files=[], default_config_dirs=[])
    for name, value in {"connection": sqlite_url, **options}.items():
        conf.set_override(name, value, "database")
    assert list(itertools.islice(Database(conf).pauses_s(), 6)) == pauses_s


def test_tables_that_are_missing_are_named_with_the_command_that_makes_them(sqlite_url):
    database = Database(sqlite_url)
    assert database.version() is None
    with pytest.raises(Unavailable, match="run watcher-db-manage upgrade"):
        database.require_schema()
    refused = pytest.raises(Unavailable, match="run watcher-db-manage upgrade")
    with refused, database.reading() as session:
        store.every(session, Goal)


def test_a_reading_session_keeps_nothing(database):
    audit = rows.make(database).audit
    with database.reading() as session:
        store.get(session, Audit, audit.uuid).hostname = "nobody"
        session.flush()
    with database.reading() as session:
        assert store.get(session, Audit, audit.uuid).hostname is None


def test_a_pool_without_a_free_connection_is_one_line_with_what_to_do(sqlite_url):
    pool = create_engine(
        sqlite_url, poolclass=QueuePool, pool_size=1, max_overflow=0, pool_timeout=0.01
    )
    refused = pytest.raises(ServiceDown, match=r"in use: raise .* max_pool_size")
    with pool.connect(), refused, engine.translated():
        pool.connect()
    pool.dispose()


def test_readers_look_while_a_writer_writes(database):
    made = rows.make(database)
    with database.writing() as session:
        store.change(session, made.audit, interval="1")
        with database.reading() as other:
            assert store.get(other, Audit, made.audit.uuid).interval is None


def test_many_threads_write_and_none_is_turned_away(database):
    made = rows.make(database, actions=16)
    together = threading.Barrier(16)

    def work(action):
        together.wait(timeout=30)
        for state in ("ONGOING", "SUCCEEDED"):
            with database.writing() as session:
                row = store.get(session, Action, action.uuid)
                store.transition(session, row, state)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(work, made.actions))
    with database.reading() as session:
        assert {row.state for row in store.every(session, Action)} == {"SUCCEEDED"}


def test_a_url_without_driver_gets_ours_and_mysql_gets_all_of_unicode():
    assert str(engine._url("postgresql://h/d")) == "postgresql+psycopg://h/d"
    assert str(engine._url("mysql://h/d?charset=utf8")) == "mysql+pymysql://h/d?charset=utf8mb4"
    assert str(engine._url("sqlite://")) == "sqlite://"


def test_readers_use_the_replica_only_when_they_may_be_late(tmp_path, sqlite_url):
    replica = f"sqlite:///{tmp_path / 'replica.sqlite'}"
    for late in (True, False):
        conf = configured(
            connection=sqlite_url, slave_connection=replica, synchronous_reader=not late
        )
        with Database(conf).reading() as session:
            assert str(session.get_bind().url) == (replica if late else sqlite_url)
