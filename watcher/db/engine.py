# SPDX-License-Identifier: Apache-2.0
"""The way to the database: sessions that read, sessions that write, and what follows a commit.

oslo.db builds the engines, so that its ``[database]`` options keep their meaning (pool sizes,
retries while connecting, SQL mode, ...) and its names for a driver's errors are known here. Its
``enginefacade`` is not used: one session maker and two context managers do what Watcher needs, and
a session can be seen where it is opened.

A connection is tried before it is used (``pool_pre_ping``), so a restarted server costs nothing
but the transactions that it cut.
"""

import itertools
import logging
import pathlib
import random
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from oslo_config import cfg
from oslo_db import exception
from oslo_db import options as oslo_options
from oslo_db.sqlalchemy import engines
from sqlalchemy import Engine, event, inspect
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    NoSuchModuleError,
    OperationalError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session, make_transient, sessionmaker

from watcher import config
from watcher.core.errors import Invalid, LostRace, ServiceDown, Unavailable
from watcher.db import changes, migrations

LOG = logging.getLogger(__name__)

UNUSED = (
    *("backend", "asyncio_connection", "asyncio_slave_connection"),
    *("use_db_reconnect", "db_max_retries"),
)
"""oslo.db's options without a meaning here: work that must not be lost is never given up."""

OPTIONS = config.Group(
    "database",
    "The database",
    [
        *(option for option in oslo_options.database_opts if option.dest not in UNUSED),
        cfg.StrOpt(
            "mysql_engine",
            default="InnoDB",
            help="Storage engine of the tables that are made on MySQL or MariaDB.",
        ),
    ],
)

ROWS_AT_ONCE = 100
"""Rows in one INSERT; psycopg needs twice the time for SQLAlchemy's default of 1,000."""

PASSED_ON = (
    *("connection_recycle_time", "connection_debug", "connection_parameters", "connection_trace"),
    *("max_pool_size", "max_overflow", "pool_timeout", "sqlite_synchronous", "mysql_sql_mode"),
    "mysql_wsrep_sync_wait",
)
"""The options that oslo.db's ``create_engine`` takes under their own names."""

SQLITE_BUSY_TIMEOUT_MS = 30_000
"""How long a writer waits for another one on SQLite, which has one writer at a time."""

RACES = 8
"""How often work is tried that somebody waits for, while other writers are faster."""

RACE_PAUSE_S = 0.05
"""The longest pause between two such tries; it is drawn, so that those who met part."""

T = TypeVar("T")

Announce = Callable[[Sequence[Any]], None]
"""Takes the ``changes.Change`` values of a committed transaction, in order."""


