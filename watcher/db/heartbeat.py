# SPDX-License-Identifier: Apache-2.0
"""The row by which a daemon says that it is alive, and what the rows of others say."""

import logging
import threading
import time
from collections.abc import Callable, Collection
from datetime import datetime
from typing import Literal

from oslo_config import cfg
from sqlalchemy.orm import Session

from watcher.core.errors import LostRace, WatcherError
from watcher.db import clock, store
from watcher.db.engine import Database
from watcher.db.models import Service
from watcher.telemetry.pulse import Pulse

LOG = logging.getLogger(__name__)

Status = Literal["ACTIVE", "FAILED"]
Tell = Callable[[Service, Status, Status], None]
"""Told of a service, its status before and now."""

ROUND_S = 120.0
"""A beat takes longer than this only when it hangs; a database is waited for at most half."""

WATCHERS = ("watcher-decision-engine", "watcher-applier")
"""The daemons that look after the others."""


def status(row: Service, now: datetime, down_s: float) -> Status:
    """Whether the last sign of life is recent enough, by the database's clock."""
    seen = row.last_seen_up or row.updated_at or row.created_at
    return "FAILED" if (now - seen).total_seconds() > down_s else "ACTIVE"


class Neighbours:
    """What became of the daemons between two looks, for the one of us whose turn it is to tell.

    That is the daemon with the lowest row that was alive at both looks, so nobody is elected: all
    look, and each knows by itself. ``down_s`` is how long a daemon may be silent.
    """

    def __init__(self, name: str, host: str, down_s: float) -> None:
        self._me = (name, host)
        self._down_s = down_s
        self._before: dict[int, Status] = {}
        self._looked_s = 0.0

    def look(self, session: Session) -> list[tuple[Service, Status, Status]]:
        """The services that came or went since the last look, if it is on us to tell."""
        now, rows = clock.now(session), store.every(session, Service)
        found = {row.id: status(row, now, self._down_s) for row in rows}
        before, self._before = self._before, found
        slept_s, self._looked_s = time.monotonic() - self._looked_s, time.monotonic()
        if slept_s > self._down_s:
            return []  # we were frozen, or are new: others have told
        steady = [
            (row.id, (row.name, row.host))
            for row in rows
            if row.name in WATCHERS and before.get(row.id) == found[row.id] == "ACTIVE"
        ]
        if not steady or min(steady)[1] != self._me:
            return []
        return [
            (row, before[row.id], found[row.id])
            for row in rows
            if row.id in before and before[row.id] != found[row.id]
        ]


class Heartbeat:
    """Writes ``last_seen_up`` of a service on this host, every ``periodic_interval`` seconds.

    It is a moment by the database's clock. A database that does not answer is said once, and once
    when it is back; so is another decision engine or applier that beats in our name, for the two
    take each other's work. ``tell`` is told of other daemons that came or went.
    """

    def __init__(
        self, conf: cfg.ConfigOpts, database: Database, name: str, tell: Tell | None = None
    ) -> None:
        self._conf = conf
        self._database = database
        self._name = name
        self._host = conf.host
        self._tell = tell
        self._neighbours = Neighbours(name, conf.host, conf.service_down_time)
        self._stop = threading.Event()
        self._down = False
        self.pulse = Pulse(f"heartbeat {name}", lambda: ROUND_S + conf.periodic_interval)
        self._last: datetime | None = None
        self._doubled = False
        self._thread = threading.Thread(target=self._run, name=f"heartbeat {name}", daemon=True)

    def start(self) -> None:
        """Beat once, raising what the database raises, and go on in the background."""
        self.beat()
        self._thread.start()

    def stop(self) -> None:
        """Beat no more."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def beat(self) -> None:
        """Say once that the service is alive."""
        with self._database.writing() as session:
            mine = (Service.name == self._name, Service.host == self._host)
            now, rows = clock.now(session), store.every(session, Service, *mine)
            before, last, self._last = rows[0].last_seen_up if rows else None, self._last, None
            if rows:
                row = store.change(session, rows[0], last_seen_up=now)
            else:
                row = Service(name=self._name, host=self._host, last_seen_up=now)
                store.add(session, row)
            session.refresh(row, ["last_seen_up"])  # as precise as its column
        self._last = row.last_seen_up
        if self._name in WATCHERS and last is not None:
            self._listen(doubled=before != last)

    def _listen(self, *, doubled: bool) -> None:
        """Say once that somebody else beats in our name."""
        if doubled and not self._doubled:
            LOG.error(
                "another %s beats as host %s: give each its own [DEFAULT] host, or they take each"
                " other's work",
                self._name,
                self._host,
            )
        self._doubled = doubled

    def look(self) -> None:
        """Tell of the daemons that came or went since the last look, if it is on us."""
        if self._tell is None:
            return
        with self._database.reading() as session:
            changed = self._neighbours.look(session)
        for row, before, now in changed:
            LOG.info("%s on %s is %s", row.name, row.host, now)
            self._tell(row, before, now)

    def _run(self) -> None:
        while not self._stop.wait(self._conf.periodic_interval):
            self.pulse.beat()
            try:
                self.beat()
                self.look()
            except LostRace:
                LOG.debug("another process of %s on %s beats as well", self._name, self._host)
            except Exception as error:  # the edge: a daemon without heartbeats loses its work
                if not self._down:
                    unforeseen = None if isinstance(error, WatcherError) else error
                    text = error if unforeseen is None else type(error).__name__
                    LOG.warning("no heartbeat of %s: %s", self._name, text, exc_info=unforeseen)
                self._down = True
                continue
            if self._down:
                LOG.info("heartbeat of %s is back", self._name)
            self._down = False


class Silence:
    """How long the hosts of a service have shown no new heartbeat, as far as we have looked.

    No clock is compared with another: what counts is that ``last_seen_up`` stays as it is while
    we look. The time in which we could not look, frozen or without database, counts for little:
    nobody could be heard then.
    """

    def __init__(self, service: str, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._service = service
        self._monotonic = monotonic
        self._looked_s = monotonic()
        self._beats: dict[str, datetime | None] = {}
        self._silent_s: dict[str, float] = {}

    def look(self, session: Session, hosts: Collection[str], gap_s: float) -> dict[str, float]:
        """Seconds of silence of each of the hosts; 0 for one seen for the first time.

        Of the time since the last look at most ``gap_s`` counts. A host without a row is silent.
        """
        now_s = self._monotonic()
        passed_s = min(now_s - self._looked_s, gap_s)
        self._looked_s = now_s
        rows = store.every(session, Service, Service.name == self._service) if hosts else ()
        beats = {row.host: row.last_seen_up for row in rows}
        for host in hosts:
            same = host in self._beats and self._beats[host] == beats.get(host)
            self._silent_s[host] = self._silent_s[host] + passed_s if same else 0.0
            self._beats[host] = beats.get(host)
        for host in self._beats.keys() - set(hosts):
            del self._beats[host], self._silent_s[host]
        return dict(self._silent_s)
