# SPDX-License-Identifier: Apache-2.0
"""Move a server to another host, live or cold, and follow Nova until it is there."""

from collections.abc import Mapping
from threading import Event
from typing import Any, ClassVar

from watcher.actions.servers import COPYING, UUID, at_rest, confirmed, reverted
from watcher.clients.migrations import FAILED, IN_PROGRESS, Migrations, Move
from watcher.clients.nova import Nova, Server
from watcher.clients.session import Clients
from watcher.core.errors import ActionFailed, NotFound, Skip
from watcher.core.protocols import Progress
from watcher.core.solution import MIGRATE, Action, migrate

MOVABLE = {"live": ("ACTIVE", "PAUSED"), "cold": ("ACTIVE", "SHUTOFF")}
"""The statuses from which Nova migrates."""


class Migrate:
    """Moves an instance to ``destination_node``, or to where Nova's scheduler wants it.

    ``migration_type`` is live or cold; a cold one is confirmed. The instance is moved only from
    ``source_node``: if it is not there any more, there is nothing to do.
    """

    type = MIGRATE
    description = (
        "Moves an instance to another host, live (it goes on running) or cold (it is stopped"
        " meanwhile). Without a destination Nova's scheduler chooses one."
    )
    can_abort = True
    schema: ClassVar[Mapping[str, Any]] = {
        "type": "object",
        "properties": {
            "resource_id": UUID,
            "resource_name": {"type": "string"},
            "migration_type": {"type": "string", "enum": ["live", "cold"]},
            "source_node": {"type": "string", "minLength": 1},
            "destination_node": {"type": ["string", "null"], "minLength": 1},
        },
        "required": ["resource_id", "migration_type", "source_node"],
        "additionalProperties": False,
    }

    def __init__(self, clients: Clients, parameters: Mapping[str, Any], stop: Event) -> None:
        self._nova = Nova(clients)
        self._moves = Migrations.of(clients)
        self._uuid: str = parameters["resource_id"]
        self._kind: str = parameters["migration_type"]
        self._source: str = parameters["source_node"]
        self._destination: str | None = parameters.get("destination_node")
        self._stop = stop
        self._move: Move | None = None
        self._homeward = False

    def check(self) -> Mapping[str, Any]:
        """The instance is on its source, may be moved, and its destination takes instances."""
        try:
            server = self._nova.server(self._uuid)
        except NotFound as error:
            raise Skip(f"instance {self._uuid} is gone") from error
        if server.host != self._source:
            raise Skip(
                f"instance {self._uuid} is not on {self._source} any more but on"
                f" {server.host or 'no host'}"
            )
        if server.locked:
            raise Skip(f"instance {self._uuid} is locked")
        if server.status not in MOVABLE[self._kind]:
            raise ActionFailed(
                f"instance {self._uuid} is {server.status}; a {self._kind} migration needs"
                f" {' or '.join(MOVABLE[self._kind])}"
            )
        if self._destination is not None:
            self._check_destination(self._destination)
        newest = self._moves.newest(self._uuid)
        migration = newest.id if newest else 0
        return {"host": server.host, "status": server.status, "migration": migration}

    def _check_destination(self, host: str) -> None:
        try:
            service = self._nova.service(host)
        except NotFound as error:
            raise ActionFailed(f"destination: {error}") from error
        if not service.enabled:
            raise ActionFailed(
                f"destination host {host} is disabled ({service.disabled_reason or 'no reason'})"
            )
        if not service.up:
            raise ActionFailed(f"destination host {host} is down")

    def perform(self) -> None:
        """Migrate, and see that the instance is where it was to go."""
        server = self._carry(self._destination, self._move)
        if server.host == self._source or server.host != (self._destination or server.host):
            raise ActionFailed(
                f"Nova says the migration is done, but instance {self._uuid} is on {server.host}",
                phase="post_condition",
            )

    def _carry(self, destination: str | None, begun: Move | None = None) -> Server:
        """Migrate to a host, or wait for a move begun before; the server, at rest, afterwards."""
        live = self._kind == "live"
        self._move = begun or self._moves.begin(self._uuid, destination, live=live)
        if live:
            self._moves.follow(self._move, frozenset({"completed"}), self._stop)
            return self._at_rest()
        return confirmed(self._nova, self._moves, self._move, self._stop)

    def _at_rest(self, *passing: str) -> Server:
        return at_rest(self._nova, self._moves, self._uuid, self._stop, *passing)

    def observe(self, before: Mapping[str, Any]) -> Progress:
        """By the newest of Nova's migration records that came after ``before``."""
        try:
            server = self._nova.server(self._uuid)
        except NotFound as error:
            raise ActionFailed(f"instance {self._uuid} is gone") from error
        move = self._moves.adopt(self._uuid, before.get("migration", 0), live=self._kind == "live")
        if move.record is None and not server.task_state:
            return Progress.NOT_BEGUN
        self._homeward = move.record is not None and move.record.destination == self._source
        if not self._homeward and self._is_foreign(move):
            return Progress.NOT_BEGUN
        self._move = move
        if self._homeward:
            raise ActionFailed("what it had begun was being undone")
        if move.status in FAILED:
            raise ActionFailed(self._moves.reason(move, self._stop))
        over = "completed" if move.live else "confirmed"
        return Progress.DONE if move.status == over else Progress.RUNNING

    def _is_foreign(self, move: Move) -> bool:
        """Whether somebody else moves it elsewhere; ``check`` then has its own words for that."""
        going = move.record.destination if move.record else ""
        return bool(going and self._destination and going != self._destination)

    def undo(self) -> str:
        """Bring the instance back to its source, whatever Nova is at with it."""
        move = self._move
        if move is None:
            return ""
        if self._homeward:
            self._carry(self._source, move)
            return f"the instance was moved back to {self._source}"
        if move.status in COPYING:
            raise ActionFailed("Nova is still at the cold migration, which cannot be aborted")
        aborted = self._aborted(move)
        server = self._at_rest()
        if server.status == "VERIFY_RESIZE":
            reverted(self._nova, self._moves, move, self._stop)
            return "the cold migration was reverted"
        if server.host == self._source:
            return "the live migration was aborted" if aborted else ""
        if server.status not in MOVABLE[self._kind]:
            raise ActionFailed(f"instance {self._uuid} is {server.status} on {server.host}")
        self._carry(self._source)
        return f"the instance was moved back from {server.host} to {self._source}"

    def _aborted(self, move: Move) -> bool:
        """Break off a live migration that Nova is still at; False when there was none."""
        if not move.live or move.status not in IN_PROGRESS:
            return False
        self._moves.abort(move)
        ended = self._moves.follow(move, FAILED | {"completed"}, self._stop)
        return ended.status == "cancelled"

    def abort(self) -> None:
        """Ask Nova to cancel a live migration; ``perform`` then fails with its outcome."""
        if self._kind != "live":
            raise ActionFailed(f"the cold migration of instance {self._uuid} cannot be aborted")
        if self._move is not None:
            self._moves.abort(self._move)

    def reverse(self, before: Mapping[str, Any]) -> Action | None:
        """Back to the source from wherever it is, live if it runs now and cold if it does not."""
        del before
        server = self._nova.server(self._uuid)
        if server.host in ("", self._source):
            return None
        kind = "cold" if server.status == "SHUTOFF" else "live"
        return migrate(self._uuid, server.host, self._source, kind=kind, name=server.name)

    def compensation(self) -> Action | None:
        """It does no harm."""
        return None
