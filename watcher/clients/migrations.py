# SPDX-License-Identifier: Apache-2.0
"""Moves of servers, followed by Nova's migration records rather than by the servers alone.

Nova answers a request to migrate before it has decided anything; what becomes of it is told by a
migration record (``GET /os-migrations``) and, when it goes wrong, by the event of the server
action (``GET /servers/{id}/os-instance-actions/{request_id}``), whose text reaches the operator.
One reader in this process asks for all records that changed, once per interval, whoever waits for
whichever (https://docs.openstack.org/api-ref/compute/#migrations-os-migrations).
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event, Lock
from time import monotonic
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from watcher.clients.session import Clients, retrying, translated
from watcher.core.errors import (
    ActionFailed,
    Conflict,
    Invalid,
    NotFound,
    ServiceDown,
    WatcherError,
)

LOG = logging.getLogger(__name__)

RECORDS_VERSION = "2.59"
"""The microversion from which records have pages and ``changes-since``; as old as 2.56 itself."""
ABORT_VERSION = "2.65"
"""From here on a live migration that still waits can be aborted too."""
DETAILS_VERSION = "2.84"
"""From here on the events of a server action say what went wrong."""
IN_PROGRESS = frozenset({"accepted", "queued", "preparing", "running", "post-migrating"})
"""A live migration that Nova is at."""
FAILED = frozenset({"error", "failed", "cancelled", "reverted"})
"""A migration that is over without the server having moved for good."""
AWAITING = frozenset({"requested", "finished"})
"""A move waits for a request of ours: to begin, or to confirm or revert it."""
LOST_LOOKS = 3
"""After so many looks that found nothing, a request without an answer was not taken."""
REASON_POLLS, REASON_POLL_S = 10, 0.5
"""How long the reason of a failure is waited for, after the record says that there was one."""
TIMEOUT_S = 60.0


class Migration(NamedTuple):
    """One of Nova's migration records."""

    id: int
    server_uuid: str
    status: str
    source: str
    """Service host name."""
    destination: str
    """Service host name, or '' while the scheduler has not chosen."""
    created_at: str
    """By Nova's clock, ISO 8601 in UTC without a zone."""

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> "Migration":
        """From a row of GET /os-migrations."""
        return cls(
            id=body["id"],
            server_uuid=body["instance_uuid"],
            status=body["status"],
            source=body["source_compute"] or "",
            destination=body["dest_compute"] or "",
            created_at=body["created_at"],
        )


@dataclass
class Move:
    """One migration asked of Nova; ``record`` is what was last known of it."""

    server_uuid: str
    after: int
    """Id of the newest record before: ours is newer."""
    live: bool
    request_id: str = ""
    record: Migration | None = None
    lost: WatcherError | None = None
    """What the last request ended with when it may have come true all the same."""
    resizes: bool = False
    """Whether the server gets another flavor; Nova moves it like a cold migration."""

    @property
    def status(self) -> str:
        """The status of the record, or 'requested' while there is none."""
        return self.record.status if self.record else "requested"


_shared: "WeakKeyDictionary[Clients, Migrations]" = WeakKeyDictionary()
_sharing = Lock()


