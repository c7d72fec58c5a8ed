# SPDX-License-Identifier: Apache-2.0
"""Move a volume to another pool or give it another type, and follow Cinder until it is done."""

from collections.abc import Callable, Mapping
from threading import Event
from typing import Any, ClassVar

from watcher.clients.cinder import Cinder, Volume, pool_record
from watcher.clients.nova import Nova
from watcher.clients.session import Clients
from watcher.core.errors import ActionFailed, NotFound, ServiceDown, Skip
from watcher.core.protocols import Progress
from watcher.core.solution import VOLUME_MIGRATE, Action, migrate_volume, retype_volume
from watcher.core.storage import assemble_storage, backend_of
from watcher.core.volume_placement import VolumePlacement

RETYPE = "retype"
RUNNING = ("ACTIVE", "PAUSED")
"""Statuses of a server under which Nova exchanges a disk."""
AT_REST = ("available", "in-use")
_TEXT = {"type": "string", "minLength": 1}


class VolumeMigrate:
    """Moves a volume to the pool ``destination_node``, or retypes it to ``destination_type``.

    ``swap`` means the same as ``migrate``: volumes are moved by Cinder only, which asks Nova to
    exchange the disk of a running server where that is needed; a direct exchange through Nova
    could lose data (LP 2112187). A retype moves the volume when its pool does not serve the type.
    """

    type = VOLUME_MIGRATE
    description = (
        "Moves a volume to another storage pool, or gives it another volume type and moves it"
        " where that needs it. The volume may be attached to a running server."
    )
    can_abort = False
    schema: ClassVar[Mapping[str, Any]] = {
        "type": "object",
        "properties": {
            "resource_id": {
                "type": "string",
                "pattern": "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$",
            },
            "resource_name": {"type": "string"},
            "migration_type": {"type": "string", "enum": ["migrate", RETYPE, "swap"]},
            "destination_node": {"type": ["string", "null"], "minLength": 1},
            "destination_type": {"type": ["string", "null"], "minLength": 1},
        },
        "required": ["resource_id", "migration_type"],
        "additionalProperties": False,
        "anyOf": [
            {
                "properties": {
                    "migration_type": {"enum": ["migrate", "swap"]},
                    "destination_node": _TEXT,
                },
                "required": ["destination_node"],
            },
            {
                "properties": {"migration_type": {"enum": [RETYPE]}, "destination_type": _TEXT},
                "required": ["destination_type"],
            },
        ],
    }

    def __init__(self, clients: Clients, parameters: Mapping[str, Any], stop: Event) -> None:
        self._cinder = Cinder(clients)
        self._nova = Nova(clients)
        self._polls, self._interval_s, self._seconds_per_gb = clients.volume_polls
        self._uuid: str = parameters["resource_id"]
        self._retypes = parameters["migration_type"] == RETYPE
        name = "destination_type" if self._retypes else "destination_node"
        self._target: str = parameters[name]
        self._stop = stop
        self._before: Mapping[str, Any] = {}
        self._begun = False
        self._request_id = ""

    @property
    def _what(self) -> str:
        return "retype" if self._retypes else "migration"

    def check(self) -> Mapping[str, Any]:
        """The volume is there and may be moved, and its destination can take it."""
        try:
            volume = self._cinder.volume(self._uuid)
        except NotFound as error:
            raise Skip(f"volume {self._uuid} is gone") from error
        if self._retypes:
            self._check_type(volume)
        else:
            self._check_pool(volume)
        if volume.status not in AT_REST or volume.moving:
            doing = "moved already" if volume.moving else volume.status
            raise ActionFailed(
                f"volume {self._uuid} is {doing}; it must be {' or '.join(AT_REST)}"
            )
        for server in volume.servers:
            self._check_server(server)
        self._before = {
            "pool": volume.pool,
            "type": volume.volume_type,
            "size_gb": volume.size_gb,
            "migration_status": volume.migration_status,
        }
        return self._before

    def _check_type(self, volume: Volume) -> None:
        try:
            wanted = self._cinder.type(self._target)
        except NotFound as error:
            raise ActionFailed(f"volume type {self._target} does not exist") from error
        if volume.volume_type == wanted.name:
            raise Skip(f"volume {self._uuid} is of type {wanted.name} already")
        self._target = wanted.name

    def _check_pool(self, volume: Volume) -> None:
        if volume.pool == self._target:
            raise Skip(f"volume {self._uuid} is on {self._target} already")
        services = {one.host: one for one in self._cinder.services()}
        pools = [
            pool_record(name, said, services.get(backend_of(name)))
            for name, said in self._cinder.pools()
        ]
        types = self._cinder.types() if volume.volume_type else []
        storage = assemble_storage(pools, [volume.record()], types)
        if self._target not in storage.pools.row_by_name:
            raise ActionFailed(f"storage pool {self._target} does not exist, or is down")
        kind = int(storage.volumes.type[0])
        reason = VolumePlacement(storage).why_not(0, storage.pool_row(self._target), kind)
        if reason:
            raise ActionFailed(f"volume {self._uuid} cannot be migrated: {reason}")

    def _check_server(self, uuid: str) -> None:
        try:
            server = self._nova.server(uuid)
        except NotFound as error:
            raise ActionFailed(
                f"volume {self._uuid} is attached to server {uuid}, which does not exist"
            ) from error
        state = server.task_state or server.status
        if server.locked or state not in RUNNING:
            raise ActionFailed(
                f"volume {self._uuid} is attached to server {uuid}, which is"
                f" {'locked' if server.locked else state}; it must be {' or '.join(RUNNING)}"
            )

    def perform(self) -> None:
        """Ask Cinder, wait, and see that the volume is what and where it was to be."""
        if not self._begun:
            self._begun = True
            self._ask(self._target, retypes=self._retypes)
        self._reached(self._rested())

    def _ask(self, target: str, *, retypes: bool) -> None:
        ask = self._cinder.retype if retypes else self._cinder.migrate
        self._request_id = ask(self._uuid, target)

    def _is_there(self, volume: Volume) -> bool:
        return self._target == (volume.volume_type if self._retypes else volume.pool)

    def _reached(self, volume: Volume) -> None:
        if self._is_there(volume):
            return
        where = f"of type {volume.volume_type}" if self._retypes else f"on {volume.pool}"
        raise ActionFailed(
            f"the {self._what} of volume {self._uuid} to {self._target} ended with it still"
            f" {where}; Cinder gives no reason, the logs of cinder-scheduler and cinder-volume do"
            + (f" (request {self._request_id})" if self._request_id else "")
        )

    def _rested(self) -> Volume:
        """The volume when Cinder does nothing more with it.

        Raises ActionFailed when nothing changes for [cinder] migration_max_retries looks and the
        time that its size may take, or when the wait is to end.
        """
        quiet, seen = 0, ("", "")
        size_gb = int(self._before.get("size_gb", 0))
        most = self._polls + int(size_gb * self._seconds_per_gb / self._interval_s)
        while True:
            try:
                volume = self._cinder.volume(self._uuid)
            except NotFound as error:
                raise ActionFailed(f"volume {self._uuid} is gone") from error
            except ServiceDown:  # no answer is no progress, not a failure
                quiet += 1
            else:
                if not volume.moving and volume.status in (*AT_REST, "error"):
                    return volume
                state = (volume.status, volume.migration_status)
                quiet, seen = (quiet + 1, seen) if state == seen else (0, state)
            if quiet > most:
                raise ActionFailed(
                    f"the {self._what} of volume {self._uuid} made no progress for"
                    f" {most * self._interval_s:g} s ({' '.join(filter(None, seen))})"
                )
            if self._stop.wait(self._interval_s):
                raise ActionFailed(f"the {self._what} of volume {self._uuid} was left running")

    def observe(self, before: Mapping[str, Any]) -> Progress:
        """By what and where the volume is now, compared with ``before``."""
        try:
            volume = self._cinder.volume(self._uuid)
        except NotFound as error:
            raise ActionFailed(f"volume {self._uuid} is gone") from error
        self._before = before
        if volume.moving:
            self._begun = True
            return Progress.RUNNING
        if self._is_there(volume):
            return Progress.DONE
        if volume.migration_status == "error" != before.get("migration_status"):
            self._begun = True
            self._reached(volume)
        return Progress.NOT_BEGUN

    def undo(self) -> str:
        """Bring the volume back to its former pool or type, if it left it."""
        if not self._begun:
            return ""
        volume = self._cinder.volume(self._uuid)
        if volume.moving:
            raise ActionFailed(
                f"Cinder is still at the {self._what} of volume {self._uuid}, which cannot be"
                " aborted"
            )
        former = str(self._before["type" if self._retypes else "pool"])
        present = volume.volume_type if self._retypes else volume.pool
        if present == former or not former:
            return ""
        self._ask(former, retypes=self._retypes)
        self._rested()
        back = "given back its type" if self._retypes else "moved back to"
        return f"the volume was {back} {former}"

    def reverse(self, before: Mapping[str, Any]) -> Action | None:
        """Back to the former pool or type."""
        former = str(before.get("type" if self._retypes else "pool", ""))
        make: Callable[..., Action] = retype_volume if self._retypes else migrate_volume
        return make(self._uuid, former) if former else None

    def abort(self) -> None:
        """Cinder has no way to break off the move of a volume."""
        raise ActionFailed(f"the {self._what} of volume {self._uuid} cannot be aborted")

    def compensation(self) -> Action | None:
        """It does no harm."""
        return None
