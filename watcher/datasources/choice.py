# SPDX-License-Identifier: Apache-2.0
"""Which source answers which question: metric by metric, the first one that has data.

A source that is not installed or does not answer is left aside with one log line, and one when it
is back. Every question that stays open has its reason.
"""

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from oslo_config import cfg

from watcher import plugins
from watcher.config import Group
from watcher.context import Threads
from watcher.core.cluster import Cluster
from watcher.core.errors import BadParameters, NoMetrics, Unavailable
from watcher.core.metrics import Coverage, Floats, Metric, Metrics, Query
from watcher.core.protocols import DataSource
from watcher.datasources import coverage
from watcher.telemetry import gauges, meters
from watcher.telemetry.gauges import Reading

LOG = logging.getLogger(__name__)

MOST_AT_ONCE = 4
NONE_NEEDED = "This strategy needs no data source"


def _order(**more: Any) -> cfg.ListOpt:
    return cfg.ListOpt(
        "datasources",
        help="Data sources in order of preference; each metric comes from the first that has it.",
        **more,
    )


GENERAL = [
    cfg.IntOpt(
        "query_max_retries",
        default=10,
        min=1,
        mutable=True,
        help="How often a query is tried before its source counts as down.",
    ),
    cfg.IntOpt(
        "query_interval",
        default=1,
        min=0,
        mutable=True,
        deprecated_name="query_timeout",
        help="Seconds between tries.",
    ),
    cfg.FloatOpt(
        "minimum_coverage_percent",
        default=80.0,
        min=0.0,
        max=100.0,
        mutable=True,
        help="Percent of the running hosts or instances in the audit's scope that a metric"
        " must have been measured for; with less, the source counts as without it.",
    ),
    cfg.FloatOpt(
        "maximum_age",
        default=0.0,
        min=0.0,
        mutable=True,
        help="Seconds that a metric's newest sample may be old; 0: as the period.",
    ),
]


def OPTIONS() -> list[Group]:  # noqa: N802 - the name that watcher.config looks for
    """The order of the sources, in general and by strategy, and the metric map."""
    general = Group(
        "watcher_datasources",
        "Where the history of the cluster is",
        [
            _order(default=["influxdb", "prometheus", "grafana", "gnocchi", "aetos"]),
            *GENERAL,
        ],
    )
    metric_map = Group(
        "watcher_decision_engine",
        "The decision engine",
        [
            cfg.StrOpt(
                "metric_map_path",
                default="/etc/watcher/metric_map.yaml",
                help="YAML file, may be absent: data source -> metric -> where it is there.",
            )
        ],
    )
    own = [
        Group(f"watcher_strategies.{name}", f"Strategy {name}", [_order(default=None)])
        for name in sorted(plugins.names(plugins.STRATEGIES))
    ]
    return [general, metric_map, *own]


class Limits(NamedTuple):
    """What is too little: percent of the rows; what too old: seconds, 0 for nothing."""

    minimum_coverage_percent: float
    maximum_age_s: float