class Database:
    """A database, by its ``[database]`` options or by its URL.

    ``announce`` is told of every committed change (see ``watcher.messaging.notifications``).
    Raises ServiceDown when the server does not answer within ``max_retries`` tries.
    """

    def __init__(self, conf: cfg.ConfigOpts | str, announce: Announce | None = None) -> None:
        if isinstance(conf, str):
            url, conf = conf, cfg.ConfigOpts()
            OPTIONS.register(conf)
            conf.set_override("connection", url, "database")
            conf.set_override("max_retries", 1, "database")
            conf.set_override("retry_interval", 0, "database")
            conf([])
        else:
            OPTIONS.register(conf)
        self._options = conf.database
        self._state_path = conf.state_path if "state_path" in conf else "."
        self._announce = announce
        with translated():
            self.engine = self._engine(self._connection(conf))
            reader = self.engine
            if self._options.slave_connection and not self._options.synchronous_reader:
                reader = self._engine(self._options.slave_connection)
        self._readers = sessionmaker(reader, expire_on_commit=False)
        self._writers = sessionmaker(
            self.engine.execution_options(
                **{WRITES: True, "insertmanyvalues_page_size": ROWS_AT_ONCE}
            ),
            expire_on_commit=False,
        )

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session that looks; whatever it changes is thrown away."""
        with translated(), self._readers() as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A session whose work is kept as a whole, or not at all when an error leaves the block.

        What was registered with ``after_commit`` runs when the work is safe, and outside of it.
        Rows that took part in failed work can still be looked at; what they show may be what was
        tried. Those that it was to add can be added again.
        """
        with translated(), self._writers() as session:
            session.info["announces"] = self._announce is not None
            try:
                yield session
                session.commit()
            except BaseException:
                session.expunge_all()  # else the rollback would empty the rows
                _forget(session.info.get("added", ()))
                raise
        noted = session.info.get("changes", ())
        changes.count(noted)
        if self._announce and noted:
            self._announce(noted)
        for work in session.info.get("after_commit", ()):
            work()

    def persist(self, work: Callable[[Session], T], stop: threading.Event) -> T:
        """What ``work`` gives back, done in a transaction once the database lets it be done.

        A database that does not answer is waited for, until ``stop`` is set. What was lost may be
        only the answer to the commit, so ``work`` must be safe to run again. Raises LostRace when
        another writer was first, but not when the database broke a deadlock of ours.
        """
        told = False
        pauses_s = self.pauses_s()
        while True:
            try:
                with self.writing() as session:
                    return work(session)
            except LostRace as error:
                if error.__cause__ is None:
                    raise
                LOG.debug("%s", error)
                stop.wait(random.uniform(0, RACE_PAUSE_S))  # noqa: S311
            except ServiceDown as error:
                if not told:
                    LOG.warning("waiting for the database: %s", error)
                told = True
                if stop.wait(next(pauses_s)):
                    raise

    def pauses_s(self) -> Iterator[float]:
        """Seconds before each further try of work that must not be lost."""
        chosen = self._options
        seconds = float(max(chosen.db_retry_interval, 1))
        while True:
            yield seconds
            if chosen.db_inc_retry_interval:
                seconds = min(2 * seconds, max(chosen.db_max_retry_interval, seconds))

    def settle(self, work: Callable[[Session], T]) -> T:
        """What ``work`` gives back, done in a transaction, for a caller who waits for the answer.

        Work that another writer was faster than, or that the database broke off to end a deadlock,
        is done again on what is there now. Raises LostRace when that goes on and on.
        """
        for _ in range(RACES - 1):
            try:
                with self.writing() as session:
                    return work(session)
            except LostRace as error:
                LOG.debug("trying again: %s", error)
                threading.Event().wait(random.uniform(0, RACE_PAUSE_S))  # noqa: S311
        with self.writing() as session:
            return work(session)

    def upgrade(self, revision: str = "head") -> None:
        """Bring the tables to a revision, from nothing if need be."""
        with translated():
            migrations.upgrade(self.engine, revision, mysql_engine=self._options.mysql_engine)

    def version(self) -> str | None:
        """The revision that the tables have, or None for a database without any."""
        with translated():
            return migrations.version(self.engine)

    def require_schema(self) -> None:
        """Check that the tables are those this version works with.

        Raises Unavailable naming what to do: a daemon refuses to start without them.
        """
        found = self.version()
        if found != migrations.head():
            raise Unavailable(migrations.explain(found))

    def dispose(self) -> None:
        """Close all connections that are not in use."""
        self.engine.dispose()

    def _connection(self, conf: cfg.ConfigOpts) -> str:
        if conf.database.connection:
            return conf.database.connection
        folder = pathlib.Path(self._state_path)
        return f"sqlite:///{folder / 'watcher.sqlite'}"

    def _engine(self, connection: str) -> Engine:
        chosen = self._options
        passed = {name: chosen[name] for name in PASSED_ON}
        with _understood():
            url = _url(connection)
            if url.get_backend_name() == "sqlite":
                passed["pool_timeout"] = None  # a file is opened anew each time, not waited for
            engine = engines.create_engine(url, sqlite_fk=True, max_retries=0, **passed)
        if engine.dialect.name == "sqlite":
            event.listen(engine, "connect", _sqlite_connected)
            event.listen(engine, "begin", _sqlite_begins)
        if engine.dialect.name in ("mysql", "mariadb"):
            event.listen(engine, "connect", _mysql_connected)
        _reach(engine, chosen.max_retries, chosen.retry_interval)
        return engine


WRITES = "watcher_writes"
"""Marks the connections of writing sessions, by execution option."""


def after_commit(session: Session, work: Callable[[], None]) -> None:
    """Run ``work`` once the session's work is committed; never if it is rolled back."""
    session.info.setdefault("after_commit", []).append(work)


def _forget(added: Iterable[Any]) -> None:
    """Let rows be new again whose INSERT is undone: else a second try would take it for done."""
    for row in added:
        state = inspect(row)
        if state.detached:
            make_transient(row)
            row.id = None
            for relation in state.mapper.relationships:
                state.dict.pop(relation.key, None)  # they are of the session that is over


