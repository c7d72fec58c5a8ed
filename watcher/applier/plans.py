# SPDX-License-Identifier: Apache-2.0
"""One action plan: claimed, run, made good where it stopped half-way, finished."""

import logging
from collections.abc import Callable, Mapping, Sequence
from threading import Event, Lock
from typing import Any, Protocol

from sqlalchemy import select
from sqlalchemy.orm import Session

from watcher import context
from watcher.applier.steps import Steps, Wires, attempt, words
from watcher.core import solution
from watcher.core.errors import LostRace, NotFound
from watcher.db import store
from watcher.db.engine import Database
from watcher.db.models import Action, ActionPlan

LOG = logging.getLogger(__name__)

SHOWN = ("audit.goal", "audit.strategy", "strategy")
"""What a plan's notifications tell of beside the plan."""
SHOWN_OF_ACTIONS = tuple(f"action_plan.{name}" for name in SHOWN)


UNFINISHED = ("PENDING", "ONGOING")


class Engine(Protocol):
    """A workflow engine: calls ``run`` for each action after its parents."""

    def run(self, actions: Sequence[Action], run: Callable[[Action], None]) -> None:
        """Return when ``run`` has returned for all of them."""
        ...


def claim(database: Database, uuid: str, host: str) -> ActionPlan | None:
    """Take a PENDING plan: it is ONGOING, on this host, in a new epoch. None: it is not to be had.

    Of many appliers and many deliveries of its message, one gets it.
    """
    try:
        with database.writing() as session:
            plan = store.get(session, ActionPlan, uuid, load=SHOWN)
            store.transition(session, plan, "ONGOING", epoch=plan.epoch, hostname=host)
            store.swap(session, plan, "epoch", epoch=plan.epoch + 1)
    except (LostRace, NotFound) as error:
        LOG.info("action plan %s is not run here: %s", uuid, error)
        return None
    return plan


class PlanRun:
    """The life of a claimed plan on this applier.

    ``caller`` is the context of the request that started it, if its message was heard.
    """

    def __init__(
        self, wires: Wires, engine: Engine, plan: ActionPlan, caller: Mapping[str, Any]
    ) -> None:
        self._announcer = wires.announcer
        self._engine = engine
        self._plan = plan
        self._caller = caller
        self._steps = Steps(wires, plan, caller, self.cancel)
        self._actions: list[Action] = []
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
        """The operator wants an end: actions not begun become CANCELLED, running ones finish."""
        with self._cancelling:
            if self._cancelled:
                return
            self._cancelled = True
            self._plan = self._steps.write(self._read)
        self._announcer.job("action_plan.cancel", self._plan, phase="start")
        self._steps.cancel(self._actions)

    def run(self) -> None:
        """Run the plan to its end; whatever goes wrong, it is not left ONGOING.

        Only a stop of the applier leaves the plan as it is.
        """
        try:
            self._run()
        except LostRace as error:
            LOG.warning("action plan %s is left alone: %s", self.uuid, error)
        except Exception as error:  # the plan run edge: a worker must not lose the error
            LOG.exception("action plan %s broke", self.uuid)
            self._abandon(error)

    def _run(self) -> None:
        context.for_job(self.uuid, self._caller)
        self._announcer.job("action_plan.execution", self._plan, phase="start")
        self._actions = self._steps.write(self._read_actions)
        self._engine.run(self._actions, self._steps.run)
        if self._steps.broken:
            raise self._steps.broken
        if self._steps.stopped and any(one.state in UNFINISHED for one in self._actions):
            LOG.info("action plan %s is left ONGOING: the applier stops", self.uuid)
            return
        self._compensate()
        self._finish()

    def _read_actions(self, session: Session) -> list[Action]:
        mine = Action.action_plan_id == self._plan.id
        rows = store.every(session, Action, mine, load=SHOWN_OF_ACTIONS)
        return sorted(rows, key=lambda row: (row.position, row.id))

    def _compensate(self) -> None:
        """Make good, by visible actions, what succeeded in vain; newest first.

        That may be so though all went well: an instance can have come to the host meanwhile.
        """
        if self._steps.stopped:
            return
        for action in reversed(self._actions.copy()):
            if action.state != "SUCCEEDED":
                continue
            handler = self._steps.handler(action, Event())
            wanted, error = attempt(handler.compensation)
            if error is not None:
                LOG.warning("whether to make good %s is not known: %s", action.uuid, words(error))
            elif wanted is not None:
                self._add(action, wanted)

    def _add(self, vain: Action, wanted: solution.Action) -> None:
        """A new action at the end of the plan, and run."""
        extra = Action(
            action_plan_id=self._plan.id,
            action_type=wanted.type,
            input_parameters=wanted.input_parameters,
            parents=[vain.uuid],
            position=len(self._actions),
            status_message=f"Added because action {vain.uuid} did not serve its end.",
        )

        def add(session: Session) -> Action:
            if self._read(session).epoch != self._plan.epoch:
                raise LostRace(f"action plan {self.uuid} was taken by another applier")
            row = store.add(session, extra)
            return store.get(session, Action, row.uuid, load=SHOWN_OF_ACTIONS)

        row = self._steps.write(add)
        self._steps.act(row)
        self._actions.append(row)

    def _finish(self) -> None:
        """The plan's end, from its actions; a cancelled one is CANCELLED in any case."""
        mine = Action.action_plan_id == self._plan.id
        states = self._steps.write(lambda db: set(db.scalars(select(Action.state).where(mine))))
        text = "One or more actions were skipped." if "SKIPPED" in states else None
        if self._steps.failed:
            first = self._steps.failed[0]
            named = f"Action {first.uuid} ({first.action_type}) failed"
            text = str(first.status_message).replace("Action failed", named, 1)
        to = "FAILED" if "FAILED" in states else "SUCCEEDED"
        if not self._steps.cancelled:
            try:
                self._move(to, text)
            except LostRace as error:
                LOG.info("%s", error)
            else:
                phase = "error" if to == "FAILED" else "end"
                self._announcer.job("action_plan.execution", self._plan, phase=phase)
                return
        self.cancel()
        self._move("CANCELLED", text)
        self._announcer.job("action_plan.cancel", self._plan, phase="end")

    def _move(self, to: str, text: str | None) -> None:
        epoch = self._plan.epoch
        self._steps.write(
            lambda session: store.transition(session, self._plan, to, text, epoch=epoch)
        )

    def _read(self, session: Session) -> ActionPlan:
        return store.get(session, ActionPlan, self.uuid, load=SHOWN)

    def _abandon(self, error: Exception) -> None:
        """After an error of the applier itself: nothing is left PENDING or ONGOING."""
        text = f"The applier failed: {words(error)}"

        def work(session: Session) -> None:
            mine = (Action.action_plan_id == self._plan.id, Action.state.in_(UNFINISHED))
            for row in store.every(session, Action, *mine):
                to = "FAILED" if row.state == "ONGOING" else "CANCELLED"
                store.transition(session, row, to, text, epoch=self._plan.epoch)
            store.transition(session, self._plan, "FAILED", text, epoch=self._plan.epoch)

        _, failure = attempt(lambda: self._steps.write(work))
        if failure is not None:
            LOG.error("action plan %s could not be ended: %s", self.uuid, failure)
        else:
            self._announcer.job("action_plan.execution", self._plan, phase="error", fault=error)
