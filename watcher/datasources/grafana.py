# SPDX-License-Identifier: Apache-2.0
"""The metric history behind Grafana's proxy: the queries of its panels, in InfluxQL.

The operator gives a query for each metric; placeholders are filled by ``str.format``: {0} the
aggregate, {1} the attribute of one host or instance, {2} the period and {3} the granularity in
seconds, {4} the retention policy that is long enough. A query without {1} that groups by a tag
answers for the whole cluster; one with it is a statement for each resource, many in one request.
"""

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import jsonschema
import numpy as np
from jsonschema.exceptions import best_match
from oslo_config import cfg

from watcher.config import Group
from watcher.core.cluster import Cluster
from watcher.core.errors import BadParameters, NoMetrics, ServiceDown, Unavailable
from watcher.core.metrics import Coverage, Floats, Metric, Query, Subject
from watcher.datasources import columns, influxql, wire
from watcher.datasources.reading import Reading

BATCH = 250
"""Statements in one request."""


def _map(name: str, text: str) -> cfg.DictOpt:
    return cfg.DictOpt(name, default={}, help=f"By metric: {text}")


OPTIONS = (
    Group(
        "grafana_client",
        "The metric history behind Grafana",
        [
            cfg.StrOpt("token", secret=True, help="API key or token of a service account."),
            cfg.URIOpt(
                "base_url",
                schemes=["http", "https"],
                help="Address of the proxy, such as"
                " http://grafana:3000/api/datasources/proxy/ . Unset: there is none.",
            ),
            _map("project_id_map", "the id of the Grafana data source."),
            _map("database_map", "the database behind it."),
            _map("attribute_map", "what fills {1}: hostname, uuid, name or domain_name."),
            _map("translator_map", "the language behind it; there is influxdb."),
            _map("query_map", "the query."),
            cfg.IntOpt(
                "http_timeout",
                default=60,
                min=1,
                mutable=True,
                help="Seconds in which one metric must be answered completely, with all tries.",
            ),
            *wire.trust_options(),
        ],
    ),
    Group(
        "grafana_translators",
        "What fills {4} in the queries of Grafana",
        [
            cfg.DictOpt(
                "retention_periods",
                default={"one_week": "604800", "one_month": "2592000", "five_years": "31556952"},
                help="Retention policy -> its length in seconds.",
            )
        ],
    ),
)

ATTRIBUTES = {
    Subject.HOST: ("hostname", "uuid"),
    Subject.INSTANCE: ("uuid", "name", "domain_name", "instance_name"),
}
_HARMLESS = re.compile(r"[\w.:-]+", re.ASCII)
"""What may stand in a query of unknown shape, in quotes or between slashes, and be only itself."""
_SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "project": {"type": ["string", "integer"]},
        "db": {"type": "string"},
        "translator": {"enum": ["influxdb"]},
        "attribute": {"type": "string"},
        "query": {"type": "string", "minLength": 1},
    },
}


@dataclass(frozen=True)
class Panel:
    """Where one metric is: the Grafana data source, the database, and the query."""

    project: str
    db: str
    attribute: str
    query: str

    @property
    def each(self) -> bool:
        """Whether it is a question about one resource."""
        return "{1}" in self.query

    @property
    def join(self) -> str:
        """What the tag of a query for all instances holds."""
        return "uuid" if self.attribute == "uuid" else "domain_name"

    def text(self, query: Query, retention: str, resource: str = "") -> str:
        """The query with its placeholders filled."""
        return self.query.format(
            query.aggregate.value,
            resource,
            int(query.period_s),
            int(query.granularity_s),
            retention,
        )


def panels(options: Any, changes: Mapping[str, Any]) -> Mapping[Metric, Panel]:
    """The metrics that have a query, from the options and then the metric map.

    Raises BadParameters, in one line, for what is wrong or missing.
    """
    if not isinstance(changes, Mapping):
        raise BadParameters("grafana: a mapping from metric names is wanted")
    said: dict[str, dict[str, Any]] = {}
    for key, values in (
        ("project", options.project_id_map),
        ("db", options.database_map),
        ("translator", options.translator_map),
        ("attribute", options.attribute_map),
        ("query", options.query_map),
    ):
        for name, value in values.items():
            said.setdefault(name, {})[key] = value
    for name, change in changes.items():
        given = {"query": change} if isinstance(change, str) else change
        said[name] = {**said.get(name, {}), **given} if isinstance(given, Mapping) else given
    found = {}
    for name, about in said.items():
        try:
            metric = Metric.named(name)
        except KeyError:
            known = ", ".join(one.public_name for one in Metric)
            raise BadParameters(f"grafana: no metric {name!r}; there are {known}") from None
        found[metric] = _panel(metric, about)
    return found