_MISTAKE = re.compile(
    r"OperationalError\) (\((1052|1054|1305), |no such (column|function)|ambiguous column"
    r"|table \S+ has no column|near .*: syntax error)"
)
"""Mistakes in statements that PyMySQL and sqlite3 call operational, as a server's absence."""


@contextmanager
def translated() -> Iterator[None]:
    """Turn a driver's errors into ours, with one line of the driver's own text.

    What a statement of ours does wrong stays as it is: no waiting helps against it.
    """
    try:
        yield
    except exception.DBDeadlock as error:
        raise LostRace("the database broke a deadlock against this change: try again") from error
    except exception.DBNonExistentTable as error:
        raise Unavailable(migrations.explain(None)) from error
    except (
        exception.DBConnectionError,
        exception.DBNonExistentDatabase,
        OperationalError,
    ) as error:
        if _MISTAKE.search(str(error)):
            raise
        raise ServiceDown(f"the database does not answer: {_first_line(error)}") from error
    except PoolTimeout as error:
        raise ServiceDown(
            "all connections to the database are in use: raise [database] max_pool_size"
        ) from error
    except (ArgumentError, NoSuchModuleError) as error:
        raise Invalid(f"[database] connection cannot be used: {_first_line(error)}") from error


@contextmanager
def _understood() -> Iterator[None]:
    """Say what is wrong with a connection that no engine can be made of.

    The text of a ValueError may be a piece of the password, so it is not passed on.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise Invalid(
            f"[database] connection needs the Python package {error.name}; install"
            " watcher[mysql] or watcher[postgresql]"
        ) from error
    except ValueError:
        raise Invalid(
            "[database] connection cannot be used: its port is not a number (escape special"
            " characters of the password as %XX)"
        ) from None


def _reach(engine: Engine, tries: int, pause_s: float) -> None:
    """Connect once, waiting for a server that does not answer yet; -1 tries wait for ever.

    oslo.db's own loop does not know psycopg's errors for what they are.
    """
    attempts = itertools.count(1) if tries == -1 else range(1, max(tries, 1) + 1)
    for attempt in attempts:
        try:
            with engine.connect():
                return
        except (exception.DBError, DBAPIError) as error:
            last = attempt == tries or not _may_pass(error)
            if last:
                where = engine.url.render_as_string(hide_password=True)
                raise ServiceDown(f"database {where}: {_first_line(error)}") from error
            LOG.warning("the database does not answer, try %s: %s", attempt, _first_line(error))
            threading.Event().wait(pause_s)


def _may_pass(error: Exception) -> bool:
    """Whether a server may yet come: what it refuses (a name, a password) it refuses for good."""
    if isinstance(error, exception.DBConnectionError):
        return True
    refused = "FATAL" in str(error) and "starting up" not in str(error)
    return "psycopg.OperationalError" in str(error) and not refused


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def _url(connection: str) -> URL:
    """The URL with our drivers where none is named, and with all of Unicode on MySQL.

    ``utf8`` in old configuration files means three bytes per character there, so that a name with
    an emoji would be refused.
    """
    url = make_url(connection)
    if url.drivername == "mysql":
        url = url.set(drivername="mysql+pymysql")
    if url.drivername in ("postgresql", "postgres"):
        url = url.set(drivername="postgresql+psycopg")
    if url.get_backend_name() in ("mysql", "mariadb"):
        url = url.update_query_dict({"charset": "utf8mb4"})
    return url


def _sqlite_connected(connection: Any, _record: Any) -> None:
    connection.execute(f"PRAGMA busy_timeout = {SQLITE_BUSY_TIMEOUT_MS}")
    connection.execute("PRAGMA journal_mode = WAL")


def _sqlite_begins(connection: Any) -> None:
    """Take the write lock at the start: a reader that turns writer cannot wait, it fails.

    oslo.db's own listener has begun a transaction without lock just before.
    """
    if connection.get_execution_options().get(WRITES):
        connection.exec_driver_sql("ROLLBACK")
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _mysql_connected(connection: Any, _record: Any) -> None:
    """Read what is committed, as PostgreSQL does.

    InnoDB's default would show a writer that lost a race the state from before that race, and
    locks gaps between rows that nobody asked for.
    """
    with connection.cursor() as cursor:
        cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
