# SPDX-License-Identifier: Apache-2.0
"""``workload_stabilization``: live migrations until the load of the hosts is level enough."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from watcher.core.answers import balanced, migrations
from watcher.core.cluster import UNPLACED, Bools, Cluster, Floats
from watcher.core.constraints import LIVE, Constraints, movable
from watcher.core.loads import Aggregation, Use, cpu_use, ram_use
from watcher.core.metrics import Metric, Metrics, Query
from watcher.core.parameters import param
from watcher.core.placement import Placement
from watcher.core.refusals import UNMEASURED, explain
from watcher.core.solution import Solution
from watcher.solvers.levelling import Levels, levelled

_CPU, _RAM = "instance_cpu_usage", "instance_ram_usage"


@dataclass(frozen=True)
class Thresholds:
    """From which spread on each load is levelled."""

    instance_cpu_usage: float = param(
        0.1,
        "Standard deviation of the hosts' CPU load, 0..1 of their threads, that is level enough.",
        minimum=0,
        maximum=1,
    )
    instance_ram_usage: float = param(
        0.1,
        "Standard deviation of the hosts' memory in use, 0..1 of it, that is level enough.",
        minimum=0,
        maximum=1,
    )


@dataclass(frozen=True)
class Weights:
    """How much each load counts against the other."""

    instance_cpu_usage_weight: float = param(1.0, "The weight of CPU.", minimum=0, maximum=1)
    instance_ram_usage_weight: float = param(1.0, "The weight of memory.", minimum=0, maximum=1)


@dataclass(frozen=True)
class InstanceMetrics:
    """Which metric of the hosts belongs to which of the instances."""

    instance_cpu_usage: str = param(
        "host_cpu_usage", "What measures the CPU use of hosts.", enum=["host_cpu_usage"]
    )
    instance_ram_usage: str = param(
        "host_ram_usage", "What measures the memory use of hosts.", enum=["host_ram_usage"]
    )


@dataclass(frozen=True)
class Periods:
    """How far back the load is averaged."""

    instance: int = param(720, "For instances, seconds.", minimum=0)
    compute_node: int = param(600, "For hosts, seconds.", minimum=0)
    node: int = param(0, "The former name of compute_node; wins when it is not 0.", minimum=0)


@dataclass(frozen=True)
class Parameters:
    """What is levelled, how far, and what a move must be worth."""

    metrics: list[str] = param(
        [_CPU],
        "The loads that are levelled, together.",
        items={"type": "string", "enum": [_CPU, _RAM]},
        minItems=1,
        uniqueItems=True,
    )
    thresholds: Thresholds = param(Thresholds(), "From which spread on each load is levelled.")
    weights: Weights = param(Weights(), "How much each load counts against the other.")
    instance_metrics: InstanceMetrics = param(
        InstanceMetrics(), "Which metric of the hosts belongs to which of the instances."
    )
    host_choice: str = param(
        "retry",
        "Taken for older audits: every host is looked at, whatever is said here.",
        enum=["retry", "cycle", "fullsearch"],
    )
    retry_count: float = param(
        1,
        "Taken for older audits: nothing is left to chance, so nothing is tried again.",
        minimum=1,
    )
    periods: Periods = param(Periods(), "How far back the load is averaged.")
    aggregation_method: Aggregation = param(
        Aggregation(), "How the samples of the period become one number."
    )
    granularity: float = param(300, "Width of the buckets of the history, seconds.", minimum=0)
    min_gain_percent: float = param(
        1.0,
        "The least a move must bring: as much as one of so many percent of a host to a host that"
        " is less loaded by twice as much.",
        minimum=0.1,
        maximum=100,
    )
    max_migrations: int = param(0, "The most migrations in one plan; 0 for no limit.", minimum=0)


class WorkloadStabilization:
    """Levels CPU load, memory in use, or both, until their spread is at or below a threshold.

    The load of a host is relative, 0 to 1 of what it has: what its instances use, and what it uses
    besides where that is measured. If the standard deviation of a chosen load over the hosts is
    above its threshold, instances are migrated live, each time the one that lowers the weighted
    sum of the variances most, until every chosen load is level or no move is worth it. A
    destination has room by allocation and by load, and is one that zone, hypervisor, traits and
    server group allow. The standard deviations before and after are the same quantity, and the one
    that is left at least, whatever is moved, is told beside them.

    An instance without a measurement is not moved. Its host takes part if its own load is
    measured, and neither gives nor takes otherwise.
    """

    name: ClassVar[str] = "workload_stabilization"
    display_name: ClassVar[str] = "Workload stabilization"
    goal: ClassVar[str] = "workload_balancing"
    planner: ClassVar[str] = "workload_stabilization"
    parameters = Parameters

    def queries(self, parameters: Parameters) -> Sequence[Query]:
        """The use of every instance and, where measured, of every host; by chosen load."""
        periods, method = parameters.periods, parameters.aggregation_method
        width = int(parameters.granularity)
        asked: list[Query] = []
        for name in parameters.metrics:
            of_hosts = Metric.HOST_CPU_USAGE if name == _CPU else Metric.HOST_RAM_USAGE
            asked += (
                Query(Metric.named(name), periods.instance, method.of_instances, width),
                Query(
                    of_hosts,
                    periods.node or periods.compute_node,
                    method.of_hosts,
                    width,
                    required=False,
                ),
            )
        return asked

    def solve(self, cluster: Cluster, metrics: Metrics, parameters: Parameters) -> Solution:
        """The moves. Raises NoMetrics when a chosen load is not measured at all."""
        queries = self.queries(parameters)
        metrics.require(query for query in queries if query.required)
        pairs = zip(queries[::2], queries[1::2], strict=True)
        uses = {
            name: (cpu_use if name == _CPU else ram_use)(cluster, metrics, *pair)
            for name, pair in zip(parameters.metrics, pairs, strict=True)
        }
        case = _Case(cluster, uses, parameters)
        moves = migrations(cluster, case.result.moves)
        return Solution(
            tuple(moves),
            case.indicators(),
            tuple(case.notes()),
            why_not=case.why_not,
            loads=tuple(case.loads),
        )


class _Case:
    """One levelling, and what came of it."""

    def __init__(self, cluster: Cluster, uses: dict[str, Use], parameters: Parameters) -> None:
        self.cluster, self.parameters = cluster, parameters
        self.loads = [use.load(name) for name, use in uses.items()]
        self.unmeasured = np.logical_or.reduce([use.unmeasured for use in uses.values()])
        unknown = [use.blind & ~use.told for use in uses.values()]
        self.considered = cluster.hosts.usable & ~np.logical_or.reduce(unknown)
        thresholds, weights = parameters.thresholds, parameters.weights
        self.levels = Levels(
            tuple(range(3, 3 + len(self.loads))),
            np.array([getattr(weights, f"{name}_weight") for name in uses]),
            np.array([getattr(thresholds, name) for name in uses]),
            self.considered,
            parameters.min_gain_percent / 100.0,
            parameters.max_migrations or None,
        )
        self.at_first = Placement(cluster, self.loads)
        mask, reasons = movable(cluster, LIVE)
        self.result = levelled(cluster, self.loads, mask & ~self.unmeasured, self.levels)
        reasons = np.where(mask & self.unmeasured, UNMEASURED, reasons)
        after = Constraints(self.result.placement, self.considered)
        self.why_not = explain(after, mask & ~self.unmeasured, reasons)

    def indicators(self) -> dict[str, float]:
        """The goal's, and how far from the best the result can be at most."""
        homes = self.cluster.instances.host
        on_considered = self.considered[homes[homes != UNPLACED]]
        return balanced(
            moves=len(self.result.moves),
            instances=int(on_considered.sum()),
            deviations=self.result.spreads,
        )

    def notes(self) -> Iterator[str]:
        """Why these moves, and why not more."""
        before = self.levels.deviations(self.at_first)
        after = self.levels.deviations(self.result.placement)
        over = self._named(after, after > self.levels.thresholds)
        if not (before > self.levels.thresholds).any():
            yield f"the hosts are level: {self._named(before, before >= 0)}"
        elif self.result.moves:
            yield (
                f"{len(self.result.moves)} migrations lower the standard deviation of the hosts'"
                f" load from {self.levels.spread(self.at_first):.4f} to"
                f" {self.levels.spread(self.result.placement):.4f}"
            )
        if over:
            yield f"{over} stays above its threshold: no other move fits and is worth it"
        if self.unmeasured.any():
            yield f"{int(self.unmeasured.sum())} running instances have no measurement and stay"
        ignored = int((self.cluster.hosts.usable & ~self.considered).sum())
        if ignored:
            yield f"{ignored} hosts whose load is not known neither give nor take"
        if self.result.blocked:
            yield f"{self.result.blocked} moves were left out: no order of them makes room for all"

    def _named(self, values: Floats, chosen: Bools) -> str:
        names = (load.name for load in self.loads)
        return ", ".join(
            f"{name} {value:.4f}"
            for name, value, wanted in zip(names, values, chosen, strict=True)
            if wanted
        )
