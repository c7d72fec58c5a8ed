# SPDX-License-Identifier: Apache-2.0
"""Say a word, do nothing; the hooks let the life cycle be tested end to end."""

import logging
from collections.abc import Mapping
from threading import Event
from typing import Any, ClassVar

from watcher.clients.session import Clients
from watcher.core.errors import ActionFailed, Skip
from watcher.core.protocols import Progress
from watcher.core.solution import NOP, Action

LOG = logging.getLogger(__name__)

_HOOK = {"type": "boolean", "default": False}


class Nop:
    """Logs its message; skips or fails where its parameters say so."""

    type = NOP
    description = "Logs a message and does nothing else."
    can_abort = True
    schema: ClassVar[Mapping[str, Any]] = {
        "type": "object",
        "properties": {
            "message": {"type": ["string", "null"]},
            "skip_pre_condition": _HOOK,
            "fail_pre_condition": _HOOK,
            "fail_execute": _HOOK,
            "fail_post_condition": _HOOK,
        },
        "required": ["message"],
        "additionalProperties": False,
    }

    def __init__(self, clients: Clients, parameters: Mapping[str, Any], stop: Event) -> None:
        del clients, stop
        self._parameters = parameters

    def check(self) -> Mapping[str, Any]:
        """Skip or fail if told to."""
        if self._parameters.get("skip_pre_condition"):
            raise Skip("skip_pre_condition is set")
        if self._parameters.get("fail_pre_condition"):
            raise ActionFailed("fail_pre_condition is set")
        return {}

    def perform(self) -> None:
        """Say it; fail if told to."""
        LOG.info("nop: %s", self._parameters["message"])
        if self._parameters.get("fail_execute"):
            raise ActionFailed("fail_execute is set")
        if self._parameters.get("fail_post_condition"):
            raise ActionFailed("fail_post_condition is set", phase="post_condition")

    def observe(self, before: Mapping[str, Any]) -> Progress:
        """Saying it again does no harm."""
        del before
        return Progress.NOT_BEGUN

    def undo(self) -> str:
        """Nothing was done."""
        return ""

    def abort(self) -> None:
        """It is over before that."""

    def reverse(self, before: Mapping[str, Any]) -> Action | None:
        """There is nothing to take back."""
        del before
        return None

    def compensation(self) -> Action | None:
        """It does no harm."""
        return None
