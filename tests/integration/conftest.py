# SPDX-License-Identifier: Apache-2.0
"""Fixtures on real services: fresh databases, buses, metric stores, and the cloud.

A test that asks for a service that is not there is skipped at home, with the command
that would start it, and fails when the environment has CI set.

    tools/services up && tools/services up influxdb-auth
    tools/cloud install && tools/cloud up && tools/cloud seed
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
from collections.abc import Callable, Iterator

import pytest

from tests.cloud import servers, volumes
from tests.cloud import services as private
from tests.cloud.api import Cloud
from tests.cloud.process import Processes, locked
from tests.cloud.seed import restore
from tests.cloud.settings import HOME, load
from tests.integration import backends
from tests.integration.runner import Runner

HERE = pathlib.Path(__file__).resolve().parent
SHARED = {"cloud_session", "transport_url", "broker"}
"""Fixtures of tests that run one after another: one of them stops RabbitMQ for a while."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder needs real services; some of it the cloud, or the bus."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.integration)
            if SHARED & set(getattr(item, "fixturenames", ())):
                item.add_marker(pytest.mark.shared)


def missing(what: str, command: str) -> None:
    """Skip the test, or fail it where everything must be there."""
    reason = f"{what} is not running; start it with `{command}`"
    if os.environ.get("CI"):
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def address(name: str, key: str) -> str:
    """An address of a service that runs; otherwise the test is skipped, or fails in CI."""
    path = private.ADDRESSES
    addresses = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    if key not in addresses or not Processes(servers.HOME).pid(name):
        missing(name, f"tools/services up {name}")
    return str(addresses[key])


@pytest.fixture(scope="session")
def services() -> dict[str, str]:
    """The addresses of the services that run (services.json), perhaps none."""
    path = private.ADDRESSES
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}


@pytest.fixture(scope="session")
def needs() -> Callable[[str], None]:
    """``needs("rabbitmq")``: go on only if this service runs."""

    def check(name: str) -> None:
        if not Processes(servers.HOME).pid(name):
            missing(name, f"tools/services up {name}")

    return check


@pytest.fixture
def mariadb_url() -> Iterator[str]:
    """A fresh, empty database on MariaDB."""
    with backends.database(address("mariadb", "database_mysql")) as url:
        yield url


@pytest.fixture
def postgresql_url() -> Iterator[str]:
    """A fresh, empty database on PostgreSQL."""
    with backends.database(address("postgresql", "database_postgresql"), "postgres") as url:
        yield url


@pytest.fixture(scope="session")
def standing() -> Iterator[Callable[[str], str]]:
    """``standing("mariadb")``: a database with all tables, emptied of what earlier tests left.

    Making the tables takes a second; for tests that do not change them.
    """
    servers = {
        "mariadb": ("database_mysql", ""),
        "postgresql": ("database_postgresql", "postgres"),
    }
    made: dict[str, str] = {}
    with contextlib.ExitStack() as stack:

        def emptied(name: str) -> str:
            if name not in made:
                key, maintenance = servers[name]
                url = stack.enter_context(backends.database(address(name, key), maintenance))
                made[name] = url
            backends.empty(made[name])
            return made[name]

        yield emptied


@pytest.fixture
def transport_url() -> Iterator[str]:
    """A fresh virtual host on RabbitMQ."""
    with backends.virtual_host(address("rabbitmq", "transport_url")) as url:
        yield url


class Broker:
    """Stops and starts the RabbitMQ that everybody shares; its queues and port stay."""

    def stop(self) -> None:
        """Stop it and return when it is gone."""
        private.stop(("rabbitmq",))

    def start(self) -> None:
        """Start it and return when it accepts connections."""
        private.up(("rabbitmq",))


@pytest.fixture
def broker(needs: Callable[[str], None]) -> Iterator[Broker]:
    """RabbitMQ to be stopped and started; it runs again at the end of the test."""
    needs("rabbitmq")
    broker = Broker()
    yield broker
    broker.start()


@pytest.fixture
def influxdb() -> Iterator[backends.Influx]:
    """A fresh, empty database on an InfluxDB that asks for no password."""
    with backends.influx_database(address("influxdb", "influxdb_url")) as influx:
        yield influx


@pytest.fixture
def influxdb_auth() -> Iterator[backends.Influx]:
    """A fresh, empty database on an InfluxDB that asks for a password."""
    url = address("influxdb-auth", "influxdb_auth_url")
    kind = servers.InfluxDBAuth
    with backends.influx_database(url, kind.username, kind.password) as influx:
        yield influx


@pytest.fixture(scope="session")
def cloud_session() -> Cloud:
    """The test cloud as its admin, whatever state it is in."""
    if not Processes(HOME).pid("nova-api"):
        missing("the test cloud", "tools/cloud install && tools/cloud up && tools/cloud seed")
    cloud = Cloud(load())
    if len(cloud.servers()) < cloud.settings.servers:
        missing("the full set of servers in the test cloud", "tools/cloud seed")
    return cloud


@pytest.fixture
def cloud(cloud_session: Cloud) -> Iterator[Cloud]:
    """The test cloud as seeded: every server on its host, every service enabled.

    One test at a time has it, whatever pytest it runs in. Restoring comes before the
    test: what a failed test left can still be looked at.
    """
    with locked("cloud-in-use"):
        restore(cloud_session)
        yield cloud_session


@pytest.fixture
def storage_cloud(cloud: Cloud) -> Iterator[Cloud]:
    """The test cloud with the types of its two back ends and no volumes, before and after."""
    if not cloud.settings.cinder:
        missing("Cinder in the test cloud", "tools/cloud up")
    volumes.types(cloud)
    volumes.Volumes(cloud).clear()
    yield cloud
    volumes.Volumes(cloud).clear()


@pytest.fixture
def runner(tmp_path: pathlib.Path) -> Iterator[Runner]:
    """Starts commands for the test and stops them at its end."""
    runner = Runner(tmp_path)
    yield runner
    runner.close()
