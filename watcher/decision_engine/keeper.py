# SPDX-License-Identifier: Apache-2.0
"""Holds the current snapshot of one kind of model and reads it anew when it is too old.

Readers share one immutable value; a lock is held only while reading anew. Several audits that
want a fresh snapshot at once cause one collection. A failed collection keeps the last good
snapshot for questions, but an audit that needs a fresh one is told the reason. Between readings a
follower takes in what notifications tell.
"""

import logging
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from oslo_utils import timeutils

from watcher.clients.session import Absent
from watcher.core.baremetal import Machines
from watcher.core.cluster import Cluster
from watcher.core.errors import StaleCluster, WatcherError
from watcher.core.protocols import Collector
from watcher.core.storage import Storage
from watcher.decision_engine.follower import Follower
from watcher.telemetry import gauges, meters
from watcher.telemetry.gauges import Reading
from watcher.telemetry.pulse import Pulse

LOG = logging.getLogger(__name__)

T = TypeVar("T", bound=Cluster | Storage | Machines)

LOOK_S = 1.0
"""How often it is looked whether the next reading is due."""
READING_S = 1800.0
"""A reading that takes longer than this hangs."""
AGAIN_S = 60.0
"""After a reading that failed, the next one comes no later than this."""


class Keeper(Generic[T]):
    """The keeper of one kind of snapshot, named as its collector.

    ``period_s`` is the time between refreshes in the background; ``short_period_s`` counts while
    something is known to be missing from the snapshot: the ``bus`` is ``lost`` (see ``Feed``), or
    the follower heard of what only a reading can tell.
    """

    def __init__(
        self,
        collector: Collector[T],
        period_s: float,
        clock: Callable[[], datetime] = timeutils.utcnow,
        *,
        follower: Follower[T] | None = None,
        short_period_s: float = float("inf"),
        bus: Callable[[], str] = lambda: "off",
    ) -> None:
        self._collector = collector
        self._what = "cluster" if collector.name == "compute" else collector.name
        self._period_s = period_s
        self._clock = clock
        self._follower = follower
        self._short_period_s = short_period_s
        self._bus = bus
        self._hasty = threading.Event()
        self._swapping = threading.Lock()
        self._refreshing = threading.Lock()
        self._stopped = threading.Event()
        self._snapshot: T | None = None
        self._read_at: datetime | None = None
        self._failed_at: datetime | None = None
        self._failure = ""
        self._made_at = clock()
        self.pulse = Pulse(f"model {collector.name}", READING_S)
        self._thread = threading.Thread(target=self._run, name="snapshot-keeper", daemon=True)

    def start(self) -> None:
        """Read the cluster now, and again every period, in a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread; a collection that is running is left to end with the process."""
        self._stopped.set()

    @property
    def latest(self) -> T | None:
        """The last good snapshot, however old; None before the first."""
        return self._snapshot

    @property
    def age_s(self) -> float | None:
        """Seconds since the last good snapshot was begun to be read; None before the first."""
        return None if self._read_at is None else (self._clock() - self._read_at).total_seconds()

    def readings(self, *, background: bool) -> Iterator[Reading]:
        """How old the snapshot is and what is in it; one only read on demand may be absent."""
        name, snapshot = self._collector.name, self._snapshot
        since = self._read_at or (self._made_at if background else None)
        if since is not None:
            yield gauges.MODEL_AGE((self._clock() - since).total_seconds(), name)
        if background:
            yield gauges.MODEL_PERIOD(self._period_s, name)
        for kind, number in sizes(snapshot).items() if snapshot is not None else ():
            yield gauges.MODEL_SIZE(number, kind)

    def follow(self) -> None:
        """Take in the news that have come since the last time."""
        if self._follower is None:
            return
        with self._swapping:
            if self._snapshot is None:
                self._follower.forget()
            else:
                self._snapshot = self._follower.follow(self._snapshot)

    def hurry(self) -> None:
        """Something may have been missed: read anew as soon as may be."""
        self._hasty.set()

    def about(self) -> dict[str, Any] | None:
        """How old the snapshot is and how it came about; None before the first."""
        snapshot, read_at = self._snapshot, self._read_at
        if snapshot is None or read_at is None:
            return None
        followed = {} if self._follower is None else self._follower.about()
        return {
            "read_at": read_at.replace(tzinfo=UTC).timestamp(),
            "age_s": (self._clock() - read_at).total_seconds(),
            "failure": self._failure,
            "notifications": "off" if self._follower is None else self._bus(),
            **followed,
            "origin": dict(snapshot.origin),
        }

    def snapshot(self, max_age_s: float) -> T:
        """A snapshot whose reading began at most so many seconds before this call.

        Raises StaleCluster with the reason when the cloud cannot be read.
        """
        asked_at = self._clock()
        with self._refreshing:
            # Whoever waited for the lock finds what the holder has read meanwhile, or why not.
            if not self._young(asked_at, max_age_s) and not self._failed_after(asked_at):
                self._refresh()
            if self._snapshot is None or not self._young(asked_at, max_age_s):
                raise StaleCluster(f"the {self._what} cannot be read: {self._failure}")
            return self._snapshot

    def _young(self, moment: datetime, max_age_s: float) -> bool:
        return self._read_at is not None and (
            (moment - self._read_at).total_seconds() <= max_age_s
        )

    def _failed_after(self, moment: datetime) -> bool:
        return self._failed_at is not None and self._failed_at > moment

    def _refresh(self) -> None:
        begun, failure, level = self._clock(), "", logging.WARNING
        self._hasty.clear()
        if self._follower is not None:
            self._follower.begin()
        try:
            with meters.timed(
                meters.MODEL_READINGS, self._collector.name, failed="failed"
            ) as outcome:
                snapshot = self._collector.collect()
                outcome[0] = "read"
        except Absent as error:  # a cloud without this service is a cloud all the same
            failure, level = str(error), logging.INFO
        except WatcherError as error:
            failure = str(error) or type(error).__name__
        if failure:
            if failure != self._failure:  # once per reason, not once per try
                LOG.log(level, "the %s cannot be read: %s", self._what, failure)
            self._failure, self._failed_at = failure, begun
            return
        if self._failure:
            LOG.info("the %s can be read again", self._what)
        self._failure, self._failed_at = "", None
        with self._swapping:
            if self._follower is not None:
                snapshot = self._follower.replay(snapshot)
            self._snapshot, self._read_at = snapshot, begun
        counts = ", ".join(f"{number} {kind}" for kind, number in sizes(snapshot).items())
        LOG.info("%s read: %s", self._what, counts)

    def _run(self) -> None:
        while not self._stopped.is_set():
            self.pulse.beat()
            try:
                with self._refreshing:
                    self._refresh()
            except Exception:  # the edge: the refresher must outlive one bad reading
                LOG.exception("reading the %s failed", self._what)
            self._pause()

    def _pause(self) -> None:
        """Until the next reading is due, which may come nearer while this waits."""
        waited_s = 0.0
        while waited_s < self._pause_s() and not self._stopped.is_set():
            self.pulse.beat()
            self._stopped.wait(LOOK_S)
            waited_s += LOOK_S

    def _pause_s(self) -> float:
        if self._failure:
            return min(self._period_s, AGAIN_S)
        if self._hasty.is_set():
            return 0.0
        missing = self._follower is not None and (self._follower.unread or self._bus() == "lost")
        return min(self._period_s, self._short_period_s) if missing else self._period_s


def sizes(snapshot: Cluster | Storage | Machines) -> dict[str, int]:
    """How many of what are in a snapshot."""
    match snapshot:
        case Cluster():
            return {"hosts": len(snapshot.hosts), "instances": len(snapshot.instances)}
        case Storage():
            return {"pools": len(snapshot.pools), "volumes": len(snapshot.volumes)}
    return {"machines": len(snapshot)}
