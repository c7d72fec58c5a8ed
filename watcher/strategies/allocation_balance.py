# SPDX-License-Identifier: Apache-2.0
"""``allocation_balance``: live migrations until what is allocated is level, without any metric."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from watcher.core.answers import balanced, migrations
from watcher.core.cluster import RESOURCES, UNPLACED, Cluster
from watcher.core.constraints import LIVE, Constraints, movable
from watcher.core.metrics import Metrics, Query
from watcher.core.parameters import param
from watcher.core.placement import Placement
from watcher.core.refusals import explain
from watcher.core.solution import Solution
from watcher.solvers.levelling import Levels, levelled, relative


@dataclass(frozen=True)
class Parameters:
    """What is levelled, how far, and what a move must be worth."""

    resources: list[str] = param(
        ["vcpus", "memory_mb"],
        "The resources whose allocation is levelled, together.",
        items={"type": "string", "enum": list(RESOURCES)},
        minItems=1,
        uniqueItems=True,
    )
    threshold: float = param(
        0.05,
        "Standard deviation over the hosts of the part of a resource that is allocated, 0..1 of"
        " what may be, that is level enough.",
        minimum=0,
        maximum=1,
    )
    min_gain_percent: float = param(
        1.0,
        "The least a move must bring: as much as one of so many percent of a host to a host that"
        " has twice as much less allocated.",
        minimum=0.1,
        maximum=100,
    )
    max_migrations: int = param(0, "The most migrations in one plan; 0 for no limit.", minimum=0)


class AllocationBalance:
    """Levels what instances were given, as Placement counts it; nothing is measured.

    For clouds without a history of load, and for those who sell what they allocate. Each resource
    counts as a part of what may be allocated of it on the host (its total less what is reserved,
    times the allocation ratio), so that hosts of any size compare. If the standard deviation of a
    chosen resource is above the threshold, active and paused instances are migrated live, each
    time the one that lowers the sum of the variances most, until every resource is level or no
    move is worth it. Stopped instances count where they are and stay there. The plan says how
    level the hosts could be at best (``standard_deviation_lower_bound``).
    """

    name: ClassVar[str] = "allocation_balance"
    display_name: ClassVar[str] = "Allocation balance"
    goal: ClassVar[str] = "workload_balancing"
    planner: ClassVar[str] = "workload_stabilization"
    parameters = Parameters

    def queries(self, parameters: Parameters) -> Sequence[Query]:  # noqa: ARG002
        """Nothing is measured."""
        return ()

    def solve(
        self,
        cluster: Cluster,
        metrics: Metrics,  # noqa: ARG002
        parameters: Parameters,
    ) -> Solution:
        """The moves."""
        case = _Case(cluster, parameters)
        moves = migrations(cluster, case.result.moves)
        return Solution(tuple(moves), case.indicators(), tuple(case.notes()), why_not=case.why_not)


class _Case:
    """One levelling, and what came of it."""

    def __init__(self, cluster: Cluster, parameters: Parameters) -> None:
        self.cluster, self.parameters = cluster, parameters
        self.considered = cluster.hosts.usable
        columns = tuple(RESOURCES.index(name) for name in parameters.resources)
        self.levels = Levels(
            columns,
            np.ones(len(columns)),
            np.full(len(columns), parameters.threshold),
            self.considered,
            parameters.min_gain_percent / 100.0,
            parameters.max_migrations or None,
        )
        self.at_first = Placement(cluster)
        mask, reasons = movable(cluster, LIVE)
        self.result = levelled(cluster, (), mask, self.levels)
        after = Constraints(self.result.placement, self.considered)
        self.why_not = explain(after, mask, reasons)

    def _fullest(self, placement: Placement) -> float:
        """The largest part of any chosen resource allocated on a host, percent."""
        shares = relative(placement, self.levels.columns)[self.considered]
        return 100.0 * float(shares.max(initial=0.0))

    def indicators(self) -> dict[str, float]:
        """The goal's, and the fullest host before and after, percent."""
        homes = self.cluster.instances.host
        return {
            **balanced(
                moves=len(self.result.moves),
                instances=int(self.considered[homes[homes != UNPLACED]].sum()),
                deviations=self.result.spreads,
            ),
            "fullest_host_percent_before": self._fullest(self.at_first),
            "fullest_host_percent_after": self._fullest(self.result.placement),
        }

    def notes(self) -> Iterator[str]:
        """Why these moves, and why not more."""
        before = self.levels.deviations(self.at_first)
        after = self.levels.deviations(self.result.placement)
        if not (before > self.parameters.threshold).any():
            yield "the hosts are level: no resource is above the threshold"
        elif self.result.moves:
            yield (
                f"{len(self.result.moves)} migrations lower the standard deviation of what is"
                f" allocated from {self.levels.spread(self.at_first):.4f} to"
                f" {self.levels.spread(self.result.placement):.4f}"
            )
        over = ", ".join(
            f"{name} {value:.4f}"
            for name, value in zip(self.parameters.resources, after, strict=True)
            if value > self.parameters.threshold
        )
        if over:
            yield f"{over} stays above the threshold: no other move fits and is worth it"
        if self.result.blocked:
            yield (
                f"{self.result.blocked} moves were left out: no order of moves makes room for them"
            )
