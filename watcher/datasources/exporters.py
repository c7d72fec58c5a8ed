# SPDX-License-Identifier: Apache-2.0
"""Where Prometheus keeps each metric: the exporters' layout, changed metric by metric from a file.

Hosts are those of node_exporter and ipmi_exporter, instances those of Ceilometer's Prometheus
publisher; the CPU's steal is libvirt-exporter's. A change comes from the section ``prometheus``
(or ``aetos``) of [watcher_decision_engine] metric_map_path: another metric name, a whole PromQL
query, or parts::

    prometheus:
      instance_cpu_usage: {metric: libvirt_domain_info_cpu_time_seconds_total, label: domain,
                           join: domain_name, scale: 100}
      host_power: 'sum by ($host) (avg_over_time(node_hwmon_power_average_watt[${period}s]))'
"""

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from watcher.core.errors import BadParameters
from watcher.core.metrics import Aggregate, Metric, Subject
from watcher.datasources.reading import (
    KNOWN,
    WORD,
    WORDS,
    Known,
    Reading,
    changed,
    check_patterns,
    merged,
)


@dataclass(frozen=True)
class Expression(Reading):
    """Which series of Prometheus are one metric.

    ``label`` is the label whose values name the resource; empty: that of the options for hosts or
    instances. Of the values in ``where`` one in slashes is a regular expression. A ``counter``
    only grows, and its rate per second is what is meant. When ``whole`` is named, what is left of
    it is meant. ``combine`` makes one number of several series of one resource: ``pool`` takes
    their mean (least, greatest), ``sum`` and ``max`` what they say. A ``query`` is PromQL that
    stands for all of this; in it ``$period`` and ``$granularity`` are seconds, ``$aggregate`` is
    avg, min, max or count, ``$host`` and ``$instance`` the labels of the options.
    """

    metric: str = ""
    label: str = ""
    where: Mapping[str, str] = dataclasses.field(default_factory=dict)
    kind: str = "gauge"
    whole: str = ""
    combine: str = "pool"
    query: str = ""

    def asked(self, aggregate: Aggregate) -> Aggregate:
        """What to ask for: the most of a thing is the least of its opposite, or of its rest."""
        if self.query:
            return aggregate
        turned = super().asked(aggregate)
        opposite = {Aggregate.MAX: Aggregate.MIN, Aggregate.MIN: Aggregate.MAX}
        return opposite.get(turned, turned) if self.whole else turned


Mapped = Expression | Known


def _ipmi(name: str) -> Expression:
    return Expression("ipmi_temperature_celsius", where={"name": f"/(?i){name}/"}, combine="max")


def _counter(metric: str, **more: Any) -> Expression:
    return Expression(metric, kind="counter", maximum=100.0, **more)


DEFAULTS: Mapping[Metric, Mapped] = {
    Metric.HOST_CPU_USAGE: _counter(
        "node_cpu_seconds_total", where={"mode": "idle"}, scale=-100.0, offset=100.0
    ),
    Metric.HOST_RAM_USAGE: Expression(
        "node_memory_MemAvailable_bytes", whole="node_memory_MemTotal_bytes", scale=1 / 1024
    ),
    Metric.HOST_OUTLET_TEMP: _ipmi("(exhaust|outlet).*temp"),
    Metric.HOST_INLET_TEMP: _ipmi("(inlet|ambient|front).*temp"),
    Metric.HOST_AIRFLOW: Expression(
        "ipmi_sensor_value", where={"name": "/(?i)airflow|cfm/"}, combine="max", scale=10.0
    ),
    Metric.HOST_POWER: Expression("ipmi_dcmi_power_consumption_watts", combine="max"),
    # An instance that moved is one counter on each host, each over a part of the period.
    Metric.INSTANCE_CPU_USAGE: _counter(
        "ceilometer_cpu", join="uuid", combine="sum", scale=100 / 1e9, per_vcpu=True
    ),
    Metric.INSTANCE_RAM_USAGE: Expression("ceilometer_memory_usage", join="uuid"),
    Metric.INSTANCE_CPU_STEAL: _counter(
        "libvirt_domain_vcpu_delay_seconds_total", label="domain", join="domain_name", scale=100.0
    ),
    **KNOWN,
}

_METRIC_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_SCHEMA: Mapping[str, Any] = {
    "metric": WORD,
    "label": WORD,
    "where": WORDS,
    "kind": {"enum": ["gauge", "counter"]},
    "whole": {"type": "string"},
    "combine": {"enum": ["pool", "sum", "max"]},
    "query": WORD,
}


def mapping(source: str, changes: Mapping[str, Any]) -> Mapping[Metric, Mapped]:
    """The default mapping with the changes of a source, prometheus or aetos, by metric name.

    Raises BadParameters, in one line, for a metric, key or value that does not exist.
    """

    def change(metric: Metric, said: Any) -> Expression:
        return _changed(source, metric, said)

    return changed(source, DEFAULTS, changes, change)


def _changed(source: str, metric: Metric, said: Any) -> Expression:
    join = "hostname" if metric.subject is Subject.HOST else "uuid"
    default = DEFAULTS.get(metric)
    if isinstance(said, str):
        said = {"metric" if _METRIC_NAME.fullmatch(said) else "query": said}
    # A query gives our unit unless it says how to come there.
    whole_query = isinstance(said, dict) and "query" in said
    base = default if isinstance(default, Expression) and not whole_query else None
    found = merged(source, metric, base or Expression(join=join), said, _SCHEMA)
    place = f"{source}.{metric.public_name}"
    if not found.query and not found.metric:
        raise BadParameters(f"{place}: a metric or a query is wanted")
    for name in (found.metric, found.whole):
        if name and not _METRIC_NAME.fullmatch(name):
            raise BadParameters(f"{place}: {name!r} is no name of a Prometheus metric")
    check_labels(place, [found.label, *found.where])
    check_patterns(source, metric, found.where)
    return found


def check_labels(place: str, names: list[str]) -> None:
    """Raise BadParameters for a label that Prometheus cannot have."""
    for name in filter(None, names):
        if not _LABEL_NAME.fullmatch(name):
            raise BadParameters(f"{place}: {name!r} is no name of a Prometheus label")
