# SPDX-License-Identifier: Apache-2.0
"""A database with plans in it, and appliers that work on it, on whatever cloud."""

import time
from collections.abc import Sequence
from typing import Any

from oslo_config import cfg
from oslo_messaging.notify import _impl_test

from tests.cloud.process import pause
from watcher.applier.service import ApplierService
from watcher.clients.session import Clients
from watcher.core import solution
from watcher.db import store
from watcher.db.engine import Database
from watcher.db.models import Action, ActionPlan, Audit, Goal, Strategy
from watcher.messaging.notifications import Announcer
from watcher.messaging.transport import Bus

ENDED = ("SUCCEEDED", "FAILED", "CANCELLED")


class Watcher:
    """The database, and appliers that work on it."""

    def __init__(self, conf: cfg.ConfigOpts, clients: Clients, name: str = "a") -> None:
        self.conf = conf
        self.clients = clients
        self.bus = Bus(conf)
        self.announcer = Announcer(self.bus.notifier("infra-optim:here"))
        self.database = Database(conf, self.announcer.announce)
        self.database.upgrade()
        self.appliers: list[ApplierService] = []
        _impl_test.reset()
        with self.database.writing() as session:
            goal = store.add(session, Goal(name=f"g-{name}", display_name="G"))
            strategy = Strategy(name=f"s-{name}", display_name="S", goal_id=goal.id)
            store.add(session, strategy)
            audit = Audit(
                name=name, audit_type="ONESHOT", goal_id=goal.id, strategy_id=strategy.id
            )
            self.audit_id = store.add(session, audit).id
            self.strategy_id = strategy.id

    def close(self) -> None:
        for applier in self.appliers:
            applier.stop()
        for applier in self.appliers:
            applier.wait()
        self.database.dispose()

    def applier(self, **settings: Any) -> ApplierService:
        """A started applier."""
        for name, value in settings.items():
            self.conf.set_override(name, value, "watcher_applier")
        applier = ApplierService(self.conf, self.database, self.bus, self.announcer, self.clients)
        applier.start()
        self.appliers.append(applier)
        return applier

    def plan(
        self,
        *actions: solution.Action,
        parents: Sequence[Sequence[int]] | None = None,
        state: str = "PENDING",
        **values: Any,
    ) -> str:
        """A plan of these actions, each waiting for the earlier ones whose numbers are given."""
        with self.database.writing() as session:
            plan = store.add(
                session,
                ActionPlan(
                    audit_id=self.audit_id, strategy_id=self.strategy_id, state=state, **values
                ),
            )
            rows: list[Action] = []
            for position, one in enumerate(actions):
                above = parents[position] if parents else ()
                row = Action(
                    action_plan_id=plan.id,
                    action_type=one.type,
                    input_parameters=one.input_parameters,
                    parents=[rows[number].uuid for number in above],
                    position=position,
                )
                rows.append(store.add(session, row))
        return plan.uuid

    def row(self, uuid: str) -> ActionPlan:
        with self.database.reading() as session:
            return store.get(session, ActionPlan, uuid)

    def actions(self, uuid: str) -> list[Action]:
        """The actions of a plan, in its order."""
        with self.database.reading() as session:
            plan = store.get(session, ActionPlan, uuid)
            rows = store.every(session, Action, Action.action_plan_id == plan.id)
        return sorted(rows, key=lambda row: row.position)

    def states(self, uuid: str) -> list[str]:
        return [row.state for row in self.actions(uuid)]

    def ended(self, uuid: str, timeout_s: float = 30, every_s: float = 0.02) -> ActionPlan:
        self.until(lambda: self.over(uuid), timeout_s, every_s)
        return self.row(uuid)

    def over(self, uuid: str) -> bool:
        return self.row(uuid).state in ENDED

    def run(self, uuid: str, timeout_s: float = 30) -> ActionPlan:
        """Start an applier if there is none; the plan when it has ended."""
        if not self.appliers:
            self.applier()
        return self.ended(uuid, timeout_s)

    def until(self, come: Any, timeout_s: float = 30, every_s: float = 0.02) -> None:
        deadline = time.monotonic() + timeout_s
        while not come():
            assert time.monotonic() < deadline, "it does not come to pass"
            pause(every_s)

    @property
    def heard(self) -> list[str]:
        """The event types announced so far."""
        return [message["event_type"] for _, message, _, _ in _impl_test.NOTIFICATIONS]

    def messages(self, event_type: str) -> list[dict[str, Any]]:
        """The payloads of an event type."""
        return [
            message["payload"]["watcher_object.data"]
            for _, message, _, _ in _impl_test.NOTIFICATIONS
            if message["event_type"] == event_type
        ]
