# SPDX-License-Identifier: Apache-2.0
"""Plans that this host was running when its applier stopped."""

import logging

from watcher.core.errors import LostRace
from watcher.db import store
from watcher.db.engine import Database
from watcher.db.models import Action, ActionPlan

LOG = logging.getLogger(__name__)

RUNNING = ("ONGOING", "CANCELLING")


def recover(database: Database, host: str) -> int:
    """Cancel the plans left running by this host, and their actions; how many there were.

    The new epoch keeps a process that is still alive from writing (contract: applier §5). What was
    under way in the cloud goes on there.
    """
    text = f"The applier on host {host} was stopped while the action plan was ongoing."
    left = (ActionPlan.state.in_(RUNNING), ActionPlan.hostname == host)
    with database.reading() as session:
        plans = store.every(session, ActionPlan, *left)
    for plan in plans:
        try:
            _cancel(database, plan, text)
        except LostRace as error:
            LOG.info("%s", error)
    return len(plans)


def _cancel(database: Database, plan: ActionPlan, text: str) -> None:
    unfinished = Action.state.in_(("PENDING", *RUNNING))
    with database.writing() as session:
        store.swap(session, plan, "epoch", epoch=plan.epoch + 1)
        for action in store.every(session, Action, Action.action_plan_id == plan.id, unfinished):
            store.transition(session, action, "CANCELLED", text)
        store.transition(session, plan, "CANCELLED", text)
