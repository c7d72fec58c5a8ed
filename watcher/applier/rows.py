# SPDX-License-Identifier: Apache-2.0
"""The rows of a running plan's actions: who may move them, and what the database says of them.

Each write carries the epoch of the plan, so that an applier that was superseded cannot write; each
is repeated while the database is away, so its answer may be lost and found.
"""

import logging
from collections.abc import Callable, Sequence
from threading import Event, Lock
from typing import Any, TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from watcher.applier.admission import Gate
from watcher.core.errors import LostRace
from watcher.db import store
from watcher.db.engine import Database
from watcher.db.models import Action, ActionPlan

LOG = logging.getLogger(__name__)

T = TypeVar("T")

ENDED = ("SUCCEEDED", "SKIPPED", "FAILED", "CANCELLED")


class Rows:
    """Moves the actions of a plan in the epoch that it has now, from many threads.

    A database that is away is waited for, until ``halted`` is set.
    """

    def __init__(self, database: Database, plan: ActionPlan, halted: Event) -> None:
        self._database = database
        self._plan = plan
        self._halted = halted
        self._taking = Lock()

    def write(self, work: Callable[[Session], T]) -> T:
        """Do ``work`` in a transaction."""
        return self._database.persist(work, self._halted)

    def found(self, action: Action) -> str | None:
        """The state in the database, if the plan is still ours."""
        query = select(Action.state).join(ActionPlan, ActionPlan.id == Action.action_plan_id)
        query = query.where(Action.id == action.id, ActionPlan.epoch == self._plan.epoch)
        return self.write(lambda session: session.scalar(query))

    def move(
        self,
        action: Action,
        to: str,
        text: str | None = None,
        gate: Gate | None = None,
        **values: Any,
    ) -> None:
        """Move an action, if the gate lets it pass. Raises LostRace, and what the gate raises."""

        def work(session: Session) -> None:
            if gate is not None:
                gate(session, action)
            store.transition(session, action, to, text, epoch=self._plan.epoch, **values)

        self.write(work)

    def take(
        self,
        action: Action,
        to: str,
        text: str | None = None,
        gate: Gate | None = None,
        **values: Any,
    ) -> bool:
        """Move an action that was not begun; False when it is PENDING no more; as ``move``."""
        with self._taking:
            return action.state == "PENDING" and self._taken(action, to, text, gate, **values)

    def cancel(self, actions: Sequence[Action], text: str) -> list[Action]:
        """Cancel those that were not begun, all at once unless somebody else moves some; which."""

        def work(session: Session) -> None:
            store.transition_all(session, left, "CANCELLED", text, epoch=self._plan.epoch)

        with self._taking:
            left = [one for one in actions if one.state == "PENDING"]
            try:
                self.write(work)
            except LostRace as error:
                LOG.info("actions are cancelled one by one: %s", error)
                return [one for one in left if self._taken(one, "CANCELLED", text)]
        return left

    def end(self, action: Action, to: str, text: str | None) -> bool:
        """Record an end; False when the operator or a cancel gave the action another one first."""
        with self._taking:
            try:
                self.move(action, to, text)
            except LostRace:
                state = self.found(action)
                if state not in ENDED:
                    raise
                LOG.info("action %s is %s already, not %s", action.uuid, state, to)
                return state == to  # then only the answer to our own write was lost
        return True

    def _taken(self, action: Action, to: str, *more: Any, **values: Any) -> bool:
        try:
            self.move(action, to, *more, **values)
        except LostRace:
            state = self.found(action)
            if state == to:
                return True  # only the answer to our own write was lost
            if state not in ENDED:
                raise
            LOG.info("action %s became %s before it began", action.uuid, state)
            return False
        return True
