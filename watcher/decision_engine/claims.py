# SPDX-License-Identifier: Apache-2.0
"""Which audits are to be run, and whose they are: claims, and the fence of what is claimed.

A claim is one transaction that locks the audit's row, finds it still to be run, and writes the
owner, ``running_since`` and a new ``epoch``. Every later write of the run goes through ``held``,
which lets only the newest claim write: an engine that was frozen while another took over its audit
can do no harm. There is no table of jobs; what is due follows from the audits' own rows.
"""

import logging
from collections.abc import Collection
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import Session

from watcher.core import schedule
from watcher.core.errors import BadInterval, LostRace, NotFound
from watcher.core.refusals import WhyNot
from watcher.db import clock, store
from watcher.db.models import ActionPlan, Audit

LOG = logging.getLogger(__name__)

RELATED = ("goal", "strategy")
"""What a run and its notifications need to know beside the audit."""


def waiting(now: datetime, owners: Collection[str]) -> ColumnElement[bool]:
    """The audits that are to be run and that nobody runs.

    What the ``owners`` were running is theirs no more: they are dead, or this is their next life.
    """
    running = and_(Audit.state == "ONGOING", Audit.running_since.is_not(None))
    left = and_(running, Audit.hostname.in_(owners))
    asked = Audit.next_run_time <= now
    once = and_(Audit.audit_type == "ONESHOT", Audit.state.in_(("PENDING", "ONGOING")))
    event = and_(
        Audit.audit_type == "EVENT",
        or_(
            Audit.state == "ONGOING",  # a user set it so
            and_(Audit.state.in_(("PENDING", "SUCCEEDED", "FAILED")), asked),
        ),
    )
    due = and_(
        Audit.audit_type == "CONTINUOUS",
        Audit.state.in_(("PENDING", "ONGOING")),
        or_(Audit.next_run_time.is_(None), asked),
        or_(Audit.start_time.is_(None), Audit.start_time <= now),
        or_(Audit.end_time.is_(None), Audit.end_time > now),
    )
    idle = or_(Audit.state != "ONGOING", Audit.running_since.is_(None))
    return and_(Audit.deleted == 0, or_(left, and_(idle, or_(once, event, due))))


def to_run(session: Session, owners: Collection[str]) -> list[str]:
    """The uuids of the audits that are to be run, those due for longest first."""
    where = waiting(clock.now(session), owners)
    return list(
        session.scalars(select(Audit.uuid).where(where).order_by(Audit.next_run_time, Audit.id))
    )


def owners_of_runs(session: Session) -> set[str]:
    """The hosts that are running audits, or were when they were last heard of."""
    running = (Audit.state == "ONGOING", Audit.running_since.is_not(None), Audit.deleted == 0)
    return {host for host in session.scalars(select(Audit.hostname).where(*running)) if host}


def claim(session: Session, uuid: str, host: str, owners: Collection[str]) -> Audit | None:
    """The audit, now this host's, in a new epoch; None when it was put off instead.

    Unless the audit is forced, an ONGOING action plan makes a ONESHOT audit CANCELLED with that
    reason; the others say so and wait for their next time. Raises LostRace when it is not to be
    run (any more), NotFound when there is no such audit.
    """
    now = clock.now(session)
    due = select(Audit.id).where(Audit.uuid == uuid, waiting(now, {host, *owners}))
    if session.scalar(due.with_for_update()) is None:
        found = store.get(session, Audit, uuid)
        raise LostRace(f"audit {uuid} is {found.state} and not due here")
    audit = store.get(session, Audit, uuid, load=RELATED)
    values = _next_times(audit, now)
    plan = None if audit.force else _ongoing_plan(session)
    if plan is not None:
        _put_off(session, audit, plan, values)
        return None
    values |= {"hostname": host, "running_since": now}
    epoch = audit.epoch + 1
    if audit.state == "ONGOING":
        if audit.running_since is not None and audit.hostname != host:
            LOG.warning("audit %s of host %s is taken over", uuid, audit.hostname)
        return store.change(session, audit, epoch=epoch, **values)
    values["status_message"] = None
    return store.transition(session, audit, "ONGOING", new_epoch=epoch, **values)


