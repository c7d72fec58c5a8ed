# SPDX-License-Identifier: Apache-2.0
"""The metric history in Gnocchi, asked through its aggregates API.

One request answers a metric for all hosts, or for ``BATCH`` instances. What is asked for are the
buckets of time that Gnocchi keeps; one number over the whole period is made of them here.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from oslo_config import cfg

from watcher.config import Group
from watcher.context import Threads
from watcher.core.cluster import Cluster
from watcher.core.errors import NoMetrics, ServiceDown, Unavailable, WatcherError
from watcher.core.metrics import Coverage, Floats, Metric, Query, Subject
from watcher.datasources import ceilometer, columns, wire
from watcher.datasources.ceilometer import Archive, Point, Window, mapping
from watcher.datasources.keystone import Catalogued, credential_options
from watcher.datasources.reading import Known

BATCH = 1_000
"""Instances in one request: Gnocchi takes milliseconds for each."""
AT_ONCE = 4
"""Batches on their way at the same time."""

OPTIONS = Group(
    "gnocchi_client",
    "The metric history in Gnocchi",
    [
        cfg.StrOpt("api_version", default="1", help="Version of the API; there is only 1."),
        cfg.StrOpt("endpoint_type", default="public", help="Which endpoint of the catalog."),
        cfg.StrOpt("region_name", help="Region of the endpoint."),
        cfg.StrOpt("endpoint_override", help="Address to use instead of the catalog's."),
        *credential_options()[0],
    ],
    credential_options()[1],
)


class Gnocchi:
    """The source; ``changes`` are those of the metric map. Raises BadParameters for wrong ones."""

    name: ClassVar[str] = "gnocchi"

    def __init__(self, conf: cfg.ConfigOpts, changes: Mapping[str, Any] | None = None) -> None:
        self._conf = conf
        self._options = conf.gnocchi_client
        self._mapping = mapping(changes or {})
        self._service = Catalogued(conf, "gnocchi_client", "metric", "endpoint_type")

    @property
    def metrics(self) -> frozenset[Metric]:
        """What is mapped; nothing where Keystone's catalog has no service of type metric."""
        return frozenset(self._mapping) if self._service.configured else frozenset()

    @property
    def requests(self) -> int:
        """How many requests were sent."""
        return self._wire.requests

    @cached_property
    def _wire(self) -> wire.Wire:
        return wire.Wire("gnocchi_client", self._conf.watcher_datasources, self._service.send)

    def available(self) -> bool:
        """Whether the API answers with what it can do."""
        try:
            return bool(self._ask("GET", "capabilities", wire.LOOK_S, tries=1))
        except WatcherError:
            return False

    def measures(self, query: Query) -> bool:
        """Whether there is any measure of the query's metric in its period, for any resource."""
        archive = self._mapping[query.metric]
        if isinstance(archive, Known):
            return True
        try:
            found, _ = self._measures(archive, query, _window(query), None, wire.LOOK_S, tries=1)
        except Unavailable:
            return False
        return any(points for one in found.values() for points in _points(one))

    def fetch(self, query: Query, cluster: Cluster) -> tuple[Floats, Coverage]:
        """One column in our unit, ``nan`` where nothing was measured.

        Raises NoMetrics, with what to look at, when nothing at all was; ServiceDown when Gnocchi
        does not answer, or answers with an error.
        """
        archive = self._mapping[query.metric]
        if isinstance(archive, Known):
            known = cluster.instances.demand[:, archive.column].astype(np.float64)
            return known, Coverage("model", len(known), len(known))
        window = _window(query)
        limit_s = self._options.timeout or wire.LIMIT_S
        found: dict[str, Any] = {}
        resources: list[Mapping[str, Any]] = []
        with Threads(AT_ONCE, "gnocchi") as pool:
            for some, about in pool.map(
                lambda batch: self._measures(archive, query, window, batch, limit_s),
                _batches(archive, cluster),
            ):
                found.update(some)
                resources.extend(about)
        values, newest_s = _numbers(found, resources, archive, query, window, cluster)
        if not values:
            raise NoMetrics(self._why_empty(archive, query, found))
        result = columns.column(values, archive, query, cluster)
        measured = int(np.count_nonzero(~np.isnan(result)))
        if result.size and not measured:
            raise NoMetrics(
                f"{len(values)} resources of type {archive.resource_type} in Gnocchi have metric"
                f" {archive.metric}, but none (such as {min(values)}) is the {archive.join} of one"
                f" of our {query.metric.subject.value}s; change attribute or names in the metric"
                f" map, gnocchi.{query.metric.public_name}"
            )
        age_s = max(0.0, window.end_s - newest_s)
        return result, Coverage(self.name, measured, len(result), age_s)

    def _measures(
        self,
        archive: Archive,
        query: Query,
        window: Window,
        batch: Sequence[str] | None,
        limit_s: float,
        tries: int | None = None,
    ) -> tuple[Mapping[str, Any], Sequence[Mapping[str, Any]]]:
        """The buckets by resource id, and the resources. Nothing when there is no such metric."""
        alive: dict[str, Any] = {"=": {"ended_at": None}}
        search = alive if batch is None else {"and": [alive, {"in": {"id": list(batch)}}]}
        operation = ["metric", archive.metric, archive.method(query.aggregate)]
        body = {"operations": operation, "resource_type": archive.resource_type, "search": search}
        early_s = query.granularity_s if archive.kind == "counter" else 0
        asked = {
            "start": _iso(window.start_s - early_s),
            "stop": _iso(window.end_s),
            "details": "true",
            "fill": "dropna",
            "needed_overlap": "0",
        }
        # The granularity that is wanted if the archive has it, else those it has.
        for granularity in ({"granularity": str(int(query.granularity_s))}, {}):
            try:
                payload = self._ask(
                    "POST",
                    "aggregates",
                    limit_s,
                    tries,
                    json=body,
                    params={**asked, **granularity},
                )
                return ceilometer.measures(payload)
            except wire.Refused as error:
                if error.status == 404 and "unknown aggregation" not in str(error):
                    return {}, []
                if not (granularity and error.status == 400 and "ranularit" in str(error)):
                    raise self._told(error, archive) from error
        return {}, []

    def _told(self, error: wire.Refused, archive: Archive) -> Unavailable:
        if "unknown aggregation" in str(error):
            return NoMetrics(
                f"the archive policy of metric {archive.metric} in Gnocchi does not keep"
                f" {archive.aggregation}; use one that does (ceilometer-low-rate), or set"
                " aggregation and kind in the metric map"
            )
        if "esource type" in str(error):
            return NoMetrics(
                f"Gnocchi has no resource type {archive.resource_type}; check that Ceilometer"
                " publishes it, or name another in the metric map"
            )
        return error

    def _why_empty(self, archive: Archive, query: Query, found: Mapping[str, Any]) -> str:
        kind = archive.resource_type
        if not found:
            return (
                f"Gnocchi has no resource of type {kind} with metric {archive.metric}; check that"
                f" Ceilometer polls it, or name another in the metric map,"
                f" gnocchi.{query.metric.public_name}"
            )
        return (
            f"{len(found)} resources of type {kind} in Gnocchi have metric {archive.metric}, but"
            f" no measure in the last {query.period_s} s; check that Ceilometer polls that often"
            " and that gnocchi-metricd runs"
        )

    def _ask(
        self, method: str, path: str, limit_s: float, tries: int | None = None, **more: Any
    ) -> Any:
        url = self._service.url
        headers = {"Accept": "application/json"}
        address = f"{url}/v{self._options.api_version}/{path}"
        try:
            return self._wire.ask(method, address, limit_s, tries, headers=headers, **more)
        except wire.Refused as error:
            raise wire.Refused(f"Gnocchi at {url}: {error}", error.status, error.said) from error
        except ServiceDown as error:
            raise ServiceDown(f"Gnocchi at {url}: {error}") from error


