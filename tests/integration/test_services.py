# SPDX-License-Identifier: Apache-2.0
"""The private services do what the other tests count on."""

from __future__ import annotations

import pathlib
import socket
import sys
from typing import Any

import pytest
import requests
import sqlalchemy
from kombu.connection import Connection

from tests.cloud import services
from tests.integration.backends import Influx
from tests.integration.conftest import Broker
from tests.integration.runner import Runner

pytestmark = pytest.mark.shared
"""One of these stops and starts services that other tests use."""


@pytest.mark.parametrize("fixture", ["mariadb_url", "postgresql_url"])
def test_a_database_is_fresh_and_takes_any_character(
    fixture: str, request: pytest.FixtureRequest
) -> None:
    engine = sqlalchemy.create_engine(request.getfixturevalue(fixture))
    assert sqlalchemy.inspect(engine).get_table_names() == []
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE words (word VARCHAR(40))")
        connection.execute(
            sqlalchemy.text("INSERT INTO words VALUES (:word)"), {"word": "größer 😀"}
        )
        assert connection.exec_driver_sql("SELECT word FROM words").scalar() == "größer 😀"
    engine.dispose()


def bus(transport_url: str) -> Any:
    url = transport_url.replace("rabbit://", "amqp://")
    return Connection(url, connect_timeout=5)  # type: ignore[no-untyped-call]


def test_a_virtual_host_carries_a_message(transport_url: str) -> None:
    with bus(transport_url) as connection:
        queue = connection.SimpleQueue("letters")
        queue.put("hello")
        assert queue.get(timeout=5).payload == "hello"
        queue.close()


def test_rabbitmq_comes_back_on_its_port_with_its_messages(
    transport_url: str, broker: Broker
) -> None:
    with bus(transport_url) as connection:
        queue = connection.SimpleQueue("letters")
        queue.put("still there")
        queue.close()
    broker.stop()
    with pytest.raises(OSError, match="refused"):
        bus(transport_url).connect()
    broker.start()
    with bus(transport_url) as connection:
        queue = connection.SimpleQueue("letters")
        assert queue.get(timeout=5).payload == "still there"
        queue.close()


@pytest.mark.parametrize("fixture", ["influxdb", "influxdb_auth"])
def test_influxdb_keeps_what_is_written(fixture: str, request: pytest.FixtureRequest) -> None:
    influx: Influx = request.getfixturevalue(fixture)
    influx.write(["cpu,host=a usage=1 100", "cpu,host=a usage=3 110", "cpu,host=b usage=5 110"])
    series = influx.query('SELECT mean("usage") FROM "cpu" GROUP BY "host"')
    assert {row["tags"]["host"]: row["values"][0][1] for row in series} == {"a": 2, "b": 5}


def test_the_second_influxdb_wants_a_password(influxdb_auth: Influx) -> None:
    reply = requests.post(f"{influxdb_auth.url}/query", data={"q": "SHOW DATABASES"}, timeout=10)
    assert reply.status_code == 401


def test_a_command_is_awaited_and_stopped(runner: Runner) -> None:
    program = "import sys, threading; print('ready', flush=True); threading.Event().wait()"
    running = runner.start("waiter", [sys.executable, "-c", program])
    running.wait_for_log("ready", timeout_s=10)
    assert running.stop() == -15


def test_a_command_that_ends_too_early_shows_its_log(runner: Runner) -> None:
    running = runner.start("brief", [sys.executable, "-c", "print('oh no')"])
    with pytest.raises(AssertionError, match="ended with 0\noh no"):
        running.wait_for_log("ready", timeout_s=10)


def test_a_service_keeps_its_ports_but_one_that_somebody_took(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rabbitmqctl that finds no port mapper starts one, while RabbitMQ is away."""
    monkeypatch.setattr(services, "HOME", tmp_path)
    first = dict(services.reserve("rabbitmq").ports)
    assert services.reserve("rabbitmq").ports == first
    with socket.create_server(("127.0.0.1", first["epmd"])):
        then = services.reserve("rabbitmq").ports
    assert then == {**first, "epmd": then["epmd"]}
    assert then["epmd"] != first["epmd"]
