# SPDX-License-Identifier: Apache-2.0
"""One action of a running plan: looked at, begun, carried out, undone if it fails, recorded.

The intent is in the database, with what was there before, and announced, before the cloud is
touched. Each write carries the epoch of the plan: an applier that was superseded cannot write.
"""

import contextlib
import logging
from collections.abc import Callable, Iterable, Mapping
from threading import Event
from time import monotonic
from typing import Any, TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from watcher import context, plugins
from watcher.applier.admission import RUNNING, Full
from watcher.applier.attempts import attempt, message, patiently, words
from watcher.applier.rows import ENDED, Rows
from watcher.applier.wires import Wires
from watcher.core import parameters
from watcher.core.errors import LostRace, NotFound, Skip
from watcher.core.protocols import ActionHandler, Progress
from watcher.core.states import CONTINUE, STOP
from watcher.db.models import Action, ActionPlan

LOG = logging.getLogger(__name__)

T = TypeVar("T")

ROOM_S = 1.0
"""Seconds between looks for room that the actions of other appliers leave."""
FROZEN_S = 10.0
"""After so many seconds between an intent and its deed it is asked whose the plan is now."""

NOT_BEGUN = "The action plan was cancelled before this action began."


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
        self.halted = Event()
        """Set when nothing is waited for any more."""
        self._rows = Rows(wires.database, plan, self.halted)
        self._cancelled = Event()
        self._stops: dict[str, Event] = {}
        self._running: dict[str, tuple[Action, ActionHandler]] = {}
        self._culprits: dict[str, Action] = {}
        self._spared = False
        self.on_failure = plan.on_failure or wires.on_failure
        self.patience_s = wires.patience_s
        """How long a cloud that does not answer is asked again."""
        self.failed: list[Action] = []
        self.broken: Exception | None = None
        """An error of the applier itself, not of an action; nothing more is begun after it."""

    def remember(self, actions: Iterable[Action]) -> None:
        """What had become of these actions, in the plan's order, before this applier had them."""
        for action in actions:
            if action.state == "FAILED":
                self._culprits[action.uuid] = action
                self.failed.append(action)
            elif action.state == "CANCELLED" and (culprit := self._culprit(action)):
                self._culprits[action.uuid] = culprit

    def unwind(self) -> None:
        """From now on a failure keeps no other action from running; an earlier cancel neither."""
        self.on_failure = CONTINUE
        self._spared = self.cancelled

    def drain(self) -> None:
        """Begin nothing more."""
        self._draining.set()

    def halt(self) -> None:
        """Begin nothing more, and wait for nothing more."""
        self._draining.set()
        self.halted.set()
        for stop in list(self._stops.values()):
            stop.set()

    @property
    def stopped(self) -> bool:
        """Whether actions were left as they were."""
        return self._draining.is_set()

    def run(self, action: Action) -> None:
        """Bring an action whose parents are over to its end, unless something is against it."""
        with context.about(self._plan.uuid, self._caller, action.uuid):
            _, error = attempt(lambda: self._run(action))
        if error is not None and not self.halted.is_set():
            LOG.error("action %s cannot be recorded: %s", action.uuid, error)
            self.broken = self.broken or error

    def _run(self, action: Action) -> None:
        if self.stopped or self.broken or action.state in ENDED:
            return
        if action.state not in RUNNING:  # otherwise an applier that is no more has begun it
            against = self._against(action)
            if against:
                self._cancel(action, against)
                return
        self._act(action)

    def _against(self, action: Action) -> str:
        """Why an action is not run, after a cancel or what became of others; '' when it is."""
        if self._plan_cancelled() and not self._spared:
            return NOT_BEGUN
        culprit = self._culprit(action)
        if culprit is not None:
            self._culprits[action.uuid] = culprit
            return f"Not run because action {culprit.uuid} ({culprit.action_type}) failed."
        if self.failed and self.on_failure != CONTINUE:
            first = self.failed[0]
            return (
                f"Not run because action {first.uuid} ({first.action_type}) failed, and the plan"
                f" was to {'stop' if self.on_failure == STOP else 'roll back'} then."
            )
        return ""

    def _culprit(self, action: Action) -> Action | None:
        return next(filter(None, map(self._culprits.get, action.parents)), None)

    def _act(self, action: Action) -> None:
        """Check, begin, carry out, record; or find out what became of what was begun."""
        stop = self._stops[action.uuid] = Event()
        try:
            handler, error = attempt(lambda: self.handler(action, stop))
            if handler is None:
                self._refuse(action, error or NotFound("Action type", action.action_type))
            elif action.state in RUNNING:
                self._resume(action, handler, stop)
            else:
                self._start(action, handler, stop)
        finally:
            self._running.pop(action.uuid, None)
            del self._stops[action.uuid]

    def _refuse(self, action: Action, error: Exception) -> None:
        if isinstance(error, Skip):
            self._end(action, "SKIPPED", f"Action was skipped automatically: {error}")
        else:
            self._end(action, "FAILED", message("pre_condition", error), error)

    def _start(self, action: Action, handler: ActionHandler, stop: Event) -> None:
        """Begin an action as soon as all limits have room, looked at anew each time."""
        while not self.halted.is_set():
            before, error = patiently(handler.check, self._wires.patience_s, stop)
            if self.halted.is_set():
                return
            if error is not None:
                self._refuse(action, error)
                return
            began_s = monotonic()
            try:
                self._running[action.uuid] = (action, handler)
                if self._begin(action, dict(before or {})):
                    self._hold(action, began_s)
                    self._carry_out(action, handler)
                return
            except Full as full:
                LOG.debug("action %s waits: %s", action.uuid, full)
                self._running.pop(action.uuid, None)
            if not self._has_room(action, stop):
                return

    def _has_room(self, action: Action, stop: Event) -> bool:
        """Wait for room, the cloud left in peace; False when it is not to begin any more."""
        while True:
            stop.wait(ROOM_S)
            against = "" if self.stopped else self._against(action)
            if against:
                self._cancel(action, against)
            if against or self.stopped:
                return False
            with contextlib.suppress(Full):
                self.write(lambda session: self._wires.gate(session, action))
                return True

    def _hold(self, action: Action, began_s: float) -> None:
        """Raise LostRace when this process was frozen so long that another one has the plan."""
        if monotonic() - began_s > FROZEN_S and self._rows.found(action) not in RUNNING:
            raise LostRace(f"action plan {self._plan.uuid} was taken by another applier")

    def _resume(self, action: Action, handler: ActionHandler, stop: Event) -> None:
        """Go on from where the cloud is with what an applier had begun that is no more."""
        self._running[action.uuid] = (action, handler)
        patience_s = self._wires.patience_s
        before = action.before or {}
        progress, error = patiently(lambda: handler.observe(before), patience_s, stop)
        if progress is Progress.NOT_BEGUN:
            _, error = patiently(handler.check, patience_s, stop)
        if self.halted.is_set():
            return
        LOG.info("action %s was found %s", action.uuid, error or (progress and progress.value))
        if isinstance(error, Skip):
            self._refuse(action, error)
        elif error is not None:
            self._fail(action, handler, error)
        elif progress is Progress.DONE:
            self._end(action, "SUCCEEDED")
        else:
            if action.state == "CANCELLING":
                attempt(handler.abort)
            self._carry_out(action, handler)

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
        begun = self._rows.take(action, "ONGOING", gate=self._wires.gate, before=before)
        if begun:
            self._announcer.job("action.execution", action, phase="start")
        return begun

    def _carry_out(self, action: Action, handler: ActionHandler) -> None:
        _, error = attempt(handler.perform)
        if error is None:
            self._end(action, "SUCCEEDED")
            return
        if self.halted.is_set():
            LOG.info("action %s is left ONGOING: the applier stops", action.uuid)
            return
        self._fail(action, handler, error)

    def _fail(self, action: Action, handler: ActionHandler, error: Exception) -> None:
        """Undo what can be undone, and record both. Who lost the plan meanwhile undoes nothing."""
        if self._rows.found(action) not in RUNNING:
            raise LostRace(f"action {action.uuid} is not run here any more")
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
        if not self._rows.end(action, state, text):
            return
        if state == "FAILED":
            self._culprits[action.uuid] = action
            self.failed.append(action)
            self._announcer.job("action.execution", action, phase="error", fault=error)
        elif state == "SUCCEEDED":
            self._announcer.job("action.execution", action, phase="end")
        elif state == "CANCELLED":
            self._announcer.job("action.cancel", action, phase="end")

    def cancel(self, actions: Iterable[Action]) -> None:
        """Begin nothing more; those of these actions that were not begun will not be.

        Those that run finish, or are broken off where that is configured and can be.
        """
        self._cancelled.set()
        actions = list(actions)
        for action in self._rows.cancel(actions, NOT_BEGUN):
            self._tell_cancelled(action)
        for action in actions:
            waiting = None if action.uuid in self._running else self._stops.get(action.uuid)
            if waiting is not None:  # for a cloud that does not answer
                waiting.set()
        if self._wires.abort_on_cancel:
            for action, handler in list(self._running.values()):
                self._abort(action, handler)

    def _abort(self, action: Action, handler: ActionHandler) -> None:
        """Break off an action that runs, if that can be done; its own thread records the end."""
        if not handler.can_abort or action.state != "ONGOING":
            return
        try:
            self._rows.move(action, "CANCELLING")
        except LostRace as error:
            LOG.debug("%s", error)
            return
        self._announcer.job("action.cancel", action, phase="start")
        _, failure = attempt(handler.abort)
        if failure is not None:
            LOG.warning("action %s goes on: %s", action.uuid, words(failure))
            self._announcer.job("action.cancel", action, phase="error", fault=failure)

    @property
    def cancelled(self) -> bool:
        """Whether the plan is being cancelled."""
        return self._cancelled.is_set()

    def _cancel(self, action: Action, text: str) -> None:
        if self._rows.take(action, "CANCELLED", text):
            self._tell_cancelled(action)

    def _tell_cancelled(self, action: Action) -> None:
        for phase in ("start", "end"):
            self._announcer.job("action.cancel", action, phase=phase)

    def _plan_cancelled(self) -> bool:
        """Whether the operator has asked for the plan's end; looked up before each action."""
        if self.cancelled:
            return True
        query = select(ActionPlan.state).where(ActionPlan.id == self._plan.id)
        found = self.write(lambda session: session.scalar(query)) in ("CANCELLING", "CANCELLED")
        if found:
            self._on_cancel()
        return found

    def write(self, work: Callable[[Session], T]) -> T:
        """Do ``work`` in a transaction; a database that is away is waited for, until a halt."""
        return self._rows.write(work)
