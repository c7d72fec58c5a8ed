# SPDX-License-Identifier: Apache-2.0
"""A goal, its strategy, an audit and a plan, as rows to try things on."""

from dataclasses import dataclass

from watcher.db import store
from watcher.db.models import Action, ActionPlan, Audit, EfficacyIndicator, Goal, Strategy


@dataclass(frozen=True)
class Rows:
    """Rows as they were when their transaction ended."""

    goal: Goal
    strategy: Strategy
    audit: Audit
    plan: ActionPlan
    actions: list[Action]


def make(database, name="one", *, actions=2):
    """A family of rows named after ``name``, in their first states."""
    with database.writing() as session:
        goal = store.add(session, Goal(name=f"goal-{name}", display_name=name))
        strategy = store.add(
            session, Strategy(name=f"strategy-{name}", display_name=name, goal_id=goal.id)
        )
        audit = store.add(
            session,
            Audit(name=name, audit_type="ONESHOT", goal_id=goal.id, strategy_id=strategy.id),
        )
        plan = store.add(session, ActionPlan(audit_id=audit.id, strategy_id=strategy.id))
        rows = [
            Action(action_plan_id=plan.id, action_type="nop", position=position)
            for position in range(actions)
        ]
        store.add_all(session, rows)
        store.add(session, EfficacyIndicator(name="n", value=0.1, action_plan_id=plan.id))
    return Rows(goal, strategy, audit, plan, rows)


def move(database, row, *states):
    """Lead a row through states, one transaction each."""
    for state in states:
        with database.writing() as session:
            store.transition(session, row, state)
