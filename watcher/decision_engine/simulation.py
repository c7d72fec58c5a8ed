# SPDX-License-Identifier: Apache-2.0
"""An audit on a snapshot: the same thoughts as a decision engine's, and no cloud, database or bus.

What comes of it is plain values, as JSON, so that it can be kept, shown and compared.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from oslo_config import cfg

from watcher import plugins
from watcher.core import damping, parameters
from watcher.core.cluster import MEMORY_MB, UNPLACED, Cluster
from watcher.core.errors import Invalid
from watcher.core.metrics import Query
from watcher.core.placement import Placement
from watcher.core.plan import Plan
from watcher.core.snapshot import Snapshot
from watcher.core.solution import MIGRATE, Solution
from watcher.decision_engine import reasoning, recorded
from watcher.decision_engine.reasoning import Asked, Case
from watcher.decision_engine.record import Outcome
from watcher.solvers.makespan import memory_makespan_gib

FORMAT, FORMAT_VERSION = "watcher-simulation", 1


@dataclass(frozen=True)
class Wish:
    """What is to be tried: a strategy, or a goal that chooses one; parameters and scope."""

    strategy: str | None = None
    goal: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    scope: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True)
class Run:
    """What was thought and what came of it."""

    case: Case
    solution: Solution
    plan: Plan
    outcome: Outcome
    limits: Mapping[str, int]


def run(snapshot: Snapshot, wish: Wish, conf: cfg.ConfigOpts) -> Run:
    """Carry a wish from its question to its plan, as a ONESHOT audit would be.

    Raises Invalid, NotFound, NoMetrics and StaleCluster with what an audit would say.
    """
    found = recorded.sources(snapshot, conf)
    case = reasoning.gather(asked(wish), conf, recorded.Model(snapshot), found, _moved)
    solution = reasoning.solve(case)
    plan = reasoning.order(case, solution, conf)
    outcome = reasoning.outcome(case, solution, plan, conf)
    return Run(case, solution, plan, outcome, reasoning.limits(conf))


def asked(wish: Wish) -> Asked:
    """The question of an audit, checked as the API checks one. Raises Invalid and NotFound."""
    goal = wish.goal
    if wish.strategy is None:
        if goal is None:
            raise Invalid("name a strategy or a goal")
        if wish.parameters:
            raise Invalid("parameters need a strategy that takes them")
        if goal not in plugins.goals():
            raise Invalid(f"there is no goal {goal}; there are {', '.join(plugins.goals())}")
    else:
        strategy = known(wish.strategy)
        goal = goal or strategy.goal
        if goal != strategy.goal:
            raise Invalid(f"strategy {wish.strategy} serves the goal {strategy.goal}, not {goal}")
        parameters.check(damping.spec(strategy), wish.parameters)
    return Asked(goal, wish.strategy, wish.parameters, wish.scope)


def known(name: str) -> Any:
    """A strategy by its name. Raises Invalid, naming those that there are, for another."""
    there = plugins.strategies()
    if name not in there:
        raise Invalid(f"there is no strategy {name}; there are {', '.join(there)}")
    return there[name]


def queries(
    strategies: Mapping[str, Mapping[str, Any]], conf: cfg.ConfigOpts
) -> dict[str | None, list[Query]]:
    """What strategies with these parameters ask: those of None for all, of others for one only.

    Raises what ``asked`` raises.
    """
    found: dict[str | None, list[Query]] = {None: []}
    for name, given in strategies.items():
        strategy = known(name)
        parameters.check(damping.spec(strategy), given)
        own, _ = damping.split(strategy, given)
        values = parameters.parse(strategy.parameters, own)
        whose = None if conf[f"watcher_strategies.{name}"].datasources is None else name
        asks = (replace(query, required=True) for query in strategy.queries(values))
        found.setdefault(whose, []).extend(asks)
    return found


def report(done: Run, name: str) -> dict[str, Any]:
    """All of a run as plain values; ``name`` is the snapshot's."""
    case, outcome = done.case, done.outcome
    return {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "snapshot": {
            "name": name,
            "taken_at": case.cluster.taken_at,
            "hosts": len(case.cluster.hosts),
            "instances": len(case.cluster.instances),
        },
        "goal": case.goal.name,
        "strategy": case.name,
        "parameters": asdict(case.parameters),
        "message": outcome.message,
        "figures": figures(done),
        "efficacy_indicators": list(outcome.indicators),
        "global_efficacy": outcome.global_efficacy,
        "why_not": outcome.why_not and asdict(outcome.why_not),
        "actions": [
            {
                "action_type": action.type,
                "input_parameters": action.input_parameters,
                "parents": list(parents),
            }
            for action, parents in zip(outcome.plan.actions, outcome.plan.parents, strict=True)
        ],
    }


def figures(done: Run) -> dict[str, float | None]:
    """What a plan is worth and costs, by name; None for what its strategy does not tell."""
    cluster, told = done.case.cluster, done.solution.indicators
    moved = _moved_rows(cluster, done.plan)
    after = None if done.solution.imaginary else _after(cluster, done.plan)
    return {
        "hosts_in_use_before": told.get(
            "hosts_in_use_before", _in_use(cluster, cluster.instances.host)
        ),
        "hosts_in_use_after": told.get(
            "hosts_in_use_after", None if after is None else _in_use(cluster, after.host)
        ),
        "hosts_in_use_lower_bound": told.get("hosts_in_use_lower_bound"),
        "gap_to_lower_bound_percent": told.get("gap_to_lower_bound_percent"),
        "standard_deviation_before": told.get("standard_deviation_before_audit"),
        "standard_deviation_after": told.get("standard_deviation_after_audit"),
        "standard_deviation_lower_bound": told.get("standard_deviation_lower_bound"),
        "actions": len(done.plan.actions),
        "migrations": sum(one.type == MIGRATE for one in done.plan.actions),
        "moved_gib": float(cluster.instances.demand[moved, MEMORY_MB].sum()) / 1024.0,
        "makespan_gib": memory_makespan_gib(done.plan, cluster, done.limits),
    }


def _moved_rows(cluster: Cluster, plan: Plan) -> list[int]:
    """The instance row of each migration, of those that there are."""
    rows = cluster.instances.row_by_uuid
    migrations = (one.resource_id for one in plan.actions if one.type == MIGRATE)
    return [rows[uuid] for uuid in migrations if uuid in rows]


def _after(cluster: Cluster, plan: Plan) -> Placement | None:
    """Where all is after the plan; None when Nova is to choose the hosts of some."""
    placement = plan.replay(cluster)
    lost = (placement.host == UNPLACED) & (cluster.instances.host != UNPLACED)
    return None if lost.any() else placement


def _in_use(cluster: Cluster, homes: Any) -> int:
    """How many hosts have an instance, of those in scope."""
    busy = np.bincount(homes[homes != UNPLACED], minlength=len(cluster.hosts)) > 0
    return int((busy & cluster.hosts.in_scope).sum())


def _moved(within_s: float) -> frozenset[str]:
    raise Invalid(
        f"a snapshot does not tell which instances were moved in the last {within_s:g} s: leave"
        " cool_down out"
    )
