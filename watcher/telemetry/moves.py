# SPDX-License-Identifier: Apache-2.0
"""Moves of audits, action plans and actions, counted once they are committed.

A move is counted by the process that made it and by no other, so that the sum over all processes
is the truth. How long an action or a plan ran is known to the process that began and ended it.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from watcher.core.solution import MIGRATE, VOLUME_MIGRATE
from watcher.telemetry import meters

AT_WORK = ("ONGOING", "CANCELLING")
ENDED = ("SUCCEEDED", "FAILED", "SKIPPED", "CANCELLED")
MOST = 10_000
"""So many beginnings are remembered; those of plans that others took over go first."""


class Begun:
    """When what this process has begun began, by uuid; used by all threads."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._at_s: OrderedDict[str, float] = OrderedDict()

    def begin(self, uuid: str) -> None:
        """It begins now."""
        with self._lock:
            self._at_s[uuid] = time.monotonic()
            while len(self._at_s) > self._most:
                self._at_s.popitem(last=False)

    def end(self, uuid: str) -> float | None:
        """Seconds since its beginning; None when that was not here."""
        with self._lock:
            at_s = self._at_s.pop(uuid, None)
        return None if at_s is None else time.monotonic() - at_s


_begun = Begun()


def moved(kind: str, uuid: str, old_state: str | None, state: str) -> None:
    """An audit or action plan came to a state; None before for a new one."""
    meters.STATE_CHANGES.labels(kind, state).inc()
    if kind == "action_plan":
        seconds = _seconds(uuid, old_state, state)
        if seconds is not None:
            meters.PLAN_RUNS.labels(state).observe(seconds)


def moved_action(
    uuid: str, old_state: str | None, state: str, action_type: str, parameters: Mapping[str, Any]
) -> None:
    """An action of this type, with these input parameters, came to a state."""
    meters.STATE_CHANGES.labels("action", state).inc()
    seconds = _seconds(uuid, old_state, state)
    if seconds is not None:
        meters.ACTION_RUNS.labels(action_type, state).observe(seconds)
    if state in ENDED:
        meters.ACTIONS.labels(action_type, state).inc()
        kind = migration_type(action_type, parameters)
        if kind and old_state in AT_WORK:
            meters.MIGRATIONS.labels(kind, state).inc()


def migration_type(action_type: str, parameters: Mapping[str, Any]) -> str:
    """What kind of migration an action is; '' when it is none."""
    asked = parameters.get("migration_type")
    if action_type == MIGRATE:
        return "cold" if asked == "cold" else "live"
    if action_type == VOLUME_MIGRATE:
        return "volume_retype" if asked == "retype" else "volume_migrate"
    return ""


def _seconds(uuid: str, old_state: str | None, state: str) -> float | None:
    if state == "ONGOING" and old_state not in AT_WORK:
        _begun.begin(uuid)
    return _begun.end(uuid) if state in ENDED and old_state in AT_WORK else None
