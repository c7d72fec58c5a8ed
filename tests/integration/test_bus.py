# SPDX-License-Identifier: Apache-2.0
"""The messages over a real RabbitMQ, also while it is away."""

import logging
import queue
import threading
import time
import urllib.parse

import kombu
import pytest
from oslo_config import cfg
from oslo_messaging import conffixture

from tests.functional.db import rows
from tests.integration.relay import Relay
from watcher import config
from watcher.context import RequestContext
from watcher.core.errors import NotFound, ServiceDown
from watcher.db.engine import Database
from watcher.messaging import notifications, rpc
from watcher.messaging.notifications import make_announcer
from watcher.messaging.transport import Bus

WAIT_S = 20


def options(url):
    """Private options with those of oslo.messaging."""
    conf = cfg.ConfigOpts()
    conffixture.ConfFixture(conf)
    config.OPTIONS.register(conf)
    notifications.OPTIONS.register(conf)
    conf([])
    conf.set_override("transport_url", url)
    conf.set_override("host", "node-1")
    conf.set_override("driver", ["messagingv2"], "oslo_messaging_notifications")
    return conf


@pytest.fixture
def relay(transport_url):
    """A relay before RabbitMQ, to be cut."""
    parts = urllib.parse.urlsplit(transport_url)
    relay = Relay(parts.hostname, parts.port)
    yield relay
    relay.cut()


@pytest.fixture
def relayed_url(transport_url, relay):
    """The bus as seen through the relay."""
    parts = urllib.parse.urlsplit(transport_url)
    address = f"{parts.username}:{parts.password}@127.0.0.1:{relay.port}"
    return urllib.parse.urlunsplit(parts._replace(netloc=address))


class Engine:
    """Keeps what it is told, and answers."""

    def __init__(self, name):
        self.name = name
        self.told = queue.Queue()

    def trigger_audit(self, context, uuid):
        self.told.put((uuid, context["request_id"], threading.current_thread().name))

    @rpc.expected
    def get_strategy_info(self, context, name):
        if name == "nobody":
            raise NotFound("Strategy", name)
        return [{"engine": self.name, "request": context["request_id"]}]


@pytest.fixture
def serving():
    """Serve engines on a bus until the test ends."""
    servers = []

    def serve(bus, *engines):
        for engine in engines:
            topic = "watcher.decision.control"
            server = bus.serve(topic, engine.name, engine)
            server.start()
            servers.append(server)

    yield serve
    for server in servers:
        server.stop()
        server.wait()


def test_a_cast_reaches_one_of_two_engines_and_a_call_comes_back(transport_url, serving):
    bus = Bus(options(transport_url))
    one, two = Engine("one"), Engine("two")
    serving(bus, one, two)
    context = RequestContext(request_id="req-1")
    client = rpc.DecisionEngine(bus)
    for number in range(20):
        client.trigger_audit(context, f"audit-{number}")
    deadline_s = time.monotonic() + WAIT_S
    while one.told.qsize() + two.told.qsize() < 20 and time.monotonic() < deadline_s:
        threading.Event().wait(0.05)
    told = [engine.told.get_nowait() for engine in (one, two) for _ in range(engine.told.qsize())]
    assert sorted(uuid for uuid, _, _ in told) == sorted(f"audit-{number}" for number in range(20))
    assert {request for _, request, _ in told} == {"req-1"}
    (answer,) = client.get_strategy_info(context, "dummy")
    assert (answer["engine"] in ("one", "two"), answer["request"]) == (True, "req-1")
    with pytest.raises(NotFound, match=r"^Strategy nobody could not be found$"):
        client.get_strategy_info(context, "nobody")
    bus.close()


