# SPDX-License-Identifier: Apache-2.0
"""One audit, from PENDING to a recorded plan: claim, gather, solve, order, record."""

import logging
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from oslo_config import cfg
from sqlalchemy.orm import Session

from watcher.context import RequestContext
from watcher.core.errors import (
    ImpossiblePlan,
    LostRace,
    NotFound,
    ServiceDown,
    WatcherError,
)
from watcher.core.plan import Plan
from watcher.core.refusals import WhyNot, kind_of
from watcher.core.solution import Solution
from watcher.datasources.choice import DataSources
from watcher.db import store
from watcher.db.engine import Database, after_commit
from watcher.db.models import Audit
from watcher.decision_engine import claims, history, reasoning, record
from watcher.decision_engine.reasoning import Asked, Case
from watcher.decision_engine.snapshots import Snapshots
from watcher.messaging.notifications import Announcer
from watcher.messaging.rpc import Applier
from watcher.telemetry import meters

LOG = logging.getLogger(__name__)


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
        with meters.timed(meters.AUDIT_RUNS, audit.goal.name, failed="failed") as outcome:
            outcome[0] = self._carry(context, audit)

    def _carry(self, context: RequestContext, audit: Audit) -> str:
        """A claimed audit, to its end: succeeded, failed or withdrawn."""
        try:
            with self._told("audit.strategy", audit):
                case = self.gather(audit)
                solution = self.solve(case)
            plan = self.order(audit, case, solution)
            self.record(context, audit, case, solution, plan)
        except LostRace as error:  # the operator's wish, or taken over while we were frozen
            LOG.info("audit %s ends here without a plan: %s", audit.uuid, error)
            return "withdrawn"
        except (Exception, SystemExit) as error:  # noqa: BLE001 - the edge: a failed audit is a result
            self.fail(audit, error)
            return "failed"
        return "succeeded"

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
        asked = Asked(
            goal=audit.goal.name,
            strategy=audit.strategy.name if audit.strategy else None,
            parameters=audit.parameters or {},
            scope=audit.scope or [],
            again=audit.audit_type != "ONESHOT",
        )
        return reasoning.gather(asked, self.conf, self.snapshots, self.sources, self._moved)

    def _moved(self, within_s: float) -> frozenset[str]:
        with self.database.reading() as session:
            return history.moved(session, within_s)

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
        solution = reasoning.solve(case)
        for note in (*case.notes, *solution.notes, *map(str, case.metrics.coverage.values())):
            LOG.info("%s: %s", case.name, note)
        return solution

    def order(self, audit: Audit, case: Case, solution: Solution) -> Plan:
        """Order the solution and replay it: what cannot be carried out is never recorded."""
        with self._told("audit.planner", audit):
            return reasoning.order(case, solution, self.conf)

    def record(
        self, context: RequestContext, audit: Audit, case: Case, solution: Solution, plan: Plan
    ) -> None:
        """Plan, actions, indicators and the run's end in one transaction: all or nothing."""
        outcome = reasoning.outcome(case, solution, plan, self.conf)

        def work(session: Session) -> None:
            row = record.record(session, audit, outcome)
            if row.state == "PENDING":
                after_commit(session, lambda: self._launch(context, row.uuid))

        self.database.persist(work, self.stopped)
        _count(solution.why_not)

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
        _count(why_not)


def _count(why_not: WhyNot | None) -> None:
    """Count what constraints refused, for Prometheus."""
    if why_not is None:
        return
    for subject, found in (("instance", why_not.instances), ("destination", why_not.destinations)):
        for one in found:
            meters.REFUSALS.labels(subject, kind_of(one.reason)).inc(one.count)
