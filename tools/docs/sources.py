# SPDX-License-Identifier: Apache-2.0
"""Where each data source has each metric by default, as the metric map would say it."""

import dataclasses
import re
from typing import Any

from tools.docs import rst
from watcher.core.metrics import Metric
from watcher.datasources import ceilometer, exporters, mapping
from watcher.datasources.reading import Known, Reading

SOURCES = (
    ("influxdb", "InfluxDB (telegraf)", mapping.DEFAULTS),
    ("prometheus", "Prometheus, Aetos (exporters)", exporters.DEFAULTS),
    ("gnocchi", "Gnocchi (Ceilometer)", ceilometer.DEFAULTS),
)
MODEL = "from the model of the cluster (the flavor)"


def metric_map() -> str:
    """A table of every metric in every source, then each source's layout as YAML."""
    rows = [
        (
            rst.code(metric.public_name),
            *(_short(defaults.get(metric)) for _, _, defaults in SOURCES),
        )
        for metric in Metric
    ]
    parts = [
        "Where each data source looks for each metric when the metric map says nothing else."
        " Grafana has no default: its queries are the operator's.\n",
        rst.table(("Metric", *(title for _, title, _ in SOURCES)), rows, "25 25 25 25"),
    ]
    for name, title, defaults in SOURCES:
        lines = [f"   {name}:"]
        for metric, found in defaults.items():
            if isinstance(found, Reading):
                said = ", ".join(f"{key}: {_yaml(value)}" for key, value in _said(found).items())
                lines.append(f"     {metric.public_name}: {{{said}}}")
        parts += [
            rst.heading(title),
            "The default layout as a metric map. A map of yours names only what differs.\n",
            ".. code-block:: yaml\n\n" + "\n".join(lines) + "\n",
        ]
    return rst.page("metric-map", "Default metric map", *parts)


def _short(found: Any) -> str:
    if found is None:
        return "none"
    if isinstance(found, Known):
        return MODEL
    names = [getattr(found, key, "") for key in ("measurement", "metric", "field")]
    return rst.code(" ".join(filter(None, names)))


def _said(found: Reading) -> dict[str, Any]:
    """What differs from the defaults of the class."""
    return {
        one.name: getattr(found, one.name)
        for one in dataclasses.fields(found)
        if getattr(found, one.name)
        not in (
            one.default,
            one.default_factory() if callable(one.default_factory) else dataclasses.MISSING,
        )
    }


def _yaml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_yaml(one)}" for key, one in value.items()) + "}"
    if isinstance(value, str):
        return f"'{value}'"
    # To YAML 1e-07 is a word, 1.0e-07 a number.
    return re.sub(r"^(-?\d+)e", r"\1.0e", repr(value)).replace("True", "true")