def _next_times(audit: Audit, now: datetime) -> dict[str, Any]:
    """What the claim writes of the schedule: the run is not due again, even if it breaks off."""
    if audit.audit_type == "EVENT":
        return {"next_run_time": None}
    if audit.audit_type != "CONTINUOUS" or (audit.next_run_time and audit.next_run_time > now):
        return {}
    try:
        due = audit.next_run_time or now
        return {"next_run_time": schedule.following(str(audit.interval), due, now)}
    except BadInterval:  # cron text with years: this was the last moment
        return {"end_time": now}


def _ongoing_plan(session: Session) -> ActionPlan | None:
    busy = ActionPlan.state.in_(("ONGOING", "CANCELLING"))
    rows, _ = store.page(session, ActionPlan, busy, limit=1)
    return rows[0] if rows else None


def _put_off(session: Session, audit: Audit, plan: ActionPlan, values: dict[str, Any]) -> None:
    """Say that the audit is not run now because of a plan, and end a ONESHOT one."""
    said = f"Not run: action plan {plan.uuid} is ongoing."
    values["running_since"] = None
    if audit.audit_type == "ONESHOT":
        said += " Wait until it has ended, or create the audit with force."
        store.transition(session, audit, "CANCELLED", said, **values)
        return
    if audit.audit_type == "EVENT":
        said += " Trigger the audit again when it has ended, or set force."
    else:
        said += " The audit waits for its next time; set force to run it in any case."
    values["status_message"] = said
    LOG.info("audit %s: %s", audit.uuid, said)
    if audit.audit_type == "EVENT" and audit.state == "ONGOING":
        store.transition(session, audit, "PENDING", **values)
    else:
        store.change(session, audit, **values)


def held(session: Session, claimed: Audit) -> Audit:
    """The audit as it is now, locked for the rest of the transaction, if the claim still holds.

    Raises LostRace when another engine has taken it over, when the run has ended, or when the
    operator has moved it.
    """
    mine = select(Audit.id).where(Audit.uuid == claimed.uuid)
    if session.scalar(mine.with_for_update()) is None:
        raise NotFound("Audit", claimed.uuid)
    audit = store.get(session, Audit, claimed.uuid, deleted=True, load=RELATED)
    if audit.epoch != claimed.epoch:
        raise LostRace(f"audit {audit.uuid} was taken over by {audit.hostname}")
    if audit.state != "ONGOING" or audit.running_since is None:
        raise LostRace(f"audit {audit.uuid} is {audit.state}, its run is no longer wanted")
    return audit


def give_back(session: Session, claimed: Audit, error: str, why_not: WhyNot | None = None) -> None:
    """End a run that failed: the audit is FAILED, or if CONTINUOUS tries again after a pause."""
    audit = held(session, claimed)
    ended: dict[str, Any] = {"running_since": None, "why_not": why_not and asdict(why_not)}
    if audit.audit_type != "CONTINUOUS":
        store.transition(session, audit, "FAILED", error, **ended)
        return
    now, failures = clock.now(session), audit.failures + 1
    until_due_s = (audit.next_run_time - now).total_seconds() if audit.next_run_time else 0.0
    again = now + timedelta(seconds=schedule.retry_delay_s(failures, until_due_s))
    store.change(
        session,
        audit,
        **ended,
        failures=failures,
        next_run_time=again,
        status_message=f"Run failed ({failures} in a row), tried again at {again:%H:%M:%S} UTC:"
        f" {error}",
    )


def end_over(session: Session) -> None:
    """The CONTINUOUS audits whose end time has come, and that nobody runs, SUCCEEDED."""
    over = (
        Audit.audit_type == "CONTINUOUS",
        Audit.state.in_(("PENDING", "ONGOING")),
        Audit.running_since.is_(None),
        Audit.end_time <= clock.now(session),
    )
    for audit in store.every(session, Audit, *over, load=RELATED):
        store.transition(session, audit, "SUCCEEDED", "Its end time has come.")
