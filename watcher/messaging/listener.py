# SPDX-License-Identifier: Apache-2.0
"""Hears the notifications of other services, and notices when the bus carries none.

oslo.messaging connects again by itself and tells nobody, and a quiet cloud looks like a bus that
is gone. So the listener sends itself a word every ``ECHO_S`` and knows by its return.
"""

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import oslo_messaging
from oslo_config import cfg

from watcher.core.errors import Invalid, ServiceDown
from watcher.messaging.transport import SEND_RETRIES, Notifier, translated

LOG = logging.getLogger(__name__)

BATCH = 1000
"""The most messages that are handed over at once."""
BATCH_S = 0.5
"""Seconds after which those that are there are handed over."""
ECHO_S = 10.0
LOST_S = 3 * ECHO_S
"""Without an echo for so long the bus counts as lost."""

Message = Mapping[str, Any]
"""event_type, publisher_id, payload and metadata of one notification."""


def parse(topics: Sequence[str]) -> list[tuple[str, str]]:
    """``exchange.topic`` of ``[watcher_decision_engine] notification_topics`` as pairs.

    Raises Invalid for one without a dot.
    """
    pairs = [tuple(one.split(".", 1)) for one in topics]
    for one, pair in zip(topics, pairs, strict=True):
        if len(pair) != 2 or not all(pair):
            raise Invalid(f"notification_topics: {one!r} is not of the form exchange.topic")
    return [(exchange, topic) for exchange, topic in pairs]


class Listener:
    """Hands every notification on these topics to ``hear``, in batches, in other threads.

    Every ``host`` has a queue of its own, so each decision engine gets every notification.
    ``found`` is called when the bus carries messages again after it was lost. ``hear`` must not
    raise.
    """

    def __init__(
        self,
        transport: Any,
        topics: Sequence[str],
        host: str,
        hear: Callable[[Sequence[Message]], None],
        found: Callable[[], None] = lambda: None,
    ) -> None:
        targets = [
            oslo_messaging.Target(exchange=exchange, topic=topic)
            for exchange, topic in parse(topics)
        ]
        self._servers = [
            _server(transport, targets, hear, f"watcher.model.{host}"),
            _server(transport, [oslo_messaging.Target(topic=f"watcher.echo.{host}")], self._heard),
        ]
        self._notifier = Notifier(
            oslo_messaging.Notifier(
                transport,
                f"infra-optim:{host}",
                driver="messagingv2",
                topics=[f"watcher.echo.{host}"],
                retry=SEND_RETRIES,
            )
        )
        self._topics = ", ".join(topics)
        self._found = found
        self._echo_at_s = float("-inf")
        self._lost = True
        self._stopped = threading.Event()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, name="bus-echo", daemon=True)

    @property
    def listening(self) -> bool:
        """Whether the bus was seen to carry messages within the last ``LOST_S``."""
        return time.monotonic() - self._echo_at_s < LOST_S

    def start(self) -> None:
        """Begin; returns at once, whether the bus is there or not."""
        self._thread.start()

    def stop(self) -> None:
        """Hear no more; the queue goes on to fill, for the next start."""
        self._stopped.set()
        if self._started.is_set():
            for server in self._servers:
                server.stop()

    def _run(self) -> None:
        for server in self._servers:
            server.start()  # does not return before the bus is there
        self._started.set()
        while not self._stopped.is_set():
            with contextlib.suppress(ServiceDown):  # that no echo comes says it, once
                self._notifier.send("info", "watcher.echo", {})
            if not self.listening and not self._lost:
                self._lost = True
                LOG.warning("the bus carries no messages: notifications are not heard")
            self._stopped.wait(ECHO_S)

    def _heard(self, _messages: Sequence[Message]) -> None:
        self._echo_at_s = time.monotonic()
        if self._lost:
            self._lost = False
            LOG.info("notifications of %s are heard", self._topics)
            self._found()


def make_listener(
    conf: cfg.ConfigOpts,
    topics: Sequence[str],
    host: str,
    hear: Callable[[Sequence[Message]], None],
    found: Callable[[], None],
) -> Listener | None:
    """A listener, or None when there is nothing to hear: no topics, or a bus of this process."""
    with translated():
        transport = oslo_messaging.get_notification_transport(conf)
        url = conf.oslo_messaging_notifications.transport_url or conf.transport_url
        inside = oslo_messaging.TransportURL.parse(conf, url).transport == "fake"
    return None if inside or not topics else Listener(transport, topics, host, hear, found)


class _Endpoint:
    """Takes messages of the three priorities that OpenStack services use."""

    def __init__(self, hear: Callable[[Sequence[Message]], None]) -> None:
        self.info = self.warn = self.error = hear


def _server(
    transport: Any,
    targets: Sequence[oslo_messaging.Target],
    hear: Callable[[Sequence[Message]], None],
    pool: str | None = None,
) -> Any:
    with translated():
        return oslo_messaging.get_batch_notification_listener(
            transport,
            list(targets),
            [_Endpoint(hear)],
            executor="threading",
            batch_size=BATCH,
            batch_timeout=BATCH_S,
            pool=pool,
        )
