# SPDX-License-Identifier: Apache-2.0
"""Questions that hang: asked once, and nobody hangs with them."""

import threading

import pytest

from watcher.core.errors import ServiceDown
from watcher.exporter.bounded import Bounded


def test_an_answer_is_passed_on():
    assert Bounded("test", lambda: 42, 5).ask() == 42


def test_an_error_is_raised_where_it_was_asked():
    def ask():
        raise KeyError("gone")

    with pytest.raises(KeyError, match="gone"):
        Bounded("test", ask, 5).ask()


def test_what_hangs_is_asked_once_and_answers_when_it_is_over():
    asked, over = [], threading.Event()

    def ask():
        asked.append(1)
        over.wait(30)
        return "late"

    bounded = Bounded("test", ask, 0.05)
    for _ in range(3):
        with pytest.raises(ServiceDown, match=r"no answer within 0\.05 s"):
            bounded.ask()
    assert len(asked) == 1
    over.set()
    patient = Bounded("test", ask, 5)
    assert patient.ask() == "late"
    assert len(asked) == 2
