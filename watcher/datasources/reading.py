# SPDX-License-Identifier: Apache-2.0
"""How a store's numbers become ours, and what an operator may change about it; pure.

Each source has its own kind of ``Reading``, which adds where the numbers are. The metric map
([watcher_decision_engine] metric_map_path) changes them metric by metric.
"""

import dataclasses
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import jsonschema
from jsonschema.exceptions import best_match

from watcher.core.cluster import DISK_GB, MEMORY_MB
from watcher.core.errors import BadParameters
from watcher.core.metrics import Aggregate, Metric, Subject

JOINS = ("hostname", "uuid", "domain_name")
_OPPOSITE = {Aggregate.MAX: Aggregate.MIN, Aggregate.MIN: Aggregate.MAX}


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A number of the store becomes ours by ``value * scale + offset``.

    ``join`` says what names a resource there: its hostname, uuid or libvirt domain_name; ``names``
    gives the resource where the store has another name for it. ``per_vcpu`` divides by the
    instance's vCPUs; nothing is above ``maximum``.
    """

    join: str = "hostname"
    scale: float = 1.0
    offset: float = 0.0
    per_vcpu: bool = False
    maximum: float | None = None
    names: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def asked(self, aggregate: Aggregate) -> Aggregate:
        """What to ask for: the most of a thing is the least of its opposite."""
        return _OPPOSITE.get(aggregate, aggregate) if self.scale < 0 else aggregate


@dataclass(frozen=True)
class Known:
    """A metric that needs no history: a column of ``Instances.demand``."""

    column: int


KNOWN: Mapping[Metric, Known] = {
    Metric.INSTANCE_RAM_ALLOCATED: Known(MEMORY_MB),
    Metric.INSTANCE_ROOT_DISK_SIZE: Known(DISK_GB),
}
"""What the model of the cluster says better than any history."""

R = TypeVar("R", bound=Reading)

WORD: Mapping[str, Any] = {"type": "string", "minLength": 1}
WORDS: Mapping[str, Any] = {"type": "object", "additionalProperties": {"type": "string"}}
PROPERTIES: Mapping[str, Any] = {
    "join": {"enum": list(JOINS)},
    "scale": {"type": "number", "not": {"const": 0}},
    "offset": {"type": "number"},
    "per_vcpu": {"type": "boolean"},
    "maximum": {"type": ["number", "null"]},
    "names": WORDS,
}
"""JSON Schema of what is said of every Reading."""


def changed(
    source: str,
    defaults: Mapping[Metric, R | Known],
    changes: Mapping[str, Any],
    change: Callable[[Metric, Any], R],
) -> dict[Metric, R | Known]:
    """The default mapping of a source with its changes by metric name.

    ``change`` makes one Reading of what the map says. Raises BadParameters, in one line, for a
    metric that does not exist, and what ``change`` raises.
    """
    if not isinstance(changes, Mapping):
        raise BadParameters(f"{source}: a mapping from metric names is wanted")
    result = dict(defaults)
    for name, said in changes.items():
        try:
            metric = Metric.named(name)
        except KeyError:
            known = ", ".join(one.public_name for one in Metric)
            raise BadParameters(f"{source}: no metric {name!r}; there are {known}") from None
        reading = change(metric, said)
        if (reading.join == "hostname") != (metric.subject is Subject.HOST):
            raise BadParameters(
                f"{source}.{name}.join: {reading.join} does not name a {metric.subject.value}"
            )
        result[metric] = reading
    return result


def merged(source: str, metric: Metric, base: R, said: Any, schema: Mapping[str, Any]) -> R:
    """The base with what is said of it. Raises BadParameters, saying where, for what is wrong."""
    whole = {
        "type": "object",
        "additionalProperties": False,
        "properties": {**PROPERTIES, **schema},
    }
    problem = best_match(jsonschema.Draft202012Validator(whole).iter_errors(said))
    if problem is not None:
        where = ".".join([source, metric.public_name, *map(str, problem.path)])
        raise BadParameters(f"{where}: {problem.message}")
    return replace(base, **said)


def check_patterns(source: str, metric: Metric, where: Mapping[str, str]) -> None:
    """Raise BadParameters for a condition that is no regular expression though it says so."""
    for value in where.values():
        if is_pattern(value):
            try:
                re.compile(value[1:-1])
            except re.error as error:
                raise BadParameters(
                    f"{source}.{metric.public_name}.where: {value} is no regular expression:"
                    f" {error}"
                ) from None


def is_pattern(value: str) -> bool:
    """Whether a condition's value is a regular expression: it stands in slashes."""
    return len(value) > 2 and value[0] == value[-1] == "/"
