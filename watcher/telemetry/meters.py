# SPDX-License-Identifier: Apache-2.0
"""Counters and histograms, counted where things happen.

As loggers they are of the process: every floor above may count, and nobody has to hand them down.
Names follow https://prometheus.io/docs/practices/naming/: the unit at the end, ``_total`` behind a
counter. Each label has few values, all known beforehand: plug-ins, states, routes, never uuids.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import (
    CollectorRegistry,
    Counter,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)

from watcher.core.states import LIFECYCLES

disable_created_metrics()  # type: ignore[no-untyped-call]  # a restart is noticed without them

REGISTRY = CollectorRegistry()
"""What is of every process: these meters, and what prometheus_client tells of Python itself."""

ProcessCollector(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)
GCCollector(registry=REGISTRY)

_SHORT_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_MEDIUM_S = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_LONG_S = (0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)
_PLAN_S = (1, 10, 60, 300, 600, 1800, 3600, 7200, 14400, 28800, 86400)


LABELS: dict[Counter | Histogram, tuple[str, ...]] = {}
"""All counters and histograms, with the names of their labels."""


def _counter(name: str, text: str, *labels: str) -> Counter:
    made = Counter(f"watcher_{name}", text, labels, registry=REGISTRY)
    LABELS[made] = labels
    return made


def _histogram(name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
    made = Histogram(f"watcher_{name}", text, labels, registry=REGISTRY, buckets=buckets)
    LABELS[made] = labels
    return made


STATE_CHANGES = _counter(
    "state_changes",
    "Audits, action plans and actions that this process brought to a state; kind is audit,"
    " action_plan or action.",
    *("kind", "state"),
)
for _lifecycle in LIFECYCLES:  # from 0 on, so that the first one is an increase
    for _state in _lifecycle.states:
        STATE_CHANGES.labels(_lifecycle.kind.replace(" ", "_"), _state)

ACTIONS = _counter(
    "actions_ended",
    "Actions that this process brought to their end, by type and state.",
    *("action_type", "state"),
)
MIGRATIONS = _counter(
    "migrations",
    "Migrations that had begun and that this process brought to their end; type is live or cold,"
    " or for volumes volume_migrate or volume_retype.",
    *("type", "state"),
)
MIGRATION_TYPES = ("live", "cold", "volume_migrate", "volume_retype")
for _type in MIGRATION_TYPES:
    for _state in ("SUCCEEDED", "FAILED", "CANCELLED"):
        MIGRATIONS.labels(_type, _state)

AUDIT_RUNS = _histogram(
    "audit_run_duration_seconds",
    "Time from the claim of an audit to its recorded end; outcome is succeeded, failed or"
    " withdrawn (the operator ended it, or another engine took it over).",
    _LONG_S,
    *("goal", "outcome"),
)
PLAN_RUNS = _histogram(
    "action_plan_duration_seconds",
    "Time that an action plan was run by this process, by the state it ended in.",
    _PLAN_S,
    "state",
)
ACTION_RUNS = _histogram(
    "action_duration_seconds",
    "Time from the beginning of an action to its end in this process.",
    _LONG_S,
    *("action_type", "state"),
)
REFUSALS = _counter(
    "refusals",
    "What constraints refused in audits: instances to be moved at all (subject instance), or pairs"
    " of an instance and a host it might have gone to (destination), by kind of reason.",
    *("subject", "reason"),
)
MODEL_READINGS = _histogram(
    "model_reading_duration_seconds",
    "Time to read a model of the cloud; outcome is read or failed.",
    _LONG_S,
    *("model", "outcome"),
)
NEWS = _counter(
    "notifications_heard",
    "Notifications of Nova and Cinder that were heard; outcome is taken or refused.",
    "outcome",
)
DATASOURCE_FETCHES = _histogram(
    "datasource_fetch_duration_seconds",
    "Time that a data source took for one metric of all hosts or instances; outcome is answered,"
    " incomplete (too few of them, or too old), empty, down, or broken (an unforeseen error).",
    _MEDIUM_S,
    *("source", "metric", "outcome"),
)
DATASOURCE_FAILURES = _counter(
    "datasource_failures", "Fetches of one metric that a data source did not answer.", "source"
)
API_REQUESTS = _histogram(
    "api_request_duration_seconds",
    "Time to answer a request; route is the path with identifiers as {names}, or none where a"
    " request was refused before it had one.",
    _SHORT_S,
    *("route", "method", "status"),
)
RPC_MESSAGES = _counter(
    "rpc_messages_sent",
    "Messages to other daemons; outcome is sent, answered, refused (by the far end) or failed.",
    *("method", "outcome"),
)
NOTIFICATIONS = _counter(
    "notifications_sent",
    "Notifications of our own; outcome is sent, failed, or dropped (not tried, as the bus had"
    " failed a moment ago).",
    "outcome",
)

for _outcome in ("sent", "failed", "dropped"):
    NOTIFICATIONS.labels(_outcome)


@contextmanager
def timed(histogram: Histogram, *labels: str, failed: str) -> Iterator[list[str]]:
    """Observe how long the block takes, in seconds.

    The label values are ``labels`` and what the block puts into the list it is given; ``failed``
    stands there at first, for a block that is left by an error.
    """
    last = [failed]
    begun_s = time.monotonic()
    try:
        yield last
    finally:
        histogram.labels(*labels, *last).observe(time.monotonic() - begun_s)
