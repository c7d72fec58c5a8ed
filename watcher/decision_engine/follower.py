# SPDX-License-Identifier: Apache-2.0
"""Keeps a snapshot up with the news between two readings of the cloud.

News is kept until it is taken in, twice a second; what came since a reading began is kept for its
end as well, and taken in again there. Nothing is asked of the cloud here.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Generic, TypeVar

from watcher.core.news import Absorbed, Key, Ledger, News

T = TypeVar("T")
Absorb = Callable[[T, Iterable[News], Ledger], tuple[T, Absorbed]]

KEPT = 200_000
"""The most news kept for the end of a reading; the oldest go first."""


class Follower(Generic[T]):
    """The news of one model; ``absorb`` takes them into its snapshots."""

    def __init__(self, absorb: Absorb[T]) -> None:
        self._absorb = absorb
        self._lock = threading.Lock()
        self._waiting: list[News] = []
        self._since: deque[News] | None = None
        self._ledger: dict[Key, tuple[int, float]] = {}
        self._unread: set[Key] = set()
        self._heard = 0
        self._changes = 0
        self._changed_at: float | None = None
        self._lag_s = 0.0

    def hear(self, news: Iterable[News]) -> None:
        """Keep news for the next ``follow``; from any thread."""
        with self._lock:
            self._waiting.extend(news)

    def begin(self) -> None:
        """A reading begins: what comes from now on may be newer than it."""
        with self._lock:
            self._since = deque(maxlen=KEPT)

    def follow(self, snapshot: T) -> T:
        """The snapshot with what was heard since the last time."""
        news = self._taken()
        if not news:
            return snapshot
        snapshot, absorbed = self._absorb(snapshot, news, self._ledger)
        self._note(news, absorbed)
        return snapshot

    def replay(self, snapshot: T) -> T:
        """A snapshot just read, with what came since ``begin``; ends what ``begin`` began."""
        self._taken()
        with self._lock:
            news, self._since = list(self._since or ()), None
        self._ledger, self._unread = {}, set()
        self._heard = self._changes = 0
        snapshot, absorbed = self._absorb(snapshot, news, self._ledger)
        self._note(news, absorbed)
        return snapshot

    def forget(self) -> None:
        """There is no snapshot to take news in: only a reading that runs may need them."""
        self._taken()

    @property
    def unread(self) -> frozenset[Key]:
        """What notifications told of and only a reading can complete."""
        return frozenset(self._unread)

    def about(self) -> dict[str, Any]:
        """Figures since the last reading, for people."""
        return {
            "events": self._heard,
            "changes": self._changes,
            "changed_at": self._changed_at,
            "lag_s": round(self._lag_s, 3),
            "unread": len(self._unread),
        }

    def _taken(self) -> list[News]:
        with self._lock:
            news, self._waiting = self._waiting, []
            if self._since is not None:
                self._since.extend(news)
        return news

    def _note(self, news: Sequence[News], absorbed: Absorbed) -> None:
        self._ledger.update(absorbed.heard)
        self._unread |= absorbed.unread
        self._heard += len(news)
        self._changes += absorbed.changes
        if absorbed.changes:
            self._changed_at = time.time()
            self._lag_s = max(0.0, self._changed_at - min(one.sent_at for one in news))
