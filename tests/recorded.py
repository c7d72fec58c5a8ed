# SPDX-License-Identifier: Apache-2.0
"""What Nova and Cinder sent over the bus of the test cloud while ``tests.cloud.doings`` ran."""

import json
import pathlib
from functools import cache

from watcher.collectors.events import Notification, sent_at

FILE = pathlib.Path(__file__).parent / "unit/collectors/recorded/notifications.jsonl"


@cache
def messages():
    """As oslo.messaging's listener hands them over, in the order in which they came."""
    return [json.loads(line) for line in FILE.read_text(encoding="utf-8").splitlines()]


def notification(message):
    """One of them as the translation takes it."""
    moment = sent_at(message["metadata"])
    return Notification(message["event_type"], message["publisher_id"], moment, message["payload"])


def first(event_type):
    """The first of this type, a copy of its own."""
    found = next(one for one in messages() if one["event_type"] == event_type)
    return json.loads(json.dumps(found))
