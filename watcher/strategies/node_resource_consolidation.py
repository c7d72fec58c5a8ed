# SPDX-License-Identifier: Apache-2.0
"""``node_resource_consolidation``: empties the least allocated hosts; nothing is measured."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from watcher.core.answers import consolidated, hosts_of, kinds, migrations
from watcher.core.cluster import VCPUS, Bools, Cluster, Floats
from watcher.core.constraints import Constraints, movable, touchable
from watcher.core.metrics import Metrics, Query
from watcher.core.parameters import param
from watcher.core.placement import Placement
from watcher.core.refusals import explain
from watcher.core.solution import (
    DISABLED_BY_CONSOLIDATION,
    Action,
    Solution,
    disable_host,
    enable_host,
)
from watcher.solvers.draining import Drain, drain
from watcher.solvers.packing import lower_bound

_AUTO, _SPECIFY = "auto", "specify"


@dataclass(frozen=True)
class Parameters:
    """Who chooses the destinations, and what becomes of the emptied hosts."""

    host_choice: str = param(
        _AUTO,
        "Who chooses the destinations: Nova's scheduler (auto) or Watcher (specify).",
        enum=[_AUTO, _SPECIFY],
    )
    enable_released: bool = param(
        False,
        "Enable the emptied hosts again at the end of the plan. Nova's scheduler may then fill"
        " them again.",
    )


class NodeResourceConsolidation:
    """Empties hosts by what is allocated on them, those with fewest vCPUs in use first.

    Needs no metric. A host is emptied completely or left alone: only when all its instances fit,
    by vCPUs, memory and disk, on hosts that are enabled, in use and have more vCPUs allocated, and
    that zones, server groups and the other rules of Nova's scheduler allow. Hosts that take
    instances are not emptied themselves.

    With ``specify`` Watcher names the destinations it found: the host that each instance fills
    most. With ``auto`` Nova's scheduler chooses. Then the hosts to be emptied and the empty ones
    are disabled first, so that they are not chosen, and the empty ones are enabled again at the
    end; Nova may place the instances otherwise than Watcher found possible, so a migration may
    find no host. Instances that only a hypervisor can judge (pinned CPUs, NUMA, PCI) are moved by
    ``auto`` only.

    Active and paused instances are migrated live, stopped ones cold. Emptied hosts stay disabled
    with the reason ``watcher_disabled``. Of the hosts that are alike to Nova's scheduler one stays
    enabled.
    """

    name: ClassVar[str] = "node_resource_consolidation"
    display_name: ClassVar[str] = "Node Resource Consolidation strategy"
    goal: ClassVar[str] = "server_consolidation"
    planner: ClassVar[str] = "node_resource_consolidation"
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
        """The plan."""
        case = _Case(cluster, parameters)
        actions, notes = tuple(case.actions()), tuple(case.notes())
        return Solution(actions, case.indicators(), notes, why_not=case.why_not)


class _Case:
    """One consolidation, and what came of it."""

    def __init__(self, cluster: Cluster, parameters: Parameters) -> None:
        self.cluster, self.parameters = cluster, parameters
        self.hosts = cluster.hosts
        self.placement = Placement(cluster)
        self.named = parameters.host_choice == _SPECIFY
        may_move, reasons = (movable if self.named else touchable)(cluster)
        self.before = self._in_use()
        self.fixed = self.before & hosts_of(cluster.instances.host[~may_move], len(self.hosts))
        self.bound = lower_bound(self.placement, self.before, self.fixed).hosts
        wanted = Drain(self.hosts.usable, kinds(cluster), _vcpus)
        constraints = Constraints(self.placement)
        self.emptied = drain(constraints, may_move, wanted)
        self.why_not = explain(constraints, may_move, reasons)

    def _in_use(self) -> Bools:
        return hosts_of(self.placement.host, len(self.hosts)) & self.hosts.usable

    def actions(self) -> Iterator[Action]:
        """Disable, move, enable: the planner keeps that order."""
        empty = np.flatnonzero(self.hosts.usable & ~self.before)
        shielded = [int(row) for row in empty] if self.emptied and not self.named else []
        names, uuids = self.hosts.name, self.hosts.uuid
        for row in (*sorted(self.emptied), *shielded):
            yield disable_host(uuids[row], names[row], DISABLED_BY_CONSOLIDATION)
        yield from migrations(self.cluster, self.placement.moves(), named=self.named)
        released = sorted(self.emptied) if self.parameters.enable_released else []
        for row in (*released, *shielded):
            yield enable_host(uuids[row], names[row])

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
        before = int(self.before.sum())
        if self.emptied:
            yield f"{len(self.emptied)} of {before} hosts in use are emptied"
        else:
            yield (
                f"none of the {before} hosts in use can be emptied: on no enabled host with more"
                " vCPUs in use is there room for all of its instances"
            )
        if self.fixed.any():
            yield f"{int(self.fixed.sum())} hosts keep an instance that may not be moved"


def _vcpus(placement: Placement) -> Floats:
    return placement.used[:, VCPUS]
