# SPDX-License-Identifier: Apache-2.0
"""What a run leaves in the database: a plan, and what becomes of the plans before it."""

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from functools import cached_property
from typing import Any

from oslo_utils import uuidutils
from sqlalchemy import select
from sqlalchemy.orm import Session

from watcher.core.errors import Conflict, LostRace
from watcher.core.plan import Plan
from watcher.core.refusals import WhyNot
from watcher.db import clock, endings, leases, models, store
from watcher.db.models import Action, ActionPlan, Audit
from watcher.decision_engine import claims
from watcher.report.evidence import Evidence, pack

LOG = logging.getLogger(__name__)

NOTHING_TO_DO = "There is nothing to do."
DRY_RUN = "A dry run: to start such a plan, create the audit without dry_run."


@dataclass(frozen=True)
class Outcome:
    """What a run came to: ``said`` is what is to be told of it, "" for nothing.

    ``indicators`` and ``global_efficacy`` are those of ``watcher.core.goals.efficacy``,
    ``evidence`` is what the plan's report needs.
    """

    strategy: str
    plan: Plan
    said: str
    indicators: Sequence[dict[str, Any]]
    global_efficacy: list[dict[str, Any]]
    why_not: WhyNot | None = None
    evidence: Evidence | None = field(default=None, repr=False)

    @cached_property
    def kept(self) -> bytes | None:
        """The evidence as it is kept with the plan."""
        return None if self.evidence is None else pack(self.evidence)

    @property
    def message(self) -> str | None:
        """The status message of the audit; an empty plan always has a reason."""
        return self.said or (None if self.plan.actions else NOTHING_TO_DO)


def record(session: Session, claimed: Audit, outcome: Outcome) -> ActionPlan:
    """Plan, actions, indicators and the end of the run: all of it, or LostRace.

    With auto_trigger a plan that has something to do becomes PENDING; the caller rings.
    """
    _ = outcome.kept  # some tenths of a second, before the database is locked
    audit = claims.held(session, claimed)
    row = _add_plan(session, audit, outcome)
    why_not = outcome.why_not and asdict(outcome.why_not)
    ended: dict[str, Any] = {"running_since": None, "why_not": why_not}
    if audit.audit_type == "CONTINUOUS":
        _replace_older(session, audit, row)
        store.change(session, audit, failures=0, status_message=outcome.message, **ended)
    else:
        store.transition(session, audit, "SUCCEEDED", outcome.message, **ended)
    if not audit.dry_run:
        _mark_overlaps(session, row, outcome.plan)
    if audit.auto_trigger and outcome.plan.actions:
        _start(session, row)
    return row


def _start(session: Session, plan: ActionPlan) -> None:
    """Start it unless another plan has what it needs; then it stays RECOMMENDED and says so."""
    try:
        leases.launch(session, plan)
    except Conflict as error:
        LOG.warning("action plan %s is not started: %s", plan.uuid, error)
        store.change(session, plan, status_message=f"Not started: {error}")


def _add_plan(session: Session, audit: Audit, outcome: Outcome) -> ActionPlan:
    idle = not outcome.plan.actions
    row = ActionPlan(
        audit_id=audit.id,
        strategy_id=store.get(session, models.Strategy, outcome.strategy).id,
        state="SUCCEEDED" if idle else "RECOMMENDED",
        global_efficacy=outcome.global_efficacy,
        on_failure=audit.on_failure,
        status_message=outcome.message if idle else DRY_RUN if audit.dry_run else None,
        evidence=outcome.kept,
    )
    store.add(session, row)
    _add_actions(session, row, outcome.plan)
    store.add_all(
        session,
        (models.EfficacyIndicator(action_plan_id=row.id, **one) for one in outcome.indicators),
    )
    return row


def _add_actions(session: Session, plan_row: ActionPlan, plan: Plan) -> None:
    """Every action's row, its parents told by uuid, in the plan's order."""
    identities = [uuidutils.generate_uuid() for _ in plan.actions]
    rows = [
        models.Action(
            uuid=identities[position],
            action_plan_id=plan_row.id,
            action_type=action.type,
            input_parameters=action.input_parameters,
            parents=[identities[parent] for parent in parents],
            position=position,
            state="PENDING",
        )
        for position, (action, parents) in enumerate(zip(plan.actions, plan.parents, strict=True))
    ]
    store.add_all(session, rows)


def _replace_older(session: Session, audit: Audit, row: ActionPlan) -> None:
    """Cancel what earlier runs of the audit recommended, and what they have left to be begun.

    A plan that somebody starts at this moment is left to him.
    """
    states = ("RECOMMENDED", "PENDING") if audit.auto_trigger else ("RECOMMENDED",)
    older = (
        ActionPlan.audit_id == audit.id,
        ActionPlan.id != row.id,
        ActionPlan.state.in_(states),
    )
    for plan in store.every(session, ActionPlan, *older):
        try:
            said = f"Replaced by action plan {row.uuid}."
            endings.end(session, plan, "CANCELLED", said)
        except LostRace as error:
            LOG.info("action plan %s is not replaced: %s", plan.uuid, error)


def _mark_overlaps(session: Session, row: ActionPlan, plan: Plan) -> None:
    """Say of each plan recommended before that this one wants something it wants for itself.

    Plans of dry runs want nothing: they are never started.
    """
    ours = leases.wanted((one.type, one.input_parameters) for one in plan.actions)
    if not ours:
        return
    others = (
        select(ActionPlan.id, Action.action_type, Action.input_parameters)
        .join(Action, Action.action_plan_id == ActionPlan.id)
        .join(Audit, Audit.id == ActionPlan.audit_id)
        .where(ActionPlan.state == "RECOMMENDED", ActionPlan.deleted == 0, ActionPlan.id != row.id)
        .where(~Audit.dry_run)
    )
    actions: dict[int, list[tuple[str, dict[str, object]]]] = {}
    for ident, kind, given in session.execute(others):
        actions.setdefault(ident, []).append((kind, given))
    for other in store.every(session, ActionPlan, ActionPlan.id.in_(actions)):
        theirs = leases.wanted(actions[other.id])
        if shared := sum(not (ours[one] and theirs[one]) for one in ours.keys() & theirs.keys()):
            said = (
                f"{models.OVERLAP.format(row.uuid)}{shared} of the same instances, volumes or"
                " hosts: start one of the two, not both."
            )
            store.change(session, other, status_message=said)


def supersede_expired(session: Session, hours: int) -> None:
    """The plans that were recommended longer ago than so many hours become SUPERSEDED."""
    limit = clock.now(session) - timedelta(hours=hours)
    expired = (ActionPlan.state == "RECOMMENDED", ActionPlan.created_at < limit)
    for plan in store.every(session, ActionPlan, *expired):
        try:
            endings.end(session, plan, "SUPERSEDED", f"Not started within {hours} hours.")
        except LostRace as error:
            LOG.info("action plan %s is not superseded: %s", plan.uuid, error)
