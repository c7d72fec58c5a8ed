# SPDX-License-Identifier: Apache-2.0
"""Time in the simulated cloud."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class Clock:
    """Wall time, and how much of it a simulated second lasts.

    What services report (``updated_at``, metric times) is wall time, because clients compare it
    with their own clock. Only durations are scaled: at ``speed=20`` a migration of 20 s is over
    after 1 s.
    """

    speed: float = 1.0
    time: Callable[[], float] = time.time

    def now(self) -> float:
        """Seconds since the epoch."""
        return self.time()

    def lasting(self, seconds: float) -> float:
        """Wall seconds that a simulated duration takes."""
        return seconds / self.speed


def iso(epoch_s: float | None, *, micro: bool = False, zone: str = "") -> str | None:
    """A time as OpenStack's APIs write it; None stays None.

    :param micro: with six digits of a second, as in os-migrations and os-services
    :param zone: what follows, "Z" in servers and tokens
    """
    if epoch_s is None:
        return None
    form = "%Y-%m-%dT%H:%M:%S" + (".%f" if micro else "")
    return datetime.fromtimestamp(epoch_s, UTC).strftime(form) + zone


def epoch(text: str) -> float:
    """Seconds since the epoch of an ISO 8601 text; UTC when it names no zone.

    :raises ValueError: when it is no time
    """
    value = datetime.fromisoformat(text.replace(" ", "+"))
    return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
