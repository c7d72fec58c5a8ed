# SPDX-License-Identifier: Apache-2.0
"""What tests do with solutions and plans: measure worlds, walk plans, carry them out, overlap them."""

import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

from tests.worlds import uuid, world
from watcher.core.cluster import Cluster, words
from watcher.core.metrics import Metric, Metrics, Query
from watcher.core.placement import Placement
from watcher.core.plan import Plan
from watcher.core.solution import CHANGE_SERVICE_STATE, MIGRATE, Action, Solution

SIZES = ((1, 1024, 10), (2, 2048, 20), (2, 4096, 10), (4, 4096, 20), (1, 6144, 0))
POLICIES = ("affinity", "anti-affinity", "soft-affinity", "soft-anti-affinity")


def lively(seed: int) -> Cluster:
    """A cluster of 2 to 9 hosts in which most instances may be moved, and some may not.

    Hosts are filled to between a little and the brim; instances are in server groups of all
    policies (kept at the start where they are strict), pinned to a zone, stopped, locked, busy, of
    flavors nobody can judge.
    """
    chance = random.Random(seed)
    built = world()
    for number in range(3):
        built.group(f"g{number}", chance.choice(POLICIES), chance.choice((1, 1, 2)))
    brim = chance.choice((0.3, 0.6, 1.0))
    count = 0
    for number in range(chance.randint(2, 9)):
        vcpus, memory_mb = chance.choice(((8, 16384), (16, 16384), (4, 8192)))
        enabled = chance.random() > 0.1
        built.host(
            f"c{number}",
            vcpus=vcpus,
            memory_mb=memory_mb,
            vcpus_ratio=chance.choice((1.0, 2.0, 4.0)),
            enabled=enabled,
            disabled_reason="" if enabled else chance.choice(("watcher_disabled", "broken fan")),
            up=chance.random() > 0.03,
            zone=chance.choice(("az1", "az1", "az2")),
            hypervisor_type=chance.choice(("QEMU",) * 9 + ("VMware",)),
        )
        left = [vcpus, brim * memory_mb, 200.0]
        here: set[str] = set()
        for _ in range(chance.randint(0, 8)):
            size = chance.choice(SIZES)
            left = [have - need for have, need in zip(left, size, strict=True)]
            if min(left) < 0:
                break
            group = f"g{chance.randrange(3)}" if chance.random() < 0.15 else ""
            group = "" if group in here else group
            here.add(group)
            _run(built, chance, count, size, group)
            count += 1
    return built.cluster()


def _run(built: Any, chance: random.Random, number: int, size: Sequence[int], group: str) -> None:
    built.runs(
        f"vm{number}",
        vcpus=size[0],
        memory_mb=size[1],
        disk_gb=size[2],
        group=group,
        state=chance.choice(("active",) * 16 + ("stopped", "stopped", "paused", "suspended")),
        locked=chance.random() < 0.02,
        task_state="resize_prep" if chance.random() < 0.02 else "",
        extra_specs={"hw:cpu_policy": "dedicated"} if chance.random() < 0.02 else {},
        pinned_zone=built.hosts[-1].zone if chance.random() < 0.1 else "",
    )


LIVELY = st.builds(lively, st.integers(0, 100_000))


def measured(
    cluster: Cluster,
    queries: Sequence[Query],
    values: Mapping[str, Mapping[str, float]],
    default: Mapping[str, float] | None = None,
) -> Metrics:
    """Columns from ``{"instance_cpu_usage": {"vm1": 50}}``; what is not named is not measured.

    ``default`` gives a value to the unnamed rows of a metric.
    """
    default = default or {}
    columns = {}
    for query in queries:
        metric = query.metric.public_name
        if metric in values or metric in default:
            table = cluster.hosts if metric.startswith("host") else cluster.instances
            named = {uuid(name): value for name, value in values.get(metric, {}).items()}
            missing = default.get(metric, np.nan)
            columns[query] = np.array([named.get(one, missing) for one in table.uuid], dtype=float)
    return Metrics(columns)


