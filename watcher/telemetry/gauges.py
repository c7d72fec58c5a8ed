# SPDX-License-Identifier: Apache-2.0
"""Gauges: what is found when Prometheus asks, each said once.

A part of a daemon that has something to show has a method ``readings()`` that yields values of the
gauges below. Those of the group ``DATABASE`` are the same whichever process shows them: take the
``max``. The others are of the process that shows them.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from watcher.telemetry.pulse import Pulse


@dataclass(frozen=True)
class Gauge:
    """One gauge: its name without ``watcher_``, what it tells, and its labels."""

    name: str
    text: str
    labels: tuple[str, ...] = ()

    def __call__(self, value: float, *labels: str) -> "Reading":
        """The gauge now has this value, for these values of its labels."""
        return Reading(self, tuple(labels), float(value))


class Reading(NamedTuple):
    """A value of a gauge."""

    gauge: Gauge
    labels: tuple[str, ...]
    value: float


class Part(Protocol):
    """A part of a daemon that shows itself."""

    @property
    def pulses(self) -> Iterable[Pulse]:
        """The loops that must go round."""
        ...

    def readings(self) -> Iterator[Reading]:
        """What is to be seen of it now; fast, and asking nobody."""
        ...


AUDITS = Gauge("audits", "Audits that are not deleted, by state.", ("state",))
PLANS = Gauge("action_plans", "Action plans that are not deleted, by state.", ("state",))
UNENDED = Gauge(
    "actions",
    "Actions that have not ended, by state; PENDING are also those of plans not started.",
    ("state",),
)
FAILING = Gauge("audits_failing", "CONTINUOUS audits whose last run failed.")
OLDEST = Gauge(
    "oldest_pending_age_seconds",
    "How long the oldest PENDING audit or action plan has waited, 0 when none does; kind is audit"
    " (ONESHOT ones) or action_plan.",
    ("kind",),
)
RUNNING = Gauge("actions_running", "Actions that run now, by type.", ("action_type",))
MIGRATING = Gauge(
    "migrations_running",
    "Migrations that run now; types as of watcher_migrations_total.",
    ("type",),
)
HEARTBEAT = Gauge(
    "service_heartbeat_age_seconds",
    "Time since the last heartbeat of each daemon, by the clock of the database.",
    ("service", "host"),
)
DATABASE = (AUDITS, PLANS, UNENDED, FAILING, OLDEST, RUNNING, MIGRATING, HEARTBEAT)
"""Counted in the database; decision engines, appliers and watcher-standalone show them."""

BUILD = Gauge("build_info", "Always 1; the program and its version.", ("program", "version"))
DATABASE_UP = Gauge("database_up", "Whether the database answers this process: 1 or 0.")
DATABASE_SECONDS = Gauge(
    "database_scrape_duration_seconds", "Time that the database took for this scrape."
)
CONNECTIONS = Gauge(
    "database_connections", "Connections to the database: in_use or idle.", ("state",)
)
CONNECTIONS_MOST = Gauge(
    "database_connections_max", "The most connections that may be open ([database] options)."
)
LOOP = Gauge("loop_age_seconds", "Time since a loop last went round.", ("loop",))
THREADS = Gauge(
    "executor_threads",
    "Threads for audits, action plans, actions or HTTP requests.",
    ("executor",),
)
BUSY = Gauge("executor_busy", "What is at work in these threads.", ("executor",))
QUEUED = Gauge("executor_queued", "What waits for one of these threads.", ("executor",))
MODEL_AGE = Gauge(
    "model_age_seconds",
    "Time since the last good reading of a model was begun, or since the start while there was"
    " none; models that are read on demand are shown from their first reading on.",
    ("model",),
)
MODEL_PERIOD = Gauge(
    "model_period_seconds", "How often a model is read in the background.", ("model",)
)
MODEL_SIZE = Gauge(
    "model_objects", "Hosts, instances, pools, volumes or machines in a model.", ("kind",)
)
BUS_HEARD = Gauge(
    "notifications_listening",
    "Whether notifications of Nova and Cinder can be heard: 1 or 0; absent when not configured.",
)
COVERAGE = Gauge(
    "datasource_coverage_ratio",
    "Of the hosts or instances that should have been measured, the part that was, at the last"
    " fetch; 1 is all.",
    ("source", "metric"),
)
SAMPLE_AGE = Gauge(
    "datasource_sample_age_seconds",
    "Age of the newest sample at the last fetch.",
    ("source", "metric"),
)
PROCESS = (
    *(BUILD, DATABASE_UP, DATABASE_SECONDS, CONNECTIONS, CONNECTIONS_MOST, LOOP),
    *(THREADS, BUSY, QUEUED, MODEL_AGE, MODEL_PERIOD, MODEL_SIZE, BUS_HEARD, COVERAGE, SAMPLE_AGE),
)
"""What a process shows of itself."""
