# SPDX-License-Identifier: Apache-2.0
"""The account of an action plan out of the database: for its report."""

from datetime import UTC, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from watcher.db import store
from watcher.db.models import Action, ActionPlan
from watcher.report.account import Account, Deed, Head
from watcher.report.evidence import unpack


def account(session: Session, ident: str, *, deleted: bool = False) -> Account:
    """The account of the plan with this uuid, as it is now.

    ``deleted`` says whether soft-deleted ones are found too, with their parts. Raises NotFound.
    """
    load = ("audit.goal", "strategy", "indicators")
    plan = store.get(session, ActionPlan, ident, deleted=deleted, load=load)
    kept = session.scalar(select(ActionPlan.evidence).where(ActionPlan.id == plan.id))
    actions = store.every(session, Action, Action.action_plan_id == plan.id, deleted=deleted)
    own = [one for one in actions if one.undoes is None]
    ordered = [*sorted(own, key=lambda one: one.position), *(one for one in actions if one.undoes)]
    return Account(
        head=_head(plan),
        deeds=[_deed(one) for one in ordered],
        evidence=None if kept is None else unpack(kept),
    )


def _head(plan: ActionPlan) -> Head:
    return Head(
        uuid=plan.uuid,
        state=plan.state,
        goal=plan.audit.goal.display_name,
        strategy="" if plan.strategy is None else plan.strategy.display_name,
        audit=plan.audit.name,
        audit_uuid=plan.audit.uuid,
        message=plan.status_message,
        created_at=_moment(plan.created_at),
        updated_at=_moment(plan.updated_at),
        indicators=[
            {
                "name": one.name,
                "description": one.description,
                "unit": one.unit,
                "value": one.value,
            }
            for one in plan.indicators
        ],
        global_efficacy=plan.global_efficacy or [],
    )


def _deed(action: Action) -> Deed:
    return Deed(
        action.uuid,
        action.action_type,
        action.input_parameters,
        action.state,
        action.status_message,
        tuple(action.parents),
        action.undoes,
    )


def _moment(value: datetime | None) -> str | None:
    return None if value is None else value.replace(tzinfo=UTC).isoformat(timespec="seconds")
