# SPDX-License-Identifier: Apache-2.0
"""Moves and power changes of servers: asked for now, carried out when their time has come.

Nothing runs in the background. Each request first calls :func:`advance`, which carries out what
was due until then, in order of its time, so that what is seen is what would have happened.

A live migration::

    queued ─► preparing ─► running ─► completed        the server is on its destination
                 │            ├─────► error            back on the source (or, by a fault, moved)
                 └────────────┴─────► cancelled        back on the source

One at a time leaves each host, as with Nova's default; the others queue. A cold migration::

    pre-migrating ─► migrating ─► finished (VERIFY_RESIZE) ─► confirming ─► confirmed
                                                          └─► reverting  ─► reverted
"""

import heapq

from watcher.simulator import scheduler
from watcher.simulator.cloud import Cloud
from watcher.simulator.world import Action, Flavor, Migration, Resources, Server, World

LIVE = "live-migration"
ENDED = ("completed", "error", "cancelled", "confirmed", "reverted")
IN_PROGRESS = ("queued", "preparing", "running")
CONDUCT_S = 0.2
"""Simulated seconds from an accepted request for a move to its record."""
SHORT_S = 1.0
"""Simulated seconds of a confirmation, a stop, a deletion."""


def live_seconds(server: Server) -> float:
    """Simulated seconds of a live migration: 2 s, and 0.5 s for each GiB resident."""
    return 2.0 + server.rss_mb / 2048


def cold_seconds(server: Server) -> float:
    """Simulated seconds of a cold migration: 4 s, and 0.1 s for each GB of local disk."""
    return 4.0 + server.needs().disk_gb / 10


def begin(
    cloud: Cloud,
    server: Server,
    action: Action,
    *,
    kind: str,
    dest: str | None = None,
    flavor: Flavor | None = None,
    forced: bool = False,
) -> Migration:
    """Accept a move as Nova's API does; its conductor looks at it CONDUCT_S later.

    Only then is there a migration record, and only then does the scheduler refuse: that ends as a
    record in error and a failed action, not as an HTTP error.

    :param kind: ``live-migration``, ``migration`` or ``resize``
    :param dest: the host asked for; None lets the scheduler choose
    :param forced: without asking the scheduler (before microversion 2.30)
    """
    world, now = cloud.world, cloud.clock.now()
    live = kind == LIVE
    simulated_s = live_seconds(server) if live else cold_seconds(server)
    fault = cloud.faults.take_move(server.uuid)
    record = Migration(
        id=world.count(),
        uuid=world.new_uuid(),
        server=server,
        kind=kind,
        source=server.host,
        dest=dest,
        status="requested",
        created=now,
        updated=now,
        seconds=cloud.clock.lasting(simulated_s),
        old_flavor=server.flavor,
        new_flavor=flavor or server.flavor,
        user_id=action.user_id,
        project_id=action.project_id,
        action=action,
        was=server.vm_state,
        forced=forced,
        outcome=fault.outcome if fault else "completed",
        error=fault.text if fault else "",
    )
    world.active[record.id] = record
    server.task_state, server.updated = ("migrating" if live else "resize_prep"), now
    _push(world, now + cloud.clock.lasting(CONDUCT_S), "conduct", server, record)
    return record


def _conduct(world: World, record: Migration, now: float) -> None:
    """The conductor makes the record, asks the scheduler, and hands the move to the hosts."""
    world.migrations.append(record)
    record.created = now
    need = record.server.needs(record.new_flavor)
    record.dest, refusal = _destination(world, record, need)
    if record.outcome == "refused":
        refusal = refusal or record.error
    if refusal:
        fail(world, record, now, refusal)
        return
    _move_claims(world, record, need)
    if record.kind == LIVE:
        record.status = "queued"
        _start_next(world, record.source, now)
    else:
        record.status = "pre-migrating"
        _push(world, now + record.seconds * 0.2, "cold_copy", record.server, record)
        _push(world, now + record.seconds, "cold_end", record.server, record)


