# SPDX-License-Identifier: Apache-2.0
"""Fresh, empty places on the real services, each dropped when its test is done."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import urllib.parse
import uuid
from collections.abc import Iterable, Iterator
from typing import Any

import requests
import sqlalchemy

from tests.cloud import services
from tests.cloud.servers import RabbitMQ
from watcher.db.engine import Database
from watcher.db.models import Base, Lock


def unique(prefix: str = "test") -> str:
    """A name that no other test has."""
    return f"{prefix}_{uuid.uuid4().hex[:12]}"


@contextlib.contextmanager
def database(server: str, maintenance: str = "") -> Iterator[str]:
    """The SQLAlchemy URL of a fresh, empty database on a server.

    Args:
        server: URL without a database.
        maintenance: the database to connect to for making another one.
    """
    name = unique()
    postgresql = server.startswith("postgresql")
    engine = sqlalchemy.create_engine(
        f"{server}/{maintenance}", isolation_level="AUTOCOMMIT", poolclass=sqlalchemy.NullPool
    )
    with engine.connect() as connection:
        charset = "" if postgresql else " CHARACTER SET utf8mb4"
        connection.exec_driver_sql(f"CREATE DATABASE {name}{charset}")
    try:
        yield f"{server}/{name}"
    finally:
        with engine.connect() as connection:
            force = " WITH (FORCE)" if postgresql else ""
            connection.exec_driver_sql(f"DROP DATABASE {name}{force}")


def empty(url: str) -> None:
    """Make all tables, unless they are there, and delete their rows (but for the locks)."""
    database = Database(url)
    database.upgrade()
    with database.engine.begin() as connection:
        for table in reversed(Base.metadata.sorted_tables):
            if table is not Lock.__table__:
                connection.execute(table.delete())
    database.dispose()


@contextlib.contextmanager
def virtual_host(server: str) -> Iterator[str]:
    """The oslo.messaging URL of a fresh RabbitMQ virtual host.

    Args:
        server: URL of the virtual host "/".
    """
    rabbitmq = services.service("rabbitmq")
    assert isinstance(rabbitmq, RabbitMQ)
    name = unique()
    # One rabbitmqctl instead of two: each takes half a second to start.
    rabbitmq.control(
        "eval",
        f'rabbit_vhost:add(<<"{name}">>, <<"test">>), rabbit_auth_backend_internal:'
        f'set_permissions(<<"guest">>, <<"{name}">>, <<".*">>, <<".*">>, <<".*">>, <<"test">>).',
    )
    try:
        yield f"{server.rstrip('/')}/{name}"
    finally:
        rabbitmq.control("delete_vhost", name)


@dataclasses.dataclass(frozen=True)
class Influx:
    """One database of an InfluxDB server (1.x)."""

    url: str
    database: str
    username: str = ""
    password: str = ""

    def _post(self, path: str, **arguments: Any) -> requests.Response:
        auth = (self.username, self.password) if self.username else None
        reply = requests.post(f"{self.url}{path}", auth=auth, timeout=30, **arguments)
        reply.raise_for_status()
        return reply

    def write(self, lines: Iterable[str], precision: str = "s") -> None:
        """Write points in line protocol; times are in seconds unless told otherwise."""
        query = urllib.parse.urlencode({"db": self.database, "precision": precision})
        self._post(f"/write?{query}", data="\n".join(lines).encode())

    def query(self, text: str) -> list[dict[str, Any]]:
        """The series that an InfluxQL statement finds.

        Raises:
            ValueError: InfluxDB answered 200 with an error in it.
        """
        reply = self._post("/query", data={"q": text, "db": self.database})
        (result,) = json.loads(reply.text)["results"]
        if "error" in result:
            raise ValueError(result["error"])
        found: list[dict[str, Any]] = result.get("series", [])
        return found


@contextlib.contextmanager
def influx_database(url: str, username: str = "", password: str = "") -> Iterator[Influx]:
    """A fresh, empty InfluxDB database."""
    influx = Influx(url, unique(), username, password)
    influx.query(f'CREATE DATABASE "{influx.database}"')
    try:
        yield influx
    finally:
        influx.query(f'DROP DATABASE "{influx.database}"')
