# SPDX-License-Identifier: Apache-2.0
"""One action plan: claimed or taken over, run, rolled back or made good, finished."""

import logging
from collections.abc import Callable, Mapping, Sequence
from threading import Lock
from typing import Any, Protocol

from sqlalchemy import select
from sqlalchemy.orm import Session

from watcher import context
from watcher.applier import recheck, rollback
from watcher.applier.attempts import attempt, words
from watcher.applier.steps import Steps
from watcher.applier.wires import Wires
from watcher.core.errors import ImpossiblePlan, LostRace, NotFound
from watcher.core.states import ROLLBACK
from watcher.db import leases, store
from watcher.db.engine import Database
from watcher.db.models import MESSAGE_LENGTH, Action, ActionPlan

LOG = logging.getLogger(__name__)

SHOWN = ("audit.goal", "audit.strategy", "strategy")
"""What a plan's notifications tell of beside the plan."""
SHOWN_OF_ACTIONS = tuple(f"action_plan.{name}" for name in SHOWN)


UNFINISHED = ("PENDING", "ONGOING", "CANCELLING")
RUNNING = ("ONGOING", "CANCELLING")


class Engine(Protocol):
    """A workflow engine: calls ``run`` for each action after its parents."""

    def run(self, actions: Sequence[Action], run: Callable[[Action], None]) -> None:
        """Return when ``run`` has returned for all of them."""
        ...


def claim(database: Database, uuid: str, host: str) -> ActionPlan | None:
    """Take a PENDING plan: it is ONGOING, on this host, in a new epoch. None: it is not to be had.

    Of many appliers and many deliveries of its message, one gets it. A plan of a dry run, which
    nothing of ours makes PENDING, is CANCELLED here with its actions.
    """
    try:
        with database.writing() as session:
            plan = store.get(session, ActionPlan, uuid, load=SHOWN)
            if refused := leases.dry(session, plan):
                _refuse(session, plan, refused)
                return None
            store.transition(session, plan, "ONGOING", epoch=plan.epoch, hostname=host)
            store.swap(session, plan, "epoch", epoch=plan.epoch + 1)
    except (LostRace, NotFound) as error:
        LOG.info("action plan %s is not run here: %s", uuid, error)
        return None
    return plan


def _refuse(session: Session, plan: ActionPlan, why: str) -> None:
    """End a plan that is not to be run at all, before any of its actions is begun."""
    LOG.error("not run: %s", why)
    store.transition(session, plan, "CANCELLED", f"Not run: {why}.")
    mine = (Action.action_plan_id == plan.id, Action.state == "PENDING")
    store.transition_all(session, store.every(session, Action, *mine), "CANCELLED")


def take_over(database: Database, uuid: str, host: str) -> ActionPlan | None:
    """Take a plan whose applier is no more, in a new epoch, to go on with it; None: too late.

    A process that had it and is still alive cannot write any more.
    """
    try:
        with database.writing() as session:
            plan = store.get(session, ActionPlan, uuid, load=SHOWN)
            if plan.state not in RUNNING:
                return None
            store.swap(session, plan, "epoch", epoch=plan.epoch + 1, hostname=host)
    except (LostRace, NotFound) as error:
        LOG.info("action plan %s is not taken over: %s", uuid, error)
        return None
    LOG.warning("action plan %s is taken over and goes on", uuid)
    return plan


