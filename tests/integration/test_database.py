# SPDX-License-Identifier: Apache-2.0
"""The same promises as on SQLite (tests/functional/db), on MariaDB and PostgreSQL."""

import random

import pytest
from sqlalchemy import inspect, select, text

from tests.functional.db import history, moves, rows, verbs
from watcher.core.errors import ServiceDown
from watcher.db import purge, store
from watcher.db.engine import Database
from watcher.db.models import Action, ActionPlan, Audit, Base, Goal

SERVERS = ["mariadb_url", "postgresql_url"]


@pytest.fixture(params=SERVERS)
def url(request):
    """An empty database on a real server."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def announced():
    """The changes that the database announced."""
    return []


@pytest.fixture
def empty(url, announced):
    """A database without tables."""
    database = Database(url, announced.extend)
    yield database
    database.dispose()


@pytest.fixture(params=["mariadb", "postgresql"])
def database(request, standing, announced):
    """A database with its tables."""
    database = Database(standing(request.param), announced.extend)
    yield database
    database.dispose()


class TestHistory(history.History):
    pass


class TestGetting(verbs.Getting):
    pass


class TestPaging(verbs.Paging):
    pass


class TestWriting(verbs.Writing):
    pass


class TestMoving(moves.Moving):
    pass


def test_a_restarted_server_costs_no_work(database):
    audit = rows.make(database).audit
    _kill_connections(database)
    with database.reading() as session:
        assert store.get(session, Audit, "one").id == audit.id
    _kill_connections(database)
    with database.writing() as session:
        store.transition(session, audit, "ONGOING")


def test_work_that_was_cut_is_service_down_and_leaves_nothing(database):
    def work():
        with database.writing() as session:
            store.add(session, Goal(name="cut", display_name="cut"))
            _kill_connections(database)
            store.add(session, Goal(name="off", display_name="off"))

    with pytest.raises(ServiceDown, match="does not answer"):
        work()
    with database.reading() as session:
        assert store.every(session, Goal) == []


def _kill_connections(database):
    """Cut every connection to this database but the one that says so, from the server's side."""
    kind = database.engine.dialect.name
    with Database(database.engine.url.render_as_string(hide_password=False)).engine.begin() as me:
        if kind == "postgresql":
            me.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            )
        else:
            ids = me.scalars(
                text(
                    "SELECT id FROM information_schema.processlist "
                    "WHERE db = DATABASE() AND id <> CONNECTION_ID()"
                )
            )
            for ident in list(ids):
                me.execute(text(f"KILL {int(ident)}"))


def test_mariadb_tables_are_innodb_in_full_unicode(mariadb_url):
    database = Database(mariadb_url)
    database.upgrade()
    with database.engine.connect() as connection:
        found = connection.execute(
            text(
                "SELECT engine, table_collation FROM information_schema.tables "
                "WHERE table_schema = DATABASE() AND table_name <> 'alembic_version'"
            )
        ).all()
    assert len(found) == len(Base.metadata.tables)
    assert set(found) == {("InnoDB", "utf8mb4_bin")}


def test_every_foreign_key_has_an_index(database):
    found = inspect(database.engine)
    for table in Base.metadata.tables:
        indexed = {index["column_names"][0] for index in found.get_indexes(table)}
        for key in found.get_foreign_keys(table):
            assert key["constrained_columns"][0] in indexed, (table, key)


def test_purge_deletes_for_good(database):
    made = rows.make(database)
    with database.writing() as session:
        store.transition(session, made.audit, "CANCELLED")
        for row in (made.audit, made.strategy, made.goal):
            store.delete(session, row)
    with database.reading() as session:
        selection = purge.select_rows(session)
    assert selection.counts()["Total"] == 6
    with database.writing() as session:
        purge.erase(session, selection)
    with database.reading() as session:
        assert store.every(session, Action, deleted=True) == []


def test_a_large_plan_keeps_all_of_its_evidence(database):
    made = rows.make(database)
    kept = random.Random(1).randbytes(3_000_000)  # MySQL's plain BLOB ends at 64 KiB
    with database.writing() as session:
        store.change(session, store.get(session, ActionPlan, made.plan.uuid), evidence=kept)
    with database.reading() as session:
        query = select(ActionPlan.evidence).where(ActionPlan.id == made.plan.id)
        assert session.scalar(query) == kept