def _window(query: Query) -> Window:
    now_s = time.time()
    return Window(now_s - query.period_s, now_s)


def _iso(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).isoformat()


def _batches(archive: Archive, cluster: Cluster) -> Iterator[Sequence[str] | None]:
    """The ids to ask about; None: all of the type."""
    if archive.join != "uuid" or archive.attribute != "id":
        yield None
        return
    uuids = list(cluster.instances.uuid)
    for begin in range(0, len(uuids), BATCH):
        yield uuids[begin : begin + BATCH]


def _points(by_metric: Mapping[str, Any]) -> Iterator[list[Point]]:
    """The points of each metric and aggregation of one resource."""
    for by_aggregation in by_metric.values():
        for rows in by_aggregation.values():
            yield [
                Point(datetime.fromisoformat(at).timestamp(), float(granularity), float(value))
                for at, granularity, value in rows
            ]


def _numbers(
    found: Mapping[str, Any],
    resources: Sequence[Mapping[str, Any]],
    archive: Archive,
    query: Query,
    window: Window,
    cluster: Cluster,
) -> tuple[dict[str, float], float]:
    """One number per resource name, and the end of the newest bucket in seconds."""
    host = query.metric.subject is Subject.HOST
    exact = cluster.hosts.row_by_name if host else cluster.instances.row_by_uuid
    values, newest_s = [], 0.0
    for resource in resources:
        for points in _points(found.get(resource["id"], {})):
            value = ceilometer.number(points, archive, query.aggregate, window)
            if value is None:
                continue
            newest_s = max(newest_s, *(point.at_s + point.granularity_s for point in points))
            called = ceilometer.names(resource, archive)
            known = [name for name in called if name in exact]
            values.append(((known or called[-1:])[0], value))
    return ceilometer.pooled(values), newest_s
