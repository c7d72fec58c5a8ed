# SPDX-License-Identifier: Apache-2.0
"""Stop a server, and see that it is stopped."""

from collections.abc import Mapping
from threading import Event
from typing import Any, ClassVar

from watcher.actions.servers import UUID, at_rest, found
from watcher.clients.migrations import Migrations
from watcher.clients.nova import Nova, Server
from watcher.clients.session import Clients
from watcher.core.errors import ActionFailed, NotFound, Skip
from watcher.core.protocols import Progress
from watcher.core.solution import STOP, Action

STOPPABLE = ("ACTIVE", "ERROR")
"""The statuses from which Nova stops."""
STOPPING = "powering-off"


class Stop:
    """Shuts an instance down, as its user would; Nova gives the guest its time to end.

    An instance that is deleted meanwhile is stopped enough. Taking it back starts the instance.
    """

    type = STOP
    description = "Stops an instance: its guest is shut down, and it keeps its host and its disks."
    can_abort = False
    schema: ClassVar[Mapping[str, Any]] = {
        "type": "object",
        "properties": {"resource_id": UUID, "resource_name": {"type": "string"}},
        "required": ["resource_id"],
        "additionalProperties": False,
    }

    def __init__(self, clients: Clients, parameters: Mapping[str, Any], stop: Event) -> None:
        self._nova = Nova(clients)
        self._moves = Migrations.of(clients)
        self._uuid: str = parameters["resource_id"]
        self._stop = stop
        self._asked = False

    def check(self) -> Mapping[str, Any]:
        """The instance runs and Nova does nothing else with it."""
        server = found(self._nova, self._uuid)
        if server.status == "SHUTOFF" and not server.task_state:
            raise Skip(f"instance {self._uuid} is stopped already")
        if server.status not in STOPPABLE:
            raise ActionFailed(
                f"instance {self._uuid} is {server.status}; a stop needs {' or '.join(STOPPABLE)}"
            )
        if server.task_state:
            raise ActionFailed(f"instance {self._uuid} is busy ({server.task_state})")
        return {"status": server.status, "host": server.host}

    def perform(self) -> None:
        """Stop it, or wait for a stop begun before, until Nova says that it is stopped."""
        try:
            if not self._asked:
                self._asked = True
                self._nova.act(self._uuid, "os-stop")
            server = self._at_rest()
        except NotFound:
            return
        if server.status != "SHUTOFF":
            reason = f": {server.fault}" if server.fault else "; Nova gives no reason"
            raise ActionFailed(f"instance {self._uuid} is {server.status} after the stop{reason}")

    def _at_rest(self) -> Server:
        return at_rest(self._nova, self._moves, self._uuid, self._stop)

    def observe(self, before: Mapping[str, Any]) -> Progress:
        """By the state of the instance: Nova sets its task the moment it takes the request."""
        del before
        try:
            server = self._nova.server(self._uuid)
        except NotFound:
            return Progress.DONE
        self._asked = server.task_state == STOPPING or server.status == "SHUTOFF"
        if not self._asked:
            return Progress.NOT_BEGUN
        return Progress.RUNNING if server.task_state else Progress.DONE

    def undo(self) -> str:
        """Start the instance again, if it was stopped."""
        if not self._asked:
            return ""
        server = self._at_rest()
        if server.status != "SHUTOFF":
            return ""
        self._nova.act(self._uuid, "os-start")
        server = self._at_rest()
        if server.status != "ACTIVE":
            raise ActionFailed(f"instance {self._uuid} is {server.status} after the start")
        return "the instance was started again"

    def abort(self) -> None:
        """Nova has no way to break off a stop."""
        raise ActionFailed(f"the stop of instance {self._uuid} cannot be aborted")

    def reverse(self, before: Mapping[str, Any]) -> Action | None:  # noqa: ARG002
        """An instance that was stopped stays so."""
        raise ActionFailed("there is no action that starts an instance")

    def compensation(self) -> Action | None:
        """It does no harm."""
        return None
