# SPDX-License-Identifier: Apache-2.0
"""One audit, from PENDING to a recorded plan: claim, gather, solve, order, record."""

import logging
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from oslo_config import cfg
from sqlalchemy.orm import Session

from watcher import plugins
from watcher.context import RequestContext
from watcher.core import damping, scope
from watcher.core import parameters as parameter_rules
from watcher.core.cluster import Cluster
from watcher.core.errors import (
    ImpossiblePlan,
    Invalid,
    LostRace,
    NotFound,
    ServiceDown,
    WatcherError,
)
from watcher.core.goals import Goal, efficacy
from watcher.core.metrics import Metrics
from watcher.core.plan import Plan
from watcher.core.protocols import Strategy, models_of
from watcher.core.solution import MIGRATE, Action, Solution
from watcher.datasources.choice import DataSources
from watcher.db import store
from watcher.db.engine import Database, after_commit
from watcher.db.models import Audit
from watcher.decision_engine import claims, history, record, strategy_options
from watcher.decision_engine.selection import choose
from watcher.decision_engine.snapshots import Snapshots
from watcher.messaging.notifications import Announcer
from watcher.messaging.rpc import Applier
from watcher.solvers.makespan import DESTINATION, SOURCE, TOTAL, memory_makespan_gib

LOG = logging.getLogger(__name__)


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


