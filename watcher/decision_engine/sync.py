# SPDX-License-Identifier: Apache-2.0
"""Installed plugins -> goals, strategies and scoring engines; at start and by ``watcher-sync``.

A new plugin gets a row, a changed one has its row updated in place (its uuid and the history that
refers to it stay), a lost one is soft-deleted; audits that wait for or run a lost one, and plans
not yet started, are CANCELLED with that reason. Finished ones are never touched, nor is the row
of a plugin that is installed but cannot be loaded: a bad upgrade must not cost the history.
"""

import logging
from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from watcher import plugins
from watcher.core import damping
from watcher.core.errors import Conflict
from watcher.db import endings, models, store
from watcher.db.engine import Database

LOG = logging.getLogger(__name__)

Catalogue = Mapping[str, Mapping[str, Any]]

TRIES = 5


def goal_catalogue() -> Catalogue:
    """The columns of each installed goal, by name."""
    return {
        name: {
            "display_name": goal.display_name,
            "efficacy_specification": goal.specification(),
        }
        for name, goal in plugins.goals().items()
    }


def strategy_catalogue(goal_ids: Mapping[str, int]) -> Catalogue:
    """The columns of each installed strategy whose goal is installed, by name."""
    return {
        name: {
            "display_name": one.display_name,
            "goal_id": goal_ids[one.goal],
            "parameters_spec": damping.spec(one),
        }
        for name, one in plugins.strategies().items()
        if one.goal in goal_ids
    }


def scorer_catalogue() -> Catalogue:
    """The columns of each installed scoring engine, by name."""
    return {
        name: {"description": one.description, "metainfo": one.metainfo}
        for name, one in plugins.scorers().items()
    }


def sync(database: Database) -> None:
    """Bring the tables in line with what is installed, in one transaction; idempotent.

    Raises Conflict when other engines, which start at the same time, are faster each time.
    """
    for _ in range(TRIES - 1):
        try:
            return _sync(database)
        except Conflict as error:
            LOG.info("another process synchronises as well: %s", error)
    return _sync(database)


def _sync(database: Database) -> None:
    with database.writing() as session:
        broken = plugins.broken(plugins.GOALS)
        goals = _bring(session, models.Goal, goal_catalogue(), broken)
        ids = {row.name: row.id for row in goals}
        broken = plugins.broken(plugins.STRATEGIES)
        _bring(session, models.Strategy, strategy_catalogue(ids), broken)
        _bring(session, models.ScoringEngine, scorer_catalogue(), _broken_scorers(session))


def _broken_scorers(session: Session) -> frozenset[str]:
    """All of them when one cannot be loaded: nobody knows which of them a container gives."""
    if not plugins.broken(plugins.SCORERS):
        return frozenset()
    return frozenset(row.name for row in store.every(session, models.ScoringEngine))


def _bring(
    session: Session, model: Any, catalogue: Catalogue, broken: frozenset[str]
) -> list[Any]:
    """The live rows of a table after it was brought in line with the catalogue."""
    rows = {row.name: row for row in store.every(session, model)}
    for name, columns in catalogue.items():
        row = rows.get(name)
        if row is None:
            rows[name] = store.add(session, model(name=name, **columns))
            LOG.info("%s %s is new", model.__name__, name)
        elif any(getattr(row, column) != value for column, value in columns.items()):
            store.change(session, row, **columns)
            LOG.info("%s %s has changed", model.__name__, name)
    for name in sorted(set(rows) - set(catalogue) - broken):
        lost = rows.pop(name)
        LOG.warning("%s %s is no longer installed", model.__name__, name)
        if not isinstance(lost, models.ScoringEngine):
            _orphan(session, lost)
        store.delete(session, lost)
    return list(rows.values())


def _orphan(session: Session, lost: Any) -> None:
    """Cancel what waits for a lost goal or strategy; templates keep their goal."""
    is_goal = isinstance(lost, models.Goal)
    column = "goal_id" if is_goal else "strategy_id"
    message = f"{type(lost).__name__} {lost.name} is no longer installed."
    audits = models.Audit
    live = audits.state.in_(("PENDING", "ONGOING"))
    for audit in store.every(session, audits, getattr(audits, column) == lost.id, live):
        store.transition(session, audit, "CANCELLED", message)
    if is_goal:
        return
    plans = models.ActionPlan
    waiting = plans.state.in_(("RECOMMENDED", "PENDING"))
    for plan in store.every(session, plans, plans.strategy_id == lost.id, waiting):
        endings.end(session, plan, "CANCELLED", message)
    templates = models.AuditTemplate
    for template in store.every(session, templates, templates.strategy_id == lost.id):
        store.change(session, template, strategy_id=None, default_parameters={})
