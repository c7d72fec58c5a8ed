# SPDX-License-Identifier: Apache-2.0
"""The API on a large database of a real server, made once for all tests here."""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import webtest
from oslo_config import cfg
from sqlalchemy import text

from tests.benchmarks.api import load
from tests.functional.api.bench import Listener
from tests.functional.api.conftest import conf, far_end  # noqa: F401 - fixtures
from tests.integration import backends
from tests.integration.conftest import address
from watcher.api.app import make_app
from watcher.db.engine import Database
from watcher.messaging.transport import Bus

AUDITS = 100_000 if os.environ.get("WATCHER_LONG") else 10_000
RANDOM_PAGE_COST = "ALTER DATABASE {} SET random_page_cost = 1.1"
"""What PostgreSQL is told for fast disks. At its default it would read a table of 10,000 small
rows whole, and rightly so, where it takes the index of one of 100,000."""


@dataclass
class Large:
    """The API, and the database that it works on."""

    app: webtest.TestApp
    database: Database
    server: str

    def get(self, path: str, **headers: str) -> webtest.TestResponse:
        version = {"OpenStack-API-Version": "infra-optim 1.7"}
        return self.app.get(path, headers={**version, **headers})


@pytest.fixture(scope="session", params=["mariadb", "postgresql"])
def large(
    request: pytest.FixtureRequest,
    conf: cfg.ConfigOpts,  # noqa: F811
    far_end: tuple[Bus, Listener],  # noqa: F811
) -> Iterator[Large]:
    server = request.param
    key = {"mariadb": "database_mysql", "postgresql": "database_postgresql"}[server]
    maintenance = "postgres" if server == "postgresql" else ""
    with backends.database(address(server, key), maintenance) as url:
        database = Database(url)
        if server == "postgresql" and AUDITS < 100_000:
            with database.engine.begin() as connection:
                connection.execute(text(RANDOM_PAGE_COST.format(database.engine.url.database)))
            database.dispose()  # new connections know it
        database.upgrade()
        begun = time.monotonic()
        load.fill(database, AUDITS)
        seconds = time.monotonic() - begun
        print(f"\n{server}: {sum(load.rows_of(AUDITS).values()):,} rows loaded in {seconds:.0f} s")
        yield Large(
            webtest.TestApp(make_app(conf, database, far_end[0]), lint=False), database, server
        )
        database.dispose()
