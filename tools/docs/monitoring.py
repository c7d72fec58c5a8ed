# SPDX-License-Identifier: Apache-2.0
"""All that daemons show to Prometheus, as tables."""

from collections.abc import Iterable

from tools.docs import rst
from watcher.core.refusals import KINDS
from watcher.telemetry import gauges, meters

HEADINGS = ("Metric", "Labels", "Meaning")
WIDTHS = "40 20 40"


def tables() -> str:
    """The metrics by whose they are, and how each is put together from several processes."""
    return "\n".join(
        (
            rst.NOTICE,
            rst.heading("Counted by each process: take the sum", "~"),
            _table(_meters()),
            rst.heading("Shown by each process for itself", "~"),
            _table(_gauges(gauges.PROCESS)),
            rst.heading("Counted in the database: take the max", "~"),
            "Decision engines, appliers and ``watcher-standalone`` show these.\n",
            _table(_gauges(gauges.DATABASE)),
            rst.heading("Kinds of reasons", "~"),
            f"``reason`` of ``watcher_refusals_total`` is {', '.join(map(rst.code, KINDS))}.\n",
        )
    )


def _table(rows: Iterable[tuple[str, str, str]]) -> str:
    return rst.table(HEADINGS, rows, WIDTHS)


def _meters() -> Iterable[tuple[str, str, str]]:
    endings = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}
    for one, labels in meters.LABELS.items():
        (family,) = one.describe()
        names = [rst.code(f"{family.name}{ending}") for ending in endings[family.type]]
        yield "\n".join(names), _labels(labels), rst.text(family.documentation)


def _gauges(shown: Iterable[gauges.Gauge]) -> Iterable[tuple[str, str, str]]:
    for one in shown:
        yield rst.code(f"watcher_{one.name}"), _labels(one.labels), rst.text(one.text)


def _labels(names: Iterable[str]) -> str:
    return ", ".join(map(rst.code, names)) or "none"
