# SPDX-License-Identifier: Apache-2.0
"""The row by which a daemon says that it is alive."""

import logging
import threading

from oslo_config import cfg
from oslo_utils import timeutils

from watcher.core.errors import LostRace, WatcherError
from watcher.db import store
from watcher.db.engine import Database
from watcher.db.models import Service

LOG = logging.getLogger(__name__)


class Heartbeat:
    """Writes ``last_seen_up`` of a service on this host, every ``periodic_interval`` seconds.

    A database that does not answer is said once, and once when it is back.
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
            now = timeutils.utcnow()
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
            except WatcherError as error:
                if not self._down:
                    LOG.warning("no heartbeat of %s: %s", self._name, error)
                self._down = True
                continue
            if self._down:
                LOG.info("heartbeat of %s is back", self._name)
            self._down = False
