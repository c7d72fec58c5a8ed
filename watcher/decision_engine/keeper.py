# SPDX-License-Identifier: Apache-2.0
"""Holds the current snapshot of one kind of model and reads it anew when it is too old.

Readers share one immutable value; a lock is held only while reading anew. Several audits that
want a fresh snapshot at once cause one collection. A failed collection keeps the last good
snapshot for questions, but an audit that needs a fresh one is told the reason.
"""

import logging
import threading
from collections.abc import Callable
from datetime import datetime
from typing import Generic, TypeVar

from oslo_utils import timeutils

from watcher.clients.session import Absent
from watcher.core.baremetal import Machines
from watcher.core.cluster import Cluster
from watcher.core.errors import StaleCluster, WatcherError
from watcher.core.protocols import Collector
from watcher.core.storage import Storage

LOG = logging.getLogger(__name__)

T = TypeVar("T", bound=Cluster | Storage | Machines)

AGAIN_S = 60.0
"""After a reading that failed, the next one comes no later than this."""


class Keeper(Generic[T]):
    """The keeper of one kind of snapshot, named as its collector.

    ``period_s`` is the time between refreshes in the background.
    """

    def __init__(
        self,
        collector: Collector[T],
        period_s: float,
        clock: Callable[[], datetime] = timeutils.utcnow,
    ) -> None:
        self._collector = collector
        self._what = "cluster" if collector.name == "compute" else collector.name
        self._period_s = period_s
        self._clock = clock
        self._refreshing = threading.Lock()
        self._stopped = threading.Event()
        self._snapshot: T | None = None
        self._read_at: datetime | None = None
        self._failed_at: datetime | None = None
        self._failure = ""
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
        try:
            snapshot = self._collector.collect()
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
        self._snapshot, self._read_at = snapshot, begun
        LOG.info("%s read: %s", self._what, _counts(snapshot))

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                with self._refreshing:
                    self._refresh()
            except Exception:  # the edge: the refresher must outlive one bad reading
                LOG.exception("reading the %s failed", self._what)
            again_s = min(self._period_s, AGAIN_S) if self._failure else self._period_s
            self._stopped.wait(again_s)


def _counts(snapshot: Cluster | Storage | Machines) -> str:
    match snapshot:
        case Cluster():
            return f"{len(snapshot.hosts)} hosts, {len(snapshot.instances)} instances"
        case Storage():
            return f"{len(snapshot.pools)} pools, {len(snapshot.volumes)} volumes"
    return f"{len(snapshot)} machines"
