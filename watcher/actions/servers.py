# SPDX-License-Identifier: Apache-2.0
"""What the actions on servers share: waiting until Nova is done with one, and settling a move."""

import contextlib
from collections.abc import Mapping
from threading import Event
from typing import Any

from watcher.clients.migrations import Migrations, Move
from watcher.clients.nova import Nova, Server
from watcher.core.errors import ActionFailed, NotFound, ServiceDown, Skip

UUID: Mapping[str, Any] = {
    "type": "string",
    "pattern": "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$",
}
"""The JSON Schema of a server's id."""
COPYING = frozenset({"pre-migrating", "migrating"})
"""A cold migration or resize that Nova is at."""
CONFIRMED = frozenset({"confirming", "confirmed"})


def found(nova: Nova, uuid: str) -> Server:
    """The server as it is now. Raises Skip when it is gone or locked."""
    try:
        server = nova.server(uuid)
    except NotFound as error:
        raise Skip(f"instance {uuid} is gone") from error
    if server.locked:
        raise Skip(f"instance {uuid} is locked")
    return server


def at_rest(nova: Nova, moves: Migrations, uuid: str, stop: Event, *passing: str) -> Server:
    """The server once Nova does nothing with it and it has left these statuses.

    Nova ends its record of a move a moment before it lets the server go. Raises ActionFailed when
    that does not come ([nova] migration_max_retries looks, migration_interval seconds apart) or
    when ``stop`` is set.
    """
    state = "Nova does not answer"
    for _look in range(moves.quiet_polls):
        with contextlib.suppress(ServiceDown):
            server = nova.server(uuid)
            if not server.task_state and server.status not in passing:
                return server
            state = f"{server.status}, {server.task_state or 'idle'}"
        if stop.wait(moves.interval_s):
            break
    raise ActionFailed(f"instance {uuid} does not come to rest: {state}")


def confirmed(nova: Nova, moves: Migrations, move: Move, stop: Event) -> Server:
    """Wait for a cold migration or resize, confirm it, and give the server at rest."""
    uuid = move.server_uuid
    ended = moves.follow(move, CONFIRMED | {"finished"}, stop)
    waits = ended.status == "finished"
    if waits and at_rest(nova, moves, uuid, stop).status == "VERIFY_RESIZE":
        moves.confirm(move)
    moves.follow(move, frozenset({"confirmed"}), stop)
    return at_rest(nova, moves, uuid, stop, "VERIFY_RESIZE")


def reverted(nova: Nova, moves: Migrations, move: Move, stop: Event) -> None:
    """Take a cold migration or resize that waits for its confirmation back, and wait for it."""
    moves.revert(move)
    moves.follow(move, frozenset({"reverted"}), stop)
    at_rest(nova, moves, move.server_uuid, stop, "VERIFY_RESIZE")
