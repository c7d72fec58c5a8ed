# SPDX-License-Identifier: Apache-2.0
"""Where InfluxDB keeps each metric: telegraf's layout, changed metric by metric from a file.

The names are those of telegraf's own plugin documents (cpu, mem, ipmi_sensor, libvirt with
``processors.rename`` time -> cpu_time, since InfluxDB drops a field called time). A change comes
from the section ``influxdb`` of [watcher_decision_engine] metric_map_path::

    influxdb:
      host_ram_usage: active                    # another field, nothing else
      instance_cpu_usage: {measurement: vm, field: cpu_ns, tag: uuid, join: uuid, kind: counter}
      host_power: {where: {name: total_power}, combine: sum, names: {10.0.0.7: compute-7}}
"""

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import jsonschema
from jsonschema.exceptions import best_match

from watcher.core.cluster import DISK_GB, MEMORY_MB
from watcher.core.errors import BadParameters
from watcher.core.metrics import Aggregate, Metric

JOINS = ("hostname", "uuid", "domain_name")


@dataclass(frozen=True)
class Series:
    """Where one metric is, and how its numbers become ours: ``value * scale + offset``.

    ``tag`` is the tag whose values name the resource, ``join`` what they are. Of the values in
    ``where`` one in slashes is a regular expression. A ``counter`` only grows, and its rate per
    second is what is meant. ``combine`` makes one number of several series of one resource:
    ``pool`` treats their samples as one set, ``sum`` and ``max`` work on each series' own result
    (the sum of maxima is an upper bound). ``per_vcpu`` divides by the instance's vCPUs. ``step_s``
    is the longest time between two samples of a counter. ``names`` gives the resource where the
    tag's value is another name for it.
    """

    measurement: str
    field: str
    tag: str = "host"
    join: str = "hostname"
    where: Mapping[str, str] = dataclasses.field(default_factory=dict)
    kind: str = "gauge"
    combine: str = "pool"
    scale: float = 1.0
    offset: float = 0.0
    per_vcpu: bool = False
    maximum: float | None = None
    step_s: float = 60.0
    names: Mapping[str, str] = dataclasses.field(default_factory=dict)
    database: str = ""
    retention_policy: str = ""

    @property
    def each_series(self) -> bool:
        """Whether the server must answer per series, because they are combined here."""
        return self.kind == "counter" or self.combine != "pool"

    def asked(self, aggregate: Aggregate) -> Aggregate:
        """What to ask for: the most of a thing is the least of its opposite."""
        return _OPPOSITE.get(aggregate, aggregate) if self.scale < 0 else aggregate

    @property
    def joined(self) -> str:
        """How several series are combined in the server's own numbers."""
        return "min" if self.combine == "max" and self.scale < 0 else self.combine


_OPPOSITE = {Aggregate.MAX: Aggregate.MIN, Aggregate.MIN: Aggregate.MAX}


@dataclass(frozen=True)
class Known:
    """A metric that needs no history: a column of ``Instances.demand``."""

    column: int


Mapped = Series | Known


def _ipmi(name: str, unit: str = "", scale: float = 1.0) -> Series:
    where = {"name": f"/{name}/"} | ({"unit": unit} if unit else {})
    return Series("ipmi_sensor", "value", where=where, combine="max", scale=scale)


def _libvirt(measurement: str, field_name: str, **more: Any) -> Series:
    return Series(measurement, field_name, tag="domain_name", join="domain_name", **more)


