# SPDX-License-Identifier: Apache-2.0
"""Whether a daemon can do its work: its database, its bus, and loops that go round."""

import json
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from sqlalchemy import text

from watcher.core.errors import WatcherError
from watcher.db.engine import Database
from watcher.exporter.bounded import Bounded
from watcher.messaging.transport import Bus
from watcher.telemetry.gauges import Part
from watcher.version import VERSION

LIMIT_S = 4.0
"""So long a database or a bus may take to answer: less than who asks us commonly waits."""
BUS_S = 3.0
"""So long a message may take from us to us."""


class Health:
    """The checks of one process."""

    def __init__(
        self, program: str, host: str, database: Database, bus: Bus, parts: Sequence[Part]
    ) -> None:
        self._names = {"program": program, "version": VERSION, "host": host}
        self._database = database
        self._parts = parts
        self._asked: Mapping[str, Bounded[None]] = {
            "database": Bounded("health-database", self._ask_database, LIMIT_S),
            "bus": Bounded("health-bus", lambda: bus.trial(BUS_S), LIMIT_S),
        }

    def troubles(self) -> dict[str, str]:
        """What was looked at, and what is wrong with it; '' for nothing."""
        found = {name: _trouble(asked.ask) for name, asked in self._asked.items()}
        for part in self._parts:
            found |= {f"loop {pulse.name}": pulse.trouble for pulse in part.pulses}
        return found

    def answer(self) -> tuple[HTTPStatus, bytes]:
        """200 when nothing is wrong, else 503; and all checks with their reasons, as JSON."""
        troubles = self.troubles()
        healthy = not any(troubles.values())
        checks = {
            name: {"healthy": not reason, **({"reason": reason} if reason else {})}
            for name, reason in troubles.items()
        }
        told: dict[str, Any] = {"healthy": healthy, **self._names, "checks": checks}
        status = HTTPStatus.OK if healthy else HTTPStatus.SERVICE_UNAVAILABLE
        return status, json.dumps(told, indent=1).encode()

    def _ask_database(self) -> None:
        with self._database.reading() as session:
            session.execute(text("SELECT 1"))


def _trouble(ask: Callable[[], None]) -> str:
    try:
        ask()
    except WatcherError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 - the edge: whatever it is, it is not healthy
        return f"{type(error).__name__}: {error}"
    return ""
