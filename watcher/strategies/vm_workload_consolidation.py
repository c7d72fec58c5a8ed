# SPDX-License-Identifier: Apache-2.0
"""``vm_workload_consolidation``: the same instances on fewer hosts, by measured load."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from watcher.core.answers import kinds, migrations
from watcher.core.cluster import DISK_GB, Bools, Cluster, Ints
from watcher.core.constraints import Constraints, movable
from watcher.core.loads import Measured, measured_use
from watcher.core.metrics import Metric, Metrics, Query
from watcher.core.parameters import param
from watcher.core.placement import Move, Placement
from watcher.core.refusals import WhyNot, explain
from watcher.core.solution import (
    DISABLED_BY_CONSOLIDATION,
    Action,
    Solution,
    disable_host,
    enable_host,
)
from watcher.solvers.curve import most_released, release_curve
from watcher.solvers.packing import Packing, consolidate, relieve, restore
from watcher.solvers.sequencing import sequence

_TURNS = 4


@dataclass(frozen=True)
class Parameters:
    """How load is measured, how full hosts may become, and how much may be moved."""

    period: float = param(3600, "How far back the load is averaged, seconds.", minimum=1)
    granularity: float = param(300, "Width of the buckets of the history, seconds.", minimum=1)
    cpu_limit_percent: float = param(
        80.0,
        "How busy the physical CPUs of a host may become, percent of its threads. Hosts above it"
        " are relieved first.",
        minimum=1,
        maximum=100,
    )
    ram_limit_percent: float = param(
        100.0,
        "How much of its physical memory may be in use on a host, percent; counts when memory use"
        " is measured.",
        minimum=1,
        maximum=100,
    )
    disk_limit_percent: float = param(
        100.0,
        "How much of a host's allocatable disk its instances may have, percent.",
        minimum=1,
        maximum=100,
    )
    max_migrations: int = param(0, "The most migrations in one plan; 0 for no limit.", minimum=0)
    max_migrations_per_host: int = param(
        0, "Hosts with more instances than this are not emptied; 0 for no limit.", minimum=0
    )
    min_released_hosts: int = param(
        1,
        "The least gain: a plan that empties fewer hosts than this moves nothing, but to relieve"
        " hosts above their limit.",
        minimum=1,
    )


class VmWorkloadConsolidation:
    """Empties as many hosts as it can and disables them, so that they may be switched off.

    A host is emptied completely or left alone. Every destination has room by allocation (the
    capacities of Placement with their ratios and reserves) and by load: the CPU in use by its
    instances, and by the host itself where that is measured, stays below ``cpu_limit_percent`` of
    the physical threads, whatever the ratio. Zones, hypervisor types and server groups are kept.
    Before that, hosts whose measured load is above the limit are relieved.

    A running instance without a measurement counts as using all it was given; 0 is 0. Active and
    paused instances are migrated live, stopped ones cold; instances in other states, locked or
    excluded ones, and those whose flavors only a hypervisor can judge, keep their hosts in use.

    Hosts are disabled with the reason ``watcher_disabled``. Only hosts disabled with that reason
    are enabled again, when load cannot be carried otherwise; those disabled by others are neither
    used nor counted. Of the hosts that are alike to Nova's scheduler (same availability zone,
    hypervisor type and aggregates) one always stays enabled, so that new instances find a place.
    The plan says how many hosts must stay in use at least, whatever is done
    (``hosts_in_use_lower_bound``).
    """

    name: ClassVar[str] = "vm_workload_consolidation"
    display_name: ClassVar[str] = "VM Workload Consolidation Strategy"
    goal: ClassVar[str] = "server_consolidation"
    planner: ClassVar[str] = "weight"
    parameters = Parameters

    def queries(self, parameters: Parameters) -> Sequence[Query]:
        """CPU use of the instances; their memory use, and the hosts' own use, where measured."""

        def query(metric: Metric, *, required: bool = False) -> Query:
            return Query(
                metric,
                period_s=int(parameters.period),
                granularity_s=int(parameters.granularity),
                required=required,
            )

        return (
            query(Metric.INSTANCE_CPU_USAGE, required=True),
            query(Metric.INSTANCE_RAM_USAGE),
            query(Metric.HOST_CPU_USAGE),
            query(Metric.HOST_RAM_USAGE),
        )

    def solve(self, cluster: Cluster, metrics: Metrics, parameters: Parameters) -> Solution:
        """The plan. Raises NoMetrics when no instance's CPU use is measured."""
        queries = self.queries(parameters)
        metrics.require(query for query in queries if query.required)
        limits = parameters.cpu_limit_percent, parameters.ram_limit_percent
        case = _Case(cluster, measured_use(cluster, metrics, queries, limits), parameters)
        packing = case.solve()
        return Solution(
            case.actions(),
            case.indicators(packing),
            tuple(case.notes(packing)),
            why_not=case.why_not(),
            loads=tuple(one.load for one in case.measured),
        )


