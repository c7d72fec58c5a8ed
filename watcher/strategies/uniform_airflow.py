# SPDX-License-Identifier: Apache-2.0
"""``uniform_airflow``: takes work off the hosts whose fans blow hardest."""

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
from watcher.core.refusals import WhyNot, explain
from watcher.core.solution import Solution
from watcher.solvers.cooling import Cooling, Readings, at_least, work


@dataclass(frozen=True)
class Parameters:
    """What is too much air, and what is no reason for it."""

    threshold_airflow: float = param(
        400.0, "Air flow of a host that gives work away, 0.1 CFM.", minimum=0
    )
    threshold_inlet_t: float = param(
        28.0, "Inlet temperature below which there is no reason for much air, degrees Celsius."
    )
    threshold_power: float = param(
        350.0, "Power below which there is no reason for much air, watts.", minimum=0
    )
    period: float = param(300, "How far back the readings are averaged, seconds.", minimum=1)
    granularity: float = param(300, "Width of the buckets of the history, seconds.", minimum=1)
    max_migrations: int = param(
        0,
        "The most migrations off hosts without a fault in one plan; 0 for no limit.",
        minimum=0,
    )


class UniformAirflow:
    """Migrates work, live, from hosts with a high air flow to those with the lowest.

    The host with the highest air flow comes first. If its inlet air is cool and its power low
    (both measured, both below their thresholds), there is no reason for so much air but a fault of
    its fans: all its instances are migrated, or none if one of them may not be or fits nowhere.
    Otherwise so much work is moved that its air flow is expected below the threshold, in
    proportion to the CPU its instances use, or to their vCPUs where that is not measured.

    A destination has room, stays below the threshold, and has the lowest air flow of those. A host
    without an air flow neither gives nor takes.
    """

    name: ClassVar[str] = "uniform_airflow"
    display_name: ClassVar[str] = "Uniform airflow migration strategy"
    goal: ClassVar[str] = "airflow_optimization"
    planner: ClassVar[str] = "weight"
    parameters = Parameters

    def queries(self, parameters: Parameters) -> Sequence[Query]:
        """Air flows; inlet temperatures, power and the CPU use of instances where measured."""
        period, width = int(parameters.period), int(parameters.granularity)
        return (
            Query(Metric.HOST_AIRFLOW, period, granularity_s=width),
            *(
                Query(metric, period, granularity_s=width, required=False)
                for metric in (
                    Metric.HOST_INLET_TEMP,
                    Metric.HOST_POWER,
                    Metric.INSTANCE_CPU_USAGE,
                )
            ),
        )

    def marks(self, parameters: Parameters) -> Mapping[str, float]:
        """The thresholds that a report draws."""
        return {
            Metric.HOST_AIRFLOW.public_name: parameters.threshold_airflow,
            Metric.HOST_INLET_TEMP.public_name: parameters.threshold_inlet_t,
            Metric.HOST_POWER.public_name: parameters.threshold_power,
        }

    def solve(self, cluster: Cluster, metrics: Metrics, parameters: Parameters) -> Solution:
        """The moves. Raises NoMetrics when no air flow is measured."""
        airflow, inlet, power, cpu = self.queries(parameters)
        metrics.require([airflow])
        value = np.where(cluster.hosts.usable, metrics[airflow], np.nan)
        readings = Readings(value, np.full(len(value), np.nan), parameters.threshold_airflow)
        # A comparison with nan is False: what is not measured is no sign of a fault.
        faulty = readings.hot & (answered(cluster, metrics, inlet) < parameters.threshold_inlet_t)
        faulty &= answered(cluster, metrics, power) < parameters.threshold_power
        amounts = work(cluster, cpu_use(cluster, metrics, cpu))
        cooling = Cooling(cluster, amounts, readings, cluster.hosts.usable & ~faulty)
        mask, reasons = movable(cluster, LIVE)
        cooling.run(mask, faulty, parameters.max_migrations)
        return _answer(cluster, cooling, faulty, explain(cooling.constraints, mask, reasons))


def _answer(cluster: Cluster, cooling: Cooling, faulty: Bools, why_not: WhyNot) -> Solution:
    readings = cooling.readings
    count = np.bincount(cooling.placement.host[cooling.placement.host >= 0], minlength=len(faulty))
    kept = at_least(cooling.expected(), readings.threshold) & (count > 0)
    moves = migrations(cluster, cooling.placement.moves())
    indicators = {
        "instance_migrations_count": len(moves),
        "hosts_above_threshold_before": int(readings.hot.sum()),
        "hosts_above_threshold_expected": int(kept.sum()),
        "hosts_with_fan_fault_count": int(faulty.sum()),
    }
    notes = tuple(_notes(cluster, readings, kept, faulty))
    return Solution(tuple(moves), indicators, notes, why_not=why_not)


def _notes(cluster: Cluster, readings: Readings, kept: Bools, faulty: Bools) -> Iterator[str]:
    """Why these moves, and why not more."""
    hot = int(readings.hot.sum())
    if not hot:
        yield f"no host has an air flow of {readings.threshold:g} (0.1 CFM) or more"
    elif kept.any():
        yield (
            f"{int(kept.sum())} of {hot} hosts stay at or above {readings.threshold:g} (0.1 CFM):"
            " nothing on them may be moved to a host that stays below it"
        )
    else:
        yield f"{hot} hosts at or above {readings.threshold:g} (0.1 CFM) are relieved"
    for row in np.flatnonzero(faulty):
        yield f"host {cluster.hosts.name[row]} is cool and idle at high air flow: look at its fans"
    silent = int((np.isnan(readings.value) & cluster.hosts.usable).sum())
    if silent:
        yield f"{silent} hosts without an air flow neither give nor take"
