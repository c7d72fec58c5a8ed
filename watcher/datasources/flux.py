# SPDX-License-Identifier: Apache-2.0
"""Flux as text, and what its answers say; pure. The same functions as influxql.

For an InfluxDB 2.x without a DBRP mapping; 3.x has no Flux. https://docs.influxdata.com/flux/v0/
and, for the answers, .../influxdb/v2/reference/syntax/annotated-csv/ .
"""

import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from watcher.core.errors import ServiceDown
from watcher.core.metrics import Aggregate
from watcher.datasources.influxql import Answer, Window
from watcher.datasources.mapping import Series
from watcher.datasources.reading import is_pattern

MOST_ALTERNATIVES = 100
"""Flux refuses an expression that is nested too deep; 167 alternatives were too many."""
_IMPORT = 'import "influxdata/influxdb/schema"\n'
_OURS = frozenset({"", "result", "table", "_start", "_stop", "_time", "_value"})
"""Columns of an answer that are no tags."""


_ESCAPES = {"\\": r"\\", '"': r"\"", "\n": r"\n", "\r": r"\r", "\t": r"\t", "$": r"\x24"}
"""Flux reads ${...} inside a string, so a dollar is written as its code."""


def literal(value: str) -> str:
    """A string."""
    return '"' + "".join(_ESCAPES.get(one, one) for one in value) + '"'


def select(
    series: Series,
    aggregate: Aggregate,
    window: Window,
    step_ns: int,
    among: Sequence[str] = (),
) -> str:
    """One number for every resource (or every series of it, when they are combined by us)."""
    function = series.asked(aggregate).value
    early_ns = step_ns if series.kind == "counter" else 0
    early = Window(window.start_ns - early_ns, window.end_ns)
    steps = [*_samples(series, early, among), "toFloat()"]
    if series.kind == "counter":
        steps.append("derivative(unit: 1s, nonNegative: true)")
    if not series.each_series:
        steps.append(f"group(columns: [{literal(series.tag)}])")
    steps.extend((f"{function}()", "toFloat()", "group()"))
    return "\n  |> ".join(steps)


def newest(series: Series, window: Window) -> str:
    """The newest sample of all in the window."""
    steps = ["last()", "toFloat()", "group()", 'sort(columns: ["_time"], desc: true)']
    return "\n  |> ".join([*_samples(series, window), *steps, "limit(n: 1)"])


def fields(series: Series) -> str:
    """Which fields the measurement has."""
    return (
        f"schema.measurementFieldKeys(bucket: {literal(series.database)},"
        f" measurement: {literal(series.measurement)}, start: -30d)"
    )


def joined(statements: Sequence[str]) -> str:
    """Several questions as one script; each has its place in the answer by its number."""
    parts = [f'{text}\n  |> yield(name: "{at}")' for at, text in enumerate(statements)]
    needed = _IMPORT if any(text.startswith("schema.") for text in statements) else ""
    return needed + "\n".join(parts)


def _samples(series: Series, window: Window, among: Sequence[str] = ()) -> list[str]:
    conditions = [
        f"r._measurement == {literal(series.measurement)}",
        f"r._field == {literal(series.field)}",
        *(_condition(tag, value) for tag, value in series.where.items()),
    ]
    if among:
        named = (f"r[{literal(series.tag)}] == {literal(value)}" for value in among)
        conditions.append(f"({' or '.join(named)})")
    # InfluxDB 2.x gives a stop that is on a sample to some and not to others: stay below it.
    span = f"start: {_moment(window.start_ns)}, stop: {_moment(window.end_ns - 1)}"
    return [
        f"from(bucket: {literal(series.database)})",
        f"range({span})",
        f"filter(fn: (r) => {' and '.join(conditions)})",
    ]


def _moment(at_ns: int) -> str:
    seconds, rest_ns = divmod(at_ns, 10**9)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest_ns:09d}Z"


def _condition(tag: str, value: str) -> str:
    if is_pattern(value):
        pattern = value[1:-1].replace(r"\/", "/").replace("/", r"\/")
        return f"r[{literal(tag)}] =~ /{pattern}/"
    return f"r[{literal(tag)}] == {literal(value)}"


Row = Mapping[str, str]


def results(payload: Any, statements: int) -> list[list[Row]]:
    """The rows of each statement. Raises ServiceDown for an answer that tells an error."""
    found: list[list[Row]] = [[] for _ in range(statements)]
    for row in _rows(str(payload)):
        if "error" in row:
            raise ServiceDown(f"it answers: {row['error']}")
        name = row.get("result", "")
        if not name.isdigit() or int(name) >= statements:
            raise ServiceDown(f"the answer has a result {name!r} that was not asked for")
        found[int(name)].append(row)
    return found


def _rows(text: str) -> Iterator[Row]:
    """The rows of all tables of annotated CSV; an empty line ends a table."""
    header: list[str] = []
    default: list[str] = []
    for line in csv.reader(text.splitlines()):
        if not any(line):
            header, default = [], []
        elif line[0].startswith("#"):
            header = []
            default = line if line[0] == "#default" else default
        elif not header:
            header = line
            default = ["", *default[1:]] if default else [""] * len(header)
        elif len(line) != len(header):
            raise ServiceDown("a row of the answer is cut")
        else:
            cells = (cell or other for cell, other in zip(line, default, strict=False))
            yield dict(zip(header, cells, strict=True))


def answers(rows: Sequence[Row]) -> list[Answer]:
    """The rows of a ``select`` or ``newest``; those without a number left out."""
    found = []
    for row in rows:
        if "_value" not in row:
            raise ServiceDown(f"the answer has columns {sorted(row)} and no _value")
        value = float(row["_value"] or math.nan)
        if not math.isnan(value):
            tags = {name: cell for name, cell in row.items() if name not in _OURS and cell}
            tags.pop("_measurement", None)
            tags.pop("_field", None)
            found.append(Answer(tags, _ms(row.get("_time", "")), value))
    return found


def _ms(moment: str) -> int:
    return int(datetime.fromisoformat(moment).timestamp() * 1000) if moment else 0


def field_names(rows: Sequence[Row]) -> list[str]:
    """The field names in the answer to ``fields``."""
    return [row["_value"] for row in rows]