def test_a_bus_that_is_away_is_service_down_in_seconds_and_works_again_when_back(
    relay, relayed_url, serving
):
    server_bus, client_bus = Bus(options(relayed_url)), Bus(options(relayed_url))
    engine = Engine("one")
    serving(server_bus, engine)
    client = rpc.DecisionEngine(client_bus)
    context = RequestContext()
    client.trigger_audit(context, "before")
    assert engine.told.get(timeout=WAIT_S)[0] == "before"
    assert client.get_strategy_info(context, "dummy")

    relay.cut()
    for ask in (client.trigger_audit, client.get_strategy_info):
        started_s = time.monotonic()
        with pytest.raises(ServiceDown):
            ask(context, "during")
        assert time.monotonic() - started_s < 8
    relay.restore()

    deadline_s = time.monotonic() + WAIT_S
    while engine.told.empty():  # the server finds back by itself; a cast before that is lost
        assert time.monotonic() < deadline_s
        client.trigger_audit(context, "after")
        threading.Event().wait(0.5)
    assert engine.told.get()[0] == "after"
    assert client.get_strategy_info(context, "dummy")
    client_bus.close()
    server_bus.close()


def test_a_first_question_to_a_bus_that_is_away_does_not_wait_for_ever(relay, relayed_url):
    relay.cut()
    client = rpc.DecisionEngine(Bus(options(relayed_url)))
    started_s = time.monotonic()
    with pytest.raises(ServiceDown, match="bus does not answer"):
        client.get_strategy_info(RequestContext(), "dummy")
    assert time.monotonic() - started_s < 8


class Listener:
    """A consumer of notifications that is no oslo.messaging: what others get to see."""

    def __init__(self, url):
        self._connection = kombu.Connection(url.replace("rabbit://", "amqp://", 1))
        channel = self._connection.channel()
        exchange = kombu.Exchange("watcher", "topic", durable=False)
        self._queues = [
            kombu.Queue(
                f"notifications.{level}", exchange, f"notifications.{level}", durable=False
            )(channel)
            for level in ("info", "warn", "error")
        ]
        for one in self._queues:
            one.declare()

    def drain(self):
        """What has arrived: event types and payloads by priority, in order."""
        found = []
        for one in self._queues:
            while message := one.get(no_ack=True):
                body = kombu.utils.json.loads(message.payload["oslo.message"])
                found.append((body["priority"], body["event_type"], body))
        return found


def test_notifications_of_a_plan_reach_a_listener_after_the_commit(transport_url, tmp_path):
    listener = Listener(transport_url)
    conf = options(transport_url)
    bus = Bus(conf)
    announcer = make_announcer(conf, bus)
    database = Database(f"sqlite:///{tmp_path / 'watcher.sqlite'}", announcer.announce)
    database.upgrade()
    made = rows.make(database)
    rows.move(database, made.plan, "PENDING", "ONGOING")
    announcer.job("action_plan.execution", made.plan, phase="start")
    announcer.job("action_plan.execution", made.plan, phase="error", fault=ServiceDown("gone"))
    found = listener.drain()
    assert [event for priority, event, _ in found if priority == "INFO"] == [
        "audit.create",
        "action_plan.create",
        "action.create",
        "action.create",
        "action_plan.update",
        "action_plan.update",
        "action_plan.execution.start",
    ]
    (error,) = [body for priority, _, body in found if priority == "ERROR"]
    assert error["event_type"] == "action_plan.execution.error"
    assert error["publisher_id"] == "infra-optim:node-1"
    payload = error["payload"]
    assert payload["watcher_object.name"] == "ActionPlanActionPayload"
    data = payload["watcher_object.data"]
    assert data["audit"]["watcher_object.data"]["uuid"] == made.audit.uuid
    assert data["fault"]["watcher_object.data"]["exception_message"] == "gone"
    bus.close()


def test_work_goes_on_while_notifications_cannot_be_sent(relay, relayed_url, tmp_path, caplog):
    conf = options(relayed_url)
    bus = Bus(conf)
    announcer = make_announcer(conf, bus)
    database = Database(f"sqlite:///{tmp_path / 'watcher.sqlite'}", announcer.announce)
    database.upgrade()
    relay.cut()
    started_s = time.monotonic()
    made = rows.make(database, actions=100)
    rows.move(database, made.plan, "PENDING", "ONGOING")
    assert time.monotonic() - started_s < 8
    ours = [one for one in caplog.records if one.name == notifications.__name__]
    assert [one.levelno for one in ours] == [logging.WARNING]
    assert not [one for one in caplog.records if one.exc_info]
    bus.close()