def only_instances(metrics: Metrics) -> Metrics:
    """Without what hosts say of their CPU and memory."""
    return Metrics(
        {
            query: column
            for query, column in metrics.columns.items()
            if query.metric not in (Metric.HOST_CPU_USAGE, Metric.HOST_RAM_USAGE)
        }
    )


def moves(answer: Solution | Plan) -> dict[str, tuple[str, str | None]]:
    """Name of each migrated instance -> (source, destination)."""
    return {
        action.parameters["resource_name"]: (
            action.parameters["source_node"],
            action.parameters.get("destination_node"),
        )
        for action in answer.actions
        if action.type == MIGRATE
    }


def switched(answer: Solution | Plan) -> dict[str, str]:
    """Name of each host whose service is switched -> enabled, or the reason it is disabled for."""
    return {
        action.parameters["resource_name"]: action.parameters.get("disabled_reason", "enabled")
        for action in answer.actions
        if action.type == CHANGE_SERVICE_STATE
    }


def walk(plan: Plan, cluster: Cluster) -> Iterator[tuple[Placement, int, int]]:
    """Each migration of a plan before it is made: the placement then, the instance, where to.

    Migrations without destination are made to nowhere and not shown.
    """
    placement = Placement(cluster)
    for action in plan.actions:
        if action.type == MIGRATE:
            row = cluster.instances.row_by_uuid[action.resource_id]
            name = action.parameters.get("destination_node")
            to = -1 if name is None else cluster.hosts.row_by_name[name]
            if name is not None:
                yield placement, row, to
            placement.move(row, to)


def carried_out(plan: Plan, cluster: Cluster) -> Cluster:
    """The cluster after all actions of a plan succeeded."""
    enabled, reasons = cluster.hosts.enabled.copy(), list(cluster.hosts.disabled_reason)
    for action in plan.actions:
        if action.type == CHANGE_SERVICE_STATE:
            row = cluster.hosts.row_by_name[action.parameters["resource_name"]]
            enabled[row] = action.parameters["state"] == "enabled"
            reasons[row] = action.parameters.get("disabled_reason", "")
    after = cluster.with_hosts(enabled=enabled, disabled_reason=words(reasons))
    return after.with_instances(host=plan.replay(cluster).host)


def overlapped(plan: Plan, cluster: Cluster, seed: int) -> None:
    """Run a plan's actions side by side in a random way that keeps its waits.

    A migration takes room on both hosts while it runs. Fails when a host gets fuller than it may
    be and than it was, or two actions on one resource run at once.
    """
    chance = random.Random(seed)
    used = cluster.used.copy()
    allowed = np.maximum(cluster.hosts.capacity, used)
    pending, running, done = set(range(len(plan.actions))), list[int](), set[int]()
    while pending or running:
        ready = sorted(one for one in pending if set(plan.parents[one]) <= done)
        if ready and (not running or chance.random() < 0.6):
            begun = chance.choice(ready)
            busy = [plan.actions[one].resource_id for one in running]
            assert not (set(busy) - {""}) & {plan.actions[begun].resource_id}
            used += _change(plan.actions[begun], cluster, "destination_node")
            assert (used <= allowed).all(), f"action {begun} overfills a host"
            pending.discard(begun)
            running.append(begun)
        else:
            ended = running.pop(chance.randrange(len(running)))
            used -= _change(plan.actions[ended], cluster, "source_node")
            done.add(ended)


def _change(action: Action, cluster: Cluster, end: str) -> Any:
    change = np.zeros_like(cluster.used)
    if action.type == MIGRATE and action.parameters.get(end):
        row = cluster.instances.row_by_uuid[action.resource_id]
        change[cluster.hosts.row_by_name[action.parameters[end]]] = cluster.instances.demand[row]
    return change
