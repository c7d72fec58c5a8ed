# SPDX-License-Identifier: Apache-2.0
"""Every notification that a functional test sends is as its schema says."""

import pytest

from tests.sent import Checked
from watcher.messaging.notifications import Announcer

WRONG = []


@pytest.fixture(scope="session", autouse=True)
def _checked_notifications():
    built = Announcer.__init__

    def build(self, notifier, *given, **named):
        built(self, None if notifier is None else Checked(notifier, WRONG), *given, **named)

    patch = pytest.MonkeyPatch()
    patch.setattr(Announcer, "__init__", build)
    yield
    patch.undo()


@pytest.fixture(autouse=True)
def _no_wrong_notification():
    WRONG.clear()
    yield
    assert WRONG == []
