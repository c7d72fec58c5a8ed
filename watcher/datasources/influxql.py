# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: S608 - building query text is what this module is for; see quoted() and literal()
"""InfluxQL as text, and what its answers say; pure.

https://docs.influxdata.com/influxdb/v1/query_language/spec/ . Names and values are quoted here
and nowhere else: bound parameters cannot carry names. An answer of HTTP 200 can hold an error, or
only a part; both are noticed here.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from watcher.core.errors import ServiceDown
from watcher.core.metrics import Aggregate
from watcher.datasources.mapping import Series
from watcher.datasources.reading import is_pattern

MOST_ALTERNATIVES = 250
"""A longer list of ORs costs the server more than asking about everybody (measured on 1.6)."""


class Window(NamedTuple):
    """A stretch of time, from ``start_ns`` until just before ``end_ns``, since the epoch."""

    start_ns: int
    end_ns: int


class Answer(NamedTuple):
    """One series of a result: its tags, and its one row (time in ms, value)."""

    tags: Mapping[str, str]
    time_ms: int
    value: float


class ReasonLost(ServiceDown):
    """One of several statements failed and 1.6 told the end of the others only."""


def quoted(name: str) -> str:
    """An identifier: measurement, field, tag."""
    return '"' + _escaped(name).replace('"', r"\"") + '"'


def literal(value: str) -> str:
    """A string, as tag values are."""
    return "'" + _escaped(value).replace("'", r"\'") + "'"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n")


def select(
    series: Series,
    aggregate: Aggregate,
    window: Window,
    step_ns: int,
    among: Sequence[str] = (),
) -> str:
    """One number for every resource (or every series of it, when they are combined by us).

    The rate of a counter is taken per series, so that an instance seen on two hosts is two
    counters, and a restart is no negative rate. It begins ``step_ns`` early: the first sample has
    no rate. ``among`` asks about these values of the tag only.
    """
    function = series.asked(aggregate).value
    group = "*" if series.each_series else quoted(series.tag)
    if series.kind == "counter":
        early = Window(window.start_ns - step_ns, window.end_ns)
        rate = f'non_negative_derivative({quoted(series.field)}, 1s) AS "rate"'
        where = _where(series, early, among)
        rates = f"SELECT {rate} FROM {_source(series)} WHERE {where} GROUP BY *"
        return f'SELECT {function}("rate") AS "value" FROM ({rates}) GROUP BY {group}'
    value = f'{function}({quoted(series.field)}) AS "value"'
    where = _where(series, window, among)
    return f"SELECT {value} FROM {_source(series)} WHERE {where} GROUP BY {group}"


def newest(series: Series, window: Window) -> str:
    """The newest sample of all in the window."""
    value = f'last({quoted(series.field)}) AS "value"'
    return f"SELECT {value} FROM {_source(series)} WHERE {_where(series, window)}"


def fields(series: Series) -> str:
    """Which fields the measurement has."""
    return f"SHOW FIELD KEYS FROM {_source(series)}"


def joined(statements: Sequence[str]) -> str:
    """Several questions as one."""
    return ";".join(statements)


def _source(series: Series) -> str:
    policy = f"{quoted(series.retention_policy)}." if series.retention_policy else ""
    return policy + quoted(series.measurement)


def _where(series: Series, window: Window, among: Sequence[str] = ()) -> str:
    conditions = [_condition(tag, value) for tag, value in series.where.items()]
    if among:
        named = " OR ".join(f"{quoted(series.tag)} = {literal(value)}" for value in among)
        conditions.append(f"({named})")
    bounds = [f"time >= {window.start_ns}", f"time < {window.end_ns}"]
    return " AND ".join(conditions + bounds)


def _condition(tag: str, value: str) -> str:
    if is_pattern(value):
        pattern = value[1:-1].replace(r"\/", "/").replace("/", r"\/")
        return f"{quoted(tag)} =~ /{pattern}/"
    return f"{quoted(tag)} = {literal(value)}"


def results(payload: Any, statements: int) -> list[list[Mapping[str, Any]]]:
    """The series of each statement. Raises ServiceDown for anything but a complete answer."""
    if not isinstance(payload, Mapping):
        raise ServiceDown("the answer is not that of an InfluxDB")
    if "error" in payload:
        raise ServiceDown(f"it answers: {payload['error']}")
    found = payload.get("results")
    if not isinstance(found, list):
        raise ServiceDown("the answer is not that of an InfluxDB")
    errors = [result["error"] for result in found if "error" in result]
    if errors:
        kind = ReasonLost if set(errors) == {"not executed"} else ServiceDown
        raise kind(f"it answers: {errors[0]}")
    for result in found:
        parts = [result, *result.get("series", ())]
        if any(part.get("partial") for part in parts):
            raise ServiceDown(
                "it gives only a part of the answer; raise max-row-limit in its configuration"
            )
    if len(found) != statements:
        raise ServiceDown(f"it gives {len(found)} results to {statements} statements")
    return [result.get("series", []) for result in found]


def answers(series: Sequence[Mapping[str, Any]]) -> list[Answer]:
    """The rows of a ``select`` or ``newest``; nulls left out. Raises ServiceDown for others."""
    rows = []
    for one in series:
        if one.get("columns") != ["time", "value"]:
            raise ServiceDown(
                f"the answer has columns {one.get('columns')}, not those that were asked for; the"
                " server may only pretend to know InfluxQL"
            )
        for time_ms, value in one["values"]:
            if value is not None:
                rows.append(Answer(one.get("tags", {}), time_ms, float(value)))
    return rows


def field_names(series: Sequence[Mapping[str, Any]]) -> list[str]:
    """The field names in the answer to ``fields``."""
    return [row[0] for one in series for row in one["values"]]
