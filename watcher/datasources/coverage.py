# SPDX-License-Identifier: Apache-2.0
"""Whether enough was measured, and lately; pure."""

from dataclasses import replace

import numpy as np

from watcher.core.cluster import UNPLACED, Bools, Cluster, InstanceState
from watcher.core.metrics import Coverage, Floats, Query, Subject


def expected(cluster: Cluster, subject: Subject) -> Bools:
    """The rows that a healthy agent measures: hosts that are up, instances that run on them.

    What is out of the audit's scope is nobody's concern here.
    """
    hosts, instances = cluster.hosts, cluster.instances
    watched: Bools = hosts.up & hosts.in_scope
    if subject is Subject.HOST:
        return watched
    running = (instances.state == InstanceState.ACTIVE) & (instances.host != UNPLACED)
    found: Bools = running & (watched[instances.host] if len(hosts) else False)
    return found


def counted(coverage: Coverage, column: Floats, query: Query, cluster: Cluster) -> Coverage:
    """The coverage over the rows that should have been measured."""
    rows = expected(cluster, query.metric.subject)
    measured = int(np.count_nonzero(rows & ~np.isnan(column)))
    return replace(coverage, measured=measured, rows=int(np.count_nonzero(rows)))


def lacking(coverage: Coverage, query: Query, minimum_percent: float, maximum_age_s: float) -> str:
    """Why this is too little to decide upon; '' when it is enough. An age of 0 is no limit."""
    if coverage.measured * 100 < minimum_percent * coverage.rows:
        return (
            f"{coverage.source} has it for {coverage.measured} of {coverage.rows} running"
            f" {_plural(query)}, less than {minimum_percent:g} % ([watcher_datasources]"
            " minimum_coverage_percent); check the agents of the others"
        )
    age_s = coverage.newest_age_s
    if maximum_age_s and age_s is not None and age_s > maximum_age_s:
        return (
            f"the newest sample of {coverage.source} is {age_s:.0f} s old, more than"
            f" {maximum_age_s:g} s ([watcher_datasources] maximum_age); check that the agents run"
            " and that the clocks agree"
        )
    return ""


def note(coverage: Coverage, query: Query) -> str:
    """One line for the operator when something is missing; '' when all was measured."""
    if coverage.measured >= coverage.rows:
        return ""
    return (
        f"{query.metric.public_name}: {coverage.source} measured {coverage.measured} of"
        f" {coverage.rows} running {_plural(query)}"
    )


def _plural(query: Query) -> str:
    return "hosts" if query.metric.subject is Subject.HOST else "instances"
