# SPDX-License-Identifier: Apache-2.0
"""One audit, from PENDING to a recorded plan: claim, gather, solve, order, record."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from oslo_config import cfg
from oslo_utils import uuidutils
from sqlalchemy.orm import Session

from watcher import plugins
from watcher.context import RequestContext
from watcher.core import parameters as parameter_rules
from watcher.core import scope
from watcher.core.cluster import Cluster
from watcher.core.errors import Invalid, LostRace, NotFound, ServiceDown, WatcherError
from watcher.core.goals import Goal, efficacy
from watcher.core.metrics import Metrics
from watcher.core.plan import Plan
from watcher.core.protocols import Strategy
from watcher.core.solution import Action, Solution
from watcher.datasources.choice import DataSources
from watcher.db import models, store
from watcher.db.engine import Database, after_commit
from watcher.decision_engine.keeper import Keeper
from watcher.decision_engine.selection import choose
from watcher.messaging.notifications import Announcer
from watcher.messaging.rpc import Applier

LOG = logging.getLogger(__name__)

NOTHING_TO_DO = "There is nothing to do."


@dataclass(frozen=True)
class Case:
    """Everything a strategy is given, gathered."""

    name: str
    strategy: Strategy[Any]
    goal: Goal
    cluster: Cluster
    metrics: Metrics
    parameters: Any
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
    keeper: Keeper
    sources: DataSources
    host: str
    stopped: threading.Event

    def run(self, context: RequestContext, uuid: str) -> None:
        """Carry one audit from PENDING to a recorded plan, or to FAILED with its reason."""
        audit = self.claim(uuid)
        if audit is None:
            return
        try:
            case = self.gather(audit)
            solution = self.solve(audit, case)
            plan = self.order(audit, case, solution)
            self.record(context, audit, case, solution, plan)
        except LostRace as error:  # cancelled by the operator while it was running
            LOG.info("audit %s ends without a plan: %s", uuid, error)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - the edge: a failed audit is a result
            self.fail(audit, error)

    def claim(self, uuid: str) -> models.Audit | None:
        """Take an audit that is to be run; None when it is not.

        That is a PENDING one, an EVENT audit that ended, or an ONGOING one that nobody runs; the
        caller sees to it that no other thread of this engine does. Unless the audit is forced, an
        ONGOING action plan makes a ONESHOT audit CANCELLED, with that reason; an audit of another
        type waits for its next time.
        """

        def work(session: Session) -> models.Audit | None:
            audit = store.get(session, models.Audit, uuid, load=("goal", "strategy"))
            session.refresh(audit, ["state", "hostname"], with_for_update=True)
            if audit.state == "ONGOING" and audit.hostname in (None, self.host):
                # A former life had it, only the answer to a claim was lost, or a user set it so.
                return store.change(session, audit, hostname=self.host)
            return self._take(session, audit)

        try:
            return self.database.persist(work, self.stopped)
        except (LostRace, NotFound) as error:  # another engine has it, or the operator was faster
            LOG.debug("audit %s is not run here: %s", uuid, error)
            return None

    def _take(self, session: Session, audit: models.Audit) -> models.Audit | None:
        again = audit.audit_type == "EVENT" and audit.state == "SUCCEEDED"
        if audit.state != "PENDING" and not again:
            raise LostRace(f"it is {audit.state}")
        running = None if audit.force else _ongoing_plan(session)
        if running is None:
            return store.transition(
                session, audit, "ONGOING", hostname=self.host, status_message=None
            )
        message = (
            f"Not run: action plan {running.uuid} is ongoing. Wait until it has ended,"
            " or create the audit with force."
        )
        if audit.audit_type == "ONESHOT":
            store.transition(session, audit, "CANCELLED", message)
        else:
            LOG.info("audit %s: %s", audit.uuid, message)
        return None

    def gather(self, audit: models.Audit) -> Case:
        """Choose the strategy and fetch what it needs, in bulk, before it thinks."""
        goal = plugins.goals().get(audit.goal.name)
        if goal is None:
            raise NotFound("Goal plugin", audit.goal.name)
        name = (
            audit.strategy.name if audit.strategy else choose(goal.name, self.sources, self.conf)
        )
        strategy = plugins.strategy(name)
        spec = parameter_rules.schema(strategy.parameters)
        given = parameter_rules.with_defaults(spec, audit.parameters or {})
        values = parameter_rules.parse(strategy.parameters, given)
        max_age_s = self.conf["watcher_cluster_data_model_collectors.compute"].max_age
        cluster, notes = scope.apply(self.keeper.snapshot(max_age_s), audit.scope or [])
        queries = strategy.queries(values)
        metrics = self.sources.fetch(queries, cluster, strategy=name) if queries else Metrics()
        metrics.require(query for query in queries if query.required)
        notes = (*notes, *metrics.notes)
        return Case(name, strategy, goal, cluster, metrics, values, notes)

    @contextmanager
    def _told(self, event: str, audit: models.Audit) -> Iterator[None]:
        """Tell the bus that a step of an audit begins, and how it ended."""
        self.announcer.job(event, audit, phase="start")
        try:
            yield
        except Exception as error:
            self.announcer.job(event, audit, phase="error", fault=error)
            raise
        self.announcer.job(event, audit, phase="end")

    def solve(self, audit: models.Audit, case: Case) -> Solution:
        """Run the strategy, told on the bus before and after."""
        with self._told("audit.strategy", audit):
            solution = case.strategy.solve(case.cluster, case.metrics, case.parameters)
        for note in (*case.notes, *solution.notes, *map(str, case.metrics.coverage.values())):
            LOG.info("%s: %s", case.name, note)
        return solution

    def order(self, audit: models.Audit, case: Case, solution: Solution) -> Plan:
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
        self,
        context: RequestContext,
        audit: models.Audit,
        case: Case,
        solution: Solution,
        plan: Plan,
    ) -> str:
        """Plan, actions, indicators and the audit's end in one transaction: all or nothing."""
        indicators, global_efficacy = efficacy(case.goal, solution.indicators)
        said = "; ".join((*solution.notes, *case.notes))

        def work(session: Session) -> str:
            strategy = store.get(session, models.Strategy, case.name)
            row = models.ActionPlan(
                audit_id=audit.id,
                strategy_id=strategy.id,
                state="RECOMMENDED" if plan.actions else "SUCCEEDED",
                global_efficacy=global_efficacy,
                status_message=None if plan.actions else models.cut(said or NOTHING_TO_DO),
            )
            store.add(session, row)
            _add_actions(session, row, plan)
            store.add_all(
                session,
                (models.EfficacyIndicator(action_plan_id=row.id, **one) for one in indicators),
            )
            message = said or (None if plan.actions else NOTHING_TO_DO)
            store.transition(session, _again(session, audit), "SUCCEEDED", message)
            if audit.auto_trigger and plan.actions:
                store.transition(session, row, "PENDING")
                after_commit(session, lambda: self._launch(context, row.uuid))
            return str(row.uuid)

        return self.database.persist(work, self.stopped)

    def _launch(self, context: RequestContext, plan_uuid: str) -> None:
        try:
            self.applier.launch_action_plan(context, plan_uuid)
        except (
            ServiceDown
        ) as error:  # the plan is PENDING; an applier finds it without the message
            LOG.warning("action plan %s waits for an applier to find it: %s", plan_uuid, error)

    def fail(self, audit: models.Audit, error: BaseException) -> None:
        """End an audit as FAILED, with a reason the operator can act on."""
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
                lambda session: store.transition(
                    session, _again(session, audit), "FAILED", reason
                ),
                self.stopped,
            )
        except LostRace as lost:
            LOG.info("audit %s: %s", audit.uuid, lost)


def _again(session: Session, audit: models.Audit) -> models.Audit:
    """The audit as it is now: a try that failed leaves a row that shows what was tried."""
    return store.get(session, models.Audit, audit.uuid, deleted=True, load=("goal", "strategy"))


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


def _ongoing_plan(session: Session) -> models.ActionPlan | None:
    plans = models.ActionPlan
    rows, _ = store.page(session, plans, plans.state.in_(("ONGOING", "CANCELLING")), limit=1)
    return rows[0] if rows else None


def _add_actions(session: Session, plan_row: models.ActionPlan, plan: Plan) -> None:
    """Every action's row, its parents told by uuid, in the plan's order."""
    identities = [uuidutils.generate_uuid() for _ in plan.actions]
    rows = [
        models.Action(
            uuid=identities[position],
            action_plan_id=plan_row.id,
            action_type=action.type,
            input_parameters=action.input_parameters,
            parents=[identities[parent] for parent in parents],
            position=position,
            state="PENDING",
        )
        for position, (action, parents) in enumerate(zip(plan.actions, plan.parents, strict=True))
    ]
    store.add_all(session, rows)
