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
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from watcher.core.errors import BadParameters
from watcher.core.metrics import Metric
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
class Series(Reading):
    """Where InfluxDB has one metric.

    ``tag`` is the tag whose values name the resource, ``join`` what they are. Of the values in
    ``where`` one in slashes is a regular expression. A ``counter`` only grows, and its rate per
    second is what is meant. ``combine`` makes one number of several series of one resource:
    ``pool`` treats their samples as one set, ``sum`` and ``max`` work on each series' own result
    (the sum of maxima is an upper bound). ``step_s`` is the longest time between two samples of a
    counter. ``database`` is the bucket where Flux is spoken.
    """

    measurement: str
    field: str
    tag: str = "host"
    where: Mapping[str, str] = dataclasses.field(default_factory=dict)
    kind: str = "gauge"
    combine: str = "pool"
    step_s: float = 60.0
    database: str = ""
    retention_policy: str = ""

    @property
    def each_series(self) -> bool:
        """Whether the server must answer per series, because they are combined here."""
        return self.kind == "counter" or self.combine != "pool"

    @property
    def joined(self) -> str:
        """How several series are combined in the server's own numbers."""
        return "min" if self.combine == "max" and self.scale < 0 else self.combine


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
    **KNOWN,
    Metric.INSTANCE_L3_CACHE_USAGE: _libvirt(
        "libvirt_cpu_cache_monitor_bank", "bytes", combine="sum"
    ),
    # Each vCPU is a series; their mean is the instance's.
    Metric.INSTANCE_CPU_STEAL: _libvirt(
        "libvirt_vcpu", "delay", kind="counter", scale=100 / 1e9, maximum=100.0
    ),
}

_INSTEAD_OF_KNOWN = {
    Metric.INSTANCE_RAM_ALLOCATED: _libvirt("libvirt_balloon", "current", scale=1 / 1024),
    Metric.INSTANCE_ROOT_DISK_SIZE: _libvirt("libvirt_block", "capacity", scale=1 / 2**30),
}
"""What a change to a metric that the model knows starts from."""

_SCHEMA: Mapping[str, Any] = {
    "measurement": WORD,
    "field": WORD,
    "tag": WORD,
    "where": WORDS,
    "kind": {"enum": ["gauge", "counter"]},
    "combine": {"enum": ["pool", "sum", "max"]},
    "step_s": {"type": "number", "exclusiveMinimum": 0},
    "database": {"type": "string"},
    "retention_policy": {"type": "string"},
}


def mapping(changes: Mapping[str, Any]) -> Mapping[Metric, Mapped]:
    """The default mapping with changes by metric name.

    Raises BadParameters, in one line, for a metric, key or value that does not exist.
    """
    return changed("influxdb", DEFAULTS, changes, _changed)


def _changed(metric: Metric, said: Any) -> Series:
    change = {"field": said} if isinstance(said, str) else said
    default = DEFAULTS[metric]
    base = _INSTEAD_OF_KNOWN[metric] if isinstance(default, Known) else default
    series = merged("influxdb", metric, base, change, _SCHEMA)
    if base.scale < 0 and "field" in change and "scale" not in change:
        raise BadParameters(
            f"influxdb.{metric.public_name}: {base.field} is turned round (100 - value); with"
            f" another field say scale and offset too, such as {{field: {change['field']},"
            " scale: 1, offset: 0}"
        )
    check_patterns("influxdb", metric, series.where)
    return series
