# SPDX-License-Identifier: Apache-2.0
"""Six verbs for all tables; filters are SQLAlchemy expressions.

``transition`` is the only way a row's ``state`` changes: one UPDATE that finds the row only while
it is in a state from which the move is allowed, so that of many writers one wins and the others
are told. Everything that writes leaves a ``Change`` on the session, announced after the commit.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from oslo_db.exception import DBDuplicateEntry
from oslo_utils import timeutils, uuidutils
from sqlalchemy import Select, inspect, select, update
from sqlalchemy import delete as delete_rows
from sqlalchemy.orm import Session, joinedload, selectinload
from sqlalchemy.orm.attributes import set_committed_value
from sqlalchemy.orm.interfaces import ORMOption
from sqlalchemy.sql.elements import ColumnElement

from watcher import context
from watcher.core.errors import AlreadyExists, LostRace, NotFound
from watcher.db import changes, models, paging
from watcher.db.lookup import ways
from watcher.db.models import Base

LOG = logging.getLogger(__name__)

_BATCH = 500
"""Rows in one UPDATE; SQLite takes 32,766 parameters, other servers dislike long lists."""

M = TypeVar("M", bound=Base)


def get(
    session: Session,
    model: type[M],
    ident: str | int,
    *,
    deleted: bool = False,
    load: Iterable[str] = (),
) -> M:
    """The row with this uuid, or with this name where rows have names.

    Goals and strategies are found whatever the case of their name; services by number, or by name
    (the one seen last). Soft-deleted rows are found only when asked for, after live ones. Raises
    NotFound.
    """
    query = _query(model, deleted, load)
    for where, order in ways(model, ident):
        found = session.scalars(
            query.where(where).order_by(model.deleted != 0, *order, model.id.desc()).limit(1)
        ).first()
        if found is not None:
            return found
    raise NotFound(model.called(), ident)


def lock(session: Session, model: type[M], ident: str | int) -> None:
    """Hold a live row against other writers until the end of the transaction.

    What is read of it afterwards stays true, so a value may be built from the one that is there.
    SQLite has one writer at a time and needs no lock. Raises NotFound.
    """
    for where, order in ways(model, ident):
        held = session.scalar(
            select(model.id)
            .where(model.deleted == 0, where)
            .order_by(*order, model.id.desc())
            .limit(1)
            .with_for_update(key_share=True)
        )
        if held is not None:
            return
    raise NotFound(model.called(), ident)


def page(
    session: Session,
    model: type[M],
    *where: ColumnElement[bool],
    limit: int | None,
    marker: M | str | int | None = None,
    sort_key: str = "id",
    ascending: bool = True,
    deleted: bool = False,
    load: Iterable[str] = (),
) -> tuple[list[M], bool]:
    """At most ``limit`` rows that come after ``marker`` (a row, uuid or name), and are there more?

    ``sort_key`` is a column, or a related row's as ``goal_name`` or ``action_plan_uuid``. A null
    sorts before every value; rows with equal values sort by id. Raises Invalid for another key,
    NotFound for an unknown marker.
    """
    query = _query(model, deleted, load).where(*where)
    if marker is not None and not isinstance(marker, Base):
        marker = get(session, model, marker, deleted=deleted)
    rows: list[M] = []
    asked = (session, query, model, marker, sort_key, ascending)
    for part in paging.windows(*asked, deleted=deleted, filtered=bool(where)):
        rows += session.scalars(part.limit(None if limit is None else limit + 1 - len(rows)))
        if limit is not None and len(rows) > limit:
            return rows[:limit], True
    return rows, False


def every(
    session: Session,
    model: type[M],
    *where: ColumnElement[bool],
    deleted: bool = False,
    load: Iterable[str] = (),
) -> list[M]:
    """All rows that fit, oldest first."""
    return list(session.scalars(_query(model, deleted, load).where(*where).order_by(model.id)))


def add(session: Session, row: M) -> M:
    """Insert a row, with a new uuid if it has none. Raises AlreadyExists for a taken name."""
    add_all(session, [row])
    return row


def add_all(session: Session, rows: Iterable[Base]) -> None:
    """Insert many rows at once, in this order: a plan of 10,000 actions in a second."""
    rows = list(rows)
    for row in rows:
        if isinstance(row, models.WithUuid) and not row.uuid:
            row.uuid = uuidutils.generate_uuid()
    with _unique(rows):
        session.add_all(rows)
        session.flush()
    session.info.setdefault("added", []).extend(rows)
    for row in rows:
        changes.note(session, "create", row)


def change(session: Session, row: M, **values: Any) -> M:
    """Set columns other than ``state``. Values that are there already are no change.

    A related row may be given by the relationship's name, as ``goal=goal`` for its ``goal_id``.
    """
    if "state" in values:
        raise ValueError("a state moves by transition() only")
    changed = {name: value for name, value in values.items() if getattr(row, name) != value}
    if changed:
        with _unique([row], **changed):
            if not _swapped(session, row, [], _columns(type(row), changed)):
                raise NotFound(row.called(), _ident(row))
        _show(row, changed)
        changes.note(session, "update", row, getattr(row, "state", None))
    return row


def _columns(model: type[Base], values: dict[str, Any]) -> dict[str, Any]:
    """The values with each related row told by the column that refers to it."""
    mapper = inspect(model)
    columns = {}
    for name, value in values.items():
        if name in mapper.relationships:
            (column,) = mapper.relationships[name].local_columns
            columns[mapper.get_property_by_column(column).key] = value and value.id
        else:
            columns[name] = value
    return columns


def transition(
    session: Session,
    row: M,
    to: str,
    message: str | None = None,
    *,
    seen: bool = False,
    epoch: int | None = None,
    new_epoch: int | None = None,
    **values: Any,
) -> M:
    """Move a row to another state, and set ``values`` with it, if nobody was faster.

    ``message`` becomes the status message, cut to its column; None leaves the one that is there.
    ``seen`` demands that the state still is the one that the row shows: for whoever decided by it.
    ``epoch`` demands that the plan (of the action) still has this epoch, ``new_epoch``
    begins another. Raises LostRace, which names the state found, when the row is not where the
    move can begin.
    """
    model = type(row)
    lifecycle = models.LIFECYCLES[model]
    old_state: str = row.state  # type: ignore[attr-defined]
    if message is not None:
        values["status_message"] = message
    conditions = [model.state.in_(sorted(lifecycle.sources(to)))]  # type: ignore[attr-defined]
    if seen:
        conditions.append(model.state == old_state)  # type: ignore[attr-defined]
    if epoch is not None:
        conditions += _fence(session, row, epoch)
    if new_epoch is not None:
        values["epoch"] = new_epoch
    if not _swapped(session, row, conditions, {"state": to, **values}):
        raise LostRace(_lost(session, row, to, epoch))
    _release(session, [row], to)
    why = f" ({message})" if message else ""
    with context.named(_ident(row), action=isinstance(row, models.Action)):
        LOG.info("%s %s: %s -> %s%s", lifecycle.kind, _ident(row), old_state, to, why)
    changes.note(session, "update", row, old_state)
    return row


def transition_all(
    session: Session,
    rows: Sequence[Any],
    to: str,
    message: str | None = None,
    *,
    epoch: int | None = None,
) -> None:
    """Move many rows of one kind at once, such as the actions of a plan: all of them or none.

    ``message`` and ``epoch`` are those of ``transition``; the rows then are of one plan. Raises
    LostRace when one of them is not where the move can begin.
    """
    if not rows:
        return
    model = type(rows[0])
    lifecycle = models.LIFECYCLES[model]
    values = {"state": to, "updated_at": timeutils.utcnow()}
    if message is not None:
        values["status_message"] = models.cut(message)
    fence = [] if epoch is None else _fence(session, rows[0], epoch)
    movable = model.state.in_(sorted(lifecycle.sources(to)))
    for start in range(0, len(rows), _BATCH):
        batch = rows[start : start + _BATCH]
        done: Any = session.execute(
            update(model)
            .where(model.id.in_([row.id for row in batch]), movable, *fence)
            .values(**values),
            execution_options={"synchronize_session": False},
        )
        if done.rowcount != len(batch):
            raise LostRace(f"one of {len(rows)} rows cannot become {to}: another writer was first")
    _release(session, rows, to)
    LOG.info("%s: %d became %s", lifecycle.kind, len(rows), to)
    for row in rows:
        old_state = row.state
        _show(row, values)
        changes.note(session, "update", row, old_state)


def _release(session: Session, rows: Sequence[Any], to: str) -> None:
    """A plan that is not at work any more gives its leases back, and is in nobody's way."""
    if not isinstance(rows[0], models.ActionPlan) or to in models.AT_WORK:
        return
    for start in range(0, len(rows), _BATCH):
        ids = [row.id for row in rows[start : start + _BATCH]]
        session.execute(delete_rows(models.Lease).where(models.Lease.action_plan_id.in_(ids)))
    plans = models.ActionPlan
    for row in rows:
        marked = plans.status_message.startswith(models.OVERLAP.format(row.uuid), autoescape=True)
        for other in every(session, plans, plans.state == "RECOMMENDED", marked):
            change(session, other, status_message=None)


