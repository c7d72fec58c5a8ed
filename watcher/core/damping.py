# SPDX-License-Identifier: Apache-2.0
"""Damping: what keeps audits that run again and again from moving instances to and fro.

Two rules, for all strategies of the goals where moving is a means and not the end (``DAMPED``).
An instance that was migrated rests for a while (``cool_down``): strategies see it as one that must
not be moved, so that a host is still emptied as a whole or left alone. And a plan that brings too
little for each of its migrations (``minimum_gain``) is not made at all.

Both are parameters of every audit with such a strategy, beside the strategy's own.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from watcher.core import goals, parameters
from watcher.core.cluster import Cluster
from watcher.core.parameters import param
from watcher.core.protocols import Strategy
from watcher.core.solution import MIGRATE, Solution

DAMPED = frozenset(
    goal.name
    for goal in (
        *(goals.SERVER_CONSOLIDATION, goals.WORKLOAD_BALANCING, goals.THERMAL_OPTIMIZATION),
        *(goals.AIRFLOW_OPTIMIZATION, goals.NOISY_NEIGHBOR, goals.SAVING_ENERGY),
    )
)


@dataclass(frozen=True)
class Damping:
    """The parameters; None for what the decision engine's options say."""

    cool_down: float | None = param(
        None,
        "How long an instance that was migrated, or failed to be, is left alone, seconds. Without"
        " it the decision engine's option holds for audits that run again and again, and 0 for"
        " those that run once.",
        minimum=0,
    )
    minimum_gain: float | None = param(
        None,
        "The least a plan must bring for each of its migrations: hosts released for server"
        " consolidation, percentage points of the standard deviation of the hosts' load for"
        " workload balancing. Without it as for cool_down.",
        minimum=0,
    )


def spec(strategy: Strategy[Any]) -> dict[str, Any]:
    """The parameters_spec of a strategy, with those of damping where its goal is damped.

    A parameter that the strategy has itself is the strategy's.
    """
    own = parameters.schema(strategy.parameters)
    if strategy.goal not in DAMPED:
        return own
    ours = parameters.schema(Damping)["properties"]
    for rule in ours.values():
        del rule["default"]  # or the options of the day would be written into the audit
    return {**own, "properties": {**ours, **own["properties"]}}


def split(strategy: Strategy[Any], given: Mapping[str, Any]) -> tuple[dict[str, Any], Damping]:
    """The strategy's own parameters, and those of damping."""
    own = parameters.schema(strategy.parameters)["properties"]
    names = {field.name for field in fields(Damping)} - own.keys()
    damping = {name: given[name] for name in names & given.keys()}
    return {name: value for name, value in given.items() if name not in damping}, Damping(
        **damping
    )


def rest(
    cluster: Cluster, moved: Collection[str], cool_down_s: float
) -> tuple[Cluster, list[str]]:
    """The cluster with the instances (uuids) that were moved marked as resting, and a note."""
    rows = [row for uuid in moved if (row := cluster.instances.row_by_uuid.get(uuid)) is not None]
    if not rows:
        return cluster, []
    resting = np.zeros(len(cluster.instances), dtype=np.bool_)
    resting[rows] = True
    note = (
        f"{len(rows)} instances were migrated within {cool_down_s:g} seconds (cool_down): they"
        " are left alone"
    )
    return cluster.with_instances(resting=resting), [note]


def gain(goal: str, indicators: Mapping[str, float]) -> float | None:
    """What a solution brings in all, in the unit of ``minimum_gain``; None when not known."""
    if goal == goals.SERVER_CONSOLIDATION.name:
        return indicators.get("released_compute_nodes_count")
    if goal == goals.WORKLOAD_BALANCING.name:
        before = indicators.get("standard_deviation_before_audit")
        after = indicators.get("standard_deviation_after_audit")
        return None if before is None or after is None else 100.0 * (before - after)
    return None


def worth(goal: str, solution: Solution, minimum_gain: float) -> Solution:
    """The solution, or an empty one that says why, when its migrations bring too little each."""
    migrations = sum(action.type == MIGRATE for action in solution.actions)
    total = gain(goal, solution.indicators)
    if not migrations or total is None or total / migrations >= minimum_gain:
        return solution
    note = (
        f"{migrations} migrations would bring {total / migrations:.3g} each, less than the"
        f" minimum_gain of {minimum_gain:g}: nothing is moved"
    )
    return Solution(notes=(note, *solution.notes), why_not=solution.why_not)
