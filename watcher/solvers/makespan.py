# SPDX-License-Identifier: Apache-2.0
"""How long a plan takes when so much may run side by side: its makespan.

Jobs start in the order given, each as soon as those it waits for have ended and each of its
limits has a place: serial schedule generation (Kolisch, "Serial and parallel resource-constrained
project scheduling methods revisited", 1996). Nobody is overtaken, so a plan takes no longer. Costs
a few heap operations a job.
"""

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from heapq import heappop, heappush

from watcher.core.cluster import MEMORY_MB, Cluster
from watcher.core.plan import Plan
from watcher.core.solution import MIGRATE, Action

TOTAL, SOURCE, DESTINATION = "total", "source", "destination"


@dataclass(frozen=True)
class Job:
    """Work in any unit, the earlier jobs (positions) it waits for, and the limits it counts to.

    A need is the kind of a limit and what it is of: ``("source", "c1")``.
    """

    work: float
    waits: tuple[int, ...] = ()
    needs: tuple[tuple[str, Hashable], ...] = ()


@dataclass(frozen=True)
class Span:
    """When a job runs, in the unit of the jobs' work, counted from the start of the plan."""

    start: float
    end: float


def schedule(jobs: Iterable[Job], limits: Mapping[str, int]) -> list[Span]:
    """When each job runs; ``limits`` are by kind. A kind without a limit, or with 0, has none."""
    busy: dict[tuple[str, Hashable], list[float]] = {}
    spans: list[Span] = []
    for job in jobs:
        start = max((spans[place].end for place in job.waits), default=0.0)
        limited = [need for need in job.needs if limits.get(need[0])]
        for need in limited:
            lane = busy.setdefault(need, [])
            if len(lane) >= limits[need[0]]:
                start = max(start, heappop(lane))
        spans.append(Span(start, start + job.work))
        for need in limited:
            heappush(busy[need], spans[-1].end)
    return spans


def makespan(jobs: Iterable[Job], limits: Mapping[str, int]) -> float:
    """When the last job ends, in the unit of their work; ``limits`` as in ``schedule``."""
    return max((span.end for span in schedule(jobs, limits)), default=0.0)


def memory_makespan_gib(plan: Plan, cluster: Cluster, limits: Mapping[str, int]) -> float:
    """The memory that a plan's migrations copy one after another under the limits, GiB.

    Divided by what one migration copies in a second it is the plan's duration. Migrations count
    towards ``total``, ``source`` and ``destination``; all other actions take no time.
    """
    jobs = (
        _job(action, waits, cluster)
        for action, waits in zip(plan.actions, plan.parents, strict=True)
    )
    return makespan(jobs, limits)


def _job(action: Action, waits: tuple[int, ...], cluster: Cluster) -> Job:
    row = cluster.instances.row_by_uuid.get(action.resource_id)
    if action.type != MIGRATE or row is None:
        return Job(0.0, waits)
    ends = ((SOURCE, "source_node"), (DESTINATION, "destination_node"))
    named = ((kind, action.parameters.get(key)) for kind, key in ends)
    needs = ((TOTAL, ""), *((kind, name) for kind, name in named if name))
    return Job(float(cluster.instances.demand[row, MEMORY_MB]) / 1024.0, waits, needs)
