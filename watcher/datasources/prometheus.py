# SPDX-License-Identifier: Apache-2.0
"""The metric history in Prometheus, or behind Aetos, asked in PromQL.

Aetos is a Prometheus that asks for a Keystone token (service type ``metric-storage``). One request
answers a metric for the whole cluster.
"""

import base64
import time
from collections.abc import Mapping
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from oslo_config import cfg

from watcher.config import Group
from watcher.core.cluster import Cluster
from watcher.core.errors import NoMetrics, ServiceDown, Unavailable
from watcher.core.metrics import Coverage, Floats, Metric, Query
from watcher.datasources import columns, promql, wire
from watcher.datasources.exporters import Expression, check_labels, mapping
from watcher.datasources.keystone import Catalogued, credential_options
from watcher.datasources.reading import Known


def _shared() -> list[cfg.Opt]:
    return [
        cfg.StrOpt("fqdn_label", default="fqdn", help="Label that names a host."),
        cfg.StrOpt(
            "instance_uuid_label", default="resource", help="Label that has an instance's uuid."
        ),
        cfg.DictOpt(
            "where",
            default={},
            help="Labels that every series must have, such as cloud:east, where one store serves"
            " several clouds.",
        ),
    ]


OPTIONS = (
    Group(
        "prometheus_client",
        "The metric history in Prometheus",
        [
            cfg.URIOpt(
                "url",
                schemes=["http", "https"],
                help="Address with its path, such as https://metrics:443/prometheus; instead of"
                " host and port.",
            ),
            cfg.HostAddressOpt("host", help="Host of the server. Unset, and no url: none."),
            cfg.PortOpt("port", default=9090, help="Port of the server."),
            cfg.StrOpt("username", help="User, where the server asks for one."),
            cfg.StrOpt("password", secret=True, help="Password of that user."),
            cfg.StrOpt("token", secret=True, help="Bearer token, instead of a user."),
            wire.timeout_option(),
            *wire.trust_options(),
            *_shared(),
        ],
    ),
    Group(
        "aetos_client",
        "The metric history in Aetos",
        [
            cfg.StrOpt("interface", default="public", help="Which endpoint of the catalog."),
            cfg.StrOpt("region_name", help="Region of the endpoint."),
            cfg.StrOpt("endpoint_override", help="Address to use instead of the catalog's."),
            *_shared(),
            *credential_options()[0],
        ],
        credential_options()[1],
    ),
)


