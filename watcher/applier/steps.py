# SPDX-License-Identifier: Apache-2.0
"""One action of a running plan: looked at, begun, carried out, undone if it fails, recorded.

The intent is in the database, with what was there before, and announced, before the cloud is
touched. Each write carries the epoch of the plan: an applier that was superseded cannot write.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from threading import Event, Lock
from typing import Any, TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from watcher import context, plugins
from watcher.clients.session import Clients
from watcher.core import parameters
from watcher.core.errors import (
    ActionFailed,
    LostRace,
    NotFound,
    Skip,
    WatcherError,
)
from watcher.core.protocols import ActionHandler
from watcher.db import store
from watcher.db.engine import Database
from watcher.db.models import MESSAGE_LENGTH, Action, ActionPlan
from watcher.messaging.notifications import Announcer

LOG = logging.getLogger(__name__)

T = TypeVar("T")

ENDED = ("SUCCEEDED", "SKIPPED", "FAILED", "CANCELLED")


@dataclass(frozen=True)
class Wires:
    """What all plans are run with; ``abort_on_cancel`` breaks off what runs and can be."""

    database: Database
    announcer: Announcer
    clients: Clients
    abort_on_cancel: bool = False


class Steps:
    """Runs the actions of one plan, each once, called from many threads.

    After ``cancel`` no action is begun and those not begun become CANCELLED; after ``drain`` none
    is begun and their rows are left as they are; after ``halt`` running ones stop waiting for the
    cloud and their rows are left ONGOING, for the next start of this applier. ``on_cancel`` is
    called when an action that was to begin finds that the plan is being cancelled.
    """

    def __init__(
        self,
        wires: Wires,
        plan: ActionPlan,
        caller: Mapping[str, Any],
        on_cancel: Callable[[], None],
    ) -> None:
        self._wires = wires
        self._announcer = wires.announcer
        self._plan = plan
        self._caller = caller
        self._on_cancel = on_cancel
        self._draining = Event()
        self._halted = Event()
        self._cancelled = Event()
        self._taking = Lock()
        self._stops: dict[str, Event] = {}
        self._running: dict[str, tuple[Action, ActionHandler]] = {}
        self._culprits: dict[str, Action] = {}
        self.failed: list[Action] = []
        self.broken: Exception | None = None
        """An error of the applier itself, not of an action; nothing more is begun after it."""

    def drain(self) -> None:
        """Begin nothing more."""
        self._draining.set()

    def halt(self) -> None:
        """Begin nothing more, and wait for nothing more."""
        self._draining.set()
        self._halted.set()
        for stop in list(self._stops.values()):
            stop.set()

    @property
    def stopped(self) -> bool:
        """Whether actions were left as they were."""
        return self._draining.is_set()

    def run(self, action: Action) -> None:
        """Bring an action whose parents are over to its end, unless something is against it."""
        context.for_job(self._plan.uuid, self._caller)
        _, error = attempt(lambda: self._run(action))
        if error is not None and not self._halted.is_set():
            LOG.error("action %s cannot be recorded: %s", action.uuid, error)
            self.broken = self.broken or error

    def _run(self, action: Action) -> None:
        if self.stopped or self.broken or action.state in ENDED:
            return
        culprit = next(filter(None, map(self._culprits.get, action.parents)), None)
        if self._plan_cancelled():
            self._cancel(action, "The action plan was cancelled before this action began.")
        elif culprit is not None:
            self._culprits[action.uuid] = culprit
            named = f"action {culprit.uuid} ({culprit.action_type})"
            self._cancel(action, f"Not run because {named} failed.")
        else:
            self.act(action)

    def act(self, action: Action) -> None:
        """Check, begin, carry out, record."""
        stop = self._stops[action.uuid] = Event()
        try:
            handler, error = attempt(lambda: self.handler(action, stop))
            before, error = attempt(handler.check) if handler else (None, error)
            if isinstance(error, Skip):
                self._end(action, "SKIPPED", f"Action was skipped automatically: {error}")
            elif error is not None:
                self._end(action, "FAILED", message("pre_condition", error), error)
            elif handler and not self._halted.is_set():
                self._running[action.uuid] = (action, handler)
                if self._begin(action, dict(before or {})):
                    self._carry_out(action, handler)
        finally:
            self._running.pop(action.uuid, None)
            del self._stops[action.uuid]

    def handler(self, action: Action, stop: Event) -> ActionHandler:
        """The handler of an action with its parameters.

        Raises NotFound for a type that is not installed, BadParameters for wrong parameters.
        """
        kind = plugins.actions().get(action.action_type)
        if kind is None:
            raise NotFound("Action type", action.action_type)
        parameters.check(kind.schema, action.input_parameters)
        build: Callable[..., ActionHandler] = kind
        return build(self._wires.clients, action.input_parameters, stop)

    def _begin(self, action: Action, before: dict[str, Any]) -> bool:
        """Write and announce the intent; False when somebody decided otherwise meanwhile."""
        begun = self._take(action, "ONGOING", before=before)
        if begun:
            self._announcer.job("action.execution", action, phase="start")
        return begun

    def _take(self, action: Action, to: str, text: str | None = None, **values: Any) -> bool:
        """Move an action that was not begun; False when it is PENDING no more."""
        with self._taking:
            if action.state != "PENDING":
                return False
            try:
                self._move(action, to, text, **values)
            except LostRace:
                state = self._found(action)
                if state == to:
                    return True  # only the answer to our own write was lost
                if state not in ENDED:
                    raise
                LOG.info("action %s became %s before it began", action.uuid, state)
                return False
        return True

    def _carry_out(self, action: Action, handler: ActionHandler) -> None:
        _, error = attempt(handler.perform)
        if error is None:
            self._end(action, "SUCCEEDED")
            return
        if self._halted.is_set():
            LOG.info("action %s is left ONGOING: the applier stops", action.uuid)
            return
        undone, failure = attempt(handler.undo)
        fate = f"; undo failed: {words(failure)}" if failure else ""
        fate = fate or (f"; undone: {undone}" if undone else "")
        text = message("execute", error, fate)
        if action.state == "CANCELLING":
            self._end(
                action, "CANCELLED", text.replace("Action failed in", "Action aborted in", 1)
            )
        else:
            self._end(action, "FAILED", text, error)

    def _end(
        self, action: Action, state: str, text: str | None = None, error: Exception | None = None
    ) -> None:
        if not self._take_end(action, state, text):
            return
        if state == "FAILED":
            self._culprits[action.uuid] = action
            self.failed.append(action)
            self._announcer.job("action.execution", action, phase="error", fault=error)
        elif state == "SUCCEEDED":
            self._announcer.job("action.execution", action, phase="end")
        elif state == "CANCELLED":
            self._announcer.job("action.cancel", action, phase="end")

    def _take_end(self, action: Action, to: str, text: str | None) -> bool:
        """Record an end; False when the operator or a cancel gave the action another one first."""
        with self._taking:
            try:
                self._move(action, to, text)
            except LostRace:
                state = self._found(action)
                if state not in ENDED:
                    raise
                LOG.info("action %s is %s already, not %s", action.uuid, state, to)
                return state == to  # then only the answer to our own write was lost
        return True

    def _found(self, action: Action) -> str | None:
        """The state in the database, if the plan is still ours."""
        query = select(Action.state).join(ActionPlan, ActionPlan.id == Action.action_plan_id)
        query = query.where(Action.id == action.id, ActionPlan.epoch == self._plan.epoch)
        return self.write(lambda session: session.scalar(query))

    def cancel(self, actions: Iterable[Action]) -> None:
        """Begin nothing more; those of these actions that were not begun will not be.

        Those that run finish, or are broken off where that is configured and can be.
        """
        self._cancelled.set()
        for action in actions:
            self._cancel(action, "The action plan was cancelled before this action began.")
        if self._wires.abort_on_cancel:
            for action, handler in list(self._running.values()):
                self._abort(action, handler)

    def _abort(self, action: Action, handler: ActionHandler) -> None:
        """Break off an action that runs, if that can be done; its own thread records the end."""
        if not handler.can_abort or action.state != "ONGOING":
            return
        try:
            self._move(action, "CANCELLING")
        except LostRace as error:
            LOG.debug("%s", error)
            return
        self._announcer.job("action.cancel", action, phase="start")
        _, failure = attempt(handler.abort)
        if failure is not None:
            LOG.warning("action %s goes on: %s", action.uuid, words(failure))

    @property
    def cancelled(self) -> bool:
        """Whether the plan is being cancelled."""
        return self._cancelled.is_set()

    def _cancel(self, action: Action, text: str) -> None:
        if self._take(action, "CANCELLED", text):
            self._announcer.job("action.cancel", action, phase="start")
            self._announcer.job("action.cancel", action, phase="end")

    def _plan_cancelled(self) -> bool:
        """Whether the operator has asked for the plan's end; looked up before each action."""
        if self.cancelled:
            return True
        query = select(ActionPlan.state).where(ActionPlan.id == self._plan.id)
        found = self.write(lambda session: session.scalar(query)) in ("CANCELLING", "CANCELLED")
        if found:
            self._on_cancel()
        return found

    def _move(self, action: Action, to: str, text: str | None = None, **values: Any) -> None:
        self.write(
            lambda session: store.transition(
                session, action, to, text, epoch=self._plan.epoch, **values
            )
        )

    def write(self, work: Callable[[Session], T]) -> T:
        """Do ``work`` in a transaction; a database that is away is waited for, until a halt."""
        return self._wires.database.persist(work, self._halted)


def attempt(work: Callable[[], T]) -> tuple[T | None, Exception | None]:
    """The one place where whatever a plugin raises is caught: its result, or its error."""
    try:
        return work(), None
    except WatcherError as error:
        return None, error
    except Exception as error:  # the action run edge: a plugin may raise anything
        LOG.exception("an action raised what it should not")
        return None, error


def words(error: Exception) -> str:
    """An error for the operator: the text of ours, only the class of others."""
    return str(error) if isinstance(error, WatcherError) else type(error).__name__


def message(phase: str, error: Exception, fate: str = "") -> str:
    """The status message of a failed action; ``fate`` is what was undone and is never cut."""
    if isinstance(error, ActionFailed) and phase != "pre_condition":
        phase = error.phase
    head = f"Action failed in {phase}: "
    room = MESSAGE_LENGTH - len(head) - len(fate)
    text = words(error)
    return head + (text if len(text) <= room else f"{text[: max(0, room - 1)]}…") + fate