@dataclass(frozen=True)
class Runner:
    """Runs audits; one per decision engine, used by all its worker threads.

    After ``stopped`` nobody waits any longer for a database that does not answer.
    """

    conf: cfg.ConfigOpts
    database: Database
    announcer: Announcer
    applier: Applier
    snapshots: Snapshots
    sources: DataSources
    host: str
    stopped: threading.Event

    def run(self, context: RequestContext, uuid: str, owners: Collection[str] = ()) -> None:
        """Carry one audit from its claim to a recorded plan, or to a failure with its reason.

        What the ``owners`` were running when they died may be taken over.
        """
        audit = self.claim(uuid, owners)
        if audit is None:
            return
        try:
            with self._told("audit.strategy", audit):
                case = self.gather(audit)
                solution = self.solve(case)
            plan = self.order(audit, case, solution)
            self.record(context, audit, case, solution, plan)
        except LostRace as error:  # the operator's wish, or taken over while we were frozen
            LOG.info("audit %s ends here without a plan: %s", uuid, error)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - the edge: a failed audit is a result
            self.fail(audit, error)

    def claim(self, uuid: str, owners: Collection[str] = ()) -> Audit | None:
        """Take an audit that is to be run; None when it is not.

        The caller sees to it that no other thread of this engine does.
        """
        tried: set[int] = set()

        def work(session: Session) -> Audit | None:
            if tried:  # perhaps only the answer was lost
                mine = store.get(session, Audit, uuid, load=claims.RELATED)
                if mine.hostname == self.host and mine.epoch in tried and mine.running_since:
                    return mine
            audit = claims.claim(session, uuid, self.host, owners)
            if audit is not None:
                tried.add(audit.epoch)
            return audit

        try:
            return self.database.persist(work, self.stopped)
        except (LostRace, NotFound) as error:  # another engine has it, or the operator was faster
            LOG.debug("audit %s is not run here: %s", uuid, error)
            return None

    def gather(self, audit: Audit) -> Case:
        """Choose the strategy and fetch what it needs, in bulk, before it thinks."""
        goal = plugins.goals().get(audit.goal.name)
        if goal is None:
            raise NotFound("Goal plugin", audit.goal.name)
        name = (
            audit.strategy.name if audit.strategy else choose(goal.name, self.sources, self.conf)
        )
        strategy = plugins.strategy(name)
        given = parameter_rules.with_defaults(damping.spec(strategy), audit.parameters or {})
        own, wanted = damping.split(strategy, given)
        own = strategy_options.configured(self.conf, name, own)
        values = parameter_rules.parse(strategy.parameters, own)
        snapshot = self.snapshots.gather(models_of(strategy, values))
        cluster, notes = scope.apply(snapshot, audit.scope or [])
        cool_down_s, minimum_gain = self._damping(audit, goal.name, wanted)
        cluster, resting = self._rested(cluster, cool_down_s)
        queries = strategy.queries(values)
        metrics = self.sources.fetch(queries, cluster, strategy=name) if queries else Metrics()
        metrics.require(query for query in queries if query.required)
        notes = (*notes, *resting, *metrics.notes)
        return Case(name, strategy, goal, cluster, metrics, values, minimum_gain, notes)

    def _damping(self, audit: Audit, goal: str, wanted: damping.Damping) -> tuple[float, float]:
        """Cool-down (seconds) and minimum gain: the audit's own, else those of the options.

        An audit that runs once does what it is asked for: the options are for the others.
        """
        settings = self.conf.watcher_decision_engine
        again = audit.audit_type != "ONESHOT" and goal in damping.DAMPED
        cool_down_s = settings.cool_down if again else 0.0
        gain = settings.minimum_gain.get(goal, 0.0) if again else 0.0
        return (
            cool_down_s if wanted.cool_down is None else wanted.cool_down,
            gain if wanted.minimum_gain is None else wanted.minimum_gain,
        )

    def _rested(self, cluster: Cluster, cool_down_s: float) -> tuple[Cluster, list[str]]:
        """The cluster in which instances that were moved of late rest, and a note about them."""
        if not cool_down_s:
            return cluster, []
        with self.database.reading() as session:
            moved = history.moved(session, cool_down_s)
        return damping.rest(cluster, moved, cool_down_s)

    @contextmanager
    def _told(self, event: str, audit: Audit) -> Iterator[None]:
        """Tell the bus that a step of an audit begins, and how it ended."""
        self.announcer.job(event, audit, phase="start")
        try:
            yield
        except Exception as error:  # whatever it is, it is told and raised again
            self.announcer.job(event, audit, phase="error", fault=error)
            raise
        self.announcer.job(event, audit, phase="end")

    def solve(self, case: Case) -> Solution:
        """Run the strategy and log what it says."""
        solution = case.strategy.solve(case.cluster, case.metrics, case.parameters)
        solution = damping.worth(case.goal.name, solution, case.minimum_gain)
        for note in (*case.notes, *solution.notes, *map(str, case.metrics.coverage.values())):
            LOG.info("%s: %s", case.name, note)
        return solution

    def order(self, audit: Audit, case: Case, solution: Solution) -> Plan:
        """Order the solution and replay it: what cannot be carried out is never recorded."""
        with self._told("audit.planner", audit):
            planner = plugins.planner(case.strategy.planner, self.conf)
            plan = planner.order(solution, case.cluster)
            if not solution.imaginary:
                plan.replay(case.cluster)
            for action in plan.actions:
                _check_action(action)
        return plan

    def record(
        self, context: RequestContext, audit: Audit, case: Case, solution: Solution, plan: Plan
    ) -> None:
        """Plan, actions, indicators and the run's end in one transaction: all or nothing."""
        told = {**solution.indicators, **self._makespan(case, solution, plan)}
        indicators, global_efficacy = efficacy(case.goal, told)
        said = "; ".join((*solution.notes, *case.notes))
        outcome = record.Outcome(
            case.name, plan, said, indicators, global_efficacy, solution.why_not
        )

        def work(session: Session) -> None:
            row = record.record(session, audit, outcome)
            if row.state == "PENDING":
                after_commit(session, lambda: self._launch(context, row.uuid))

        self.database.persist(work, self.stopped)

    def _makespan(self, case: Case, solution: Solution, plan: Plan) -> dict[str, float]:
        """How long the plan's migrations take under the applier's limits, as memory copied."""
        if not solution.indicators or not any(one.type == MIGRATE for one in plan.actions):
            return {}
        settings = self.conf.watcher_applier
        most, per_node = settings.parallel_total, settings.parallel_per_node
        limits = {TOTAL: most, SOURCE: per_node, DESTINATION: per_node}
        return {"makespan_memory_gib": memory_makespan_gib(plan, case.cluster, limits)}

    def _launch(self, context: RequestContext, plan_uuid: str) -> None:
        try:
            self.applier.launch_action_plan(context, plan_uuid)
        except (
            ServiceDown
        ) as error:  # the plan is PENDING; an applier finds it without the message
            LOG.warning("action plan %s waits for an applier to find it: %s", plan_uuid, error)

    def fail(self, audit: Audit, error: BaseException) -> None:
        """End a run that failed, with a reason the operator can act on."""
        why_not = error.why_not if isinstance(error, ImpossiblePlan) else None
        if isinstance(error, WatcherError):
            LOG.warning("audit %s failed: %s", audit.uuid, error)
            reason = str(error)
        else:
            LOG.error("audit %s failed", audit.uuid, exc_info=error)
            reason = (
                f"Internal error ({type(error).__name__}); the decision engine's log has more."
            )
        try:
            self.database.persist(
                lambda session: claims.give_back(session, audit, reason, why_not), self.stopped
            )
        except LostRace as lost:
            LOG.info("audit %s: %s", audit.uuid, lost)


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
