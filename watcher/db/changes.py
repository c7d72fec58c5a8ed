# SPDX-License-Identifier: Apache-2.0
"""What happened to rows in a session, remembered until the commit and announced then."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import inspect
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import set_committed_value

from watcher.db.models import LIFECYCLES, Action, Base
from watcher.telemetry import moves


@dataclass(frozen=True)
class Change:
    """One thing that happened to a row: ``kind`` is create, update or delete.

    ``old_state`` and ``state`` are those before and after, for rows that have one: the row itself
    may move on in the same transaction.
    """

    kind: str
    row: Base
    old_state: str | None = None
    state: str | None = None


def note(session: Session, kind: str, row: Base, old_state: str | None = None) -> None:
    """Remember a change for the announcement after the commit, with the rows it will show.

    Related rows come from the session's own memory: one query per plan, not per action.
    """
    noted = Change(kind, row, old_state, getattr(row, "state", None))
    session.info.setdefault("changes", []).append(noted)
    if session.info.get("announces"):
        _attach(session, row)


def count(changes: Iterable[Change]) -> None:
    """Count the moves among committed changes, for Prometheus."""
    for one in changes:
        row: Any = one.row
        if type(row) not in LIFECYCLES or one.kind == "delete" or one.old_state == one.state:
            continue
        if isinstance(row, Action):
            given = row.action_type, row.input_parameters
            moves.moved_action(row.uuid, one.old_state, str(one.state), *given)
        else:
            kind = row.__tablename__.removesuffix("s")
            moves.moved(kind, row.uuid, one.old_state, str(one.state))


def _attach(session: Session, row: Any) -> None:
    """Fill the many-to-one relationships of a row, and of the rows they lead to."""
    state = inspect(row)
    for relation in state.mapper.relationships:
        if relation.uselist:
            continue
        if relation.key in state.unloaded:
            (column,) = relation.local_columns
            ident = getattr(row, state.mapper.get_property_by_column(column).key)
            other = None if ident is None else session.get(relation.mapper.class_, ident)
            set_committed_value(row, relation.key, other)
        if (other := getattr(row, relation.key)) is not None:
            _attach(session, other)
