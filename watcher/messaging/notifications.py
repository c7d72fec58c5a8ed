# SPDX-License-Identifier: Apache-2.0
"""What Watcher tells the world, and when (contract: notifications).

The payloads are tables in ``watcher.messaging.payloads``. Notifications of changed rows are sent
after the commit that changed them, with the state that the change made. A bus that fails holds up
nobody: the failure is logged once, the notifications of the next half minute are dropped, and the
first one that gets through is logged.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from oslo_config import cfg, types

from watcher import config
from watcher.core.errors import Unavailable
from watcher.messaging.payloads import JOBS, KINDS, Row, shown, wrapped
from watcher.messaging.payloads import fault as told_fault
from watcher.messaging.transport import Bus, Notifier
from watcher.telemetry import meters

LOG = logging.getLogger(__name__)

LEVELS = ("debug", "info", "warning", "error", "critical")

OBJECTS = ("audit", "action_plan", "action", "service")

OPTIONS = config.Group(
    "DEFAULT",
    "Notifications",
    [
        cfg.StrOpt(
            "notification_level",
            default="info",
            choices=[*LEVELS, ""],
            help="Lowest priority of the notifications that are sent; empty sends none.",
        ),
        cfg.ListOpt(
            "notification_objects",
            default=list(OBJECTS),
            item_type=types.String(choices=OBJECTS),
            help="What notifications are sent about. A plan of N actions sends about 6 + 6 N of "
            "them; without 'action' it sends 6.",
        ),
    ],
)

SILENCE_S = 30.0
"""How long a bus that failed is left alone."""


def make_announcer(conf: cfg.ConfigOpts, bus: Bus) -> "Announcer":
    """The announcer by configuration; without a notification driver it says nothing."""
    OPTIONS.register(conf)
    notifier = bus.notifier(f"infra-optim:{conf.host}") if conf.notification_level else None
    return Announcer(notifier, conf.notification_level, conf.notification_objects)


class Announcer:
    """Sends notifications of a priority of at least ``level`` about the given objects."""

    def __init__(
        self, notifier: Notifier | None, level: str = "info", objects: Sequence[str] = OBJECTS
    ) -> None:
        self._notifier = notifier
        self._lowest = LEVELS.index(level) if level else len(LEVELS)
        self._objects = frozenset(objects)
        self._failing = False
        self._silent_until_s = 0.0

    @property
    def announce(self) -> Callable[[Sequence[Any]], None] | None:
        """What ``Database`` tells of its changes; None when nothing would be sent of them."""
        silent = self._notifier is None or self._lowest > LEVELS.index("info")
        return None if silent else self._announce

    def _announce(self, changes: Sequence[Any]) -> None:
        """Tell of rows made, changed and deleted (``db.changes.Change``), in that order."""
        for change in changes:
            kind = KINDS.get(change.row.__tablename__)
            if kind is None:
                continue
            table = change.row.__tablename__.removesuffix("s")
            name = f"{kind}{change.kind.capitalize()}Payload"
            given: dict[str, Any] = {"state": change.state}
            if change.kind == "update":
                given["state_update"] = wrapped(
                    f"{kind}StateUpdatePayload",
                    {
                        "old_state": change.old_state,
                        "state": change.state,
                        "status_message": change.row.status_message,
                    },
                )
            self._send(f"{table}.{change.kind}", "info", name, change.row, given)

    def job(
        self, event_type: str, row: Row, *, phase: str, fault: BaseException | None = None
    ) -> None:
        """Tell that a job (``audit.strategy``, ``action.execution``, ...) starts, ends or errs.

        ``row`` is loaded with what its payload shows: an audit with goal and strategy, a plan with
        ``audit.goal``, ``audit.strategy`` and strategy, an action with all that of its plan.
        """
        level = "error" if phase == "error" else "info"
        given = {"fault": told_fault(fault)}
        self._send(f"{event_type}.{phase}", level, JOBS[event_type], row, given)

    def service(self, row: Row, old_status: str, status: str) -> None:
        """Tell that a daemon went down or came back; a status is ACTIVE or FAILED."""
        update = {"old_state": old_status, "state": status}
        given = {"status_update": wrapped("ServiceStatusUpdatePayload", update)}
        level = "warning" if status == "FAILED" else "info"
        self._send("service.update", level, "ServiceUpdatePayload", row, given)

    def _send(
        self, event_type: str, level: str, name: str, row: Row, given: Mapping[str, Any]
    ) -> None:
        if (
            self._notifier is None
            or LEVELS.index(level) < self._lowest
            or event_type.partition(".")[0] not in self._objects
        ):
            return
        if time.monotonic() < self._silent_until_s:
            meters.NOTIFICATIONS.labels("dropped").inc()
            return
        payload = wrapped(name, {**shown(name, row), **given})
        try:
            self._notifier.send("warn" if level == "warning" else level, event_type, payload)
        except Unavailable as error:
            if not self._failing:
                LOG.warning("notifications are dropped while the bus fails: %s", error)
            meters.NOTIFICATIONS.labels("failed").inc()
            self._failing = True
            self._silent_until_s = time.monotonic() + SILENCE_S
        else:
            meters.NOTIFICATIONS.labels("sent").inc()
            if self._failing:
                LOG.info("the bus takes notifications again")
            self._failing = False
