# SPDX-License-Identifier: Apache-2.0
"""What can be measured, in which unit, and one column of it per query.

The vocabulary and the units are those of contract/datasources.md §1. ``nan`` means *not measured*;
0 means zero.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from watcher.core.errors import NoMetrics

Floats = NDArray[np.float64]


class Aggregate(Enum):
    """How the samples of a period become one number."""

    MEAN = "mean"
    MIN = "min"
    MAX = "max"
    COUNT = "count"


class Subject(Enum):
    """What a metric is about: its column has one entry per row of this table."""

    HOST = "compute_node"
    INSTANCE = "instance"


class Metric(Enum):
    """A thing that can be measured: its public name, what it is about, and its unit."""

    HOST_CPU_USAGE = ("host_cpu_usage", Subject.HOST, "percent of all CPUs of the host, 0..100")
    HOST_RAM_USAGE = ("host_ram_usage", Subject.HOST, "KiB in use")
    HOST_OUTLET_TEMP = ("host_outlet_temp", Subject.HOST, "degrees Celsius")
    HOST_INLET_TEMP = ("host_inlet_temp", Subject.HOST, "degrees Celsius")
    HOST_AIRFLOW = ("host_airflow", Subject.HOST, "0.1 CFM")
    HOST_POWER = ("host_power", Subject.HOST, "W")
    INSTANCE_CPU_USAGE = (
        "instance_cpu_usage",
        Subject.INSTANCE,
        "percent of the instance's own vCPUs, 0..100",
    )
    INSTANCE_RAM_USAGE = ("instance_ram_usage", Subject.INSTANCE, "MiB resident")
    INSTANCE_RAM_ALLOCATED = ("instance_ram_allocated", Subject.INSTANCE, "MiB")
    INSTANCE_L3_CACHE_USAGE = ("instance_l3_cache_usage", Subject.INSTANCE, "bytes")
    INSTANCE_CPU_STEAL = (
        "instance_cpu_steal",
        Subject.INSTANCE,
        "percent of the time of the instance's vCPUs spent waiting for a CPU of the host, 0..100",
    )
    INSTANCE_ROOT_DISK_SIZE = ("instance_root_disk_size", Subject.INSTANCE, "GiB")

    def __init__(self, public_name: str, subject: Subject, unit: str) -> None:
        self.public_name = public_name
        self.subject = subject
        self.unit = unit

    @classmethod
    def named(cls, public_name: str) -> "Metric":
        """The metric with this public name; KeyError when there is none."""
        for metric in cls:
            if metric.public_name == public_name:
                return metric
        raise KeyError(public_name)


@dataclass(frozen=True)
class Query:
    """One question to a data source about every host or every instance at once.

    ``period_s`` is the length of history in seconds, ending now; ``granularity_s`` is the width of
    the buckets a source may aggregate by. A query that is not ``required`` may go unanswered.
    """

    metric: Metric
    period_s: int = 300
    aggregate: Aggregate = Aggregate.MEAN
    granularity_s: int = 300
    required: bool = True


@dataclass(frozen=True)
class Coverage:
    """How much of a query was answered: by whom, for how many of how many rows."""

    source: str
    measured: int
    rows: int
    newest_age_s: float | None = None

    def __str__(self) -> str:
        age = "" if self.newest_age_s is None else f", newest sample {self.newest_age_s:.0f} s old"
        return f"{self.source}: {self.measured} of {self.rows}{age}"


@dataclass(frozen=True)
class Metrics:
    """The answers: one read-only float column per query, aligned with the rows of its subject."""

    columns: Mapping[Query, Floats] = field(default_factory=dict)
    coverage: Mapping[Query, Coverage] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    """What the operator should know about them: what is missing, and why."""

    def __getitem__(self, query: Query) -> Floats:
        """The column of this query; NoMetrics when nobody could answer it."""
        try:
            return self.columns[query]
        except KeyError:
            raise NoMetrics(
                f"metric {query.metric.public_name} ({query.aggregate.value} over"
                f" {query.period_s} s) was not delivered by any data source"
            ) from None

    def __contains__(self, query: object) -> bool:
        return query in self.columns

    def require(self, queries: Iterable[Query]) -> None:
        """Raise NoMetrics unless each of these queries measured at least one row."""
        for query in queries:
            column = self[query]
            if column.size and np.isnan(column).all():
                raise NoMetrics(
                    f"metric {query.metric.public_name} has no sample in the last"
                    f" {query.period_s} s for any of {column.size} {query.metric.subject.value}s;"
                    " check that the agents write to the data source"
                )
