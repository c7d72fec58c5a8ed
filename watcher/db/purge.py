# SPDX-License-Identifier: Apache-2.0
"""What may leave the database for good (contract: commands §5.1).

Two kinds of rows go: those soft-deleted long enough ago, and, unless told otherwise, orphans: live
rows below one that goes. Two kinds stay whatever was asked: a plan that is being carried out, and
a row to which a row that stays refers. Actions and indicators share the fate of their plan.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from oslo_db.exception import DBReferenceError
from oslo_utils import timeutils
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from watcher.core.errors import Conflict, Invalid
from watcher.db import store
from watcher.db.models import (
    Action,
    ActionPlan,
    Audit,
    AuditTemplate,
    Base,
    EfficacyIndicator,
    Goal,
    Strategy,
)

PARENTS: dict[type[Base], dict[str, type[Base]]] = {
    Goal: {},
    Strategy: {"goal_id": Goal},
    AuditTemplate: {"goal_id": Goal, "strategy_id": Strategy},
    Audit: {"goal_id": Goal, "strategy_id": Strategy},
    ActionPlan: {"audit_id": Audit, "strategy_id": Strategy},
}
"""The tables from the top, and the columns by which each refers to those above."""

AT_WORK = ("PENDING", "ONGOING", "CANCELLING")

CHUNK = 500
"""Ids in one statement; SQLite's older builds take at most 999 parameters."""


@dataclass(frozen=True)
class Found:
    """A row: its id, the goal it belongs to, the rows it refers to, and whether it goes."""

    id: int
    goal_id: int
    refers_to: tuple[tuple[type[Base], int], ...]
    goes: bool


@dataclass(frozen=True)
class Selection:
    """The rows that go, by id, and how many actions each plan takes along."""

    ids: dict[type[Base], set[int]]
    actions: dict[int, int]
    rows: dict[type[Base], list[Found]] = field(repr=False)

    def counts(self) -> dict[str, int]:
        """How many rows go of each kind, in the words of the operator, and in total."""
        counts = {
            "Goals": len(self.ids[Goal]),
            "Strategies": len(self.ids[Strategy]),
            "Audit Templates": len(self.ids[AuditTemplate]),
            "Audits": len(self.ids[Audit]),
            "Action Plans": len(self.ids[ActionPlan]),
            "Actions": sum(self.actions.get(plan, 0) for plan in self.ids[ActionPlan]),
        }
        return counts | {"Total": sum(counts.values())}

    def at_most(self, number: int) -> "Selection":
        """As many whole goals, with all that goes of them, as fit into a number of rows."""
        sizes: dict[int, int] = {}
        for model, rows in self.rows.items():
            for row in rows:
                if row.id in self.ids[model]:
                    actions = self.actions.get(row.id, 0) if model is ActionPlan else 0
                    sizes[row.goal_id] = sizes.get(row.goal_id, 0) + 1 + actions
        chosen: set[int] = set()
        for goal_id in sorted(sizes):
            if sizes[goal_id] <= number:
                chosen.add(goal_id)
                number -= sizes[goal_id]
        ids = {
            model: {row.id for row in rows if row.id in self.ids[model] and row.goal_id in chosen}
            for model, rows in self.rows.items()
        }
        return Selection(_without_referred(ids, self.rows), self.actions, self.rows)


def select_rows(
    session: Session,
    *,
    age_in_days: int | None = None,
    goal: str | None = None,
    orphans: bool = True,
) -> Selection:
    """Choose what goes: of all goals, or of one that is soft-deleted itself.

    Raises NotFound for an unknown goal, Conflict for a live one, Invalid for a negative age.
    """
    if age_in_days is not None and age_in_days < 0:
        raise Invalid("the age in days must not be negative")
    before = timeutils.utcnow() - timedelta(days=age_in_days) if age_in_days else None
    only = None if goal is None else _dead_goal(session, goal)
    rows: dict[type[Base], list[Found]] = {}
    ids: dict[type[Base], set[int]] = {}
    for model in PARENTS:
        rows[model] = list(_look(session, model, rows, ids, before, orphans=orphans))
        ids[model] = {row.id for row in rows[model] if row.goes and only in (None, row.goal_id)}
    if not orphans:
        live = select(Action.action_plan_id).where(Action.deleted == 0).distinct()
        ids[ActionPlan] -= set(session.scalars(live))
    ids = _without_referred(ids, rows)
    return Selection(ids, _count_actions(session, ids[ActionPlan]), rows)


def erase(session: Session, selection: Selection) -> None:
    """Delete the selected rows, those below before those above.

    Raises Conflict when a row was added meanwhile that refers to one of them.
    """
    try:
        for chunk in _chunks(selection.ids[ActionPlan]):
            for part in (Action, EfficacyIndicator):
                session.execute(delete(part).where(part.action_plan_id.in_(chunk)))
        for model in reversed(PARENTS):
            for chunk in _chunks(selection.ids[model]):
                session.execute(delete(model).where(model.id.in_(chunk)))
    except DBReferenceError as error:
        raise Conflict("the database changed meanwhile: purge again") from error


def _dead_goal(session: Session, ident: str) -> int:
    goal = store.get(session, Goal, ident, deleted=True)
    if not goal.deleted:
        raise Conflict(f"goal {ident} is live: only rows of a deleted goal can be purged alone")
    return goal.id


def _look(
    session: Session,
    model: Any,
    above: dict[type[Base], list[Found]],
    gone: dict[type[Base], set[int]],
    before: datetime | None,
    *,
    orphans: bool,
) -> Iterator[Found]:
    """The rows of one table; ``above`` and ``gone`` are the tables above, already looked at."""
    columns = [model.id, model.deleted, model.deleted_at]
    columns += [getattr(model, name) for name in PARENTS[model]]
    if model is ActionPlan:
        columns.append(model.state)
    goal_of_audit = {row.id: row.goal_id for row in above.get(Audit, ())}
    for row in session.execute(select(*columns)).mappings():
        refers_to = tuple(
            (parent, row[name]) for name, parent in PARENTS[model].items() if row[name] is not None
        )
        goal_id = row["id"] if model is Goal else row.get("goal_id")
        if goal_id is None:
            goal_id = goal_of_audit[row["audit_id"]]
        if row["deleted"]:
            goes = before is None or row["deleted_at"] < before
        else:
            goes = orphans and any(ident in gone[parent] for parent, ident in refers_to)
        yield Found(row["id"], goal_id, refers_to, goes and row.get("state") not in AT_WORK)


def _without_referred(
    ids: dict[type[Base], set[int]], rows: dict[type[Base], list[Found]]
) -> dict[type[Base], set[int]]:
    """The ids without those to which a row that stays refers, from the lowest table up."""
    kept = {model: set(chosen) for model, chosen in ids.items()}
    for model in reversed(PARENTS):
        for row in rows[model]:
            if row.id not in kept[model]:
                for parent, ident in row.refers_to:
                    kept[parent].discard(ident)
    return kept


def _count_actions(session: Session, plans: set[int]) -> dict[int, int]:
    counts: dict[int, int] = {}
    for chunk in _chunks(plans):
        query = select(Action.action_plan_id, func.count()).group_by(Action.action_plan_id)
        found = session.execute(query.where(Action.action_plan_id.in_(chunk)))
        counts.update((plan, count) for plan, count in found)
    return counts


def _chunks(ids: Iterable[int]) -> Iterator[list[int]]:
    ordered = sorted(ids)
    for start in range(0, len(ordered), CHUNK):
        yield ordered[start : start + CHUNK]
