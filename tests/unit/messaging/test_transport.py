# SPDX-License-Identifier: Apache-2.0
"""The bus: what is refused, what is switched off, which errors come out."""

import logging

import oslo_messaging
import pytest
from oslo_messaging._drivers import amqpdriver, common
from oslo_service import backend

from watcher.core.errors import Conflict, Invalid, NotFound, ServiceDown
from watcher.messaging import transport
from watcher.messaging.transport import Bus, translated


@pytest.mark.parametrize("url", ["nonsense://x", "rabbit://[", "rabbit://h:port/", "x"])
def test_a_url_that_cannot_be_used_is_invalid(conf, url):
    conf.set_override("transport_url", url)
    with pytest.raises(Invalid, match="transport_url cannot be used"):
        Bus(conf)


def test_the_exchange_is_watcher_unless_it_is_configured(bus):
    assert bus.conf.control_exchange == "watcher"


def test_a_message_that_came_twice_is_a_line_without_a_traceback(bus, caplog):
    for error in (common.DuplicateMessageError(msg_id="1"), ValueError("another")):
        try:
            raise error
        except (common.DuplicateMessageError, ValueError):
            amqpdriver.LOG.exception("ignoring %s", "it")
    assert [bool(record.exc_info) for record in caplog.records] == [False, True]


def test_native_threads_are_chosen_before_oslo_messaging_chooses():
    assert backend.get_backend_type() is backend.BackendType.THREADING


@pytest.mark.parametrize("drivers", [[], ["noop"]])
def test_without_a_driver_there_is_no_notifier(conf, bus, drivers):
    bus.conf.set_override("driver", drivers, "oslo_messaging_notifications")
    assert bus.notifier("infra-optim:node-1") is None


@pytest.mark.parametrize(
    ("raised", "kind", "text"),
    [
        (oslo_messaging.MessagingTimeout("t"), ServiceDown, "no service answered in time"),
        (oslo_messaging.MessageDeliveryFailure("refused"), ServiceDown, "bus .* refused"),
        (OSError(111, "refused"), ServiceDown, "bus does not answer: .* refused"),
        (oslo_messaging.RemoteError("Conflict", "busy"), Conflict, "^busy$"),
        (oslo_messaging.RemoteError("NotFound", "x y could"), NotFound, "^x y could$"),
        (
            oslo_messaging.RemoteError("KeyError", "'x'"),
            ServiceDown,
            "failed unexpectedly; its log",
        ),
        (oslo_messaging.RemoteError("annotations", "x"), ServiceDown, "unexpectedly"),
    ],
)
def test_errors_come_out_as_ours(raised, kind, text):
    with pytest.raises(kind, match=text) as caught, translated():
        raise raised
    assert caught.value.__cause__ is raised


def test_only_the_failures_of_this_send_are_read_from_the_log(caplog):
    log = logging.getLogger("oslo_messaging.notify.messaging")
    refused = transport._refused

    def fail():
        try:
            raise OSError(111, "refused")
        except OSError:
            log.exception("Could not send notification")

    fail()
    assert len(caplog.records) == 0 or caplog.records[0].exc_info  # outside a send: as ever
    log.addFilter(refused)
    caplog.clear()
    with pytest.raises(ServiceDown, match="refused"), refused.raised():
        fail()
    with refused.raised():
        log.warning("something else")
    assert caplog.messages == ["something else"]