def _destination(world: World, record: Migration, need: Resources) -> tuple[str | None, str]:
    """The host the server goes to, and the error when it goes nowhere."""
    server, dest = record.server, record.dest
    if not world.hosts[server.host].alive:
        return dest, f"Compute service of {server.host} is unavailable at this time."
    if dest is None:
        host = scheduler.choose(world, server, need)
        return (host.name, "") if host else (None, scheduler.NO_VALID_HOST)
    if not record.forced and scheduler.refusals(world, server, world.hosts[dest], need):
        return dest, scheduler.NO_VALID_HOST
    return dest, ""


def _move_claims(world: World, record: Migration, need: Resources) -> None:
    """The server's allocation goes to the destination, the migration holds the source's."""
    server = record.server
    world.claim(record.source, record.uuid, server.needs(record.old_flavor))
    world.release(record.source, server.uuid)
    world.claim(str(record.dest), server.uuid, need)


def _back_on_source(world: World, record: Migration) -> None:
    """The opposite of _move_claims, if that has been done."""
    server = record.server
    if record.status == "requested":
        return
    world.release(str(record.dest), server.uuid)
    world.release(record.source, record.uuid)
    if server.vm_state != "deleted":
        world.claim(record.source, server.uuid, server.needs(record.old_flavor))


def _push(
    world: World, due: float, kind: str, server: Server, record: Migration | None = None
) -> None:
    heapq.heappush(world.events, (due, world.count(), kind, server, record))


def later(cloud: Cloud, kind: str, server: Server) -> None:
    """Let a short change of a server (stop, start, delete) happen after SHORT_S."""
    _push(cloud.world, cloud.clock.now() + cloud.clock.lasting(SHORT_S), kind, server)


def settle(cloud: Cloud, record: Migration, action: Action, *, confirm: bool) -> None:
    """Confirm or revert a finished cold migration or resize."""
    now = cloud.clock.now()
    record.status, record.updated = ("confirming" if confirm else "reverting"), now
    record.action = action
    if not confirm:
        record.server.task_state = "resize_reverting"
    kind = "confirm_end" if confirm else "revert_end"
    _push(cloud.world, now + cloud.clock.lasting(SHORT_S), kind, record.server, record)


def advance(world: World, now: float) -> None:
    """Carry out everything that was due until now, each thing at its own time."""
    while world.events and world.events[0][0] <= now:
        due, _number, kind, server, record = heapq.heappop(world.events)
        if record is None:
            if server.vm_state != "deleted":
                _change(world, server, kind, due)
        elif record.status not in ENDED:
            _STEPS[kind](world, record, due)


def _change(world: World, server: Server, kind: str, now: float) -> None:
    """A short change comes to its end."""
    if kind == "delete":
        delete(world, server, now)
        return
    server.vm_state, server.task_state, server.updated = kind, None, now


def delete(world: World, server: Server, now: float) -> None:
    """The server is gone at once; a move of it ends in error."""
    server.vm_state, server.task_state, server.updated = "deleted", None, now
    for record in list(world.active.values()):
        if record.server is server:
            fail(world, record, now, f"Instance {server.uuid} could not be found.")
    world.release(server.host, server.uuid)


def host_down(world: World, name: str, now: float) -> None:
    """A host loses its power: Nova sees it as down, and moves from and to it fail."""
    world.hosts[name].up = False
    for record in list(world.active.values()):
        if name in (record.source, record.dest) and record.status != "finished":
            fail(world, record, now, f"Compute service of {name} is unavailable at this time.")


def fail(world: World, record: Migration, now: float, text: str) -> None:
    """A move in progress ends in error, the server being where it was."""
    record.error = text
    _back_on_source(world, record)
    _server_rests(record, record.source, now)
    _end(world, record, "error", now)
    _start_next(world, record.source, now)


