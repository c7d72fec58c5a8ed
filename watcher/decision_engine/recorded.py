# SPDX-License-Identifier: Apache-2.0
"""A snapshot in the place of the cloud: its model, its data sources and its options.

What a strategy sees through these is what it would have seen at that moment: coverage, age and
absence of metrics are judged by the same rules (``watcher.datasources.choice``).
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from oslo_config import cfg

from watcher import plugins
from watcher.core.cluster import Cluster
from watcher.core.errors import Invalid, NoMetrics, StaleCluster
from watcher.core.metrics import Coverage, Floats, Metric, Query
from watcher.core.snapshot import Answer, Settings, Snapshot
from watcher.datasources.choice import DataSources, Limits
from watcher.decision_engine import strategy_options

ALL = "recorded"
"""The name of the data source of all strategies without an order of their own."""
ANYTHING = Limits(0.0, 0.0)
DECISIVE = {
    "watcher_strategies": ("defaults",),
    "watcher_datasources": ("minimum_coverage_percent", "maximum_age"),
    "watcher_applier": ("parallel_total", "parallel_per_node"),
}
"""Options that decide upon plans, besides those of planners and strategies."""


class Model:
    """The model that a snapshot has."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def gather(self, kinds: Iterable[str] = ()) -> Cluster:
        """The cluster with these kinds besides compute. Raises StaleCluster for what it lacks."""
        whole = self._snapshot.cluster
        wanted = set(kinds)
        for kind in sorted(wanted):
            if getattr(whole, kind, None) is None:
                told = (one for one in self._snapshot.notes if one.startswith(f"{kind}: "))
                raise StaleCluster(f"the snapshot has no {next(told, kind)}")
        return replace(
            whole,
            storage=whole.storage if "storage" in wanted else None,
            baremetal=whole.baremetal if "baremetal" in wanted else None,
        )


class Source:
    """A data source that has the recorded answers, of one strategy or of all the others."""

    name: ClassVar[str] = ALL

    def __init__(self, answers: Sequence[Answer]) -> None:
        self._answers = {_key(one.query): one for one in answers}
        absent = {one.query.metric: one.source for one in answers if _unmapped(one)}
        self.metrics = frozenset(Metric) - absent.keys()
        # What is said of a metric that was not configured names those who might have had it.
        self.name = next(iter(absent.values()), ALL)  # type: ignore[misc] # of this one

    def available(self) -> bool:
        """It is here."""
        return True

    def measures(self, query: Query) -> bool:
        """Whether there is such an answer."""
        found = self._answers.get(_key(query))
        return found is not None and found.column is not None

    def fetch(self, query: Query, cluster: Cluster) -> tuple[Floats, Coverage]:  # noqa: ARG002
        """The column that was recorded, or the reason why there is none, as NoMetrics."""
        found = self._answers.get(_key(query))
        if found is None:
            raise NoMetrics(self._not_asked(query))
        if found.column is None:
            raise NoMetrics(found.why)
        return found.column, Coverage(found.source, 0, 0, found.newest_age_s)

    def _not_asked(self, query: Query) -> str:
        there = [
            _told(one.query) for one in self._answers.values() if one.query.metric is query.metric
        ]
        has = f"has it as {', '.join(there)} only" if there else "does not have it"
        return f"the snapshot {has}: export it again with --metric {written(query)}"


def _key(query: Query) -> Query:
    return replace(query, required=True)


def _unmapped(answer: Answer) -> bool:
    return answer.column is None and not answer.why


def _told(query: Query) -> str:
    return f"{query.aggregate.value} over {query.period_s} s in steps of {query.granularity_s} s"


def written(query: Query) -> str:
    """A query as the option ``--metric`` has it."""
    parts = (query.metric.public_name, query.aggregate.value, query.period_s, query.granularity_s)
    return ":".join(map(str, parts))


def sources(snapshot: Snapshot, conf: cfg.ConfigOpts) -> DataSources:
    """The data sources of a snapshot; the configuration is told to ask them and nobody else."""
    own = {one.strategy for one in snapshot.answers if one.strategy is not None}
    by_name: dict[str, list[Answer]] = {name: [] for name in (ALL, *sorted(own))}
    for one in snapshot.answers:
        by_name[one.strategy or ALL].append(one)
    conf.set_override("datasources", [ALL], "watcher_datasources")
    conf.set_override("metric_map_path", os.devnull, "watcher_decision_engine")
    for name in plugins.names(plugins.STRATEGIES):
        order = [name] if name in own else None
        conf.set_override("datasources", order, f"watcher_strategies.{name}")

    def factory(name: str) -> Any:
        return lambda _conf, _changes: Source(by_name[name])

    return DataSources(conf, {name: factory(name) for name in by_name})


def answers(
    found: DataSources, queries: Mapping[str | None, Iterable[Query]], cluster: Cluster
) -> list[Answer]:
    """What the data sources say to these queries, by strategy; None for those of all others.

    An answer that is too little to decide upon is recorded all the same: a run says so, by the
    limits it is made with.
    """
    recorded = []
    for strategy, asked in queries.items():
        there = found.answers(asked, cluster, strategy)
        little = [query for query, answer in there.items() if isinstance(answer, str)]
        anyhow = found.answers(little, cluster, strategy, ANYTHING)
        for query, answer in {**there, **anyhow}.items():
            if not isinstance(answer, str):
                column, told = answer
                one = Answer(query, column, told.source, told.newest_age_s, strategy)
            elif found.maps(query.metric, strategy):
                one = Answer(query, strategy=strategy, why=answer)
            else:
                names = ", ".join(source.name for source in found.chosen(strategy))
                one = Answer(query, strategy=strategy, source=names)
            recorded.append(one)
    return recorded


def _decisive() -> Iterator[tuple[str, cfg.Opt]]:
    """Every option that decides upon plans, with its group."""
    planners = f"{plugins.PLANNERS}."
    for group in plugins.OPTIONS():
        if group.name.startswith(planners):
            yield from ((group.name, option) for option in group.options)
    for group in strategy_options.OPTIONS:
        yield from ((group.name, option) for option in group.options)


def settings(conf: cfg.ConfigOpts) -> dict[str, dict[str, Any]]:
    """The options that decide upon plans, as they are; there are no secrets among them."""
    found: dict[str, dict[str, Any]] = {
        group: {name: conf[group][name] for name in names} for group, names in DECISIVE.items()
    }
    for group, option in _decisive():
        found.setdefault(group, {})[option.dest] = conf[group][option.dest]
    return found


def use(given: Settings, conf: cfg.ConfigOpts) -> list[str]:
    """Make the options of a snapshot the defaults; those that are not known here are returned.

    Raises Invalid for a value that an option cannot have.
    """
    known = set(_names())
    unknown = []
    for group, options in given.items():
        if not isinstance(options, Mapping):
            raise Invalid(f"its settings of {group[:40]} are no object")
        for name, value in options.items():
            if (group, name) not in known:
                unknown.append(f"[{group}] {name}")
                continue
            try:
                conf.set_default(name, value, group)
                conf[group][name]
            except (cfg.Error, ValueError, TypeError, AttributeError) as error:
                raise Invalid(f"its setting [{group}] {name} cannot be {value!r:.40}") from error
    return unknown


def _names() -> Iterator[tuple[str, str]]:
    yield from ((group, name) for group, names in DECISIVE.items() for name in names)
    yield from ((group, option.dest) for group, option in _decisive())
