# SPDX-License-Identifier: Apache-2.0
"""Where Gnocchi keeps each metric: Ceilometer's layout, changed metric by metric from a file.

A change comes from the section ``gnocchi`` of [watcher_decision_engine] metric_map_path: another
metric name, or parts::

    gnocchi:
      instance_ram_usage: memory.usage
      instance_cpu_usage: {step_s: 60}          # the pollster's interval, if not the archive's
      host_power: {resource_type: host, names: {10.0.0.7: compute-7}}
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

from watcher.core.errors import ServiceDown
from watcher.core.metrics import Aggregate, Metric, Subject
from watcher.datasources.reading import KNOWN, WORD, Known, Reading, changed, merged


@dataclass(frozen=True)
class Archive(Reading):
    """Which measures of Gnocchi are one metric.

    ``attribute`` is that of the resource which names it: for a host ``name_name`` is taken for
    ``name``. A ``rate`` is the growth between two samples, as the aggregations ``rate:...`` keep
    it: it is divided by ``step_s``, the seconds between samples (0: the archive's granularity). A
    ``counter`` only grows, and its rate per second is taken here. Several resources of one name
    give their mean.
    """

    metric: str
    resource_type: str
    attribute: str = "original_resource_id"
    aggregation: str = "mean"
    kind: str = "gauge"
    step_s: float = 0.0

    def method(self, aggregate: Aggregate) -> str:
        """What is asked of Gnocchi: means, of which the least or greatest is taken here.

        Ceilometer's archive policies keep no others.
        """
        return "count" if aggregate is Aggregate.COUNT else self.aggregation


Mapped = Archive | Known


def _instance(metric: str, **more: Any) -> Archive:
    return Archive(metric, "instance", attribute="id", join="uuid", **more)


def _ipmi(sensor: str, **more: Any) -> Archive:
    return Archive(f"hardware.ipmi.node.{sensor}", "ipmi", **more)


DEFAULTS: Mapping[Metric, Mapped] = {
    Metric.HOST_CPU_USAGE: Archive("compute.node.cpu.percent", "nova_compute", maximum=100.0),
    Metric.HOST_RAM_USAGE: Archive("hardware.memory.used", "host"),
    Metric.HOST_OUTLET_TEMP: _ipmi("outlet_temperature"),
    Metric.HOST_INLET_TEMP: _ipmi("temperature"),
    Metric.HOST_AIRFLOW: _ipmi("airflow", scale=10.0),
    Metric.HOST_POWER: _ipmi("power"),
    Metric.INSTANCE_CPU_USAGE: _instance(
        "cpu",
        aggregation="rate:mean",
        kind="rate",
        scale=100 / 1e9,
        per_vcpu=True,
        maximum=100.0,
    ),
    Metric.INSTANCE_RAM_USAGE: _instance("memory.resident"),
    Metric.INSTANCE_L3_CACHE_USAGE: _instance("cpu_l3_cache"),
    **KNOWN,
}

_INSTEAD = {
    Metric.INSTANCE_RAM_ALLOCATED: _instance("memory"),
    Metric.INSTANCE_ROOT_DISK_SIZE: _instance("disk.root.size"),
}
"""What a change to a metric that the model knows starts from."""

_SCHEMA: Mapping[str, Any] = {
    "metric": WORD,
    "resource_type": WORD,
    "attribute": WORD,
    "aggregation": WORD,
    "kind": {"enum": ["gauge", "rate", "counter"]},
    "step_s": {"type": "number", "minimum": 0},
}


def mapping(changes: Mapping[str, Any]) -> Mapping[Metric, Mapped]:
    """The default mapping with changes by metric name.

    Raises BadParameters, in one line, for a metric, key or value that does not exist.
    """
    return changed("gnocchi", DEFAULTS, changes, _changed)


def _changed(metric: Metric, said: Any) -> Archive:
    base = DEFAULTS.get(metric)
    if not isinstance(base, Archive):
        host = metric.subject is Subject.HOST
        unknown = Archive(metric.public_name, "host") if host else _instance(metric.public_name)
        base = _INSTEAD.get(metric, unknown)
    change = {"metric": said} if isinstance(said, str) else said
    return merged("gnocchi", metric, base, change, _SCHEMA)


class Window(NamedTuple):
    """A stretch of time in seconds since the epoch."""

    start_s: float
    end_s: float


class Point(NamedTuple):
    """What Gnocchi keeps of one bucket of time."""

    at_s: float
    granularity_s: float
    value: float


def number(
    points: Sequence[Point], archive: Archive, aggregate: Aggregate, window: Window
) -> float | None:
    """One number over a window, of the finest granularity there is; None without a point.

    A mean weighs each bucket by the part of it that lies in the window.
    """
    if not points:
        return None
    finest = min(point.granularity_s for point in points)
    points = [point for point in points if point.granularity_s == finest]
    if archive.kind == "counter" and aggregate is not Aggregate.COUNT:
        points = _rates(points)
    inside = [(point, _overlap(point, window)) for point in points]
    values = [(point.value, share) for point, share in inside if share > 0]
    if not values:
        return None
    if aggregate is Aggregate.COUNT:
        return sum(value for value, _ in values)
    if aggregate is Aggregate.MEAN:
        total = sum(share for _, share in values)
        found = sum(value * share for value, share in values) / total
    else:
        pick = max if archive.asked(aggregate) is Aggregate.MAX else min
        found = pick(value for value, _ in values)
    return found / (archive.step_s or finest) if archive.kind == "rate" else found


def _overlap(point: Point, window: Window) -> float:
    end_s = min(point.at_s + point.granularity_s, window.end_s)
    return end_s - max(point.at_s, window.start_s)


def _rates(points: Sequence[Point]) -> list[Point]:
    """Growth per second from each bucket to the next; a counter that began again has none."""
    ordered = sorted(points)
    return [
        Point(later.at_s, later.granularity_s, (later.value - one.value) / (later.at_s - one.at_s))
        for one, later in pairwise(ordered)
        if later.value >= one.value
    ]


def names(resource: Mapping[str, Any], archive: Archive) -> list[str]:
    """What a resource may be called here, the most exact first."""
    value = str(resource.get(archive.attribute) or "")
    if value in archive.names:
        return [archive.names[value]]
    if archive.join != "hostname":
        return [value]
    return [value, value.partition("_")[0]]


def pooled(values: Iterable[tuple[str, float]]) -> dict[str, float]:
    """The mean by name."""
    found: defaultdict[str, list[float]] = defaultdict(list)
    for name, value in values:
        found[name].append(value)
    return {name: sum(each) / len(each) for name, each in found.items()}


def measures(payload: Any) -> tuple[Mapping[str, Any], Sequence[Mapping[str, Any]]]:
    """The measures by resource id, and the resources, of an answer to /v1/aggregates.

    Raises ServiceDown for anything else.
    """
    if isinstance(payload, Mapping):
        found, resources = payload.get("measures"), payload.get("references")
        if isinstance(found, Mapping) and isinstance(resources, Sequence):
            return found, resources
    raise ServiceDown("the answer is not that of a Gnocchi")