def swap(session: Session, row: M, *seen: str, **values: Any) -> M:
    """Set columns if the columns named by ``seen`` still are as this row shows them.

    So a plan is taken over (``swap(session, plan, "epoch", epoch=plan.epoch + 1, hostname=me)``)
    and a due audit claimed (``"next_run_time"``). Raises LostRace when another writer was first.
    """
    model = type(row)
    conditions = [getattr(model, name).is_not_distinct_from(getattr(row, name)) for name in seen]
    if not _swapped(session, row, conditions, values):
        raise LostRace(f"{model.called()} {_ident(row)}: another writer changed {', '.join(seen)}")
    changes.note(session, "update", row, getattr(row, "state", None))
    return row


def delete(session: Session, row: Base) -> None:
    """Hide a row and free its name; a plan takes its actions and indicators along.

    A row with states moves to DELETED, which raises LostRace from a state that cannot.
    """
    gone: dict[str, Any] = {"deleted": row.id, "deleted_at": timeutils.utcnow()}
    old_state = getattr(row, "state", None)
    if type(row) in models.LIFECYCLES:
        transition(session, row, "DELETED", **gone)
    elif not _swapped(session, row, [type(row).deleted == 0], gone):
        raise NotFound(row.called(), _ident(row))
    changes.note(session, "delete", row, old_state)
    if isinstance(row, models.ActionPlan):
        _delete_parts(session, row)


