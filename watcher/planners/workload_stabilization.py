# SPDX-License-Identifier: Apache-2.0
"""The planner ``workload_stabilization``: as ``weight``, with weights of its own."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from watcher.core.cluster import Cluster
from watcher.core.parameters import param
from watcher.core.plan import Plan
from watcher.core.solution import CHANGE_SERVICE_STATE, MIGRATE, NOP, RESIZE, SLEEP, Solution
from watcher.planners.weight import Weight, WeightOptions

WEIGHTS = {
    "turn_host_to_acpi_s3_state": 0,
    RESIZE: 1,
    MIGRATE: 2,
    SLEEP: 3,
    CHANGE_SERVICE_STATE: 4,
    NOP: 5,
}
_SIDE_BY_SIDE = 1_000_000


@dataclass(frozen=True)
class WorkloadStabilizationOptions:
    """The options of ``[watcher_planners.workload_stabilization]`` (contract config §6)."""

    weights: Mapping[str, int] = param(
        dict(WEIGHTS),
        "Importance of each action type: those with a higher weight come first; all differ.",
    )


class WorkloadStabilization:
    """Orders actions by the weight of their type; they wait for what really matters only.

    A move waits for those that free its room, a resize for what comes before it on the same
    instance. How many migrations run at once is kept by the applier, by its limits in all and per
    host, so a large plan is no storm. An action type without a weight is refused.
    """

    name: ClassVar[str] = "workload_stabilization"
    Options: ClassVar[type] = WorkloadStabilizationOptions

    def __init__(self, options: WorkloadStabilizationOptions | None = None) -> None:
        weights = (options or WorkloadStabilizationOptions()).weights
        given = WeightOptions(weights=weights, parallelization={NOP: _SIDE_BY_SIDE})
        self._inner = Weight(given, self.name)

    def order(self, solution: Solution, cluster: Cluster) -> Plan:
        """The actions in order. Raises what ``weight`` raises."""
        return self._inner.order(solution, cluster)