class Migrations:
    """Starts and follows migrations; shared by all threads that use the same clients."""

    @classmethod
    def of(cls, clients: Clients) -> "Migrations":
        """The one of these clients, so that all running moves share one reader."""
        with _sharing:
            if clients not in _shared:
                _shared[clients] = cls(clients)
            return _shared[clients]

    def __init__(self, clients: Clients) -> None:
        self._compute = clients.compute
        self._version = clients.nova_version
        self._retries = clients.nova_retries
        self.quiet_polls, self.interval_s = clients.migration_polls
        self._lock = Lock()
        self._followed: list[Move] = []
        self._read_at = 0.0
        self.polls = 0
        """How often all records were read."""

    def newest(self, server_uuid: str) -> Migration | None:
        """The newest record of a server."""
        query = {"instance_uuid": server_uuid, "limit": "1"}
        found = self._get("/os-migrations", RECORDS_VERSION, query)["migrations"]
        return max(map(Migration.of, found), default=None)

    def begin(self, server_uuid: str, destination: str | None, *, live: bool) -> Move:
        """Ask Nova to move a server; a missing destination lets its scheduler choose.

        The request is never repeated: a repeated one could act twice. When its answer is lost,
        ``follow`` finds out whether it was taken. Raises what Nova refuses it with.
        """
        known = self.newest(server_uuid)
        move = Move(server_uuid, known.id if known else 0, live)
        arguments: dict[str, Any] = {"host": destination}
        if live:
            arguments["block_migration"] = "auto"
        self._ask(move, {"os-migrateLive" if live else "migrate": arguments})
        return move

    def resize(self, server_uuid: str, flavor_id: str) -> Move:
        """Ask Nova to give a server another flavor; as ``begin``."""
        known = self.newest(server_uuid)
        move = Move(server_uuid, known.id if known else 0, live=False, resizes=True)
        self._ask(move, {"resize": {"flavorRef": flavor_id}})
        return move

    def adopt(
        self, server_uuid: str, after: int, *, live: bool = False, resizes: bool = False
    ) -> Move:
        """A move that a process asked for which is no more; it has no record if Nova has none.

        ``after`` is the id of the newest record before it was asked for.
        """
        move = Move(server_uuid, after, live, resizes=resizes)
        self._find(move)
        if move.record is not None:
            path = f"/servers/{server_uuid}/os-instance-actions"
            kind = "live-migration" if live else "resize" if resizes else "migrate"
            actions = self._get(path, self._version)["instanceActions"]
            asked = (one for one in actions if one["action"] == kind)  # the newest first
            move.request_id = next((str(one["request_id"]) for one in asked), "")
        return move

    def confirm(self, move: Move) -> None:
        """Make a cold migration final: the server's disk on the source is given up.

        Nova refuses when it is about to confirm by itself (its ``resize_confirm_window``); whether
        that was it, ``follow`` finds out.
        """
        try:
            self._ask(move, {"confirmResize": None})
        except (Conflict, Invalid) as refusal:
            move.lost = refusal

    def revert(self, move: Move) -> None:
        """Take a cold migration that waits for its confirmation back to the source."""
        self._ask(move, {"revertResize": None})

    def abort(self, move: Move) -> None:
        """Ask Nova to cancel a live migration; whether it is in time, ``follow`` tells."""
        if move.record is None:
            self._find(move)
        if move.record is None:
            raise NotFound("Migration of server", move.server_uuid)
        path = f"/servers/{move.server_uuid}/migrations/{move.record.id}"
        with translated("nova"):
            self._compute.delete(path, microversion=ABORT_VERSION, timeout=TIMEOUT_S)

    def follow(self, move: Move, until: frozenset[str], stop: Event) -> Migration:
        """Wait until the record has one of these statuses.

        Raises ActionFailed with Nova's own reason when the migration fails, when it makes no
        progress ([nova] migration_max_retries looks, migration_interval seconds apart), and when
        ``stop`` is set; ServiceDown when Nova did not take the last request. Nova not answering
        meanwhile is no progress, not a failure.
        """
        quiet, mark = 0, ("", 0)
        with self._follow(move):
            while True:
                self._look(move)
                if move.record and move.record.status in until:
                    return move.record
                if move.status in FAILED:
                    raise ActionFailed(self.reason(move, stop))
                quiet, mark = self._progress(move, quiet, mark)
                if move.lost and move.status in AWAITING and quiet >= LOST_LOOKS:
                    raise move.lost
                if quiet > self.quiet_polls:
                    waited_s = self.quiet_polls * self.interval_s
                    raise ActionFailed(
                        f"{self._name(move)} of instance {move.server_uuid} is {move.status} and"
                        f" made no progress for {waited_s:g} s"
                    )
                if stop.wait(self.interval_s):
                    raise ActionFailed(
                        f"{self._name(move)} of instance {move.server_uuid} was left {move.status}"
                    )

    @contextmanager
    def _follow(self, move: Move) -> Iterator[None]:
        with self._lock:
            self._followed.append(move)
        try:
            yield
        finally:
            with self._lock:
                self._followed.remove(move)

    def _look(self, move: Move) -> None:
        """Bring the record up to date: our turn to read for everybody, or somebody just did."""
        try:
            if move.record is None:
                self._find(move)
                return
            with self._lock:
                if monotonic() - self._read_at >= self.interval_s / 2:
                    self._read_all()
        except ServiceDown as error:
            LOG.warning("migration of server %s cannot be followed: %s", move.server_uuid, error)

    def _find(self, move: Move) -> None:
        """Find the record that our request made."""
        newest = self.newest(move.server_uuid)
        if newest and newest.id > move.after:
            move.record = newest

    def _read_all(self) -> None:
        """Read every record that changed since the oldest one that is followed began."""
        known = {move.record.id: move for move in self._followed if move.record}
        since = min(move.record.created_at for move in known.values() if move.record)
        query = {"changes-since": since}
        self._read_at = monotonic()
        self.polls += 1
        while True:
            page = self._get("/os-migrations", RECORDS_VERSION, query)
            rows = page["migrations"]
            for body in rows:
                if body["id"] in known:
                    known[body["id"]].record = Migration.of(body)
            if not rows or not page.get("migrations_links"):
                return
            query["marker"] = rows[-1]["uuid"]

    def _progress(
        self, move: Move, quiet: int, mark: tuple[str, int]
    ) -> tuple[int, tuple[str, int]]:
        """How many looks in a row found no progress, and by what the next one tells it.

        Progress is a new status, or fewer bytes to go than ever before. One that waits in the
        queue of its source host for others of ours rests with a reason: each has its own bound.
        """
        status, least = mark
        if move.status != status:
            return 0, (move.status, 0)
        if status == "queued" and self._others_first(move):
            return 0, mark
        quiet += 1
        if status == "running" and quiet % max(1, self.quiet_polls // 4) == 0:
            remaining = self._remaining(move)
            if remaining and (not least or remaining < least):
                return (0 if least else quiet), (status, remaining)
        return quiet, mark

    def _others_first(self, move: Move) -> bool:
        with self._lock:
            records = [one.record for one in self._followed if one.record]
        mine = move.record
        return mine is not None and any(
            one.source == mine.source and one.id < mine.id and one.status in IN_PROGRESS
            for one in records
        )

    def _remaining(self, move: Move) -> int:
        """Bytes of memory and disk that a running live migration has yet to copy; 0 if unknown."""
        path = f"/servers/{move.server_uuid}/migrations"
        try:
            rows = self._get(path, self._version)["migrations"]
        except WatcherError:
            return 0
        wanted = move.record.id if move.record else 0
        return sum(
            (row["memory_remaining_bytes"] or 0) + (row["disk_remaining_bytes"] or 0)
            for row in rows
            if row["id"] == wanted
        )

    def reason(self, move: Move, stop: Event) -> str:
        """Why a migration failed, in Nova's own words as far as it has any."""
        fate = f"{self._name(move)} of instance {move.server_uuid} ended as {move.status}"
        try:
            text = self._event_text(move, stop) or self._fault_text(move)
        except WatcherError as error:
            return f"{fate}; Nova's reason could not be read ({error})"
        return f"{fate}: {text}" if text else f"{fate}; Nova gives no reason"

    def _event_text(self, move: Move, stop: Event) -> str:
        """What the innermost failed event of our server action says (Nova lists the newest first).

        The outer ones say that no host could be found, which is what the inner one explains. Nova
        closes the record first and ends the event, with its reason, a moment later.
        """
        if not move.request_id:
            return ""
        path = f"/servers/{move.server_uuid}/os-instance-actions/{move.request_id}"
        for _look in range(REASON_POLLS):
            try:
                events = self._get(path, DETAILS_VERSION)["instanceAction"].get("events", [])
            except (Invalid, NotFound):  # a Nova that is older, or has forgotten the request
                return ""
            failed = [event for event in events if event["details"]]
            if failed:
                innermost = max(failed, key=lambda event: str(event["start_time"]))
                return " ".join(str(innermost["details"]).split())
            over = events and all(event["finish_time"] for event in events)
            if over or stop.wait(REASON_POLL_S):
                break
        return ""

    def _fault_text(self, move: Move) -> str:
        server = self._get(f"/servers/{move.server_uuid}", self._version)["server"]
        return str(server.get("fault", {}).get("message", ""))

    @staticmethod
    def _name(move: Move) -> str:
        kind = "live migration" if move.live else "resize" if move.resizes else "cold migration"
        return f"{kind} {move.record.id}" if move.record else kind

    def _ask(self, move: Move, body: Mapping[str, Any]) -> None:
        """POST a server action; its request id is that of the events that tell of it."""
        path = f"/servers/{move.server_uuid}/action"
        try:
            with translated("nova"):
                answer = self._compute.post(
                    path, json=body, microversion=self._version, timeout=TIMEOUT_S
                )
        except ServiceDown as error:
            LOG.warning("whether Nova took %s is not known: %s", next(iter(body)), error)
            move.lost = error
        else:
            move.lost = None
            move.request_id = str(answer.headers.get("x-openstack-request-id", ""))

    def _get(self, path: str, version: str, query: Mapping[str, str] | None = None) -> Any:
        def once() -> Any:
            with translated("nova"):
                return self._compute.get(
                    path, params=query, microversion=version, timeout=TIMEOUT_S
                )

        return retrying(*self._retries)(once).json()