class PlanRun:
    """The life of a plan on this applier, from its claim or, ``resumed``, from where it was.

    ``caller`` is the context of the request that started it, if its message was heard.
    """

    def __init__(
        self,
        wires: Wires,
        engine: Engine,
        plan: ActionPlan,
        caller: Mapping[str, Any],
        *,
        resumed: bool = False,
    ) -> None:
        self._wires = wires
        self._resumed = resumed
        self._announcer = wires.announcer
        self._engine = engine
        self._plan = plan
        self._epoch = plan.epoch
        self._caller = caller
        self._steps = Steps(wires, plan, caller, self.cancel)
        self._actions: list[Action] = []
        self._rolls = False
        self._cancelling = Lock()
        self._cancelled = False

    @property
    def uuid(self) -> str:
        """Which plan it is."""
        return self._plan.uuid

    def drain(self) -> None:
        """Begin no more actions; those running go on."""
        self._steps.drain()

    def halt(self) -> None:
        """Wait for nothing any more; what runs is left to the next start."""
        self._steps.halt()

    def cancel(self) -> None:
        """The operator wants an end: actions not begun become CANCELLED, running ones finish.

        Returns when all of them are told, whoever was first to call: the plan ends after that.
        Raises LostRace when the plan is another applier's by now.
        """
        with context.about(self.uuid, self._caller), self._cancelling:
            if self._cancelled:
                return
            self._cancelled = True
            self._plan = self._steps.write(self._read_mine)
            self._announcer.job("action_plan.cancel", self._plan, phase="start")
            self._steps.cancel(self._actions)

    def run(self) -> None:
        """Run the plan to its end; whatever goes wrong, it is not left ONGOING.

        Only a stop of the applier leaves the plan as it is.
        """
        with context.about(self.uuid, self._caller):
            try:
                self._run()
            except LostRace as error:
                LOG.warning("action plan %s is left alone: %s", self.uuid, error)
            except Exception as error:  # the plan run edge: a worker must not lose the error
                LOG.exception("action plan %s broke", self.uuid)
                self._abandon(error)

    def _run(self) -> None:
        self._actions = self._steps.write(self._read_actions)
        self._steps.remember(self._actions)
        if self._plan.state == "CANCELLING":
            self.cancel()
        if not self._resumed:
            self._announcer.job("action_plan.execution", self._plan, phase="start")
            refusal = recheck.refusal(self._wires, self._actions, self._steps.halted)
            if self._steps.halted.is_set():
                LOG.info("action plan %s is left as it is: the applier stops", self.uuid)
                return
            if refusal:
                self._abandon(ImpossiblePlan(refusal), f"Not started: {refusal}")
                return
        if self._go([one for one in self._actions if one.undoes is None]) and self._make_good():
            self._finish()

    def _go(self, actions: Sequence[Action]) -> bool:
        """Run actions to their end; False when the applier stops before."""
        self._engine.run(actions, self._steps.run)
        if self._steps.broken:
            raise self._steps.broken
        left = self._steps.stopped and any(one.state in UNFINISHED for one in actions)
        if left:
            LOG.info("action plan %s is left as it is: the applier stops", self.uuid)
        return not left

    def _make_good(self) -> bool:
        """Roll back if that is wanted, else make good by visible actions what is in vain.

        Something may be so though all went well: an instance can have come to a host meanwhile.
        """
        failed = self._steps.on_failure == ROLLBACK and bool(self._steps.failed)
        self._rolls = failed and not self._steps.cancelled
        begun = [one for one in self._actions if one.undoes is not None]
        if not begun:
            if self._steps.stopped:
                return False
            work = rollback.reversals if self._rolls else rollback.repairs
            found = work(self._steps, self._actions)
            if self._steps.halted.is_set():
                return False  # not all could be asked about; the next start asks again
            begun = self._add(found)
        self._steps.unwind()
        return self._go(begun)

    def _read_actions(self, session: Session) -> list[Action]:
        mine = Action.action_plan_id == self._plan.id
        rows = store.every(session, Action, mine, load=SHOWN_OF_ACTIONS)
        return sorted(rows, key=lambda row: (row.position, row.id))

    def _add(self, found: rollback.Found) -> list[Action]:
        """New actions at the end of the plan, all of them or, after a crash, none."""

        def add(session: Session) -> list[Action]:
            self._read_mine(session)
            rows = self._read_actions(session)
            if {one.uuid for one in found.extra} & {one.uuid for one in rows}:
                return rows  # only the answer to our own commit was lost
            store.add_all(session, found.extra)
            for one in found.unknown:
                store.swap(session, one, status_message=one.status_message)
            return self._read_actions(session)

        if not (found.extra or found.unknown):
            return []
        rows = self._steps.write(add)
        known = {one.uuid for one in self._actions}
        added = [row for row in rows if row.uuid not in known]
        self._actions += added
        return added

    def _finish(self) -> None:
        """The plan's end, from its actions; a cancelled one is CANCELLED in any case."""
        mine = Action.action_plan_id == self._plan.id
        states = self._steps.write(lambda db: set(db.scalars(select(Action.state).where(mine))))
        text = "One or more actions were skipped." if "SKIPPED" in states else None
        if self._steps.failed:
            first = self._steps.failed[0]
            named = f"Action {first.uuid} ({first.action_type}) failed"
            text = str(first.status_message).replace("Action failed", named, 1)
        if self._rolls:
            text = rollback.told(str(text), self._actions, MESSAGE_LENGTH)
        to = "FAILED" if "FAILED" in states else "SUCCEEDED"
        if not self._steps.cancelled and self._moved(to, text):
            phase = "error" if to == "FAILED" else "end"
            self._announcer.job("action_plan.execution", self._plan, phase=phase)
            return
        self.cancel()
        if self._moved("CANCELLED", text):
            self._announcer.job("action_plan.cancel", self._plan, phase="end")

    def _moved(self, to: str, text: str | None) -> bool:
        """Record the end; False when the operator was faster. Raises LostRace as ``cancel``."""
        try:
            self._steps.write(
                lambda session: store.transition(session, self._plan, to, text, epoch=self._epoch)
            )
        except LostRace as error:
            found = self._steps.write(self._read_mine).state
            LOG.info("%s", error)
            return found == to  # then only the answer to our own write was lost
        return True

    def _read_mine(self, session: Session) -> ActionPlan:
        """The plan as it is now, if no other applier has taken it."""
        plan = store.get(session, ActionPlan, self.uuid, load=SHOWN)
        if plan.epoch != self._epoch:
            raise LostRace(f"action plan {self.uuid} was taken by another applier")
        return plan

    def _abandon(self, error: Exception, text: str = "") -> None:
        """The plan cannot begin, or the applier failed: nothing is left PENDING or ONGOING."""
        text = text or f"The applier failed: {words(error)}"

        def work(session: Session) -> None:
            mine = (Action.action_plan_id == self._plan.id, Action.state.in_(UNFINISHED))
            rows = store.every(session, Action, *mine)
            left = [row for row in rows if row.state == "PENDING"]
            begun = [row for row in rows if row.state != "PENDING"]
            store.transition_all(session, left, "CANCELLED", text, epoch=self._epoch)
            store.transition_all(session, begun, "FAILED", text, epoch=self._epoch)
            store.transition(session, self._plan, "FAILED", text, epoch=self._epoch)

        _, failure = attempt(lambda: self._steps.write(work))
        if failure is not None:
            LOG.error("action plan %s could not be ended: %s", self.uuid, failure)
        else:
            job = "action_plan.cancel" if self._steps.cancelled else "action_plan.execution"
            self._announcer.job(job, self._plan, phase="error", fault=error)