def _panel(metric: Metric, about: Any) -> Panel:
    place = f"grafana.{metric.public_name}"
    problem = best_match(jsonschema.Draft202012Validator(_SCHEMA).iter_errors(about))
    if problem is not None:
        raise BadParameters(f"{'.'.join([place, *map(str, problem.path)])}: {problem.message}")
    missing = [key for key in ("project", "db", "query") if not about.get(key)]
    if missing:
        raise BadParameters(
            f"{place}: {', '.join(missing)} is missing; say it in the metric map or in"
            " [grafana_client] project_id_map, database_map and query_map"
        )
    allowed = ATTRIBUTES[metric.subject]
    panel = Panel(
        str(about["project"]), about["db"], about.get("attribute") or allowed[0], about["query"]
    )
    if panel.attribute not in allowed:
        raise BadParameters(f"{place}.attribute: one of {', '.join(allowed)} is wanted")
    if panel.attribute == "name" and not panel.each:
        raise BadParameters(
            f"{place}: names of instances are not unique; group by uuid or domain_name, or name"
            " one instance by {1}"
        )
    try:
        panel.text(Query(metric), "retention", "resource")
    except (IndexError, KeyError, ValueError) as error:
        raise BadParameters(
            f"{place}.query: {error!r}; placeholders are {{0}} to {{4}}, and a brace is written"
            " twice"
        ) from None
    return panel


class Grafana:
    """The source; ``changes`` are those of the metric map. Raises BadParameters for wrong ones."""

    name: ClassVar[str] = "grafana"

    def __init__(self, conf: cfg.ConfigOpts, changes: Mapping[str, Any] | None = None) -> None:
        self._conf = conf
        self._options = conf.grafana_client
        self._panels = panels(self._options, changes or {})
        self._retentions = _retentions(conf.grafana_translators.retention_periods)

    @property
    def metrics(self) -> frozenset[Metric]:
        """What has a query; nothing while [grafana_client] base_url is not set."""
        return frozenset(self._panels) if self._options.base_url else frozenset()

    @property
    def requests(self) -> int:
        """How many requests were sent."""
        return self._wire.requests

    @cached_property
    def _wire(self) -> wire.Wire:
        session = wire.session(self._options)
        token = self._options.token
        session.auth = wire.Authorization(f"Bearer {token}" if token else None)

        def send(url: str, method: str, **more: Any) -> Any:
            return session.request(method, url, **more)

        return wire.Wire("grafana_client", self._conf.watcher_datasources, send)

    def available(self) -> bool:
        """Whether a question gets through to the first database behind it."""
        panel = next(iter(self._panels.values()), None)
        if not self._options.base_url or panel is None:
            return False
        try:
            self._ask(panel, ["SHOW MEASUREMENTS LIMIT 1"], wire.LOOK_S, tries=1)
        except Unavailable:
            return False
        return True

    def measures(self, query: Query) -> bool:
        """Whether the query has a row; one that names a resource is asked for any of them.

        Where that cannot be (the name is no pattern), whether it gets an answer at all.
        """
        panel = self._panels[query.metric]
        try:
            text = panel.text(query, self._retention(query), ".*")
            (found,) = self._ask(panel, [text], wire.LOOK_S, tries=1)
        except Unavailable:
            return False
        exact = panel.each and not re.search(r"/\^?\{1\}\$?/", panel.query)
        return bool(found) or exact

    def fetch(self, query: Query, cluster: Cluster) -> tuple[Floats, Coverage]:
        """One column in the unit of the operator's query, ``nan`` where nothing was measured.

        Raises NoMetrics when nothing at all was; ServiceDown when Grafana does not answer, or
        answers with an error or only a part.
        """
        panel = self._panels[query.metric]
        deadline = time.monotonic() + self._options.http_timeout
        host = query.metric.subject is Subject.HOST
        result = np.full(len(cluster.hosts if host else cluster.instances), np.nan)
        if panel.each:
            for batch in _batches(_resources(panel, query, cluster)):
                texts = [panel.text(query, self._retention(query), name) for _, name in batch]
                left_s = max(0.001, deadline - time.monotonic())
                for (row, _), found in zip(batch, self._ask(panel, texts, left_s), strict=True):
                    result[row] = _first(found, query)
        else:
            (found,) = self._ask(
                panel, [panel.text(query, self._retention(query))], self._options.http_timeout
            )
            join = "hostname" if host else panel.join
            values = _by_tag(found, query)
            result = columns.column(values, Reading(join=join), query, cluster)
        measured = int(np.count_nonzero(~np.isnan(result)))
        if result.size and not measured:
            raise NoMetrics(
                f"the query of grafana.{query.metric.public_name} has no value for any of our"
                f" {query.metric.subject.value}s; try it in Grafana's own explorer, and look at"
                f" its attribute ({panel.attribute})"
            )
        return result, Coverage(self.name, measured, len(result))

    def _retention(self, query: Query) -> str:
        """The shortest retention policy that has the whole period, else the longest."""
        long_enough = [name for length_s, name in self._retentions if length_s >= query.period_s]
        return (long_enough or [name for _, name in self._retentions][-1:] or [""])[0]

    def _ask(
        self, panel: Panel, texts: Sequence[str], limit_s: float, tries: int | None = None
    ) -> list[list[Mapping[str, Any]]]:
        """The series of each statement, all sent in one request."""
        base = str(self._options.base_url).rstrip("/")
        form = {"db": panel.db, "epoch": "ms", "q": ";".join(texts)}
        # A long question does not fit into an address.
        method, key = ("GET", "params") if len(form["q"]) < 2000 else ("POST", "data")
        try:
            payload = self._wire.ask(
                method, f"{base}/{panel.project}/query", limit_s, tries, **{key: form}
            )
            return influxql.results(payload, len(texts))
        except ServiceDown as error:
            raise ServiceDown(f"Grafana at {base}: {error}") from error


