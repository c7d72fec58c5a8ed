# SPDX-License-Identifier: Apache-2.0
"""``workload_balance``: live migrations from the busiest hosts to idle ones, in one plan."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from watcher.core.answers import balanced, hosts_of, migrations
from watcher.core.cluster import (
    MEMORY_MB,
    VCPUS,
    Bools,
    Cluster,
    Floats,
    InstanceState,
)
from watcher.core.constraints import LIVE, Constraints, movable
from watcher.core.metrics import Metric, Metrics, Query
from watcher.core.parameters import param
from watcher.core.placement import Load, Move, Placement
from watcher.core.refusals import UNMEASURED, WhyNot, explain
from watcher.core.solution import Solution
from watcher.solvers.balancing import LOAD, Rules, balance, loads, spread
from watcher.solvers.bounds import lowest_deviations
from watcher.solvers.sequencing import sequence

_BALANCED = {
    "instance_cpu_usage": (Metric.INSTANCE_CPU_USAGE, VCPUS),
    "instance_ram_usage": (Metric.INSTANCE_RAM_USAGE, MEMORY_MB),
}
_RUNNING = (InstanceState.ACTIVE, InstanceState.PAUSED, InstanceState.RESCUED)


@dataclass(frozen=True)
class Parameters:
    """What is balanced, from which load on, and what a move must be worth."""

    metrics: str = param(
        "instance_cpu_usage",
        "The load that is balanced: CPU in use or memory in use by instances.",
        enum=list(_BALANCED),
    )
    threshold: float = param(
        25.0,
        "Instances leave hosts whose load is at or above this, percent of the host's own CPUs or"
        " memory.",
        minimum=0,
        maximum=100,
    )
    period: float = param(300, "How far back the load is averaged, seconds.", minimum=1)
    granularity: float = param(300, "Width of the buckets of the history, seconds.", minimum=1)
    min_gain_percent: float = param(
        1.0,
        "The least a move must bring: by so many percentage points the load of the busier of its"
        " two hosts falls. Larger values give fewer moves and a steadier cloud.",
        minimum=0.1,
        maximum=100,
    )
    max_migrations: int = param(0, "The most migrations in one plan; 0 for no limit.", minimum=0)


class WorkloadBalance:
    """Levels the load of the hosts by several live migrations in one plan.

    The load of a host is what its instances use, as a share of the host's own threads or memory,
    so hosts of different size compare. From hosts at or above the threshold, the busiest first,
    the instance goes that lowers the spread most, to a host that has room for it by allocation and
    by load, and that its server group, zone and flavor allow. A move that does not lower the load
    of the busier of its two hosts by ``min_gain_percent`` is not made, so a level cloud comes to
    rest, and no move leaves a host busier than the one it relieves. The plan says how level the
    hosts could be at best (``standard_deviation_lower_bound``).

    An instance without a measurement is not moved, and its host, whose load is then not known
    completely, takes none.
    """

    name: ClassVar[str] = "workload_balance"
    display_name: ClassVar[str] = "Workload Balance Migration Strategy"
    goal: ClassVar[str] = "workload_balancing"
    planner: ClassVar[str] = "weight"
    parameters = Parameters

    def queries(self, parameters: Parameters) -> Sequence[Query]:
        """The use of every instance."""
        metric, _ = _BALANCED[parameters.metrics]
        return (
            Query(
                metric,
                period_s=int(parameters.period),
                granularity_s=int(parameters.granularity),
            ),
        )

    def marks(self, parameters: Parameters) -> Mapping[str, float]:
        """The threshold that a report draws, in percent of what a host has."""
        return {parameters.metrics: parameters.threshold}

    def solve(self, cluster: Cluster, metrics: Metrics, parameters: Parameters) -> Solution:
        """The moves. Raises NoMetrics when nothing at all was measured."""
        queries = self.queries(parameters)
        metrics.require(queries)
        case = _Case(cluster, metrics[queries[0]], parameters)
        moves = case.solve()
        actions = tuple(migrations(cluster, moves))
        notes, why_not = tuple(case.notes(moves)), case.why_not()
        return Solution(
            actions, case.indicators(moves), notes, why_not=why_not, loads=(case.load,)
        )


class _Case:
    """One balancing: the loads before, the placement they are levelled in, and what came of it."""

    def __init__(self, cluster: Cluster, usage: Floats, parameters: Parameters) -> None:
        self.cluster, self.parameters = cluster, parameters
        self.instances, self.hosts = cluster.instances, cluster.hosts
        _, self.column = _BALANCED[parameters.metrics]
        self.unmeasured = np.isnan(usage) & np.isin(self.instances.state, _RUNNING)
        self.blind = _hosts_of(cluster, self.unmeasured)
        self.considered = self.hosts.usable & ~(self.blind & ~_hosts_of(cluster, ~np.isnan(usage)))
        self.load = self._load(usage)
        self.placement = Placement(cluster, [self.load])
        self.before = spread(self.placement, self.considered)
        self.busiest = float(loads(self.placement)[self.considered].max(initial=0.0))
        self.bound = 0.0
        self.blocked = 0

    def _load(self, usage: Floats) -> Load:
        known = np.nan_to_num(usage, nan=0.0)
        if self.column == VCPUS:
            known = known / 100.0 * self.instances.demand[:, VCPUS]
        limit = self.hosts.total[:, self.column].astype(np.float64)
        return Load(self.parameters.metrics, known, limit, np.zeros(len(self.hosts)))

    def solve(self) -> list[Move]:
        """The moves in an order that can be carried out."""
        may_move, _ = movable(self.cluster, LIVE)
        may_move = may_move & ~self.unmeasured
        constraints = self._constraints()
        hosts, targets = self.considered, constraints.targets
        self.bound = float(lowest_deviations(self.placement, (LOAD,), hosts, targets, may_move)[0])
        percent, most = self.parameters.threshold, self.parameters.max_migrations
        rules = Rules(percent / 100.0, self.parameters.min_gain_percent / 100.0, most or None)
        made = balance(constraints, may_move, self.considered, rules)
        last = {row: turn for turn, row in enumerate(made)}
        wanted = sorted(self.placement.moves(), key=lambda move: last[move.instance])
        return self._feasible(wanted)

    def _constraints(self) -> Constraints:
        return Constraints(self.placement, self.considered & ~self.blind)

    def why_not(self) -> WhyNot:
        """What is refused to the instances that stay."""
        mask, reasons = movable(self.cluster, LIVE)
        reasons = np.where(mask & self.unmeasured, UNMEASURED, reasons)
        return explain(self._constraints(), mask & ~self.unmeasured, reasons)

    def _feasible(self, wanted: list[Move]) -> list[Move]:
        """Without those that wait for each other in a circle nobody can break."""
        order = sequence(Placement(self.cluster, [self.load]), wanted)
        self.blocked = len(order.blocked)
        moves = [move for number, move in enumerate(wanted) if number not in order.blocked]
        self.placement = Placement(self.cluster, [self.load])
        for move in moves:
            self.placement.move(move.instance, move.destination)
        if spread(self.placement, self.considered) > self.before:
            self.blocked += len(moves)
            moves = []
            self.placement = Placement(self.cluster, [self.load])
        return moves

    def indicators(self, moves: Sequence[Move]) -> dict[str, float]:
        """The goal's, and the load of the busiest host before and after, percent."""
        on_considered = _rows_on(self.cluster, self.considered)
        after = loads(self.placement)[self.considered].max(initial=0.0)
        return {
            **balanced(
                moves=len(moves),
                instances=int(on_considered.sum()),
                deviations=(self.before, spread(self.placement, self.considered), self.bound),
            ),
            "busiest_host_percent_before": 100.0 * self.busiest,
            "busiest_host_percent_after": 100.0 * float(after),
        }

    def notes(self, moves: Sequence[Move]) -> Iterator[str]:
        """Why these moves, and why not more."""
        limit = self.parameters.threshold / 100.0
        if self.busiest < limit:
            yield (
                f"no host is at or above the threshold of {self.parameters.threshold:g} %:"
                f" the busiest is at {100 * self.busiest:.1f} %"
            )
        elif not moves:
            yield (
                "hosts are at or above the threshold, but no move would lower the load of the"
                f" busier host by {self.parameters.min_gain_percent:g} percentage points and fit"
            )
        else:
            after = spread(self.placement, self.considered)
            yield (
                f"{len(moves)} migrations lower the standard deviation of the hosts' load"
                f" from {self.before:.4f} to {after:.4f}"
            )
        if self.unmeasured.any():
            yield (
                f"{int(self.unmeasured.sum())} running instances have no measurement: they stay,"
                f" and their {int(self.blind.sum())} hosts take no others"
            )
        if self.blocked:
            yield f"{self.blocked} moves were left out: no order of moves makes room for them"


def _hosts_of(cluster: Cluster, chosen: Bools) -> Bools:
    """The hosts that one of these instances is on."""
    return hosts_of(cluster.instances.host[chosen], len(cluster.hosts))


def _rows_on(cluster: Cluster, hosts: Bools) -> Bools:
    """The instances that are on one of these hosts."""
    placed = cluster.instances.host >= 0
    on = np.zeros(len(placed), dtype=np.bool_)
    on[placed] = hosts[cluster.instances.host[placed]]
    return on
