# SPDX-License-Identifier: Apache-2.0
"""The beginning of an action: one transaction in which all appliers see each other's actions."""

from collections.abc import Callable

from sqlalchemy import select
from sqlalchemy.orm import Session

from watcher.applier.limits import Limits
from watcher.core.errors import Conflict
from watcher.db import locks
from watcher.db.models import Action

RUNNING = ("ONGOING", "CANCELLING")


class Full(Conflict):
    """The actions that run leave no room for one more; there will be some when one is over."""


Gate = Callable[[Session, Action], None]
"""Raises Full when an action may not begin yet; called in the transaction that would begin it."""


def gate(limits: Limits) -> Gate:
    """The gate for these limits, across all plans and appliers.

    Who passes holds the lock until the end of the transaction, so that two appliers do not both
    take the last room.
    """

    def passing(session: Session, action: Action) -> None:
        locks.hold(session, locks.ACTIONS)
        query = select(Action.action_type, Action.input_parameters).where(
            Action.deleted == 0, Action.state.in_(RUNNING), Action.id != action.id
        )
        running = [(row.action_type, row.input_parameters) for row in session.execute(query)]
        full = limits.full(limits.need(action.action_type, action.input_parameters), running)
        if full:
            raise Full(f"no room under the limit of {full}")

    return passing
