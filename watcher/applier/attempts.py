# SPDX-License-Identifier: Apache-2.0
"""What a plugin is asked to do, tried: its result or its error, and how that is told."""

import logging
from collections.abc import Callable
from threading import Event
from time import monotonic
from typing import TypeVar

from watcher.core.errors import ActionFailed, Unavailable, WatcherError
from watcher.db.models import MESSAGE_LENGTH

LOG = logging.getLogger(__name__)

T = TypeVar("T")

RETRY_S = 5.0
"""Seconds between tries while the cloud does not answer."""


def attempt(work: Callable[[], T]) -> tuple[T | None, Exception | None]:
    """The one place where whatever a plugin raises is caught: its result, or its error."""
    try:
        return work(), None
    except WatcherError as error:
        return None, error
    except Exception as error:  # the action run edge: a plugin may raise anything
        LOG.exception("an action raised what it should not")
        return None, error


def patiently(
    work: Callable[[], T], patience_s: float, stop: Event
) -> tuple[T | None, Exception | None]:
    """As ``attempt``, again and again for so long while the cloud does not answer.

    For questions only: what changes the cloud is not simply repeated.
    """
    until_s = monotonic() + patience_s
    while True:
        result, error = attempt(work)
        if not isinstance(error, Unavailable) or monotonic() >= until_s or stop.wait(RETRY_S):
            return result, error


def words(error: Exception) -> str:
    """An error for the operator: the text of ours, only the class of others."""
    return str(error) if isinstance(error, WatcherError) else type(error).__name__


def message(phase: str, error: Exception, fate: str = "") -> str:
    """The status message of a failed action; ``fate`` is what was undone and is never cut."""
    if isinstance(error, ActionFailed) and phase != "pre_condition":
        phase = error.phase
    head = f"Action failed in {phase}: "
    room = MESSAGE_LENGTH - len(head) - len(fate)
    text = words(error)
    return head + (text if len(text) <= room else f"{text[: max(0, room - 1)]}…") + fate
