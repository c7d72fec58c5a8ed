# SPDX-License-Identifier: Apache-2.0
"""``noisy_neighbor``: moves away what keeps more important instances from working."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from watcher.core.answers import hosts_of, migrations
from watcher.core.cluster import UNPLACED, VCPUS, Bools, Cluster, InstanceState, Ints
from watcher.core.constraints import LIVE, Constraints, movable
from watcher.core.errors import NoMetrics
from watcher.core.loads import answered, cpu_use
from watcher.core.metrics import Metric, Metrics, Query
from watcher.core.parameters import param
from watcher.core.placement import Placement
from watcher.core.refusals import WhyNot, explain
from watcher.core.solution import Solution

PRIORITY = "watcher-priority"
DEFAULT_PRIORITY = 5


@dataclass(frozen=True)
class Parameters:
    """When an instance counts as disturbed."""

    cache_threshold: float = param(
        35.0,
        "An instance is disturbed when its part of the L3 cache fell by more than this from one"
        " period to the next while a neighbour's grew by more, percent.",
        minimum=0,
    )
    period: float = param(100.0, "Length of a period, seconds.", minimum=1)
    steal_threshold: float = param(
        10.0,
        "An instance whose L3 cache is not measured is disturbed when its vCPUs wait for a CPU of"
        " the host for at least this part of the time, percent.",
        minimum=0.1,
        maximum=100,
    )
    max_migrations: int = param(0, "The most migrations in one plan; 0 for no limit.", minimum=0)


class NoisyNeighbor:
    """Migrates a noisy instance, live, away from the more important ones that it disturbs.

    How important an instance is, its metadata ``watcher-priority`` says, a whole number, 5 when
    there is none: the larger, the more important. Only instances of lower priority than the
    disturbed one are moved. Two things disturb:

    - the part of the L3 cache that an instance occupies fell by more than ``cache_threshold``
      percent from the last period to this one, while a neighbour's grew by more than that: the one
      that grew most is moved;
    - where L3 cache is not measured, the vCPUs of an instance wait for a CPU of the host (steal
      time, ``instance_cpu_steal``) at least ``steal_threshold`` percent of the time: the neighbour
      that uses most CPU is moved.

    One instance leaves each host with a disturbed one, to the host with the least CPU load of
    those that have room by allocation and by load, and on which nobody is disturbed.
    """

    name: ClassVar[str] = "noisy_neighbor"
    display_name: ClassVar[str] = "Noisy Neighbor"
    goal: ClassVar[str] = "noisy_neighbor"
    planner: ClassVar[str] = "weight"
    parameters = Parameters

    def queries(self, parameters: Parameters) -> Sequence[Query]:
        """L3 cache of one period and of two, steal time, CPU use; each where it is measured."""
        period = int(parameters.period)
        asked = (
            (Metric.INSTANCE_L3_CACHE_USAGE, period),
            (Metric.INSTANCE_L3_CACHE_USAGE, 2 * period),
            (Metric.INSTANCE_CPU_STEAL, period),
            (Metric.INSTANCE_CPU_USAGE, period),
        )
        return [
            Query(metric, length, granularity_s=period, required=False) for metric, length in asked
        ]

    def solve(self, cluster: Cluster, metrics: Metrics, parameters: Parameters) -> Solution:
        """The moves. Raises NoMetrics when neither L3 cache nor steal time is measured."""
        queries = self.queries(parameters)
        case = _Case(cluster, metrics, queries, parameters)
        if not case.measured.any() and len(cluster.instances):
            said = ("", *metrics.notes)
            raise NoMetrics(
                "neither metric instance_l3_cache_usage nor metric instance_cpu_steal is measured"
                f" for any instance; check that the agents write one of them{'; '.join(said)}"
            )
        pairs = case.solve()
        notes, why_not = tuple(case.notes(pairs)), case.why_not()
        moves = migrations(cluster, case.placement.moves())
        indicators = {
            "instance_migrations_count": len(moves),
            "disturbed_instances_count": int(case.disturbed.sum()),
        }
        return Solution(tuple(moves), indicators, notes, why_not=why_not)


class Pair(NamedTuple):
    """An instance that is disturbed, and the one that is moved for it."""

    disturbed: int
    noisy: int


class _Case:
    """Who is disturbed by whom, and where the noisy ones may go."""

    def __init__(
        self,
        cluster: Cluster,
        metrics: Metrics,
        queries: Sequence[Query],
        parameters: Parameters,
    ) -> None:
        recent, both, steal, cpu = queries
        self.cluster, self.parameters = cluster, parameters
        self.priority, self.odd = _priorities(list(cluster.instances.metadata))
        self.now = answered(cluster, metrics, recent)
        # Two periods are one period and the one before it: their mean is what lies between.
        self.then = np.maximum(2.0 * answered(cluster, metrics, both) - self.now, 0.0)
        self.steal = answered(cluster, metrics, steal)
        self.cached = ~np.isnan(self.now) & ~np.isnan(self.then)
        self.measured = self.cached | ~np.isnan(self.steal)
        # By how much the part of the cache grew, and from what on that is too much.
        self.grown = np.nan_to_num(self.now - self.then)
        self.part = parameters.cache_threshold / 100.0 * np.nan_to_num(self.then)
        self.use = cpu_use(cluster, metrics, cpu)
        self.placement = Placement(cluster, [self.use.cautious_load("cpu load")])
        self.disturbed = self._disturbed()

    def _disturbed(self) -> Bools:
        runs = self.cluster.instances.host != UNPLACED
        runs &= self.cluster.instances.state == InstanceState.ACTIVE
        fell = self.cached & (-self.grown > self.part)
        waits = ~self.cached & (np.nan_to_num(self.steal) >= self.parameters.steal_threshold)
        disturbed: Bools = runs & (fell & (self.then > 0) | waits)
        return disturbed

    def solve(self) -> list[Pair]:
        """Move a noisy instance off each host with a disturbed one, the most important first."""
        homes = self.cluster.instances.host
        rows = np.flatnonzero(self.disturbed)
        constraints = self._constraints()
        may_move, _ = movable(self.cluster, LIVE)
        pairs: list[Pair] = []
        done: set[int] = set()
        for row in rows[np.lexsort((rows, -self.priority[rows]))]:
            most = self.parameters.max_migrations
            if homes[row] in done or (most and len(pairs) >= most):
                continue
            noisy = self._move_one(constraints, self._noisy(int(row), may_move))
            if noisy is not None:
                pairs.append(Pair(int(row), noisy))
                done.add(int(homes[row]))
        return pairs

    def _constraints(self) -> Constraints:
        """Only hosts on which nobody is disturbed take instances."""
        quiet = ~hosts_of(self.cluster.instances.host[self.disturbed], len(self.cluster.hosts))
        return Constraints(self.placement, self.cluster.hosts.usable & quiet)

    def why_not(self) -> WhyNot:
        """What is refused to the neighbours of the disturbed that stay."""
        mask, reasons = movable(self.cluster, LIVE)
        homes = self.cluster.instances.host
        near = np.isin(homes, homes[self.disturbed]) & ~self.disturbed
        return explain(self._constraints(), mask & near, np.where(near, reasons, ""))

    def _noisy(self, row: int, may_move: Bools) -> Ints:
        """The neighbours that disturb this instance and may be moved, the noisiest first."""
        rows = self.cluster.rows_on(int(self.cluster.instances.host[row]))
        rows = rows[may_move[rows] & (self.priority[rows] < self.priority[row])]
        if self.cached[row]:
            noise = self.grown
            rows = rows[self.cached[rows] & (noise[rows] > self.part[rows])]
        else:
            noise = self.placement.demand[:, 3]
            rows = rows[noise[rows] > 0]
        ordered: Ints = rows[np.lexsort((rows, -noise[rows]))]
        return ordered

    def _move_one(self, constraints: Constraints, rows: Ints) -> int | None:
        total = np.maximum(self.cluster.hosts.total[:, VCPUS], 1)
        for row in rows:
            hosts = np.flatnonzero(constraints.allowed(int(row)))
            if hosts.size:
                load = np.round(self.placement.used[hosts, 3] / total[hosts], 9)
                self.placement.move(int(row), int(hosts[np.argmin(load)]))
                return int(row)
        return None

    def notes(self, pairs: Sequence[Pair]) -> Iterator[str]:
        """Who is moved for whom, and why not more."""
        names = self.cluster.instances.name
        count = int(self.disturbed.sum())
        if not count:
            yield "no instance is disturbed"
        for pair in pairs:
            yield f"{names[pair.noisy]} disturbs {names[pair.disturbed]}"
        if count > len(pairs):
            yield (
                f"of {count} disturbed instances {count - len(pairs)} have no move of their own:"
                f" the one for another helps them, or no neighbour of lower {PRIORITY} is noisy,"
                " may be moved and fits elsewhere"
            )
        if self.odd:
            yield (
                f"{self.odd} instances have a {PRIORITY} that is no whole number; it counts as"
                f" {DEFAULT_PRIORITY}"
            )


def _priorities(metadata: Sequence[Mapping[str, str]]) -> tuple[Ints, int]:
    """The priority of each instance, and how many say something that is none."""
    found = np.full(len(metadata), DEFAULT_PRIORITY, dtype=np.int64)
    odd = 0
    for row, given in enumerate(metadata):
        if PRIORITY in given:
            try:
                found[row] = int(given[PRIORITY])
            except (ValueError, OverflowError):
                odd += 1
    return found, odd
