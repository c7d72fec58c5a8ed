# SPDX-License-Identifier: Apache-2.0
"""Plans that will not be run: they end, and with them their actions, which were not begun."""

from sqlalchemy.orm import Session

from watcher.db import store
from watcher.db.models import Action, ActionPlan


def end(session: Session, plan: ActionPlan, to: str, message: str) -> None:
    """Move a plan that was not begun to CANCELLED or SUPERSEDED, its PENDING actions to CANCELLED.

    Raises LostRace when the plan is not as it shows any more: somebody starts or cancels it.
    """
    store.transition(session, plan, to, message, seen=True)
    # From here on the plan's row is locked, and nobody moves an action without it.
    mine = (Action.action_plan_id == plan.id, Action.state == "PENDING")
    said = f"The action plan became {to} before this action began: {message}"
    store.transition_all(session, store.every(session, Action, *mine), "CANCELLED", said)
