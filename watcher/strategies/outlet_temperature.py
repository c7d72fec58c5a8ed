# SPDX-License-Identifier: Apache-2.0
"""``outlet_temperature``: takes work off the hosts with the hottest exhaust air."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from watcher.core.answers import migrations
from watcher.core.cluster import Bools, Cluster
from watcher.core.constraints import LIVE, movable
from watcher.core.loads import answered, cpu_use
from watcher.core.metrics import Metric, Metrics, Query
from watcher.core.parameters import param
from watcher.core.refusals import explain
from watcher.core.solution import Solution
from watcher.solvers.cooling import Cooling, Readings, at_least, work


@dataclass(frozen=True)
class Parameters:
    """What is too hot, and how it is measured."""

    threshold: float = param(
        35.0, "Outlet temperature of a host that is too hot, degrees Celsius."
    )
    period: float = param(
        30,
        "How far back temperatures are averaged, seconds; at least one bucket of the history.",
        minimum=1,
    )
    granularity: float = param(300, "Width of the buckets of the history, seconds.", minimum=1)
    max_migrations: int = param(0, "The most migrations in one plan; 0 for no limit.", minimum=0)


class OutletTemperature:
    """Migrates work, live, from hosts whose outlet air is too hot to the coolest ones.

    The hottest host comes first. What its air is warmer by than at its inlet (or, where that is
    not measured, than at the coolest outlet of all) is taken as the heat of its instances, in
    proportion to the CPU they use, or to their vCPUs where that is not measured. So much work is
    moved that the host is expected below the threshold, in as few migrations as that takes, and
    always to the host that is expected to be the coolest, has room, and stays below the threshold
    itself. The expectation is a model; audit again, or continuously, to see what became of it.

    A host without a temperature neither gives nor takes.
    """

    name: ClassVar[str] = "outlet_temperature"
    display_name: ClassVar[str] = "Outlet temperature based strategy"
    goal: ClassVar[str] = "thermal_optimization"
    planner: ClassVar[str] = "weight"
    parameters = Parameters

    def queries(self, parameters: Parameters) -> Sequence[Query]:
        """Outlet temperatures; inlet temperatures and the CPU use of instances where measured."""
        width = int(parameters.granularity)
        period = max(int(parameters.period), width)
        return (
            Query(Metric.HOST_OUTLET_TEMP, period, granularity_s=width),
            Query(Metric.HOST_INLET_TEMP, period, granularity_s=width, required=False),
            Query(Metric.INSTANCE_CPU_USAGE, period, granularity_s=width, required=False),
        )

    def marks(self, parameters: Parameters) -> Mapping[str, float]:
        """The threshold that a report draws."""
        return {Metric.HOST_OUTLET_TEMP.public_name: parameters.threshold}

    def solve(self, cluster: Cluster, metrics: Metrics, parameters: Parameters) -> Solution:
        """The moves. Raises NoMetrics when no outlet temperature is measured."""
        outlet, inlet, cpu = self.queries(parameters)
        metrics.require([outlet])
        value = np.where(cluster.hosts.usable, metrics[outlet], np.nan)
        inlets = answered(cluster, metrics, inlet)
        readings = Readings(value, inlets, parameters.threshold)
        amounts = work(cluster, cpu_use(cluster, metrics, cpu))
        cooling = Cooling(cluster, amounts, readings, cluster.hosts.usable)
        mask, reasons = movable(cluster, LIVE)
        nothing = np.zeros(len(value), dtype=np.bool_)
        cooling.run(mask, nothing, parameters.max_migrations)
        expected = at_least(cooling.expected(), parameters.threshold)
        moves = migrations(cluster, cooling.placement.moves())
        indicators = {
            "instance_migrations_count": len(moves),
            "hosts_above_threshold_before": int(readings.hot.sum()),
            "hosts_above_threshold_expected": int(expected.sum()),
        }
        notes = tuple(_notes(readings, expected, cluster))
        why_not = explain(cooling.constraints, mask, reasons)
        return Solution(tuple(moves), indicators, notes, why_not=why_not)


def _notes(readings: Readings, expected: Bools, cluster: Cluster) -> Iterator[str]:
    """Why these moves, and why not more."""
    hot = int(readings.hot.sum())
    if not hot:
        yield f"no host has an outlet temperature of {readings.threshold:g} degrees or more"
    elif not expected.any():
        yield f"{hot} hosts at or above {readings.threshold:g} degrees are expected below it"
    else:
        yield (
            f"{int(expected.sum())} of {hot} hosts stay at or above {readings.threshold:g}"
            " degrees: nothing on them that works may be moved to a host that stays cool enough"
        )
    silent = int((np.isnan(readings.value) & cluster.hosts.usable).sum())
    if silent:
        yield f"{silent} hosts without an outlet temperature neither give nor take"
