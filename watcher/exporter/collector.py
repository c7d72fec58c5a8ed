# SPDX-License-Identifier: Apache-2.0
"""The gauges of a process, found when Prometheus asks."""

import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from oslo_config import cfg
from prometheus_client.metrics_core import GaugeMetricFamily
from sqlalchemy import text
from sqlalchemy.pool import QueuePool

from watcher.core.errors import WatcherError
from watcher.db.engine import Database
from watcher.exporter import tables
from watcher.exporter.bounded import Bounded
from watcher.telemetry import gauges
from watcher.telemetry.gauges import Gauge, Part, Reading
from watcher.version import VERSION

LOG = logging.getLogger(__name__)

DATABASE_S = 5.0
"""So long a scrape waits for the database; Prometheus gives it 10 s unless told otherwise."""


class Gauges:
    """A collector for prometheus_client: parts of a daemon, its database, and loops.

    ``counts`` adds what is counted in the database, by few daemons that have one each. A database
    that does not answer is told by ``watcher_database_up``, and the rest is shown.
    """

    def __init__(
        self,
        program: str,
        conf: cfg.ConfigOpts,
        database: Database,
        parts: Sequence[Part],
        *,
        counts: bool,
    ) -> None:
        self._program = program
        self._conf = conf
        self._database = database
        self._parts = parts
        self._counts = counts
        self._asked = Bounded("metrics-database", self._ask, DATABASE_S)
        self._failing = False

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Every gauge that has a value now."""
        found: dict[Gauge, list[Reading]] = {}
        for one in chain(self._own(), self._of_parts(), self._of_database()):
            found.setdefault(one.gauge, []).append(one)
        for gauge, readings in found.items():
            family = GaugeMetricFamily(f"watcher_{gauge.name}", gauge.text, labels=gauge.labels)
            for one in readings:
                family.add_metric(one.labels, one.value)
            yield family

    def _own(self) -> Iterator[Reading]:
        yield gauges.BUILD(1, self._program, VERSION)
        pool = self._database.engine.pool
        if isinstance(pool, QueuePool):
            options = self._conf.database
            yield gauges.CONNECTIONS(pool.checkedout(), "in_use")
            yield gauges.CONNECTIONS(pool.checkedin(), "idle")
            yield gauges.CONNECTIONS_MOST((options.max_pool_size or 0) + options.max_overflow)
        for part in self._parts:
            for pulse in part.pulses:
                yield gauges.LOOP(pulse.age_s, pulse.name)

    def _of_parts(self) -> Iterator[Reading]:
        for part in self._parts:
            try:
                yield from list(part.readings())
            except Exception:  # the edge of a scrape: what else there is to see is shown
                LOG.exception("%s cannot be measured", type(part).__name__)

    def _of_database(self) -> Iterable[Reading]:
        begun_s = time.monotonic()
        try:
            found = self._asked.ask()
        except Exception as error:  # the edge: a scrape tells of a database that is away
            if not self._failing:
                unforeseen = None if isinstance(error, WatcherError) else error
                LOG.warning("metrics without the database: %s", error, exc_info=unforeseen)
            self._failing = True
            return [gauges.DATABASE_UP(0)]
        if self._failing:
            LOG.info("metrics have the database again")
        self._failing = False
        took_s = time.monotonic() - begun_s
        return [*found, gauges.DATABASE_UP(1), gauges.DATABASE_SECONDS(took_s)]

    def _ask(self) -> list[Reading]:
        with self._database.reading() as session:
            if self._counts:
                return list(tables.readings(session))
            session.execute(text("SELECT 1"))
            return []
