# SPDX-License-Identifier: Apache-2.0
"""The metric history in InfluxDB 1.x, 2.x or 3.x, asked in InfluxQL on /query, or in Flux.

InfluxQL over /query is the one language of every generation (2.x needs a DBRP mapping for it);
Flux is for a 2.x without that mapping. influxdb-client carries the requests: it has TLS, pools and
credentials; its own query API speaks Flux only, and builds objects that are not needed here. One
request answers a metric for the whole cluster; a second, small one is made only for counters that
were seen on two hosts.
"""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import urllib3
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.rest import ApiException
from oslo_config import cfg

from watcher.config import Group
from watcher.core.cluster import Cluster
from watcher.core.errors import NoMetrics, ServiceDown, Unavailable
from watcher.core.metrics import Aggregate, Coverage, Floats, Metric, Query
from watcher.datasources import columns, flux, influxql, wire
from watcher.datasources.mapping import Series, mapping
from watcher.datasources.reading import Known

OPTIONS = Group(
    "influxdb",
    "The metric history in InfluxDB",
    [
        cfg.URIOpt(
            "url",
            schemes=["http", "https"],
            help="Address of the server, such as http://influxdb:8086. Unset: there is none.",
        ),
        cfg.StrOpt("token", secret=True, help="Token of a 2.x or 3.x server."),
        cfg.StrOpt("username", help="User of a 1.x server that asks for one."),
        cfg.StrOpt("password", secret=True, help="Password of that user."),
        cfg.StrOpt(
            "dialect",
            default="influxql",
            choices=[
                ("influxql", "1.x, 3.x, and 2.x whose bucket is mapped to a database by DBRP"),
                ("flux", "2.x without that"),
            ],
            help="The language to ask in.",
        ),
        cfg.StrOpt("org", help="Organisation of a 2.x server, for Flux."),
        cfg.StrOpt("bucket", help="Bucket, for Flux; unset: the name in database."),
        cfg.StrOpt("database", default="telegraf", help="Database (2.x: as mapped by DBRP)."),
        cfg.StrOpt("retention_policy", default="", help="Empty: the database's default."),
        wire.timeout_option(),
        cfg.BoolOpt("enable_gzip", default=True, help="Ask for compressed answers."),
        *wire.trust_options(),
    ],
)


