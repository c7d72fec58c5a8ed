# SPDX-License-Identifier: Apache-2.0
"""One small consolidation with everything a report tells: what its tests look at."""

import dataclasses
from typing import Any

import numpy as np

from tests.shelves import shelves
from tests.worlds import uuid, world
from watcher.core.cluster import Cluster
from watcher.core.metrics import Metric, Metrics, Query
from watcher.core.placement import Load
from watcher.core.plan import Plan
from watcher.core.refusals import Example, Refusal, WhyNot
from watcher.core.solution import Action, Solution, disable_host, migrate
from watcher.report import evidence
from watcher.report.account import Account, Deed, Head

CPU = Query(Metric.HOST_CPU_USAGE)
LIMITS = {"total": 2, "source": 1, "destination": 1}
REFUSED = WhyNot(
    1, 1, (Refusal("it is locked", 1, (Example(uuid("stays"), "c3"),)),), (Refusal("full", 2, ()),)
)


def cluster() -> Cluster:
    """Four hosts of 16 GiB: two to be emptied, one to take everything, one that is disabled."""
    return (
        world()
        .host("c1")
        .runs("vm1", memory_mb=2048)
        .runs("vm2", memory_mb=4096, vcpus=2)
        .host("c2")
        .runs("<vm3>", memory_mb=1024)
        .host("c3")
        .runs("stays", memory_mb=1024)
        .host("c4", enabled=False)
        .cluster(taken_at=1767225600.0)
    )


def volume_cluster() -> Cluster:
    """The hosts, and two pools of 100 GiB: one volume of 40 GiB on the first."""
    of = shelves().pool("one", total_gb=100, free_gb=100).holds("v1", 40)
    return of.pool("two", total_gb=100, free_gb=100).beside(cluster())


def actions() -> tuple[Action, ...]:
    """c1 and c2 are closed and emptied."""
    return (
        disable_host(uuid("c1"), "c1", "watcher_disabled"),
        migrate(uuid("vm1"), "c1", "c3", name="vm1"),
        migrate(uuid("vm2"), "c1", "c3", name="vm2"),
        migrate(uuid("<vm3>"), "c2", "c3", name="<vm3>"),
    )


PARENTS = ((), (0,), (0,), (1,))


def gathered(of: Cluster | None = None, **changed: Any) -> evidence.Evidence:
    """The evidence of the plan."""
    of = of or cluster()
    busy = np.where(of.instances.demand[:, 1] > 2000, 2.0, 0.5)
    load = Load("cpu load", busy, np.full(4, 2.0), np.array([0.25, 0.0, 0.0, 0.0]))
    solution = Solution(actions(), loads=(load,), why_not=REFUSED)
    rows = [of.hosts.row_by_name[name] for name in ("c1", "c2", "c3", "c4")]
    percent = np.full(4, np.nan)
    percent[rows[:3]] = (50.0, 10.0, 5.0)
    found = evidence.gather(
        of, Plan(actions(), PARENTS), solution, Metrics({CPU: percent}), {"cpu load": 100.0}
    )
    return dataclasses.replace(
        found, limits=LIMITS, parameters={"period": 3600}, notes=("2 hosts <empty>",), **changed
    )


INDICATORS = tuple(
    {"name": name, "value": value, "unit": unit, "description": f"About {name}."}
    for name, value, unit in (
        ("hosts_in_use_before", 3.0, None),
        ("hosts_in_use_after", 1.0, None),
        ("hosts_in_use_lower_bound", 1.0, None),
        ("gap_to_lower_bound_percent", 0.0, "%"),
    )
)


def account(kept: evidence.Evidence | None = None, **states: Any) -> Account:
    """The account of the plan; ``states`` are (state, message) by position, as ``at1=...``."""
    deeds = [
        Deed(
            uuid(f"action{number}"),
            one.type,
            one.input_parameters,
            *states.get(f"at{number}", ("PENDING", None)),
            parents=tuple(uuid(f"action{parent}") for parent in PARENTS[number]),
        )
        for number, one in enumerate(actions())
    ]
    if "undo" in states:
        deeds.append(Deed(uuid("undo"), *states["undo"], "SUCCEEDED", None, (), uuid("action1")))
    head = Head(
        uuid("plan"),
        "ONGOING",
        goal="Server <Consolidation>",
        strategy="Consolidation",
        audit="nightly",
        audit_uuid=uuid("audit"),
        message="so far",
        created_at="2026-11-28T04:00:00+00:00",
        indicators=INDICATORS,
        global_efficacy=(
            {"name": "released_nodes_ratio", "value": 50.0, "unit": "%", "description": "Share."},
        ),
    )
    return Account(head, deeds, kept)