DEFAULTS: Mapping[Metric, Mapped] = {
    Metric.HOST_CPU_USAGE: Series(
        "cpu", "usage_idle", where={"cpu": "cpu-total"}, scale=-1.0, offset=100.0
    ),
    Metric.HOST_RAM_USAGE: Series("mem", "used", scale=1 / 1024),
    Metric.HOST_OUTLET_TEMP: _ipmi("(exhaust|outlet).*temp", "degrees_c"),
    Metric.HOST_INLET_TEMP: _ipmi("(inlet|ambient|front).*temp", "degrees_c"),
    Metric.HOST_AIRFLOW: _ipmi("airflow|cfm", scale=10.0),
    Metric.HOST_POWER: _ipmi(
        "instantaneous_power_reading|pwr_consumption|total_power|system_power", "watts"
    ),
    Metric.INSTANCE_CPU_USAGE: _libvirt(
        "libvirt_cpu", "cpu_time", kind="counter", scale=100 / 1e9, per_vcpu=True, maximum=100.0
    ),
    Metric.INSTANCE_RAM_USAGE: _libvirt("libvirt_balloon", "rss", scale=1 / 1024),
    Metric.INSTANCE_RAM_ALLOCATED: Known(MEMORY_MB),
    Metric.INSTANCE_L3_CACHE_USAGE: _libvirt(
        "libvirt_cpu_cache_monitor_bank", "bytes", combine="sum"
    ),
    Metric.INSTANCE_ROOT_DISK_SIZE: Known(DISK_GB),
}

_INSTEAD_OF_KNOWN = {
    Metric.INSTANCE_RAM_ALLOCATED: _libvirt("libvirt_balloon", "current", scale=1 / 1024),
    Metric.INSTANCE_ROOT_DISK_SIZE: _libvirt("libvirt_block", "capacity", scale=1 / 2**30),
}
"""What a change to a metric that the model knows starts from."""

_WORD = {"type": "string", "minLength": 1}
_WORDS = {"type": "object", "additionalProperties": {"type": "string"}}
_SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "measurement": _WORD,
        "field": _WORD,
        "tag": _WORD,
        "join": {"enum": list(JOINS)},
        "where": _WORDS,
        "kind": {"enum": ["gauge", "counter"]},
        "combine": {"enum": ["pool", "sum", "max"]},
        "scale": {"type": "number", "not": {"const": 0}},
        "offset": {"type": "number"},
        "per_vcpu": {"type": "boolean"},
        "maximum": {"type": ["number", "null"]},
        "step_s": {"type": "number", "exclusiveMinimum": 0},
        "names": _WORDS,
        "database": {"type": "string"},
        "retention_policy": {"type": "string"},
    },
}


def mapping(changes: Mapping[str, Any]) -> Mapping[Metric, Mapped]:
    """The default mapping with changes by metric name.

    Raises BadParameters, in one line, for a metric, key or value that does not exist.
    """
    if not isinstance(changes, Mapping):
        raise BadParameters("influxdb: a mapping from metric names is wanted")
    result = dict(DEFAULTS)
    for name, change in changes.items():
        try:
            metric = Metric.named(name)
        except KeyError:
            known = ", ".join(one.public_name for one in Metric)
            raise BadParameters(f"influxdb: no metric {name!r}; there are {known}") from None
        result[metric] = _changed(metric, {"field": change} if isinstance(change, str) else change)
    return result


def _changed(metric: Metric, change: Any) -> Series:
    problem = best_match(jsonschema.Draft202012Validator(_SCHEMA).iter_errors(change))
    if problem is not None:
        where = ".".join(["influxdb", metric.public_name, *map(str, problem.path)])
        raise BadParameters(f"{where}: {problem.message}")
    default = DEFAULTS[metric]
    base = _INSTEAD_OF_KNOWN[metric] if isinstance(default, Known) else default
    if base.scale < 0 and "field" in change and "scale" not in change:
        raise BadParameters(
            f"influxdb.{metric.public_name}: {base.field} is turned round (100 - value); with"
            f" another field say scale and offset too, such as {{field: {change['field']},"
            " scale: 1, offset: 0}"
        )
    series = replace(base, **change)
    for value in series.where.values():
        _check_pattern(metric, value)
    if (series.join == "hostname") != metric.public_name.startswith("host_"):
        raise BadParameters(
            f"influxdb.{metric.public_name}.join: {series.join} does not name"
            f" a {metric.subject.value}"
        )
    return series


def _check_pattern(metric: Metric, value: str) -> None:
    if is_pattern(value):
        try:
            re.compile(value[1:-1])
        except re.error as error:
            raise BadParameters(
                f"influxdb.{metric.public_name}.where: {value} is no regular expression: {error}"
            ) from None


def is_pattern(value: str) -> bool:
    """Whether a condition's value is a regular expression: it stands in slashes."""
    return len(value) > 2 and value[0] == value[-1] == "/"
