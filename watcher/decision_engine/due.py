# SPDX-License-Identifier: Apache-2.0
"""The due loop: looks at regular times for everything that time or a dead engine has left to do.

Continuous audits whose time has come, audits whose message was lost, those of engines that died,
those whose end has come, and recommended plans that nobody started. Any number of engines look:
an audit is claimed before it is run (``watcher.decision_engine.claims``), so one of them runs it.
"""

import logging
import threading
import time
from collections.abc import Callable, Collection

from oslo_config import cfg

from watcher.core.errors import WatcherError
from watcher.db.engine import Database
from watcher.db.heartbeat import Silence
from watcher.decision_engine import claims, record
from watcher.telemetry.pulse import Pulse

LOG = logging.getLogger(__name__)

ROUND_S = 120.0
"""A look takes longer than this only when it hangs; a database is waited for at most half."""

Trigger = Callable[[str, Collection[str]], None]
"""Has an audit run that is waiting, or that one of these hosts was running."""


class DueLoop:
    """A thread of one decision engine; ``service`` is the name of its heartbeats.

    ``trigger`` is called for each audit that is to be run: it may be called again for one that it
    has already.
    """

    def __init__(
        self,
        conf: cfg.ConfigOpts,
        database: Database,
        stopped: threading.Event,
        service: str,
        host: str,
        trigger: Trigger,
    ) -> None:
        self._conf = conf
        self._settings = conf.watcher_decision_engine
        self._database = database
        self._stopped = stopped
        self._trigger = trigger
        self._host = host
        self._silence = Silence(service)
        self._expire_at_s = time.monotonic()
        self._lost = False
        self.pulse = Pulse(
            "due-audits", lambda: ROUND_S + self._settings.continuous_audit_interval
        )
        self._thread = threading.Thread(target=self._run, name="due-audits", daemon=True)

    def start(self) -> None:
        """Look now, and from then on in a thread."""
        self._thread.start()

    def look(self) -> None:
        """One look at everything."""
        interval_s = self._settings.continuous_audit_interval
        with self._database.reading() as session:
            owners = claims.owners_of_runs(session) - {self._host}
            silent_s = self._silence.look(session, owners, 2 * interval_s)
            dead = {one for one in owners if silent_s[one] > self._conf.service_down_time}
            found = claims.to_run(session, {self._host, *dead})
        for uuid in found:
            self._trigger(uuid, dead)
        with self._database.writing() as session:
            claims.end_over(session)
        if time.monotonic() >= self._expire_at_s:
            if hours := self._settings.action_plan_expiry:
                with self._database.writing() as session:
                    record.supersede_expired(session, hours)
            self._expire_at_s = time.monotonic() + self._settings.check_periodic_interval

    def _run(self) -> None:
        while not self._stopped.is_set():
            self.pulse.beat()
            try:
                self.look()
                self._lost = False
            except WatcherError as error:
                if not self._lost:
                    LOG.warning("looking for due audits: %s", error)
                self._lost = True
            except Exception:  # the edge: the due loop must outlive a lost database
                LOG.exception("looking for due audits failed")
            self._stopped.wait(self._settings.continuous_audit_interval)
