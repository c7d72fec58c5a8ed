# SPDX-License-Identifier: Apache-2.0
"""Give a server another flavor, and confirm it once Nova has done it."""

from collections.abc import Mapping
from threading import Event
from typing import Any, ClassVar

from watcher.actions.servers import COPYING, UUID, at_rest, confirmed, found, reverted
from watcher.clients.migrations import FAILED, Migrations, Move
from watcher.clients.nova import Flavor, Nova
from watcher.clients.session import Clients
from watcher.core.errors import ActionFailed, NotFound, Skip
from watcher.core.protocols import Progress
from watcher.core.solution import RESIZE, Action, resize

RESIZABLE = ("ACTIVE", "SHUTOFF")
"""The statuses from which Nova resizes."""


class Resize:
    """Gives an instance the flavor ``flavor``, named by its id or its name.

    Nova stops the instance, moves it to a host with room (perhaps its own) and starts it; the
    resize is then confirmed, and is over only when Nova says so. An instance that has the flavor
    already is left alone. Nova refuses a flavor with a smaller disk.
    """

    type = RESIZE
    description = (
        "Gives an instance another flavor; it is stopped meanwhile and moves to a host that has"
        " room for it."
    )
    can_abort = False
    schema: ClassVar[Mapping[str, Any]] = {
        "type": "object",
        "properties": {
            "resource_id": UUID,
            "resource_name": {"type": "string"},
            "flavor": {"type": "string", "minLength": 1},
        },
        "required": ["resource_id", "flavor"],
        "additionalProperties": False,
    }

    def __init__(self, clients: Clients, parameters: Mapping[str, Any], stop: Event) -> None:
        self._nova = Nova(clients)
        self._moves = Migrations.of(clients)
        self._uuid: str = parameters["resource_id"]
        self._wanted: str = parameters["flavor"]
        self._stop = stop
        self._move: Move | None = None
        self._before = ""

    def check(self) -> Mapping[str, Any]:
        """The flavor exists, the instance has another one, and rests in a state Nova resizes."""
        server = found(self._nova, self._uuid)
        flavor = self._flavor()
        if server.flavor_name == flavor.name:
            raise Skip(f"instance {self._uuid} has flavor {flavor.name} already")
        if server.status not in RESIZABLE:
            raise ActionFailed(
                f"instance {self._uuid} is {server.status}; a resize needs"
                f" {' or '.join(RESIZABLE)}"
            )
        if server.task_state:
            raise ActionFailed(f"instance {self._uuid} is busy ({server.task_state})")
        self._before = server.flavor_name
        newest = self._moves.newest(self._uuid)
        return {
            "flavor": server.flavor_name,
            "host": server.host,
            "status": server.status,
            "migration": newest.id if newest else 0,
        }

    def _flavor(self) -> Flavor:
        try:
            return self._nova.flavor(self._wanted)
        except NotFound as error:
            raise ActionFailed(f"{error}; name one by its id or name") from error

    def perform(self) -> None:
        """Resize, or wait for a resize begun before, confirm, and see that it has the flavor."""
        flavor = self._flavor()
        self._carry(flavor, self._move)

    def _carry(self, flavor: Flavor, begun: Move | None = None) -> None:
        self._move = begun or self._moves.resize(self._uuid, flavor.id)
        server = confirmed(self._nova, self._moves, self._move, self._stop)
        if server.flavor_name != flavor.name:
            raise ActionFailed(
                f"Nova says the resize is done, but instance {self._uuid} has flavor"
                f" {server.flavor_name}",
                phase="post_condition",
            )

    def observe(self, before: Mapping[str, Any]) -> Progress:
        """By the newest of Nova's migration records that came after ``before``."""
        try:
            server = self._nova.server(self._uuid)
        except NotFound as error:
            raise ActionFailed(f"instance {self._uuid} is gone") from error
        self._before = str(before.get("flavor", ""))
        move = self._moves.adopt(self._uuid, before.get("migration", 0), resizes=True)
        if move.record is None and not server.task_state:
            return Progress.NOT_BEGUN
        self._move = move
        if move.status in FAILED:
            raise ActionFailed(self._moves.reason(move, self._stop))
        return Progress.DONE if move.status == "confirmed" else Progress.RUNNING

    def undo(self) -> str:
        """Give the instance its former flavor back, whatever Nova is at with it."""
        move = self._move
        if move is None:
            return ""
        if move.status in COPYING:
            raise ActionFailed("Nova is still at the resize, which cannot be aborted")
        server = at_rest(self._nova, self._moves, self._uuid, self._stop)
        if server.status == "VERIFY_RESIZE":
            reverted(self._nova, self._moves, move, self._stop)
            return "the resize was reverted"
        if not self._before or server.flavor_name == self._before:
            return ""
        self._carry(self._nova.flavor(self._before))
        return f"the instance was resized back to {self._before}"

    def abort(self) -> None:
        """Nova has no way to break off a resize."""
        raise ActionFailed(f"the resize of instance {self._uuid} cannot be aborted")

    def reverse(self, before: Mapping[str, Any]) -> Action | None:
        """A resize to the former flavor."""
        flavor = str(before.get("flavor", ""))
        if not flavor or self._nova.server(self._uuid).flavor_name == flavor:
            return None
        return resize(self._uuid, flavor)

    def compensation(self) -> Action | None:
        """It does no harm."""
        return None
