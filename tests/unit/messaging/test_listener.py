# SPDX-License-Identifier: Apache-2.0
"""Notifications heard over a bus inside this process."""

import queue

import oslo_messaging
import pytest

from watcher.core.errors import Invalid
from watcher.messaging import listener as listening
from watcher.messaging.listener import Listener, make_listener, parse

WAIT_S = 10


def test_topics_are_pairs_of_exchange_and_topic():
    assert parse(["nova.versioned_notifications", "cinder.a.b"]) == [
        ("nova", "versioned_notifications"),
        ("cinder", "a.b"),
    ]
    for wrong in ("notifications", ".x", "x."):
        with pytest.raises(Invalid, match=r"exchange\.topic"):
            parse([wrong])


def test_there_is_nothing_to_hear_without_topics_or_inside_a_process(conf, bus):
    assert make_listener(conf, [], "node-1", print, print) is None
    assert make_listener(conf, ["nova.t"], "node-1", print, print) is None
    conf.set_override("transport_url", "rabbit://", "oslo_messaging_notifications")
    assert make_listener(conf, ["nova.t"], "node-1", print, print) is not None


def speaker(conf, exchange):
    """A notifier of another service."""
    conf.set_override("control_exchange", exchange)
    transport = oslo_messaging.get_notification_transport(conf)
    return oslo_messaging.Notifier(
        transport, "nova-compute:c1", driver="messagingv2", topics=["versioned_notifications"]
    )


def test_what_services_say_is_heard_and_so_is_the_echo(conf, bus, monkeypatch):
    monkeypatch.setattr(listening, "BATCH_S", 0.05)
    heard, found = queue.Queue(), queue.Queue()
    transport = oslo_messaging.get_notification_transport(conf)
    ear = Listener(
        transport, ["nova.versioned_notifications"], "node-1", heard.put, lambda: found.put(1)
    )
    assert not ear.listening
    ear.start()
    try:
        found.get(timeout=WAIT_S)
        assert ear.listening
        notifier = speaker(conf, "nova")
        for level in ("info", "warn", "error"):
            getattr(notifier, level)({}, f"instance.{level}", {"a": 1})
        events = set()
        while len(events) < 3:
            for message in heard.get(timeout=WAIT_S):
                events.add(message["event_type"])
                assert message["publisher_id"] == "nova-compute:c1"
                assert message["payload"] == {"a": 1}
                assert message["metadata"]["timestamp"]
        assert events == {"instance.info", "instance.warn", "instance.error"}
        assert found.empty()
    finally:
        ear.stop()
