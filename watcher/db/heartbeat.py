# SPDX-License-Identifier: Apache-2.0
"""The row by which a daemon says that it is alive."""

import logging
import threading
import time
from collections.abc import Callable, Collection
from datetime import datetime

from oslo_config import cfg
from sqlalchemy.orm import Session

from watcher.core.errors import LostRace, WatcherError
from watcher.db import clock, store
from watcher.db.engine import Database
from watcher.db.models import Service

LOG = logging.getLogger(__name__)


class Heartbeat:
    """Writes ``last_seen_up`` of a service on this host, every ``periodic_interval`` seconds.

    It is a moment by the database's clock. A database that does not answer is said once, and once
    when it is back.
    """

    def __init__(self, conf: cfg.ConfigOpts, database: Database, name: str) -> None:
        self._conf = conf
        self._database = database
        self._name = name
        self._host = conf.host
        self._stop = threading.Event()
        self._down = False
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
            now = clock.now(session)
            for row in store.every(session, Service, *mine):
                store.change(session, row, last_seen_up=now)
                return
            store.add(session, Service(name=self._name, host=self._host, last_seen_up=now))

    def _run(self) -> None:
        while not self._stop.wait(self._conf.periodic_interval):
            try:
                self.beat()
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
