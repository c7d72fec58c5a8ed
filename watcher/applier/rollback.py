# SPDX-License-Identifier: Apache-2.0
"""What is added to a plan that did not reach its end: actions that take back, or make good."""

import logging
from collections.abc import Callable, Sequence
from threading import Event
from typing import NamedTuple

from oslo_utils import uuidutils

from watcher.applier.attempts import patiently, words
from watcher.applier.steps import Steps
from watcher.core import solution
from watcher.core.errors import Unavailable
from watcher.core.protocols import ActionHandler
from watcher.db.models import Action

LOG = logging.getLogger(__name__)

NOT_BACK = "Not taken back: "
"""Begins the message of an action that succeeded, of which nobody knows how to take it back."""


class Found(NamedTuple):
    """What is to be added to a plan."""

    extra: list[Action]
    unknown: list[Action]
    """Actions that succeeded and of which it is not known what is to be added; they say why."""


def reversals(steps: Steps, actions: Sequence[Action]) -> Found:
    """Actions that take back all that succeeded, the newest first.

    What waited for an action is taken back before it is. Nothing is stored yet.
    """
    done = [one for one in actions if one.state == "SUCCEEDED"]
    done.sort(key=lambda one: (one.updated_at or one.created_at, one.position), reverse=True)
    found = _extra(
        steps,
        done,
        len(actions),
        lambda handler, action: handler.reverse(action.before or {}),
        "Takes back action {}.",
        NOT_BACK,
    )
    by_vain = {one.undoes: one for one in found.extra}
    children: dict[str, list[str]] = {}
    for one in done:
        for parent in one.parents:
            if one.uuid in by_vain:
                children.setdefault(parent, []).append(by_vain[one.uuid].uuid)
    for vain, one in by_vain.items():
        one.parents = children.get(str(vain)) or one.parents
    return found


def repairs(steps: Steps, actions: Sequence[Action]) -> Found:
    """Actions that make good what succeeded in vain, the newest first. Nothing is stored yet."""
    done = [one for one in reversed(actions) if one.state == "SUCCEEDED"]
    return _extra(
        steps,
        done,
        len(actions),
        lambda handler, _action: handler.compensation(),
        "Added because action {} did not serve its end.",
        "It is not known whether it did harm: ",
    )


def told(text: str, actions: Sequence[Action], length: int) -> str:
    """The message of a plan that was rolled back, in so many characters, with how far it was."""
    back = [one for one in actions if one.undoes is not None]
    done = sum(one.state in ("SUCCEEDED", "SKIPPED") for one in back)
    left = sum(str(one.status_message).startswith(NOT_BACK) for one in actions)
    tail = f" Rolled back: {done} of {len(back) + left} actions."
    room = length - len(tail)
    return (text if len(text) <= room else f"{text[: room - 1]}…") + tail


def _extra(
    steps: Steps,
    done: Sequence[Action],
    position: int,
    wanted: Callable[[ActionHandler, Action], solution.Action | None],
    text: str,
    doubt: str,
) -> Found:
    """The action that is ``wanted`` after each one, or the reason in that one's own message.

    A cloud that does not answer is waited for once, not once for each.
    """
    extra: list[Action] = []
    unknown: list[Action] = []
    patience_s = steps.patience_s
    for action in done:

        def ask(action: Action = action) -> solution.Action | None:
            return wanted(steps.handler(action, Event()), action)

        found, error = patiently(ask, patience_s, steps.halted)
        patience_s = 0.0 if isinstance(error, Unavailable) else steps.patience_s
        if error is not None:
            action.status_message = doubt + words(error)
            unknown.append(action)
            LOG.warning("action %s: %s", action.uuid, action.status_message)
        if found is None:
            continue
        extra.append(
            Action(
                uuid=uuidutils.generate_uuid(),
                action_plan_id=action.action_plan_id,
                action_type=found.type,
                input_parameters=found.input_parameters,
                parents=[action.uuid],
                position=position + len(extra),
                undoes=action.uuid,
                status_message=text.format(action.uuid),
            )
        )
    return Found(extra, unknown)
