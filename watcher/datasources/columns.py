# SPDX-License-Identifier: Apache-2.0
"""From a store's answers by name to one column by row; pure.

A resource without an answer is ``nan``. A name that fits two resources fits none.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from watcher.core.cluster import VCPUS, Cluster
from watcher.core.metrics import Aggregate, Floats, Query, Subject
from watcher.datasources.influxql import Answer
from watcher.datasources.mapping import Series
from watcher.datasources.reading import Reading

Weights = Mapping[frozenset[tuple[str, str]], float]


def several(answers: Iterable[Answer], series: Series) -> list[str]:
    """The values of the tag that came with more than one series."""
    seen: defaultdict[str, int] = defaultdict(int)
    for answer in answers:
        seen[answer.tags.get(series.tag, "")] += 1
    return [value for value, count in seen.items() if count > 1]


def weights(counts: Iterable[Answer]) -> Weights:
    """How many samples each series has, by its tags."""
    return {frozenset(answer.tags.items()): answer.value for answer in counts}


def combined(
    answers: Iterable[Answer], series: Series, aggregate: Aggregate, counts: Weights
) -> dict[str, float]:
    """One number per resource name, still in the server's unit."""
    found: defaultdict[str, list[Answer]] = defaultdict(list)
    for answer in answers:
        name = answer.tags.get(series.tag, "")
        if name:
            found[series.names.get(name, name)].append(answer)
    return {name: _joined(parts, series, aggregate, counts) for name, parts in found.items()}


def _joined(
    parts: Sequence[Answer], series: Series, aggregate: Aggregate, counts: Weights
) -> float:
    values = [part.value for part in parts]
    if len(values) == 1:
        return values[0]
    how = series.joined
    if aggregate is Aggregate.COUNT:
        how = "sum"
    elif how == "pool":
        how = series.asked(aggregate).value
    if how == "mean":
        each = [counts.get(frozenset(part.tags.items()), 1.0) for part in parts]
        return float(np.average(values, weights=each))
    if how == "sum":
        return sum(values)
    return max(values) if how == "max" else min(values)


def column(values: Mapping[str, float], series: Reading, query: Query, cluster: Cluster) -> Floats:
    """The numbers in our unit, by row of the cluster's hosts or instances."""
    host_metric = query.metric.subject is Subject.HOST
    result = np.full(len(cluster.hosts if host_metric else cluster.instances), np.nan)
    for name, row in _rows(values, series, cluster).items():
        result[row] = values[name]
    if query.aggregate is Aggregate.COUNT:
        return result
    result = result * series.scale + series.offset
    if series.per_vcpu:
        vcpus = cluster.instances.demand[:, VCPUS]
        result = np.where(vcpus > 0, result / np.maximum(vcpus, 1), np.nan)
    return result if series.maximum is None else np.minimum(result, series.maximum)


def _rows(values: Iterable[str], series: Reading, cluster: Cluster) -> dict[str, int]:
    """The row of each name that is known; for hosts the exact name first, then the short one."""
    if series.join == "hostname":
        return _host_rows(list(values), cluster.hosts.row_by_name)
    if series.join == "uuid":
        known: Mapping[str, int] = cluster.instances.row_by_uuid
    else:
        known = _unambiguous(cluster.instances.domain_name)
    return {name: known[name] for name in values if name in known}


def _host_rows(values: Sequence[str], exact: Mapping[str, int]) -> dict[str, int]:
    found = {name: exact[name] for name in values if name in exact}
    taken = set(found.values())
    hosts = list(exact)
    by_short = _unambiguous([short(name) for name in hosts])
    names = [name for name in values if name not in found]
    for label, index in _unambiguous([short(name) for name in names]).items():
        row = exact[hosts[by_short[label]]] if label in by_short else -1
        if row >= 0 and row not in taken:
            found[names[index]] = row
    return found


def short(hostname: str) -> str:
    """The first label of a host name, in small letters, without a port."""
    return hostname.partition(":")[0].partition(".")[0].lower()


def _unambiguous(names: Iterable[str]) -> dict[str, int]:
    """Position by name, of the names that occur once and are not empty."""
    positions: dict[str, int] = {}
    twice = set()
    for position, name in enumerate(names):
        if positions.setdefault(name, position) != position:
            twice.add(name)
    return {name: at for name, at in positions.items() if name and name not in twice}