def _retentions(periods: Mapping[str, str]) -> list[tuple[float, str]]:
    try:
        return sorted((float(length_s), name) for name, length_s in periods.items())
    except ValueError as error:
        raise BadParameters(f"[grafana_translators] retention_periods: {error}") from None


def _resources(panel: Panel, query: Query, cluster: Cluster) -> list[tuple[int, str]]:
    """(row, value of the attribute) of those whose value can stand in a query."""
    hosts, instances = cluster.hosts, cluster.instances
    if query.metric.subject is Subject.HOST:
        column = hosts.name if panel.attribute == "hostname" else hosts.uuid
    else:
        column = {"uuid": instances.uuid, "name": instances.name}.get(
            panel.attribute, instances.domain_name
        )
    return [(row, str(name)) for row, name in enumerate(column) if _HARMLESS.fullmatch(str(name))]


def _batches(resources: Sequence[tuple[int, str]]) -> Iterator[Sequence[tuple[int, str]]]:
    for begin in range(0, len(resources), BATCH):
        yield resources[begin : begin + BATCH]


def _first(series: Sequence[Mapping[str, Any]], query: Query) -> float:
    """The first number of the first series."""
    for one in series[:1]:
        position = _position(one, query)
        for row in one.get("values", ()):
            return _number(row[position])
    return float("nan")


def _by_tag(series: Sequence[Mapping[str, Any]], query: Query) -> dict[str, float]:
    """The first number of each series, by the value of its one tag."""
    found = {}
    for one in series:
        tags = list(one.get("tags", {}).values())
        if len(tags) != 1:
            raise ServiceDown(
                f"the query of grafana.{query.metric.public_name} must GROUP BY one tag, or name"
                " a resource by {1}"
            )
        found[str(tags[0])] = _first([one], query)
    return {name: value for name, value in found.items() if not np.isnan(value)}


def _position(series: Mapping[str, Any], query: Query) -> int:
    """The column named like the aggregate, else the only one beside the time."""
    names = list(series.get("columns", ()))
    if query.aggregate.value in names:
        return names.index(query.aggregate.value)
    others = [at for at, name in enumerate(names) if name != "time"]
    if len(others) != 1:
        raise ServiceDown(f"the answer has columns {names}, none of them {query.aggregate.value}")
    return others[0]


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else float("nan")
