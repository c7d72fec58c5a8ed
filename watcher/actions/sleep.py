# SPDX-License-Identifier: Apache-2.0
"""Wait; an abort or the end of the daemon is immediate."""

from collections.abc import Mapping
from threading import Event
from typing import Any, ClassVar

from watcher.clients.session import Clients
from watcher.core.errors import ActionFailed
from watcher.core.protocols import Progress
from watcher.core.solution import SLEEP, Action


class Sleep:
    """Waits for ``duration`` seconds, fractions included."""

    type = SLEEP
    description = "Waits for a given duration in seconds."
    can_abort = True
    schema: ClassVar[Mapping[str, Any]] = {
        "type": "object",
        "properties": {"duration": {"type": "number", "minimum": 0}},
        "required": ["duration"],
        "additionalProperties": False,
    }

    def __init__(self, clients: Clients, parameters: Mapping[str, Any], stop: Event) -> None:
        del clients
        self._duration_s = float(parameters["duration"])
        self._stop = stop

    def check(self) -> Mapping[str, Any]:
        """There is always time."""
        return {}

    def perform(self) -> None:
        """Wait."""
        if self._stop.wait(self._duration_s):
            raise ActionFailed(f"was woken before {self._duration_s:g} s were over")

    def observe(self, before: Mapping[str, Any]) -> Progress:
        """Waits again, from the beginning."""
        del before
        return Progress.NOT_BEGUN

    def undo(self) -> str:
        """Time does not come back."""
        return ""

    def abort(self) -> None:
        """Wake up."""
        self._stop.set()

    def reverse(self, before: Mapping[str, Any]) -> Action | None:
        """There is nothing to take back."""
        del before
        return None

    def compensation(self) -> Action | None:
        """It does no harm."""
        return None
