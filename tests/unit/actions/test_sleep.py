# SPDX-License-Identifier: Apache-2.0
"""sleep waits on an event."""

import threading
import time
from typing import Any

import pytest

from watcher.actions.sleep import Sleep
from watcher.core import parameters
from watcher.core.errors import ActionFailed, BadParameters


def sleep(duration_s: float) -> Sleep:
    return Sleep(None, {"duration": duration_s}, threading.Event())  # type: ignore[arg-type]


def test_fractions_of_a_second_count() -> None:
    began = time.monotonic()
    sleep(0.05).perform()
    assert 0.05 <= time.monotonic() - began < 0.9


def test_an_abort_ends_it_at_once() -> None:
    waiting = sleep(60)
    waiting.abort()
    with pytest.raises(ActionFailed, match="before 60 s were over"):
        waiting.perform()


@pytest.mark.parametrize("given", [{}, {"duration": -0.1}, {"duration": "1"}])
def test_wrong_durations_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(BadParameters):
        parameters.check(Sleep.schema, given)


@pytest.mark.parametrize("duration", [0, 1, 0.5])
def test_right_durations_are_taken(duration: float) -> None:
    parameters.check(Sleep.schema, {"duration": duration})
