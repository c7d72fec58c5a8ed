# SPDX-License-Identifier: Apache-2.0
"""What is left of an action plan that did not reach its end, as a plan of its own."""

from collections.abc import Sequence

from oslo_utils import uuidutils
from sqlalchemy.orm import Session

from watcher.core.errors import Conflict
from watcher.db import store
from watcher.db.models import Action, ActionPlan, EfficacyIndicator

FROM = ("FAILED", "CANCELLED")
"""States of plans, and of their actions, of which something is left to be done."""


def add(session: Session, plan: ActionPlan) -> ActionPlan:
    """A new RECOMMENDED plan of the actions that failed, were not run, or were taken back.

    The order among them is kept. ``plan`` is loaded with its indicators. Raises Conflict when the
    plan is in another state, or nothing is left.
    """
    if plan.state not in FROM:
        raise Conflict(f"action plan {plan.uuid} is {plan.state}: only {' and '.join(FROM)} ones")
    rows = store.every(session, Action, Action.action_plan_id == plan.id)
    undone = {one.undoes for one in rows if one.undoes and one.state == "SUCCEEDED"}
    own = sorted((one for one in rows if one.undoes is None), key=lambda one: one.position)
    left = [one for one in own if one.state in FROM or one.uuid in undone]
    if not left:
        raise Conflict(f"nothing is left to be done of action plan {plan.uuid}")
    again = ActionPlan(
        audit_id=plan.audit_id,
        strategy_id=plan.strategy_id,
        global_efficacy=plan.global_efficacy,
        on_failure=plan.on_failure,
        status_message=f"Retries what is left of action plan {plan.uuid}.",
    )
    store.add(session, again)
    store.add_all(session, _copies(again, left))
    store.add_all(
        session,
        [
            EfficacyIndicator(
                action_plan_id=again.id,
                name=one.name,
                description=one.description,
                unit=one.unit,
                value=one.value,
            )
            for one in plan.indicators
        ],
    )
    return again


def _copies(plan: ActionPlan, left: Sequence[Action]) -> list[Action]:
    """These actions anew, as those of a plan, each after those of them that it waited for."""
    uuids = {one.uuid: uuidutils.generate_uuid() for one in left}
    return [
        Action(
            uuid=uuids[one.uuid],
            action_plan_id=plan.id,
            action_type=one.action_type,
            input_parameters=one.input_parameters,
            position=position,
            parents=[uuids[uuid] for uuid in one.parents if uuid in uuids],
        )
        for position, one in enumerate(left)
    ]
