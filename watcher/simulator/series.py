# SPDX-License-Identifier: Apache-2.0
"""The answers to SELECT.

A series is a wave around the present load: a sample each 10 s, the same wave again each 300 s, so
that the mean over any multiple of 300 s is the load itself. One thing differs from the real
server, and nobody asks for it: a lone max() or min() bears the time of its window, not of its
sample.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from watcher.simulator.influxql import Junction, Select, Test
from watcher.simulator.telegraf import Frame, Signal, words

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Words = NDArray[np.object_]

SAMPLE_S = 10
WAVE = 30
"""Samples after which a wave repeats."""
_KEPT_S = 7 * 86400
BOOT = 1735689600.0
"""When all counters began: 2025-01-01."""


class UndefinedFunction(Exception):
    """A function that there is not; the text is what the server answers."""


class Samples(NamedTuple):
    """Values of a window: the distinct ones (series x values), and how often each occurs."""

    values: Floats
    weights: Floats
    last: int


class Table(NamedTuple):
    """What FROM gives: tags and samples by field."""

    tags: dict[str, Words]
    columns: dict[str, Samples]


class Row(NamedTuple):
    """One series of an answer."""

    tags: dict[str, str]
    values: list[list[Any]]


def select(query: Select, find: Callable[[str], Frame | None], now: float) -> list[Row]:
    """The series a query gives, sorted by their tags; empty when nothing is there.

    :param find: the measurement of a name
    :raises UndefinedFunction: for a function that there is not
    """
    for call in query.calls:
        if call.function not in _FUNCTIONS:
            raise UndefinedFunction(f"undefined function {call.function}()")
    answer: dict[tuple[str, ...], Row] = {}
    for start, end in _buckets(query, now):
        table = _table(query, find, start, end, now)
        if table is None or any(call.field not in table.columns for call in query.calls):
            continue
        keys, inverse = _groups(query, table)
        values = [
            _FUNCTIONS[call.function](table.columns[call.field], inverse, len(keys))
            for call in query.calls
        ]
        moment = start if query.start is not None else 0.0
        if query.every_s:
            moment = start // query.every_s * query.every_s
        if [call.function for call in query.calls] == ["last"]:
            moment = (np.ceil(end / SAMPLE_S) - 1) * SAMPLE_S
        names = _group_names(query, table)
        for at, key in enumerate(keys):
            row = answer.setdefault(key, Row(dict(zip(names, key, strict=True)), []))
            row.values.append([float(moment), *(float(column[at]) for column in values)])
    return [answer[key] for key in sorted(answer)]


def _buckets(query: Select, now: float) -> Iterator[tuple[float, float]]:
    """The windows to answer for: one, or those of GROUP BY time()."""
    start = max(query.start if query.start is not None else 0.0, now - _KEPT_S)
    end = min(query.end if query.end is not None else now, now)
    if not query.every_s:
        if start < end:
            yield start, end
        return
    edge = start // query.every_s * query.every_s
    while edge < end:
        yield max(edge, start), min(edge + query.every_s, end)
        edge += query.every_s


def _table(
    query: Select, find: Callable[[str], Frame | None], start: float, end: float, now: float
) -> Table | None:
    """What a query selects from, filtered by its WHERE."""
    source = query.source
    if isinstance(source, Select):
        table = _subquery(source, find, start, end, now)
    else:
        frame = find(source)
        table = frame and Table(
            frame.tags,
            {name: _sample(signal, start, end) for name, signal in frame.fields.items()},
        )
    if table is None or not table.columns:
        return None
    mask = _mask(query.where, table.tags)
    if not mask.any() or not next(iter(table.columns.values())).weights.size:
        return None
    return Table(
        {name: column[mask] for name, column in table.tags.items()},
        {name: one._replace(values=one.values[mask]) for name, one in table.columns.items()},
    )


def _subquery(
    query: Select, find: Callable[[str], Frame | None], start: float, end: float, now: float
) -> Table | None:
    """An inner query: rates of counters as samples, or aggregates as one sample per series."""
    begin = max(start, query.start if query.start is not None else start)
    finish = min(end, query.end if query.end is not None else end)
    call = query.calls[0]
    if call.function in ("non_negative_derivative", "derivative"):
        frame = find(str(query.source))
        if frame is None or call.field not in frame.fields:
            return None
        unit_s = call.arguments[0] if call.arguments else 1.0
        signal = frame.fields[call.field]
        rate = Signal(signal.mean * unit_s, signal.height * unit_s)
        mask = _mask(query.where, frame.tags)
        table = Table(frame.tags, {call.name: _sample(rate, begin, finish)})
        return Table(
            {name: column[mask] for name, column in table.tags.items()},
            {name: one._replace(values=one.values[mask]) for name, one in table.columns.items()},
        )
    rows = select(query, find, now)
    tags = sorted({name for row in rows for name in row.tags})
    return Table(
        {tag: words([row.tags[tag] for row in rows]) for tag in tags},
        {
            one.name: Samples(
                np.array([[row.values[-1][at]] for row in rows]).reshape(-1, 1), np.ones(1), 0
            )
            for at, one in enumerate(query.calls, start=1)
        },
    )


def _sample(signal: Signal, start: float, end: float) -> Samples:
    """The samples of a field in a half-open window."""
    first, after = int(np.ceil(start / SAMPLE_S)), int(np.ceil(end / SAMPLE_S))
    amount = max(0, after - first)
    if signal.counter:
        times = np.linspace(first, max(first, after - 1), 2)[: min(amount, 2)] * SAMPLE_S - BOOT
        weights = np.full(times.size, amount / max(1, times.size))
        return Samples(signal.mean[:, None] * times, weights, times.size - 1)
    whole, rest = divmod(amount, WAVE)
    offsets = (np.arange(WAVE) - first) % WAVE
    weights = whole + (offsets < rest).astype(np.float64)
    present = np.flatnonzero(weights)
    if not signal.height.any():
        return Samples(signal.mean[:, None], weights.sum(keepdims=True)[: present.size], 0)
    phase = np.arange(signal.mean.size) * 2.4
    angle = 2 * np.pi * present / WAVE
    wave = np.outer(np.sin(phase), np.cos(angle)) + np.outer(np.cos(phase), np.sin(angle))
    values = signal.mean[:, None] + signal.height[:, None] * wave
    last = int(np.searchsorted(present, (after - 1) % WAVE))
    return Samples(values, weights[present], last)


def _mask(where: Any, tags: Mapping[str, Words]) -> NDArray[np.bool_]:
    """Which series a condition selects; a tag that is not there is the empty word."""
    size = len(next(iter(tags.values()))) if tags else 1
    if where is None:
        return np.ones(size, dtype=np.bool_)
    if isinstance(where, Junction):
        masks = [_mask(part, tags) for part in where.parts]
        join = np.logical_and if where.word == "AND" else np.logical_or
        return np.asarray(join.reduce(masks), dtype=np.bool_)
    column = tags.get(where.tag, np.full(size, "", dtype=object))
    return _compare(where, column)


def _compare(test: Test, column: Words) -> NDArray[np.bool_]:
    if test.operator in ("=", "!=", "<>"):
        equal = np.asarray(column == test.value, dtype=np.bool_)
    else:
        pattern = re.compile(test.value)
        equal = np.fromiter((bool(pattern.search(one)) for one in column), np.bool_, len(column))
    return equal if test.operator in ("=", "=~") else ~equal


def _group_names(query: Select, table: Table) -> list[str]:
    return sorted(table.tags) if "*" in query.group else list(query.group)


def _groups(query: Select, table: Table) -> tuple[list[tuple[str, ...]], Ints]:
    """The distinct tag values, and which of them each row has."""
    size = next(iter(table.columns.values())).values.shape[0]
    names = _group_names(query, table)
    if not names:
        return [()], np.zeros(size, dtype=np.int64)
    nothing = np.full(size, "", dtype=object)
    index: dict[tuple[str, ...], int] = {}
    rows = zip(*(table.tags.get(name, nothing) for name in names), strict=True)
    inverse = np.fromiter((index.setdefault(key, len(index)) for key in rows), np.int64, size)
    return list(index), inverse


def _sum(samples: Samples, inverse: Ints, groups: int) -> Floats:
    totals = samples.values @ samples.weights
    return np.bincount(inverse, weights=totals, minlength=groups).astype(np.float64)


def _count(samples: Samples, inverse: Ints, groups: int) -> Floats:
    series = np.bincount(inverse, minlength=groups).astype(np.float64)
    return series * samples.weights.sum()


def _max(samples: Samples, inverse: Ints, groups: int) -> Floats:
    out = np.full(groups, -np.inf)
    np.maximum.at(out, inverse, samples.values.max(axis=1))
    return out


def _min(samples: Samples, inverse: Ints, groups: int) -> Floats:
    out = np.full(groups, np.inf)
    np.minimum.at(out, inverse, samples.values.min(axis=1))
    return out


def _last(samples: Samples, inverse: Ints, groups: int) -> Floats:
    out = np.empty(groups)
    out[inverse] = samples.values[:, samples.last]
    return out


_FUNCTIONS: Mapping[str, Callable[[Samples, Ints, int], Floats]] = {
    "mean": lambda *args: _sum(*args) / _count(*args),
    "sum": _sum,
    "count": _count,
    "max": _max,
    "min": _min,
    "last": _last,
    "spread": lambda *args: _max(*args) - _min(*args),
}
