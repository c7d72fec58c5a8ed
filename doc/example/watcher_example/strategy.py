# SPDX-License-Identifier: Apache-2.0
"""The strategy ``busy_hosts``."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from watcher.core.cluster import Cluster
from watcher.core.metrics import Metric, Metrics, Query
from watcher.core.parameters import param
from watcher.core.solution import Action, Solution


@dataclass(frozen=True)
class Parameters:
    """When a host is busy, and over how long that is judged."""

    threshold_percent: float = param(
        80.0, "CPU load of a host in percent above which it is busy.", minimum=0, maximum=100
    )
    period_s: int = param(3600, "Seconds of history.", minimum=60)


class BusyHosts:
    """Writes a note about each host of the scope whose mean CPU load is above a threshold.

    A strategy is a pure function: ``queries`` says what must be measured, ``solve`` gets it as
    NumPy columns beside those of the cluster, and returns actions. This docstring is its page.
    """

    name = "busy_hosts"
    display_name = "Busy hosts"
    goal = "watchfulness"
    planner = "by_host"
    parameters = Parameters

    def queries(self, parameters: Parameters) -> Sequence[Query]:
        """The mean CPU load of every host, in percent."""
        return (Query(Metric.HOST_CPU_USAGE, period_s=parameters.period_s),)

    def solve(self, cluster: Cluster, metrics: Metrics, parameters: Parameters) -> Solution:
        """One note for each busy host; what is not measured (nan) is not busy."""
        (query,) = self.queries(parameters)
        load, hosts = metrics[query], cluster.hosts
        known = hosts.in_scope & ~np.isnan(load)
        busy = np.flatnonzero(known & (load > parameters.threshold_percent))
        notes = [
            Action(
                "write_note",
                {
                    "resource_name": str(hosts.name[row]),
                    "text": f"{hosts.name[row]} is busy: {load[row]:.0f} % CPU",
                },
                str(hosts.uuid[row]),
            )
            for row in busy
        ]
        told = (
            f"{len(busy)} of {int(known.sum())} hosts are above {parameters.threshold_percent} %"
        )
        values = {"hosts": int(known.sum()), "busy_hosts": len(busy)}
        return Solution(tuple(notes), values, (told,))