def abort(world: World, record: Migration, now: float) -> None:
    """A live migration is cancelled; the server stays on its source."""
    _back_on_source(world, record)
    _server_rests(record, record.source, now)
    _end(world, record, "cancelled", now)
    _start_next(world, record.source, now)


def force_complete(cloud: Cloud, record: Migration) -> None:
    """A running live migration ends soon, whatever kept it."""
    if record.outcome == "stuck":
        record.outcome, record.error = "completed", ""
    due = cloud.clock.now() + cloud.clock.lasting(SHORT_S)
    _push(cloud.world, due, "live_end", record.server, record)


def progress(record: Migration, now: float) -> float:
    """The part of a move that is done, 0..1; one that is stuck stays at a half."""
    if record.started is None:
        return 0.0
    if record.outcome == "stuck":
        return 0.5
    return min(1.0, (now - record.started) / record.seconds) if record.seconds else 1.0


def _start_next(world: World, source: str, now: float) -> None:
    """Start queued live migrations from a host as far as its limit allows."""
    here = [one for one in world.active.values() if one.kind == LIVE and one.source == source]
    running = sum(one.status in ("preparing", "running") for one in here)
    queued = [one for one in here if one.status == "queued"]
    for record in queued[: max(0, world.max_live_migrations_per_host - running)]:
        record.status, record.started, record.updated = "preparing", now, now
        _push(world, now + record.seconds * 0.1, "live_copy", record.server, record)
        if record.outcome != "stuck":
            _push(world, now + record.seconds, "live_end", record.server, record)


def _live_copy(world: World, record: Migration, now: float) -> None:
    del world
    if record.status == "preparing":
        record.status, record.updated = "running", now


def _live_end(world: World, record: Migration, now: float) -> None:
    if record.outcome == "error":
        fail(world, record, now, record.error)
        return
    world.release(record.source, record.uuid)
    _server_rests(record, str(record.dest), now)
    _end(world, record, "completed" if record.outcome == "completed" else "error", now)
    _start_next(world, record.source, now)


def _cold_copy(world: World, record: Migration, now: float) -> None:
    del world
    record.status, record.started, record.updated = "migrating", now, now
    record.server.task_state = "resize_migrating"


def _cold_end(world: World, record: Migration, now: float) -> None:
    if record.outcome == "error":
        fail(world, record, now, record.error)
        return
    if record.outcome == "stuck":
        return
    record.server.flavor = record.new_flavor
    record.status, record.updated = "finished", now
    _succeed(record.action, now)
    _server_rests(record, str(record.dest), now)
    record.server.vm_state = "resized"


def _confirm_end(world: World, record: Migration, now: float) -> None:
    world.release(record.source, record.uuid)
    _server_rests(record, str(record.dest), now)
    _end(world, record, "confirmed", now)


def _revert_end(world: World, record: Migration, now: float) -> None:
    record.server.flavor = record.old_flavor
    _back_on_source(world, record)
    _server_rests(record, record.source, now)
    _end(world, record, "reverted", now)


_STEPS = {
    "conduct": _conduct,
    "live_copy": _live_copy,
    "live_end": _live_end,
    "cold_copy": _cold_copy,
    "cold_end": _cold_end,
    "confirm_end": _confirm_end,
    "revert_end": _revert_end,
}


def _server_rests(record: Migration, host: str, now: float) -> None:
    """The server is on a host, in the state it had before; a deleted one stays deleted."""
    server = record.server
    server.host, server.task_state, server.updated = host, None, now
    if server.vm_state != "deleted":
        server.vm_state = record.was


def _end(world: World, record: Migration, status: str, now: float) -> None:
    """The record and the action come to their end."""
    record.status, record.updated = status, now
    world.active.pop(record.id, None)
    if status == "error":
        action = record.action
        action.message, action.result, action.updated = "Error", "Error", now
        action.details = record.error
    else:
        _succeed(record.action, now)


def _succeed(action: Action, now: float) -> None:
    action.result, action.updated = "Success", now