class DataSources:
    """The configured sources; ``installed`` are their factories by name (default: the plugins).

    Raises BadParameters, in one line, for a wrong metric map.
    """

    def __init__(
        self,
        conf: cfg.ConfigOpts,
        installed: Mapping[str, Callable[..., DataSource]] | None = None,
    ) -> None:
        self._conf = conf
        self._installed = plugins.load(plugins.DATASOURCES) if installed is None else installed
        path = conf.watcher_decision_engine.metric_map_path
        self._changes = metric_map(path)
        for name in self._changes.keys() - self._installed.keys():
            LOG.warning("metric map %s: data source %s is not installed", path, name)
        self._lock = threading.Lock()
        self._built: dict[str, DataSource | None] = {}
        self._failing: dict[str, str] = {}
        self._last: dict[tuple[str, str], Coverage] = {}
        self.chosen(None)

    def chosen(self, strategy: str | None) -> list[DataSource]:
        """The sources for a strategy, in order; those that are not installed left out."""
        names = self._own_order(strategy) or self._conf.watcher_datasources.datasources
        found = [self._source(name) for name in names]
        return [source for source in found if source is not None]

    def maps(self, metric: Metric, strategy: str | None = None) -> bool:
        """Whether any source is configured to measure this metric."""
        return any(metric in source.metrics for source in self.chosen(strategy))

    def fetch(
        self, queries: Iterable[Query], cluster: Cluster, strategy: str | None = None
    ) -> Metrics:
        """One column per question, from the first source that has it, all questions side by side.

        Raises NoMetrics, with each source's reason, when a required question stays open; an
        optional one is left out.
        """
        found = self.answers(queries, cluster, strategy)
        open_questions = {
            query: f"metric {query.metric.public_name}: {answer}"
            for query, answer in found.items()
            if isinstance(answer, str)
        }
        required = [reason for query, reason in open_questions.items() if query.required]
        if required:
            raise NoMetrics("; ".join(required))
        answered = {
            query: answer for query, answer in found.items() if not isinstance(answer, str)
        }
        missing = [f"going on without {reason}" for reason in open_questions.values()]
        partly = [coverage.note(told, query) for query, (_, told) in answered.items()]
        return Metrics(
            {query: column for query, (column, _) in answered.items()},
            {query: told for query, (_, told) in answered.items()},
            tuple(line for line in (*partly, *missing) if line),
        )

    def answers(
        self,
        queries: Iterable[Query],
        cluster: Cluster,
        strategy: str | None = None,
        limits: Limits | None = None,
    ) -> dict[Query, tuple[Floats, Coverage] | str]:
        """For each question the first source's column and coverage, or why there is none.

        ``limits`` stand in for those of configuration.
        """
        settings = self._conf.watcher_datasources
        limits = limits or Limits(settings.minimum_coverage_percent, settings.maximum_age)
        asked = list(dict.fromkeys(queries))
        sources = self.chosen(strategy)
        with Threads(MOST_AT_ONCE, "metrics") as pool:
            answers = pool.map(lambda query: self._first(query, cluster, sources, limits), asked)
            return dict(zip(asked, answers, strict=True))

    def state(
        self, queries: Sequence[Query], strategy: str | None = None
    ) -> tuple[str, list[dict[str, str]]]:
        """The source in use and whether each metric is there, as the strategy state words it."""
        if not queries:
            return NONE_NEEDED, []
        chosen = self.chosen(strategy)
        sources = [source for source in chosen if source.metrics] or chosen[:1]
        if not sources:
            return "none: not available", [_state(query, there=False) for query in queries]
        with Threads(MOST_AT_ONCE, "metrics") as pool:
            up = dict(zip(sources, pool.map(lambda one: one.available(), sources), strict=True))
            usable = [source for source in sources if up[source]]
            found = list(pool.map(lambda query: self._measured_by(query, usable), queries))
        measuring = [source for source in usable if source in found]
        shown = (measuring or usable or sources)[0]
        return f"{shown.name}: {_word(there=up[shown])}", [
            _state(query, there=by is not None) for query, by in zip(queries, found, strict=True)
        ]

    def _measured_by(self, query: Query, sources: Sequence[DataSource]) -> DataSource | None:
        for source in sources:
            if query.metric in source.metrics and source.measures(query):
                return source
        return None

    def _first(
        self, query: Query, cluster: Cluster, sources: Sequence[DataSource], limits: Limits
    ) -> tuple[Floats, Coverage] | str:
        """The answer of the first source that has one, or why none has."""
        reasons, silent = [], []
        for source in sources:
            if query.metric not in source.metrics:
                silent.append(source.name)
                continue
            labels = (source.name, query.metric.public_name)
            with meters.timed(meters.DATASOURCE_FETCHES, *labels, failed="broken") as outcome:
                answer, outcome[0] = self._ask(source, query, cluster, limits)
            if not isinstance(answer, str):
                return answer
            reasons.append(answer)
        if silent and not reasons:
            reasons.append(f"none of {', '.join(silent)} is configured for it")
        return "; ".join(reasons) or "no data source is installed"

    def _ask(
        self, source: DataSource, query: Query, cluster: Cluster, limits: Limits
    ) -> tuple[tuple[Floats, Coverage] | str, str]:
        """The answer of one source, or why it has none; and that in one word, to be counted."""
        try:
            column, found = source.fetch(query, cluster)
        except NoMetrics as error:
            return str(error), "empty"
        except Unavailable as error:
            meters.DATASOURCE_FAILURES.labels(source.name).inc()
            self._report(source.name, str(error))
            return str(error), "down"
        self._report(source.name, "")
        found = coverage.counted(found, column, query, cluster)
        self._last[source.name, query.metric.public_name] = found
        lack = coverage.lacking(found, query, *limits)
        return (lack, "incomplete") if lack else ((column, found), "answered")

    def readings(self) -> Iterator[Reading]:
        """Coverage and age of the samples at the last fetch of each metric from each source."""
        for labels, found in list(self._last.items()):
            if found.rows:
                yield gauges.COVERAGE(found.measured / found.rows, *labels)
            if found.newest_age_s is not None:
                yield gauges.SAMPLE_AGE(found.newest_age_s, *labels)

    def _report(self, name: str, failure: str) -> None:
        """One log line when a source begins to fail, and one when it answers again."""
        with self._lock:
            before = self._failing.get(name, "")
            self._failing[name] = failure
        if failure and not before:
            LOG.warning("data source %s: %s", name, failure)
        elif before and not failure:
            LOG.info("data source %s answers again", name)

    def _own_order(self, strategy: str | None) -> list[str] | None:
        if strategy is None:
            return None
        group = f"watcher_strategies.{strategy}"
        # A strategy of another package is known only by its plugin, perhaps after start-up.
        self._conf.register_opt(_order(default=None), group=group)
        found: list[str] | None = self._conf[group].datasources
        return found

    def _source(self, name: str) -> DataSource | None:
        with self._lock:
            if name not in self._built:
                self._built[name] = self._build(name)
            return self._built[name]

    def _build(self, name: str) -> DataSource | None:
        factory = self._installed.get(name)
        if factory is None:
            there = ", ".join(sorted(self._installed)) or "none"
            LOG.warning("data source %s is not installed; there are: %s", name, there)
            return None
        meters.DATASOURCE_FAILURES.labels(name)  # from 0 on, so that the first is an increase
        return factory(self._conf, self._changes.get(name, {}))


def metric_map(path: str) -> Mapping[str, Any]:
    """The metric map by data source; empty when there is no such file.

    Raises BadParameters, in one line, for a file that cannot be read or is no such map.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise BadParameters(f"metric map {path} cannot be read: {error}") from error
    try:
        found = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        raise BadParameters(f"metric map {path}: {' '.join(str(error).split())}") from error
    if not isinstance(found, dict):
        raise BadParameters(f"metric map {path}: data source names are wanted at the top")
    return found


def _word(*, there: bool) -> str:
    return "available" if there else "not available"


def _state(query: Query, *, there: bool) -> dict[str, str]:
    return {query.metric.public_name: _word(there=there)}
