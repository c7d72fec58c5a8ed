# SPDX-License-Identifier: Apache-2.0
"""From a question to its answer: gather, solve, order, and say what it is worth.

An audit and ``watcher-simulate`` think with the same code: here is nothing of the database, the
bus or the cloud. What is asked of them comes in as ``Model``, ``DataSources`` and ``moved``.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Protocol

from oslo_config import cfg

from watcher import plugins
from watcher.core import damping, scope
from watcher.core import parameters as parameter_rules
from watcher.core.cluster import Cluster
from watcher.core.errors import Invalid, NotFound
from watcher.core.goals import Goal, efficacy
from watcher.core.metrics import Metrics
from watcher.core.plan import Plan
from watcher.core.protocols import Strategy, marks_of, models_of
from watcher.core.solution import MIGRATE, Action, Solution
from watcher.datasources.choice import DataSources
from watcher.decision_engine import strategy_options
from watcher.decision_engine.record import Outcome
from watcher.decision_engine.selection import choose
from watcher.report import evidence
from watcher.solvers.makespan import DESTINATION, SOURCE, TOTAL, memory_makespan_gib

Moved = Callable[[float], Collection[str]]
"""The uuids of the instances that were migrated within so many seconds."""


class Model(Protocol):
    """Where the cluster comes from."""

    def gather(self, kinds: Iterable[str] = ()) -> Cluster:
        """The cluster with these kinds of models besides compute; StaleCluster when it cannot."""
        ...


@dataclass(frozen=True)
class Asked:
    """The question. ``again`` is one that is asked again and again, which is damped.

    ``strategy`` None leaves the choice to the goal; ``scope`` is what ``check_scope`` returned.
    """

    goal: str
    strategy: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    scope: Sequence[Mapping[str, Any]] = ()
    again: bool = False


@dataclass(frozen=True)
class Case:
    """Everything a strategy is given, gathered."""

    name: str
    strategy: Strategy[Any]
    goal: Goal
    cluster: Cluster
    metrics: Metrics
    parameters: Any
    minimum_gain: float
    notes: tuple[str, ...]


def gather(
    asked: Asked, conf: cfg.ConfigOpts, model: Model, sources: DataSources, moved: Moved
) -> Case:
    """Choose the strategy and fetch what it needs, in bulk, before it thinks.

    Raises NotFound for a goal or strategy that is not installed, BadParameters, StaleCluster and
    NoMetrics.
    """
    goal = plugins.goals().get(asked.goal)
    if goal is None:
        raise NotFound("Goal plugin", asked.goal)
    name = asked.strategy or choose(goal.name, sources, conf)
    strategy = plugins.strategy(name)
    given = parameter_rules.with_defaults(damping.spec(strategy), asked.parameters)
    own, wanted = damping.split(strategy, given)
    own = strategy_options.configured(conf, name, own)
    values = parameter_rules.parse(strategy.parameters, own)
    snapshot = model.gather(models_of(strategy, values))
    cluster, notes = scope.apply(snapshot, asked.scope)
    cool_down_s, minimum_gain = _damping(asked, wanted, conf)
    resting: list[str] = []
    if cool_down_s:
        cluster, resting = damping.rest(cluster, moved(cool_down_s), cool_down_s)
    queries = strategy.queries(values)
    metrics = sources.fetch(queries, cluster, strategy=name) if queries else Metrics()
    metrics.require(query for query in queries if query.required)
    notes = (*notes, *resting, *metrics.notes)
    return Case(name, strategy, goal, cluster, metrics, values, minimum_gain, notes)


def _damping(asked: Asked, wanted: damping.Damping, conf: cfg.ConfigOpts) -> tuple[float, float]:
    """Cool-down (seconds) and minimum gain: the question's own, else those of the options.

    What is asked once is done as asked: the options are for the others.
    """
    settings = conf.watcher_decision_engine
    again = asked.again and asked.goal in damping.DAMPED
    cool_down_s = settings.cool_down if again else 0.0
    gain = settings.minimum_gain.get(asked.goal, 0.0) if again else 0.0
    return (
        cool_down_s if wanted.cool_down is None else wanted.cool_down,
        gain if wanted.minimum_gain is None else wanted.minimum_gain,
    )


def solve(case: Case) -> Solution:
    """What the strategy says, unless it brings too little."""
    solution = case.strategy.solve(case.cluster, case.metrics, case.parameters)
    return damping.worth(case.goal.name, solution, case.minimum_gain)


def order(case: Case, solution: Solution, conf: cfg.ConfigOpts) -> Plan:
    """Order the solution and replay it; ImpossiblePlan for what cannot be carried out.

    Raises NotFound for a planner that is not installed, Invalid for an action the applier would
    refuse.
    """
    planner = plugins.planner(case.strategy.planner, conf)
    plan = planner.order(solution, case.cluster)
    if not solution.imaginary:
        plan.replay(case.cluster)
    for action in plan.actions:
        _check_action(action)
    return plan


def outcome(case: Case, solution: Solution, plan: Plan, conf: cfg.ConfigOpts) -> Outcome:
    """What the run came to, to be recorded or shown."""
    at_once = limits(conf)
    told = {**solution.indicators, **_makespan(case, solution, plan, at_once)}
    indicators, global_efficacy = efficacy(case.goal, told)
    said = "; ".join((*solution.notes, *case.notes))
    kept = _evidence(case, solution, plan, at_once)
    return Outcome(case.name, plan, said, indicators, global_efficacy, solution.why_not, kept)


def limits(conf: cfg.ConfigOpts) -> dict[str, int]:
    """How many migrations the applier runs at the same time, by what is limited."""
    settings = conf.watcher_applier
    most, per_node = settings.parallel_total, settings.parallel_per_node
    return {TOTAL: most, SOURCE: per_node, DESTINATION: per_node}


def _makespan(
    case: Case, solution: Solution, plan: Plan, limits: Mapping[str, int]
) -> dict[str, float]:
    """How long the plan's migrations take under the applier's limits, as memory copied."""
    if not solution.indicators or not any(one.type == MIGRATE for one in plan.actions):
        return {}
    return {"makespan_memory_gib": memory_makespan_gib(plan, case.cluster, limits)}


def _evidence(
    case: Case, solution: Solution, plan: Plan, limits: Mapping[str, int]
) -> evidence.Evidence:
    """What the plan's report needs to know of this run."""
    marks = marks_of(case.strategy, case.parameters)
    coverage = (
        f"{query.metric.public_name}: {answer}" for query, answer in case.metrics.coverage.items()
    )
    return replace(
        evidence.gather(case.cluster, plan, solution, case.metrics, marks),
        limits=limits,
        parameters=asdict(case.parameters),
        notes=(*solution.notes, *case.notes, *coverage),
    )


def _check_action(action: Action) -> None:
    """Raise Invalid for an action that the applier would refuse: better now than when it runs."""
    handler = plugins.actions().get(action.type)
    if handler is None:
        known = ", ".join(sorted(plugins.actions()))
        raise Invalid(f"there is no action type {action.type}; there are {known}")
    try:
        parameter_rules.check(handler.schema, action.input_parameters)
    except Invalid as error:
        raise Invalid(f"action {action.type}: {error}") from error
