# SPDX-License-Identifier: Apache-2.0
"""What the database says about the work there is: counts by state, in a few indexed queries."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from watcher.db import clock, store
from watcher.db.models import LIFECYCLES, Action, ActionPlan, Audit, Service
from watcher.telemetry import gauges
from watcher.telemetry.gauges import Gauge, Reading
from watcher.telemetry.meters import MIGRATION_TYPES
from watcher.telemetry.moves import AT_WORK, migration_type

UNENDED = ("PENDING", *AT_WORK)


def readings(session: Session) -> Iterator[Reading]:
    """All that is counted in the database; the ended actions, perhaps a million, are not."""
    now = clock.now(session)
    yield from _by_state(session, gauges.AUDITS, Audit)
    yield from _by_state(session, gauges.PLANS, ActionPlan)
    yield from _by_state(session, gauges.UNENDED, Action, UNENDED)
    yield _failing(session)
    yield _oldest(session, now, "audit", Audit, Audit.audit_type == "ONESHOT")
    yield _oldest(session, now, "action_plan", ActionPlan)
    yield from _running(session)
    for row in store.every(session, Service):
        if row.last_seen_up is not None:
            yield gauges.HEARTBEAT((now - row.last_seen_up).total_seconds(), row.name, row.host)


def _by_state(
    session: Session, gauge: Gauge, model: Any, states: tuple[str, ...] = ()
) -> Iterator[Reading]:
    """Live rows in each state, 0 where there is none, so that no line begins late."""
    query = select(model.state, func.count()).where(model.deleted == 0).group_by(model.state)
    if states:
        query = query.where(model.state.in_(states))
    found = {row[0]: row[1] for row in session.execute(query)}
    for state in states or LIFECYCLES[model].states:
        if state != "DELETED":
            yield gauge(found.get(state, 0), state)


def _failing(session: Session) -> Reading:
    query = select(func.count()).where(
        Audit.audit_type == "CONTINUOUS",
        Audit.state.in_(("PENDING", "ONGOING")),
        Audit.failures > 0,
        Audit.deleted == 0,
    )
    return gauges.FAILING(session.scalar(query) or 0)


def _oldest(
    session: Session, now: datetime, kind: str, model: Any, *where: ColumnElement[bool]
) -> Reading:
    since = func.min(func.coalesce(model.updated_at, model.created_at))
    query = select(since).where(model.state == "PENDING", model.deleted == 0, *where)
    oldest = session.scalar(query)
    return gauges.OLDEST(max(0.0, (now - oldest).total_seconds()) if oldest else 0.0, kind)


def _running(session: Session) -> Iterator[Reading]:
    """The actions at work: as many as the limits of the appliers allow, so all are looked at."""
    query = select(Action.action_type, Action.input_parameters).where(
        Action.deleted == 0, Action.state.in_(AT_WORK)
    )
    rows = session.execute(query).all()
    for name, number in sorted(Counter(row.action_type for row in rows).items()):
        yield gauges.RUNNING(number, name)
    kinds = Counter(migration_type(row.action_type, row.input_parameters) for row in rows)
    for kind in MIGRATION_TYPES:
        yield gauges.MIGRATING(kinds[kind], kind)