class InfluxDB:
    """The source; ``changes`` are those of the metric map. Raises BadParameters for wrong ones."""

    name: ClassVar[str] = "influxdb"

    def __init__(self, conf: cfg.ConfigOpts, changes: Mapping[str, Any] | None = None) -> None:
        self._options = conf.influxdb
        self._retries = conf.watcher_datasources
        self._mapping = mapping(changes or {})
        self._dialect: Any = flux if self._options.dialect == "flux" else influxql
        self.requests = 0
        """How many requests were sent."""

    @property
    def metrics(self) -> frozenset[Metric]:
        """What is mapped; nothing while [influxdb] url is not set."""
        return frozenset(self._mapping) if self._options.url else frozenset()

    def available(self) -> bool:
        """Whether the server answers."""
        return bool(self._options.url) and bool(self._client.ping())

    def measures(self, query: Query) -> bool:
        """Whether there is any sample of the query's metric in its period."""
        mapped = self._mapping[query.metric]
        if isinstance(mapped, Known):
            return True
        try:
            question = self._dialect.newest(self._full(mapped), _window(query))
            (found,) = self._ask([question], mapped, tries=1, limit_s=wire.LOOK_S)
            return bool(self._dialect.answers(found))
        except Unavailable:
            return False

    def fetch(self, query: Query, cluster: Cluster) -> tuple[Floats, Coverage]:
        """One column in our unit, ``nan`` where nothing was measured.

        Raises NoMetrics, with what to look at, when nothing at all was; ServiceDown when the
        server does not answer, or answers with an error or only a part.
        """
        mapped = self._mapping[query.metric]
        if isinstance(mapped, Known):
            known = cluster.instances.demand[:, mapped.column].astype(np.float64)
            return known, Coverage("model", len(known), len(known))
        series, window = self._full(mapped), _window(query)
        values, newest_ms = self._values(series, query, window)
        if not values:
            raise NoMetrics(self._why_empty(series, query))
        result = columns.column(values, series, query, cluster)
        measured = int(np.count_nonzero(~np.isnan(result)))
        if result.size and not measured:
            raise NoMetrics(self._why_no_row(series, query, values))
        age_s = max(0.0, window.end_ns / 1e9 - newest_ms / 1e3)
        return result, Coverage(self.name, measured, len(result), age_s)

    def _values(
        self, series: Series, query: Query, window: influxql.Window
    ) -> tuple[dict[str, float], int]:
        """One number per resource name, and the time of the newest sample in ms."""
        step_ns = int(series.step_s * 1e9)
        question = self._dialect.select(series, query.aggregate, window, step_ns)
        found, last = self._ask([question, self._dialect.newest(series, window)], series)
        answers = self._dialect.answers(found)
        newest_ms = max((one.time_ms for one in self._dialect.answers(last)), default=0)
        counts: columns.Weights = {}
        repeated = columns.several(answers, series)
        if repeated and series.combine == "pool" and query.aggregate is Aggregate.MEAN:
            among = repeated if len(repeated) <= self._dialect.MOST_ALTERNATIVES else ()
            question = self._dialect.select(series, Aggregate.COUNT, window, step_ns, among)
            (counted,) = self._ask([question], series)
            counts = columns.weights(self._dialect.answers(counted))
        return columns.combined(answers, series, query.aggregate, counts), newest_ms

    def _why_empty(self, series: Series, query: Query) -> str:
        """What to look at when a question has an empty answer."""
        (found,) = self._ask([self._dialect.fields(series)], series)
        there = self._dialect.field_names(found)
        if not there:
            return (
                f"measurement {series.measurement} has no series in database"
                f" {self._database(series)} of InfluxDB at {self._options.url}; check that the"
                " agents write it"
            )
        if series.field not in there:
            return (
                f"measurement {series.measurement} has no field {series.field} (it has"
                f" {', '.join(sorted(there)[:12])}); let the agents write it, or name another in"
                f" the metric map, influxdb.{query.metric.public_name}"
            )
        where = ", ".join(f"{tag}={value}" for tag, value in series.where.items())
        return (
            f"measurement {series.measurement} has no sample of {series.field}"
            f"{' with ' + where if where else ''} in the last {query.period_s} s; check that the"
            " agents run and that the clocks agree"
        )

    def _why_no_row(self, series: Series, query: Query, values: Mapping[str, float]) -> str:
        return (
            f"measurement {series.measurement} has {len(values)} values of tag {series.tag}, but"
            f" none (such as {min(values)}) is the {series.join} of one of our"
            f" {query.metric.subject.value}s; change tag, join or names in the metric map,"
            f" influxdb.{query.metric.public_name}"
        )

    def _full(self, series: Series) -> Series:
        """With the server's database and retention policy where the metric has none of its own."""
        options = self._options
        return replace(
            series,
            database=self._database(series),
            retention_policy=series.retention_policy or options.retention_policy,
        )

    def _database(self, series: Series) -> str:
        bucket = self._options.bucket if self._options.dialect == "flux" else ""
        return series.database or str(bucket or self._options.database)

    @cached_property
    def _client(self) -> InfluxDBClient:
        options = self._options
        basic = options.username is not None and options.token is None
        return InfluxDBClient(
            options.url.rstrip("/"),
            token=f"{options.username}:{options.password or ''}" if basic else options.token,
            auth_basic=basic,
            timeout=int(wire.LOOK_S * 1000),
            verify_ssl=not options.insecure,
            ssl_ca_cert=options.cafile,
            cert_file=options.certfile,
            cert_key_file=options.keyfile,
        )

    def _ask(
        self,
        statements: Sequence[str],
        series: Series,
        tries: int | None = None,
        limit_s: float | None = None,
    ) -> list[list[Mapping[str, Any]]]:
        """The result of each statement, all sent in one request; tried again while it may help."""
        limit_s = limit_s or self._options.timeout
        deadline = time.monotonic() + limit_s
        again = wire.retrying(self._retries, limit_s, tries)
        try:
            text = self._dialect.joined(statements)
            payload = again(self._post, text, self._database(series), deadline)
            found: list[list[Mapping[str, Any]]] = self._dialect.results(payload, len(statements))
            return found
        except influxql.ReasonLost:
            if len(statements) > 1:  # the first one alone tells its reason
                self._ask(statements[:1], series, tries, limit_s)
            raise
        except ServiceDown as error:
            raise ServiceDown(f"InfluxDB at {self._options.url}: {error}") from error

    def _post(self, text: str, database: str, deadline: float) -> Any:
        """One request and its JSON, or its CSV in Flux. Raises ServiceDown."""
        self.requests += 1
        client = self._client
        speaks_flux = self._options.dialect == "flux"
        headers = {
            "Content-Type": "application/json"
            if speaks_flux
            else "application/x-www-form-urlencoded",
            "Accept": "application/csv" if speaks_flux else "application/json",
            "Accept-Encoding": "gzip" if self._options.enable_gzip else "identity",
        }
        if client.auth_header_name and client.auth_header_value:
            headers[client.auth_header_name] = client.auth_header_value
        left_ms = max(1, int((deadline - time.monotonic()) * 1000))
        try:
            response = client.api_client.request(  # type: ignore[no-untyped-call]
                "POST",
                f"{client.url}/api/v2/query" if speaks_flux else f"{client.url}/query",
                headers=headers,
                **(self._flux(text) if speaks_flux else _influxql(text, database)),
                _preload_content=False,
                _request_timeout=(left_ms, left_ms),
            )
            with wire.ended_by(deadline, response, "influxdb"):
                body = response.read(decode_content=True)
        except ApiException as error:
            raise _refused(error) from error
        except urllib3.exceptions.ReadTimeoutError as error:
            raise ServiceDown("no answer in time ([influxdb] timeout)") from error
        except urllib3.exceptions.HTTPError as error:
            raise wire.Passing(f"no answer: {wire.reason(error)}; check that it runs") from error
        try:
            return body.decode() if speaks_flux else json.loads(body)
        except ValueError as error:
            raise ServiceDown("the answer is not that of an InfluxDB") from error

    def _flux(self, text: str) -> dict[str, Any]:
        dialect = {"header": True, "annotations": ["datatype", "group", "default"]}
        org = self._options.org
        return {
            "query_params": [("org", org)] if org else [],
            "body": {"query": text, "type": "flux", "dialect": dialect},
        }


def _influxql(text: str, database: str) -> dict[str, Any]:
    return {"post_params": {"q": text, "db": database, "epoch": "ms"}}


def _window(query: Query) -> influxql.Window:
    now_ns = time.time_ns()
    return influxql.Window(now_ns - int(query.period_s * 1e9), now_ns)


def _refused(error: ApiException) -> ServiceDown:
    status = error.status or 0
    if status == 0:
        return ServiceDown(f"no secure connection: {wire.reason(error)}; check [influxdb] cafile")
    if status in (401, 403):
        return ServiceDown(
            f"the credentials are refused (HTTP {status}); check username, password or token in"
            " [influxdb]"
        )
    text = wire.reason(error.body or error.reason or "")
    kind = wire.Passing if status in wire.PASSING_STATUS else ServiceDown
    return kind(f"it answers with HTTP {status}: {text[:200]}")