class _Case:
    """One consolidation: the what-if placement, which hosts are open, and what came of it."""

    def __init__(
        self, cluster: Cluster, measured: Sequence[Measured], parameters: Parameters
    ) -> None:
        self.cluster, self.measured, self.parameters = cluster, measured, parameters
        self.hosts = cluster.hosts
        self.placement = Placement(cluster, [one.load for one in measured])
        self.placement.limit[:, DISK_GB] *= parameters.disk_limit_percent / 100.0
        self.movable, self.reasons = movable(cluster)
        ours = self.hosts.disabled_reason == DISABLED_BY_CONSOLIDATION
        self.spare = self.hosts.up & self.hosts.known & self.hosts.in_scope
        self.spare &= ~self.hosts.enabled & ours
        self.kinds = kinds(cluster)
        self.over_before = self._overloaded()
        self.enabled = np.zeros(len(self.hosts), dtype=np.bool_)
        self.over_after = 0
        self.too_little = 0
        self.anchored = 0
        self.only_give = False
        self.moves: list[Move] = []

    def _overloaded(self) -> Bools:
        """Usable hosts whose measured load is over its limit."""
        placed = self.placement.host >= 0
        over = np.zeros(len(self.hosts), dtype=np.bool_)
        for one in self.measured:
            carried = np.bincount(
                self.placement.host[placed], one.use.known[placed], minlength=len(self.hosts)
            )
            over |= carried + one.load.overhead > one.load.limit + 1e-6
        return over & self.hosts.usable

    def solve(self) -> Packing:
        """Solve it; the placement then is the result, and ``moves`` lead there in this order."""
        packing = self._solve()
        self.moves = self.placement.moves()
        if not self.over_before.any():
            return packing  # who is kept only gains: any order will do
        ordered = self._ordered()
        if ordered is None:
            # Overloaded hosts that give and take wait for each other: now they only give.
            restore(self.placement, self.cluster.instances.host)
            self.placement.largest[self.over_before] = 0.0
            self.enabled[:], self.anchored, self.too_little = False, 0, 0
            self.only_give = True
            packing = self._solve()
            ordered = self._ordered() or self.placement.moves()
        self.moves = ordered
        return packing

    def _ordered(self) -> list[Move] | None:
        """The moves so that no host is above a limit meanwhile; None when there is no such order.

        An overloaded host takes instances only after it has been relieved itself.
        """
        moves = sorted(self.placement.moves(), key=lambda move: not self.over_before[move.source])
        loads = [one.load.forgiving for one in self.measured]
        targets = (self.hosts.usable | self._reopened) & ~self.disabled
        order = sequence(Placement(self.cluster, loads), moves, targets)
        if order.blocked:
            return None
        # Temporary stays are the planner's: it finds them again, in the order that was given.
        direct = len(order.steps) == len(moves)
        return [step.move for step in order.steps] if direct else moves

    def _solve(self) -> Packing:
        """Relieve overloaded hosts and empty hosts by turns."""
        self._relieve()
        packing = self._consolidate()
        before = packing.before
        # A host that was emptied may be what an overloaded one was waiting for.
        for _ in range(_TURNS):
            if not self._overloaded().any() or not self._relieve():
                break
            packing = self._consolidate()
        self.over_after = int(self._overloaded().sum())
        return replace(packing, before=before)

    def _relieve(self) -> bool:
        """Move instances off overloaded hosts; whether any moved."""
        start = self.placement.host.copy()
        usable = self.hosts.usable
        self.enabled |= relieve(
            Constraints(self.placement, usable | self.spare),
            self.movable,
            usable | self.enabled,
            self.spare & ~self.enabled,
            np.column_stack([one.use.known for one in self.measured]),
            max_moves=self._moves_left(),
        )
        return bool((start != self.placement.host).any())

    def _consolidate(self) -> Packing:
        """Empty hosts; again with one of each kind kept, if that would leave a kind without any.

        The bound of the free choice holds for both.
        """
        start = self.placement.host.copy()
        anchors, served = self._anchors(), self._served()
        free = self._pack(self.movable)
        if np.isin(served, self._served()).all():
            return free
        restore(self.placement, start)
        self.anchored = len(anchors)
        anchored = np.isin(start, anchors)
        return replace(self._pack(self.movable & ~anchored), bound=free.bound)

    def _pack(self, may_move: Bools) -> Packing:
        open_hosts = self.hosts.usable | self.enabled
        # An empty host that stays enabled is there for new instances: a later audit, which finds
        # it just so, must find nothing more to do.
        open_hosts &= ~self._standing(open_hosts & ~self._in_use)
        constraints = Constraints(self.placement, open_hosts)
        most = self.parameters.max_migrations or None
        start = self.placement.host.copy()
        largest = self.parameters.max_migrations_per_host
        if largest:
            placed = start >= 0
            count = np.bincount(start[placed], minlength=len(self.hosts))
            may_move = may_move & ~(placed & (count > largest)[np.where(placed, start, 0)])
        packing = consolidate(constraints, may_move, open_hosts, max_moves=most)
        if 0 < packing.before - packing.after < self.parameters.min_released_hosts:
            restore(self.placement, start)
            self.too_little = packing.before - packing.after
            packing = replace(packing, after=packing.before)
        return packing

    def _anchors(self) -> Ints:
        """Of each kind of host in use the largest: the same ones after the plan as before."""
        rows = np.flatnonzero(self._in_use & self.hosts.usable)
        size = self.placement.limit[rows]
        order = rows[np.lexsort((rows, *-size.T))]
        anchors: Ints = order[np.unique(self.kinds[order], return_index=True)[1]]
        return anchors

    def _served(self) -> Ints:
        """The kinds of the hosts that are in use and may take instances."""
        return self.kinds[self._in_use & (self.hosts.usable | self.enabled)]

    def _standing(self, empty: Bools) -> Bools:
        """Of each kind that has empty usable hosts only, the last one."""
        rows = np.flatnonzero(self.hosts.usable & empty)[::-1]
        last = rows[np.unique(self.kinds[rows], return_index=True)[1]]
        standing = np.zeros(len(self.hosts), dtype=np.bool_)
        standing[last[~np.isin(self.kinds[last], self._served())]] = True
        return standing

    def _moves_left(self) -> int | None:
        most = self.parameters.max_migrations
        made = int((self.placement.host != self.cluster.instances.host).sum())
        return most - made if most else None

    @property
    def disabled(self) -> Bools:
        """The enabled hosts that end without instances, but never all of a kind."""
        closed: Bools = self.hosts.usable & ~self._in_use
        return closed & ~self._standing(closed)

    @property
    def _in_use(self) -> Bools:
        placed = self.placement.host >= 0
        return np.bincount(self.placement.host[placed], minlength=len(self.hosts)) > 0

    @property
    def _reopened(self) -> Bools:
        return self.enabled & self._in_use

    def actions(self) -> tuple[Action, ...]:
        """Enable what is needed, disable what is emptied, and the moves; relief comes first."""
        names, uuids = self.hosts.name, self.hosts.uuid
        opened = [enable_host(uuids[row], names[row]) for row in np.flatnonzero(self._reopened)]
        closed = [
            disable_host(uuids[row], names[row], DISABLED_BY_CONSOLIDATION)
            for row in np.flatnonzero(self.disabled)
        ]
        return (*opened, *closed, *migrations(self.cluster, self.moves))

    def why_not(self) -> WhyNot:
        """What is refused to the instances that stay."""
        constraints = Constraints(self.placement, self.hosts.usable | self.enabled)
        return explain(constraints, self.movable, self.reasons)

    def indicators(self, packing: Packing) -> dict[str, float]:
        """The goal's, and how far from the best the result can be at most."""
        gap = packing.after - packing.bound
        released = int(self.disabled.sum()) - int(self._reopened.sum())
        return {
            "compute_nodes_count": int(self.hosts.usable.sum()),
            "released_compute_nodes_count": max(released, 0),
            "instance_migrations_count": len(self.moves),
            "hosts_in_use_before": packing.before,
            "hosts_in_use_after": packing.after,
            "hosts_in_use_lower_bound": packing.bound,
            "gap_to_lower_bound_percent": 100.0 * gap / packing.bound if packing.bound else 0.0,
            **self._curve(),
        }

    def _curve(self) -> dict[str, float]:
        """Hosts released against moves, and with a limit of moves the most they could release."""
        homes = self.cluster.instances.host
        placed = homes >= 0
        count = np.bincount(homes[placed], minlength=len(self.hosts))
        curve: dict[str, float] = {
            f"released_hosts_with_{most}_migrations": released
            for most, released in release_curve(count[self.disabled]).items()
        }
        most = self.parameters.max_migrations
        if most:
            stuck = np.bincount(homes[placed & ~self.movable], minlength=len(self.hosts))
            possible = count[self.hosts.usable & (stuck == 0)]
            curve["released_hosts_upper_bound"] = most_released(possible, most)
        return curve

    def notes(self, packing: Packing) -> Iterator[str]:
        """Why these hosts, and why not more."""
        yield (
            f"{packing.after} of {int(self.hosts.usable.sum())} enabled hosts stay in use"
            f" ({packing.before} before); no plan could do with less than {packing.bound}"
        )
        if self.over_before.any():
            yield (
                f"{int(self.over_before.sum())} hosts were above their load limit,"
                f" {self.over_after} remain so: no host can take more from them"
                if self.over_after
                else f"{int(self.over_before.sum())} hosts above their load limit are relieved"
            )
        if self.only_give:
            yield "hosts above their limit take nothing in this plan; a later audit may empty more"
        if self._reopened.any():
            yield f"{int(self._reopened.sum())} hosts disabled by Watcher are enabled again"
        yield from self._why_not_more()
        for one in self.measured:
            unmeasured = int(one.use.unmeasured.sum())
            if unmeasured:
                yield (
                    f"{one.load.name}: {unmeasured} running instances have no measurement and"
                    " count as using all they were given"
                )

    def _why_not_more(self) -> Iterator[str]:
        """The reasons that keep hosts in use, each with the number of hosts."""
        homes = self.cluster.instances.host
        kept: Counter[str] = Counter()
        seen = set()
        for row in np.flatnonzero(~self.movable & (homes >= 0)):
            host, reason = int(homes[row]), str(self.reasons[row])
            if self.hosts.usable[host] and (host, reason) not in seen:
                seen.add((host, reason))
                kept[reason] += 1
        for reason, number in sorted(kept.items(), key=lambda item: (-item[1], item[0])):
            yield f"{number} hosts stay in use for an instance that may not be moved: {reason}"
        if self.anchored:
            kinds = "kinds of host (zone, hypervisor type, aggregates)"
            yield f"each of the {self.anchored} {kinds} keeps one in use for new instances"
        if self.too_little:
            yield (
                f"{self.too_little} hosts could be emptied, fewer than the"
                f" {self.parameters.min_released_hosts} that are worth a plan"
            )
        if self.parameters.max_migrations:
            yield f"at most {self.parameters.max_migrations} migrations were asked for"
