# SPDX-License-Identifier: Apache-2.0
"""``basic``: empties the least loaded hosts, one after the other, as far as that goes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from watcher.core.answers import consolidated, hosts_of, kinds, migrations
from watcher.core.cluster import VCPUS, Bools, Cluster, Floats
from watcher.core.constraints import LIVE, Constraints, movable
from watcher.core.loads import Aggregation, Use, cpu_use
from watcher.core.metrics import Metric, Metrics, Query
from watcher.core.parameters import param
from watcher.core.placement import Placement
from watcher.core.refusals import explain
from watcher.core.solution import DISABLED_BY_CONSOLIDATION, Solution, disable_host
from watcher.solvers.draining import Drain, drain
from watcher.solvers.packing import lower_bound

UNWILLING = "its metadata optimize says no"
_NO = frozenset({"", "0", "f", "false", "n", "no", "none", "null", "off"})


@dataclass(frozen=True)
class Parameters:
    """How load is measured, how full hosts may become, and how long it is tried."""

    migration_attempts: float = param(
        0, "The most hosts that may be tried in vain before it ends; 0 for no limit.", minimum=0
    )
    period: float = param(7200, "How far back the load is averaged, seconds.", minimum=1)
    granularity: float = param(300, "Width of the buckets of the history, seconds.", minimum=1)
    aggregation_method: Aggregation = param(
        Aggregation(), "How the samples of the period become one number."
    )
    cpu_limit_percent: float = param(
        80.0,
        "How busy the physical CPUs of a host may become, percent of its threads.",
        minimum=1,
        maximum=100,
    )
    check_optimize_metadata: bool | None = param(
        None,
        "Leave instances alone whose metadata ``optimize`` says no (such as false, no, off or 0);"
        " without it the option of this name says whether to.",
    )


class BasicConsolidation:
    """Empties hosts, the least loaded first, into busier ones, and disables those it emptied.

    A host is emptied completely or left alone: one that runs an instance which may not be moved
    live, or whose instances do not all fit elsewhere, keeps them all. Destinations are enabled
    hosts that are in use and busier, with room by allocation and by the CPU in use, which stays
    below ``cpu_limit_percent`` of the physical threads. An instance without a measurement counts
    as using all its vCPUs; 0 is 0.

    Of the hosts that are alike to Nova's scheduler (availability zone, hypervisor type,
    aggregates) one stays enabled. Hosts that were disabled, or empty, before are left as they are.
    It is quick and moves little; ``vm_workload_consolidation`` releases more hosts.
    """

    name: ClassVar[str] = "basic"
    display_name: ClassVar[str] = "Basic offline consolidation"
    goal: ClassVar[str] = "server_consolidation"
    planner: ClassVar[str] = "weight"
    parameters = Parameters

    def queries(self, parameters: Parameters) -> Sequence[Query]:
        """CPU use of the instances and, where measured, of the hosts."""
        method = parameters.aggregation_method
        period, width = int(parameters.period), int(parameters.granularity)
        of_hosts = method.of_hosts
        return (
            Query(Metric.INSTANCE_CPU_USAGE, period, method.of_instances, width),
            Query(Metric.HOST_CPU_USAGE, period, of_hosts, width, required=False),
        )

    def solve(self, cluster: Cluster, metrics: Metrics, parameters: Parameters) -> Solution:
        """The plan. Raises NoMetrics when no instance's CPU use is measured."""
        queries = self.queries(parameters)
        metrics.require(query for query in queries if query.required)
        case = _Case(cluster, cpu_use(cluster, metrics, *queries), parameters)
        hosts, moves = cluster.hosts, migrations(cluster, case.placement.moves())
        closed = [
            disable_host(hosts.uuid[row], hosts.name[row], DISABLED_BY_CONSOLIDATION)
            for row in sorted(case.emptied)
        ]
        return Solution(
            (*closed, *moves), case.indicators(), tuple(case.notes()), why_not=case.why_not
        )


class _Case:
    """One consolidation, and what came of it."""

    def __init__(self, cluster: Cluster, use: Use, parameters: Parameters) -> None:
        self.cluster, self.use, self.parameters = cluster, use, parameters
        self.hosts = cluster.hosts
        load = use.cautious_load("cpu load", parameters.cpu_limit_percent)
        self.placement = Placement(cluster, [load])
        self.movable, reasons = movable(cluster, LIVE)
        if parameters.check_optimize_metadata:
            unwilling = np.array([_says_no(one) for one in cluster.instances.metadata], np.bool_)
            reasons = np.where(self.movable & unwilling, UNWILLING, reasons)
            self.movable = self.movable & ~unwilling
        self.before = self._in_use()
        self.fixed = self.before & hosts_of(cluster.instances.host[~self.movable], len(self.hosts))
        self.bound = lower_bound(self.placement, self.before, self.fixed).hosts
        attempts = int(parameters.migration_attempts) or None
        wanted = Drain(self.hosts.usable, kinds(cluster), self._rank, attempts)
        constraints = Constraints(self.placement)
        self.emptied = drain(constraints, self.movable, wanted)
        self.why_not = explain(constraints, self.movable, reasons)

    def _rank(self, placement: Placement) -> Floats:
        """The measured CPU load of each host, relative to what it has."""
        total = np.maximum(self.hosts.total[:, VCPUS], 1)
        # Rounded, so that sums of the same loads in another order are equal.
        return np.round(placement.used[:, 3] / total, 9)

    def _in_use(self) -> Bools:
        return hosts_of(self.placement.host, len(self.hosts)) & self.hosts.usable

    def indicators(self) -> dict[str, float]:
        """The goal's, and how far from the best the result can be at most."""
        return consolidated(
            usable=int(self.hosts.usable.sum()),
            released=len(self.emptied),
            moves=len(self.placement.moves()),
            in_use=(int(self.before.sum()), int(self._in_use().sum()), self.bound),
        )

    def notes(self) -> Iterator[str]:
        """What is emptied, and why not more."""
        before, emptied = int(self.before.sum()), len(self.emptied)
        if emptied:
            yield f"{emptied} of {before} hosts in use are emptied and disabled"
        else:
            yield (
                f"none of the {before} hosts in use can be emptied: on no busier enabled host is"
                " there room for all of its instances"
            )
        if self.fixed.any():
            yield (
                f"{int(self.fixed.sum())} hosts keep an instance that may not be moved live, and"
                " with it all others"
            )
        unmeasured = int(self.use.unmeasured.sum())
        if unmeasured:
            yield (
                f"{unmeasured} running instances have no measurement and count as using all they"
                " were given"
            )


def _says_no(metadata: Mapping[str, str]) -> bool:
    """Whether an instance wants to be left alone; one that says nothing does not."""
    return "optimize" in metadata and str(metadata["optimize"]).strip().lower() in _NO