class Prometheus:
    """The source; ``changes`` are those of the metric map. Raises BadParameters for wrong ones."""

    name: ClassVar[str] = "prometheus"
    group: ClassVar[str] = "prometheus_client"

    def __init__(self, conf: cfg.ConfigOpts, changes: Mapping[str, Any] | None = None) -> None:
        self._conf = conf
        self._options = conf[self.group]
        self._mapping = mapping(self.name, changes or {})
        where = dict(self._options.where)
        self._labels = promql.Labels(
            self._options.fqdn_label, self._options.instance_uuid_label, where
        )
        check_labels(f"[{self.group}]", [*self._labels[:2], *where])

    @property
    def metrics(self) -> frozenset[Metric]:
        """What is mapped; nothing while the server is not configured."""
        return frozenset(self._mapping) if self._url else frozenset()

    @property
    def requests(self) -> int:
        """How many requests were sent."""
        return self._wire.requests

    def available(self) -> bool:
        """Whether the server answers a query."""
        try:
            return bool(self._url) and bool(self._look("vector(1)"))
        except Unavailable:
            return False

    def measures(self, query: Query) -> bool:
        """Whether there is any sample of the query's metric in its period."""
        mapped = self._mapping[query.metric]
        if isinstance(mapped, Known):
            return True
        try:
            found = self._look(promql.there(mapped, query, self._labels))
            return any(row.value for row in found)
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
        now_s = time.time()
        text = promql.question(mapped, query, self._labels)
        limit_s = self._options.timeout or wire.LIMIT_S
        rows = self._ask(text, limit_s, now_s)
        newest = [row.value for row in rows if promql.NEWEST in row.labels]
        label = promql.label(mapped, query, self._labels)
        values = promql.by_name(rows, label, mapped)
        if not values:
            raise NoMetrics(self._why_empty(mapped, query, label))
        result = columns.column(values, mapped, query, cluster)
        measured = int(np.count_nonzero(~np.isnan(result)))
        if result.size and not measured:
            raise NoMetrics(
                f"{len(values)} values of label {label} have it, but none (such as {min(values)})"
                f" is the {mapped.join} of one of our {query.metric.subject.value}s; set"
                f" [{self.group}] fqdn_label and instance_uuid_label, or label, join or names in"
                f" the metric map, {self.name}.{query.metric.public_name}"
            )
        age_s = max(0.0, now_s - max(newest)) if newest else None
        return result, Coverage(self.name, measured, len(result), age_s)

    def _why_empty(self, mapped: Expression, query: Query, label: str) -> str:
        """What to look at when a question has an empty answer."""
        place = f"{self.title} at {self._url}"
        if mapped.query:
            return f"the query of {self.name}.{query.metric.public_name} has no row at {place}"
        try:
            if not self._look(promql.known(mapped)):
                return (
                    f"{place} has no metric {mapped.metric}; check that its exporter runs and is"
                    f" scraped, or name another in the metric map,"
                    f" {self.name}.{query.metric.public_name}"
                )
            if self._look(promql.there(mapped, query, self._labels)):
                return f"no series of {mapped.metric} at {place} has a label {label}"
        except ServiceDown as error:
            return f"no series of {mapped.metric} with label {label}; {error}"
        where = {**self._labels.where, **mapped.where}
        shown = ", ".join(f"{name}={value}" for name, value in where.items())
        return (
            f"{place} has no sample of {mapped.metric}{' with ' + shown if shown else ''} in the"
            f" last {query.period_s} s; check that its exporter runs and that the clocks agree"
        )

    def _look(self, text: str) -> list[promql.Sample]:
        """A question that people wait for."""
        return self._ask(text, wire.LOOK_S, time.time(), tries=1)

    def _ask(
        self, text: str, limit_s: float, at_s: float, tries: int | None = None
    ) -> list[promql.Sample]:
        form = {"query": text, "time": f"{at_s:.3f}", "timeout": f"{max(1, int(limit_s))}s"}
        try:
            payload = self._send(form, limit_s, tries)
            return promql.samples(payload)
        except wire.Refused as error:
            said = error.said.get("error") if isinstance(error.said, dict) else None
            told = f"it answers: {said}" if said and error.status not in (401, 403) else str(error)
            raise ServiceDown(f"{self.title} at {self._url}: {told}") from error
        except ServiceDown as error:
            raise ServiceDown(f"{self.title} at {self._url}: {error}") from error

    # What differs between the two.

    title: ClassVar[str] = "Prometheus"

    @cached_property
    def _url(self) -> str:
        options = self._options
        if options.url:
            return str(options.url).rstrip("/")
        if not options.host:
            return ""
        scheme = "https" if options.cafile or options.certfile else "http"
        host = f"[{options.host}]" if ":" in options.host else options.host
        return f"{scheme}://{host}:{options.port}"

    @cached_property
    def _wire(self) -> wire.Wire:
        options = self._options
        session = wire.session(options)
        text = f"Bearer {options.token}" if options.token else None
        if options.username and not options.token:
            pair = f"{options.username}:{options.password or ''}".encode()
            text = f"Basic {base64.b64encode(pair).decode()}"
        session.auth = wire.Authorization(text)

        def send(url: str, method: str, **more: Any) -> Any:
            return session.request(method, url, **more)

        return wire.Wire(self.group, self._conf.watcher_datasources, send)

    def _send(self, form: Mapping[str, str], limit_s: float, tries: int | None) -> Any:
        return self._wire.ask("POST", f"{self._url}/api/v1/query", limit_s, tries, data=form)


class Aetos(Prometheus):
    """The same with a Keystone token."""

    name: ClassVar[str] = "aetos"
    group: ClassVar[str] = "aetos_client"
    title: ClassVar[str] = "Aetos"

    @property
    def metrics(self) -> frozenset[Metric]:
        """What is mapped; nothing where Keystone's catalog has no metric-storage."""
        return frozenset(self._mapping) if self._service.configured else frozenset()

    @cached_property
    def _service(self) -> Catalogued:
        return Catalogued(self._conf, self.group, "metric-storage", "interface")

    @property
    def _url(self) -> str:
        return self._service.url

    @cached_property
    def _wire(self) -> wire.Wire:
        return wire.Wire(self.group, self._conf.watcher_datasources, self._service.send)

    def _send(self, form: Mapping[str, str], limit_s: float, tries: int | None) -> Any:
        # Aetos takes GET only.
        return self._wire.ask("GET", f"{self._url}/api/v1/query", limit_s, tries, params=form)
