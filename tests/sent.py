# SPDX-License-Identifier: Apache-2.0
"""Whether notifications are as the schemas in doc/notification_samples say."""

import json
from functools import cache

from jsonschema import Draft202012Validator

from tools.docs.notifications import FOLDER
from watcher.messaging.payloads import events


@cache
def validator(payload):
    """The validator of a payload, by its name."""
    written = json.loads((FOLDER / f"schemas/{payload}.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(written)
    return Draft202012Validator(written)


def check(event_type, payload):
    """AssertionError when this is no event of ours, or its payload not as its schema says."""
    assert event_type in events(), event_type
    name, _ = events()[event_type]
    assert payload["watcher_object.name"] == name
    wrong = [f"{one.json_path}: {one.message}" for one in validator(name).iter_errors(payload)]
    assert wrong == [], f"{event_type}: {wrong}"


class Checked:
    """A notifier before which everything is checked; what is wrong is kept, for it may be sent
    in a thread whose errors nobody sees.
    """

    def __init__(self, notifier, wrong):
        self._notifier = notifier
        self._wrong = wrong

    def send(self, level, event_type, payload):
        try:
            # What goes over the wire is JSON.
            check(event_type, json.loads(json.dumps(payload)))
        except (AssertionError, TypeError) as error:
            self._wrong.append(error)
        self._notifier.send(level, event_type, payload)