def _delete_parts(session: Session, plan: models.ActionPlan) -> None:
    """Hide the actions and indicators of a plan, by one UPDATE each."""
    for part in (models.Action, models.EfficacyIndicator):
        mine = (part.action_plan_id == plan.id, part.deleted == 0)
        rows = every(session, part, *mine)
        now = timeutils.utcnow()
        values: dict[str, Any] = {"deleted_at": now, "updated_at": now}
        if part in models.LIFECYCLES:
            values["state"] = "DELETED"
        session.execute(
            update(part).where(*mine).values(deleted=part.id, **values),
            execution_options={"synchronize_session": False},
        )
        for row in rows:
            old_state = getattr(row, "state", None)
            _show(row, {"deleted": row.id, **values})
            if old_state is not None:
                changes.note(session, "update", row, old_state)
            changes.note(session, "delete", row, old_state)


def _query(model: type[M], deleted: bool, load: Iterable[str]) -> Select[M]:
    query = select(model).options(*(_loader(model, path) for path in load))
    return query if deleted else query.where(model.deleted == 0)


def _loader(model: type[Base], path: str) -> ORMOption:
    """How to load the relationships of a dotted path along with the row."""
    option: Any = None
    for name in path.split("."):
        relation = inspect(model).relationships[name]
        way = "selectinload" if relation.uselist else "joinedload"
        attribute = getattr(model, name)
        start = {"selectinload": selectinload, "joinedload": joinedload}[way]
        option = start(attribute) if option is None else getattr(option, way)(attribute)
        model = relation.mapper.class_
    return option


@contextmanager
def _unique(rows: list[Any], *, name: str | None = None, **_values: Any) -> Iterator[None]:
    """Turn a violated unique constraint into AlreadyExists with the names that were wanted."""
    try:
        yield
    except DBDuplicateEntry as error:
        names = ", ".join(name or getattr(row, "name", None) or _ident(row) for row in rows[:3])
        kind = rows[0].called()
        raise AlreadyExists(f"{kind} {names} exists already: choose another name") from error


def _ident(row: Any) -> str:
    for name in ("uuid", "name", "action_type"):
        if found := getattr(row, name, None):
            return str(found)
    return str(row.id)


def _swapped(session: Session, row: Base, conditions: list[Any], values: dict[str, Any]) -> bool:
    """One UPDATE that finds the row only under these conditions; the row then shows the values."""
    model = type(row)
    values = {"updated_at": timeutils.utcnow(), **values}
    if "status_message" in values:
        values["status_message"] = models.cut(values["status_message"])
    done = session.execute(
        update(model).where(model.id == row.id, *conditions).values(**values),
        execution_options={"synchronize_session": False},
    )
    if done.rowcount != 1:  # type: ignore[attr-defined]
        return False
    _show(row, values)
    return True


def _show(row: Base, values: dict[str, Any]) -> None:
    """Let a loaded row show what was written by UPDATE, without asking the database again."""
    for name, value in values.items():
        set_committed_value(row, name, value)


def _fence(session: Session, row: Any, epoch: int) -> list[Any]:
    """Conditions that hold back an applier whose plan was taken over.

    For an action the plan's row is locked for the rest of the transaction: whoever takes the plan
    over comes wholly before or wholly after this write.
    """
    plan = models.ActionPlan
    if isinstance(row, plan):
        return [plan.epoch == epoch]
    found = session.scalar(
        select(plan.epoch).where(plan.id == row.action_plan_id).with_for_update()
    )
    return [] if found == epoch else [models.Action.id.is_(None)]


def _lost(session: Session, row: Any, to: str, epoch: int | None) -> str:
    """Why a transition found nothing to move."""
    model = type(row)
    kind = models.LIFECYCLES[model].kind
    found = session.scalar(select(model.state).where(model.id == row.id))
    if found is not None and found in models.LIFECYCLES[model].sources(to):
        if epoch is None:
            return f"{kind} {row.uuid} is {found} by now and not {row.state} any more"
        return f"{kind} {row.uuid}: epoch {epoch} is over, another applier has taken the plan"
    return f"{kind} {row.uuid} is {found or 'gone'} and cannot become {to}"
