# SPDX-License-Identifier: Apache-2.0
"""How an identifier finds a row: by uuid, by name, a service by number."""

from typing import Any

from oslo_utils import uuidutils
from sqlalchemy import func
from sqlalchemy.sql.elements import ColumnElement

from watcher.db import models

Way = tuple[ColumnElement[bool], list[Any]]


def ways(model: type[Any], ident: str | int) -> list[Way]:
    """The conditions by which an identifier may find a row, in order, and which row goes first."""
    text = str(ident)
    if model is models.Service:
        seen = func.coalesce(model.last_seen_up, model.created_at)
        by_name: Way = (model.name == text, [seen.desc()])
        return [(model.id == int(text), []), by_name] if text.isdecimal() else [by_name]
    if model is models.ActionDescription:
        return [(model.action_type == text, [])]
    found: list[Way] = []
    if uuidutils.is_uuid_like(text):
        found.append((model.uuid == text.lower(), []))
    if issubclass(model, models.WithName):
        found.append((model.name == text, []))
    if model in (models.Goal, models.Strategy):
        found.append((func.lower(model.name) == text.lower(), []))
    return found
