# SPDX-License-Identifier: Apache-2.0
"""Leases: what a plan that was started works on, so that no other plan does (decisions §6).

A plan leases what its actions change (instances, volumes, the services of hosts) for itself, and
what they use (the hosts and pools that something leaves or goes to) together with other plans.
It has them from its start until ``store`` moves it to its end.
"""

from collections.abc import Iterable, Iterator

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from watcher.core.errors import Conflict
from watcher.core.solution import touched
from watcher.db import locks, store
from watcher.db.models import Action, ActionPlan, Audit, Lease

_BATCH = 500


def launch(session: Session, plan: ActionPlan) -> None:
    """Start a plan: it takes its leases and becomes PENDING, for an applier to find.

    Raises Conflict for a plan of a dry run, and when another plan at work, which it names, has
    one of them; LostRace when the plan is not there to be started any more.
    """
    if refused := dry(session, plan):
        raise Conflict(refused)
    mine = (Action.action_plan_id == plan.id, Action.state != "SKIPPED")
    query = select(Action.action_type, Action.input_parameters).where(*mine)
    needed = wanted((kind, parameters) for kind, parameters in session.execute(query))
    if needed:
        locks.hold(session, locks.LEASES)
        _refuse_taken(session, needed)
        rows = [
            {"resource": resource, "shared": shared, "action_plan_id": plan.id}
            for resource, shared in needed.items()
        ]
        session.execute(insert(Lease), rows)
    store.transition(session, plan, "PENDING")


def dry(session: Session, plan: ActionPlan) -> str:
    """Why a plan is never started: it is of a dry run; "" for one that may be."""
    found = select(Audit.uuid).where(Audit.id == plan.audit_id, Audit.dry_run)
    audit = session.scalar(found)
    if audit is None:
        return ""
    return (
        f"action plan {plan.uuid} is of the dry run {audit} and is never started: create the audit"
        " without dry_run, and start the plan of that one"
    )


def wanted(actions: Iterable[tuple[str, dict[str, object]]]) -> dict[str, bool]:
    """What actions (type and input parameters) need: resource -> whether it may be shared."""
    needed: dict[str, bool] = {}
    for one in actions:
        changed, used = touched(*one)
        for resource in used:
            needed.setdefault(resource, True)
        needed.update(dict.fromkeys(changed, False))
    return needed


def _refuse_taken(session: Session, needed: dict[str, bool]) -> None:
    for batch in _batches(sorted(needed)):
        query = (
            select(Lease.resource, Lease.shared, ActionPlan.uuid, ActionPlan.state)
            .join(ActionPlan, ActionPlan.id == Lease.action_plan_id)
            .where(Lease.resource.in_(batch))
            .order_by(Lease.id)
        )
        for resource, shared, uuid, state in session.execute(query):
            if not (shared and needed[resource]):
                kind, _, ident = resource.partition(":")
                raise Conflict(
                    f"{kind} {ident} is in the hands of action plan {uuid}, which is {state}: wait"
                    " until it has ended, or cancel it"
                )


def _batches(values: list[str]) -> Iterator[list[str]]:
    return (values[start : start + _BATCH] for start in range(0, len(values), _BATCH))
