# SPDX-License-Identifier: Apache-2.0
"""Pages by seeking, not by counting: the next page starts after the last row of this one.

A null counts as smaller than every value, on all databases. Rows with the same value are told
apart by their id; those with the same name, of which all but one are deleted, by ``deleted``,
which is zero or their id and stands in the index of names. So a page deep in a million rows costs
what the first one costs, and rows that come or go between two requests neither repeat nor hide
others.

No index answers a statement by itself where nulls go first, a value repeats, or the values are
another table's. So the order is cut into windows that an index does answer: the rest of the
marker's value, the values after it, the nulls; and of another table's values the next one, the
next few, four times as many, and so on to a bound. A page takes windows until it is full.

MariaDB is told the index where rows are not filtered as well: it would rather read all of a table
and sort it, and to go on after a marker it would read all rows of the marker's value.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from sqlalchemy import (
    ColumnElement,
    Index,
    Select,
    UniqueConstraint,
    inspect,
    literal,
    select,
)
from sqlalchemy.orm import Session

from watcher.core.errors import Invalid
from watcher.db.models import Base, WithName

_GROUPS = (1, 4, 16, 64, *[256] * 4)
"""How many rows of another table one window after the other takes, before it takes all others.

They are named one by one: between a first and a last value PostgreSQL now and then expects far
more of them than there are, and with a thousand it would rather read the whole table.
"""


def windows(
    session: Session,
    query: Select[Any],
    model: type[Any],
    marker: Base | None,
    key: str,
    ascending: bool,
    *,
    deleted: bool,
    filtered: bool,
) -> Iterator[Select[Any]]:
    """The query cut into ordered parts that follow each other, from after the marker on.

    ``deleted`` says whether the query shows deleted rows, ``filtered`` whether it selects others.
    Raises Invalid for a key that is none.
    """
    if key == "deleted_at" and not deleted:
        key = "id"  # it is null in every live row
    axis = _axis(session, model, key, ascending)
    if not filtered and (index := _index(model, axis.indexed)) is not None:
        query = query.with_hint(model, f"FORCE INDEX ({index})", "mysql")
    named = key == "name" and issubclass(model, WithName)
    if key in ("id", "uuid") or (named and not deleted):
        yield from axis.after(query, marker and axis.value(marker), ())
        return
    apart = model.deleted if named else model.id
    ties = _towards(apart, ascending)
    value = None if marker is None else axis.value(marker)
    if marker is not None:
        beyond = _beyond(apart, getattr(marker, apart.key), ascending)
        yield query.where(axis.same(value), beyond).order_by(ties)
    nulls = query.where(axis.same(None)).order_by(ties)
    if ascending and marker is None and axis.nullable:
        yield nulls
    if ascending or marker is None or value is not None:
        yield from axis.after(query, value, (ties,))
        if not ascending and axis.nullable:
            yield nulls


class _Axis(Protocol):
    """What rows are sorted by."""

    nullable: bool
    indexed: Any
    """The column whose index keeps the rows in order."""

    def value(self, row: Any) -> Any:
        """Where a row stands."""

    def same(self, value: Any) -> ColumnElement[bool]:
        """The condition that a row stands there."""

    def after(
        self, query: Select[Any], value: Any, ties: tuple[Any, ...]
    ) -> Iterator[Select[Any]]:
        """The rows after a value, or all that have one, in order."""


class _Column:
    """A column of the rows themselves."""

    def __init__(self, column: Any, ascending: bool) -> None:
        self.column = column
        self.ascending = ascending
        self.nullable: bool = column.expression.nullable
        self.indexed = column

    def value(self, row: Any) -> Any:
        return getattr(row, self.column.key)

    def same(self, value: Any) -> ColumnElement[bool]:
        return self.column.is_(None) if value is None else self.column == self._said(value)

    def after(
        self, query: Select[Any], value: Any, ties: tuple[Any, ...]
    ) -> Iterator[Select[Any]]:
        if value is not None:
            query = query.where(_beyond(self.column, self._said(value), self.ascending))
        elif self.nullable:
            query = query.where(self.column.is_not(None))
        yield query.order_by(_towards(self.column, self.ascending), *ties)

    def _said(self, value: Any) -> Any:
        return literal(value, self.column.type)  # else True and False are refused beside < and >


class _Related:
    """A column of the row that a column of the rows refers to."""

    def __init__(self, session: Session, own: Any, column: Any, ascending: bool) -> None:
        self.session = session
        self.own = own
        self.column = column
        self.ascending = ascending
        self.key = column.parent.class_.id
        self.nullable: bool = own.expression.nullable
        self.indexed = own

    def value(self, row: Any) -> Any:
        other = getattr(row, self.own.key)
        return self.session.scalar(select(self.column).where(self.key == other))

    def same(self, value: Any) -> ColumnElement[bool]:
        if value is None:
            return self.own.is_(None)
        return self.own.in_(self._keys(value))

    def after(
        self, query: Select[Any], value: Any, ties: tuple[Any, ...]
    ) -> Iterator[Select[Any]]:
        order = _towards(self.column, self.ascending)
        joined = query.join(self.column.parent.class_, self.own == self.key).order_by(order, *ties)
        ahead = select(self.key, self.column).order_by(order)
        for count in _GROUPS:
            beyond = () if value is None else (_beyond(self.column, value, self.ascending),)
            found = self.session.execute(ahead.where(*beyond).limit(count)).all()
            if not found:
                return
            value = found[-1][1]
            if count == 1:
                yield query.where(self.same(value)).order_by(*ties)
            else:
                keys = sorted({key for key, _ in found}.union(self._keys(value)))
                yield joined.where(self.own.in_(keys), self.key.in_(keys))
        yield joined.where(_beyond(self.column, value, self.ascending))

    def _keys(self, value: Any) -> Sequence[int]:
        """The ids of the rows that have a value: a name may have been given again and again."""
        return self.session.scalars(select(self.key).where(self.column == value)).all()


def _axis(session: Session, model: type[Any], key: str, ascending: bool) -> _Axis:
    mapper = inspect(model)
    name, _, attribute = key.rpartition("_")
    if name in mapper.relationships and not mapper.relationships[name].uselist:
        related = mapper.relationships[name].mapper.class_
        if attribute in inspect(related).column_attrs:
            (column,) = mapper.relationships[name].local_columns
            own = getattr(model, mapper.get_property_by_column(column).key)
            return _Related(session, own, getattr(related, attribute), ascending)
    if key in mapper.column_attrs:
        return _Column(getattr(model, key), ascending)
    raise Invalid(f"{model.called()} cannot be sorted by {key}")


def _index(model: type[Any], column: Any) -> str | None:
    """The name of the index that keeps rows in the order of a column and their id."""
    table: Any = model.__table__
    for one in (*table.indexes, *table.constraints):
        names = one.columns.keys() if isinstance(one, Index | UniqueConstraint) else []
        unique = isinstance(one, UniqueConstraint)
        if names[:1] == [column.key] and (unique or names[1:2] == ["id"]):
            return str(one.name)
    return None


def _towards(column: Any, ascending: bool) -> Any:
    return column.asc() if ascending else column.desc()


def _beyond(column: Any, value: Any, ascending: bool) -> ColumnElement[bool]:
    return column > value if ascending else column < value
