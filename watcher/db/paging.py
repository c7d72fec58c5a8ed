# SPDX-License-Identifier: Apache-2.0
"""Pages by seeking, not by counting: the next page starts after the last row of this one.

A null counts as smaller than every value, on all databases. Rows with the same value are told
apart by their id. So a page deep in a million rows costs what the first one costs, and rows that
come or go between two requests neither repeat nor hide others.
"""

from typing import Any

from sqlalchemy import Select, inspect, literal, select
from sqlalchemy.orm import Session, aliased

from watcher.core.errors import Invalid
from watcher.db.models import Base


def ordered(
    session: Session,
    query: Select[Any],
    model: type[Any],
    marker: Base | None,
    key: str,
    ascending: bool,
) -> Select[Any]:
    """The query in the order of a sort key, from after the marker on.

    Raises Invalid when there is no such key.
    """
    query, column = _sorted_by(query, model, key)
    if marker is not None:
        value = session.scalar(_value_of(model, marker, key))
        query = query.where(_beyond(column, model.id, value, marker.id, ascending))
    return query.order_by(
        _direction(session, column, ascending), model.id if ascending else model.id.desc()
    )


def _sorted_by(query: Select[Any], model: type[Any], key: str) -> tuple[Select[Any], Any]:
    """The query with what it needs to sort by a key, and the column of that key."""
    mapper = inspect(model)
    if key in mapper.column_attrs:
        return query, getattr(model, key)
    name, _, attribute = key.rpartition("_")
    if name in mapper.relationships and not mapper.relationships[name].uselist:
        related = mapper.relationships[name].mapper.class_
        if attribute in inspect(related).column_attrs:
            other = aliased(related)
            return query.outerjoin(getattr(model, name).of_type(other)), getattr(other, attribute)
    raise Invalid(f"{model.called()} cannot be sorted by {key}")


def _value_of(model: type[Base], row: Base, key: str) -> Select[Any]:
    """The value of a sort key in one row."""
    query, column = _sorted_by(select(model.id), model, key)
    return query.with_only_columns(column).where(model.id == row.id)


def _direction(session: Session, column: Any, ascending: bool) -> Any:
    """Nulls before values: SQLite and MySQL do that by themselves, PostgreSQL when told."""
    order = column.asc() if ascending else column.desc()
    if session.get_bind().dialect.name != "postgresql" or not _nullable(column):
        return order
    return order.nulls_first() if ascending else order.nulls_last()


def _nullable(column: Any) -> bool:
    """Whether an outer join or the column itself can give nulls."""
    return inspect(column.parent).is_aliased_class or column.expression.nullable


def _beyond(column: Any, key: Any, value: Any, number: int, ascending: bool) -> Any:
    """The rows after a marker (its sort value and id), written so that an index can seek."""
    later = key > number if ascending else key < number
    if value is None:
        return column.is_not(None) | later if ascending else column.is_(None) & later
    value = literal(value, column.type)  # else True and False are refused beside < and >
    if ascending:
        return (column >= value) & ((column > value) | later)
    found = (column <= value) & ((column < value) | later)
    return found | column.is_(None) if _nullable(column) else found
