# SPDX-License-Identifier: Apache-2.0
"""From the bus to the snapshots: hears notifications and has the keepers take them in."""

import logging
import threading
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from oslo_config import cfg

from watcher.collectors.events import Notification, sent_at, translate
from watcher.config import Group
from watcher.core.news import News
from watcher.decision_engine.follower import Follower
from watcher.decision_engine.keeper import Keeper
from watcher.messaging.listener import Listener, Message, make_listener
from watcher.telemetry import meters
from watcher.telemetry.pulse import Pulse

LOG = logging.getLogger(__name__)

OPTIONS = (
    Group(
        "watcher_decision_engine",
        "The decision engine",
        [
            cfg.ListOpt(
                "notification_topics",
                default=["nova.versioned_notifications", "openstack.notifications"],
                help="Where notifications of Nova (versioned) and Cinder are heard, each as"
                " exchange.topic; empty: nowhere. Between two readings of the cloud they keep the"
                " snapshots up to date.",
            )
        ],
    ),
)

FOLLOW_S = 0.5
"""How often the snapshots take in what was heard."""
ROUND_S = 300.0
"""To take in what was heard takes longer than this only when it hangs."""

STORAGE_KINDS = frozenset({"volume", "snapshot", "pool"})


class Feed:
    """Hands news to the followers of compute and storage, and drives the keepers that have them.

    ``state`` is ``heard``, ``lost`` (the bus carries no messages) or ``off`` (nobody listens).
    """

    def __init__(self, followers: Mapping[str, Follower[Any]]) -> None:
        self._followers = followers
        self._keepers: Collection[Keeper[Any]] = ()
        self._listener: Listener | None = None
        self._refused: Counter[str] = Counter()
        self._stopped = threading.Event()
        self.pulse = Pulse("model-follower", ROUND_S)
        self._thread = threading.Thread(target=self._run, name="model-follower", daemon=True)

    @property
    def state(self) -> str:
        """Whether notifications are heard."""
        if self._listener is None:
            return "off"
        return "heard" if self._listener.listening else "lost"

    def start(self, conf: cfg.ConfigOpts, keepers: Collection[Keeper[Any]]) -> None:
        """Listen to the topics of the configuration, and keep these keepers up to date."""
        self._keepers = keepers
        topics = conf.watcher_decision_engine.notification_topics
        self._listener = make_listener(conf, topics, conf.host, self.hear, self._found)
        if self._listener is not None:
            self._listener.start()
            self._thread.start()

    def stop(self) -> None:
        """Hear no more."""
        self._stopped.set()
        if self._listener is not None:
            self._listener.stop()

    def hear(self, messages: Sequence[Message]) -> None:
        """Take messages of the bus; one that cannot be read is named once per kind of event."""
        news: list[News] = []
        for message in messages:
            event = str(message.get("event_type"))
            try:
                moment, publisher = sent_at(message["metadata"]), str(message["publisher_id"])
                news += translate(Notification(event, publisher, moment, message["payload"]))
                meters.NEWS.labels("taken").inc()
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                meters.NEWS.labels("refused").inc()
                self._refused[event] += 1
                if self._refused[event] == 1:
                    LOG.warning("a notification %s cannot be read: %r", event, error)
        self._followers["storage"].hear(one for one in news if one.kind in STORAGE_KINDS)
        self._followers["compute"].hear(one for one in news if one.kind not in STORAGE_KINDS)

    def _found(self) -> None:
        for keeper in self._keepers:
            keeper.hurry()

    def _run(self) -> None:
        while not self._stopped.wait(FOLLOW_S):
            self.pulse.beat()
            for keeper in self._keepers:
                try:
                    keeper.follow()
                except Exception:  # the edge: later notifications must not be lost for this one
                    LOG.exception("notifications could not be taken in; the next reading will")
                    keeper.hurry()
