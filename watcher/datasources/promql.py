# SPDX-License-Identifier: Apache-2.0
"""PromQL as text, and what its answers say; pure.

https://prometheus.io/docs/prometheus/latest/querying/basics/ . Names are checked where they are
configured; values are quoted here and nowhere else.
"""

import json
import math
from collections.abc import Iterable, Mapping
from string import Template
from typing import Any, NamedTuple

from watcher.core.errors import ServiceDown
from watcher.core.metrics import Aggregate, Query, Subject
from watcher.datasources.exporters import Expression
from watcher.datasources.reading import is_pattern

NEWEST = "watcher_newest"
"""The label of the row that tells the time of the newest sample."""
_FUNCTIONS = {
    Aggregate.MEAN: "avg",
    Aggregate.MIN: "min",
    Aggregate.MAX: "max",
    Aggregate.COUNT: "count",
}


class Labels(NamedTuple):
    """The labels that name hosts and instances, and conditions for every series."""

    host: str
    instance: str
    where: Mapping[str, str]


def label(expression: Expression, query: Query, labels: Labels) -> str:
    """The label whose values name the resource of a metric."""
    mine = labels.host if query.metric.subject is Subject.HOST else labels.instance
    return expression.label or mine


def question(expression: Expression, query: Query, labels: Labels) -> str:
    """One number for every resource, and one row with the time of the newest sample."""
    if expression.query:
        return Template(expression.query).safe_substitute(
            period=int(query.period_s),
            granularity=int(query.granularity_s),
            aggregate=_FUNCTIONS[query.aggregate],
            host=labels.host,
            instance=labels.instance,
        )
    by = f"by ({label(expression, query, labels)})"
    newest = f"max(timestamp({_series(expression.metric, expression, labels)}))"
    return (
        f"{_numbers(expression, query, labels, by)}"
        f' or label_replace({newest}, "{NEWEST}", "1", "", "")'
    )


def _numbers(expression: Expression, query: Query, labels: Labels, by: str) -> str:
    series, period_s = _series(expression.metric, expression, labels), int(query.period_s)
    aggregate = expression.asked(query.aggregate)
    function = _FUNCTIONS[aggregate]
    if aggregate is Aggregate.COUNT:
        return f"max {by} (count_over_time({series}[{period_s}s]))"
    joined = expression.combine if expression.combine != "pool" else function
    if expression.kind == "counter":
        # A resource's counters are added up, or their mean taken, before the least or greatest is.
        joined = "avg" if expression.combine == "pool" else joined
        window_s = min(int(query.granularity_s), period_s)
        if aggregate is Aggregate.MEAN or window_s == period_s:
            return f"{joined} {by} (rate({series}[{period_s}s]))"
        rest_s = period_s - window_s
        rates = f"{joined} {by} (rate({series}[{window_s}s]))"
        return f"{function}_over_time(({rates})[{rest_s}s:{min(window_s, rest_s)}s])"
    numbers = f"{joined} {by} ({function}_over_time({series}[{period_s}s]))"
    if not expression.whole:
        return numbers
    whole = _series(expression.whole, expression, labels)
    return f"max {by} (max_over_time({whole}[{period_s}s])) - {numbers}"


def there(expression: Expression, query: Query, labels: Labels) -> str:
    """How many series have a sample in the period; no row when none has."""
    if expression.query:
        return f"count({question(expression, query, labels)})"
    series = _series(expression.metric, expression, labels)
    return f"count(present_over_time({series}[{int(query.period_s)}s]))"


def known(expression: Expression) -> str:
    """How many series of this name there were in the last day, whatever their labels."""
    return f"count(present_over_time({expression.metric}[1d]))"


def _series(name: str, expression: Expression, labels: Labels) -> str:
    conditions = {**labels.where, **expression.where}
    text = ", ".join(_condition(key, value) for key, value in conditions.items())
    return f"{name}{{{text}}}" if text else name


def _condition(name: str, value: str) -> str:
    if is_pattern(value):  # ours looks anywhere, Prometheus' must fit the whole value
        pattern = value[1:-1]
        flags = ""
        if pattern.startswith("(?i)"):
            flags, pattern = "(?i)", pattern[4:]
        return f"{name}=~{literal(f'{flags}.*(?:{pattern}).*')}"
    return f"{name}={literal(value)}"


def literal(value: str) -> str:
    """A string; PromQL has Go's escapes, of which JSON's are a part."""
    return json.dumps(value, ensure_ascii=False)


class Sample(NamedTuple):
    """One row of an answer."""

    labels: Mapping[str, str]
    value: float


def samples(payload: Any) -> list[Sample]:
    """The rows of an instant vector, without those that are no number.

    Raises ServiceDown for anything but a complete answer.
    """
    if not isinstance(payload, Mapping) or "status" not in payload:
        raise ServiceDown("the answer is not that of a Prometheus")
    if payload["status"] != "success":
        raise ServiceDown(f"it answers: {payload.get('error', 'an error without a reason')}")
    partial = [text for text in payload.get("warnings") or () if "partial" in str(text).lower()]
    if partial:  # Thanos and other relatives
        raise ServiceDown(f"it gives only a part of the answer: {partial[0]}")
    data = payload.get("data")
    if not isinstance(data, Mapping) or data.get("resultType") not in ("vector", "scalar"):
        raise ServiceDown("the answer is no instant vector; a query must give one row a resource")
    if data["resultType"] == "scalar":
        return [Sample({}, float(data["result"][1]))]
    found = [Sample(row["metric"], float(row["value"][1])) for row in data["result"]]
    return [sample for sample in found if math.isfinite(sample.value)]


def by_name(rows: Iterable[Sample], label_name: str, expression: Expression) -> dict[str, float]:
    """The values by the name of their resource, in the server's unit.

    Raises ServiceDown when one has several: only a query of the operator's own can do that.
    """
    found: dict[str, float] = {}
    for row in rows:
        name = row.labels.get(label_name, "")
        if not name or NEWEST in row.labels:
            continue
        known_as = expression.names.get(name, name)
        if known_as in found:
            raise ServiceDown(
                f"it gives several rows for {known_as}; let the query of the metric map aggregate"
                f" by ({label_name})"
            )
        found[known_as] = row.value
    return found
