# SPDX-License-Identifier: Apache-2.0
"""POST /servers/{id}/action: what Nova accepts, refuses at once, and refuses later.

At once: an unknown host or flavor (400), a server in the wrong state (409). Later, as a migration
record in error and a failed server action: everything the scheduler finds out.
"""

from collections.abc import Callable, Mapping
from typing import Any

from watcher.simulator import migrations
from watcher.simulator.cloud import Cloud
from watcher.simulator.migrations import LIVE
from watcher.simulator.web import Refusal, Request, Response, need_admin
from watcher.simulator.world import Action, Flavor, Migration, Server

_EVENTS = {
    "live-migration": "conductor_live_migrate_instance",
    "migrate": "cold_migrate",
    "resize": "cold_migrate",
    "confirmResize": "compute_confirm_resize",
    "revertResize": "compute_revert_resize",
}
Run = Callable[[Cloud, Request, Server, Mapping[str, Any]], Response]


def act(cloud: Cloud, request: Request, server: Server) -> Response:
    """Carry out the one action in the body.

    :raises Refusal: 400 for an unknown action or argument, 409 in the wrong state
    """
    body = request.json()
    if not isinstance(body, dict) or len(body) != 1:
        raise Refusal(400, "There should be exactly one action in the request body.")
    name, arguments = next(iter(body.items()))
    run = _ACTIONS.get(name)
    if run is None:
        raise Refusal(400, f"There is no such action: {name}")
    return run(cloud, request, server, arguments if isinstance(arguments, dict) else {})


def record(cloud: Cloud, request: Request, server: Server, name: str) -> Action:
    """Note down that an action has begun."""
    now = cloud.clock.now()
    action = Action(
        request_id=request.request_id,
        server_uuid=server.uuid,
        action=name,
        event=_EVENTS.get(name, f"compute_{name}_instance"),
        user_id=request.identity.user_id,
        project_id=request.identity.project_id,
        start=now,
        updated=now,
    )
    cloud.world.actions.setdefault(server.uuid, []).append(action)
    return action


def need_state(server: Server, name: str, *states: str) -> None:
    """The server must rest in one of these states.

    :raises Refusal: 409 with Nova's text
    """
    where = f"Cannot '{name}' instance {server.uuid} while it is in"
    if server.vm_state not in states:
        raise Refusal(409, f"{where} vm_state {server.vm_state}")
    if server.task_state is not None:
        raise Refusal(409, f"{where} task_state {server.task_state}")


def need_unlocked(request: Request, server: Server) -> None:
    """Only admins change a locked server.

    :raises Refusal: 409
    """
    if server.locked and not request.identity.admin:
        raise Refusal(409, f"Instance {server.uuid} is locked")


def _destination(cloud: Cloud, name: str | None) -> str | None:
    if name is not None and name not in cloud.world.hosts:
        raise Refusal(400, f"Compute host {name} could not be found.")
    return name


def _live(
    cloud: Cloud, request: Request, server: Server, arguments: Mapping[str, Any]
) -> Response:
    need_admin(request, "os_compute_api:os-migrate-server:migrate_live")
    if "host" not in arguments or "block_migration" not in arguments:
        raise Refusal(400, "os-migrateLive: 'host' and 'block_migration' are required properties")
    if request.version >= (2, 25) and "disk_over_commit" in arguments:
        raise Refusal(400, "Additional properties are not allowed ('disk_over_commit')")
    if request.version >= (2, 68) and "force" in arguments:
        raise Refusal(400, "Additional properties are not allowed ('force' was unexpected)")
    need_state(server, "os-migrateLive", "active", "paused")
    dest = _destination(cloud, arguments["host"])
    forced = dest is not None and (request.version < (2, 30) or bool(arguments.get("force")))
    action = record(cloud, request, server, "live-migration")
    migrations.begin(cloud, server, action, kind=LIVE, dest=dest, forced=forced)
    return Response(None, 202)


def _cold(
    cloud: Cloud, request: Request, server: Server, arguments: Mapping[str, Any]
) -> Response:
    need_admin(request, "os_compute_api:os-migrate-server:migrate")
    if arguments and request.version < (2, 56):
        raise Refusal(400, "A host can be named from microversion 2.56 on only")
    need_state(server, "migrate", "active", "stopped")
    dest = _destination(cloud, arguments.get("host"))
    if dest == server.host:
        raise Refusal(400, "Cannot migrate to the host where the server exists.")
    if not cloud.world.hosts[server.host].alive:
        raise Refusal(409, "Service is unavailable at this time.")
    action = record(cloud, request, server, "migrate")
    migrations.begin(cloud, server, action, kind="migration", dest=dest)
    return Response(None, 202)


def _resize(
    cloud: Cloud, request: Request, server: Server, arguments: Mapping[str, Any]
) -> Response:
    need_unlocked(request, server)
    need_state(server, "resize", "active", "stopped")
    flavor: Flavor | None = cloud.world.flavors.get(str(arguments.get("flavorRef")))
    if flavor is None:
        raise Refusal(400, f"Flavor {arguments.get('flavorRef')} could not be found.")
    if flavor.id == server.flavor.id:
        raise Refusal(400, "When resizing, instances must change flavor!")
    if flavor.disk_gb < server.flavor.disk_gb and not server.volumes:
        raise Refusal(400, "Resize to a smaller disk is not possible.")
    action = record(cloud, request, server, "resize")
    migrations.begin(cloud, server, action, kind="resize", flavor=flavor)
    return Response(None, 202)


def _settle(name: str, status: int) -> Run:
    """confirmResize and revertResize."""

    def run(
        cloud: Cloud, request: Request, server: Server, arguments: Mapping[str, Any]
    ) -> Response:
        del arguments
        need_unlocked(request, server)
        need_state(server, name, "resized")
        found = [
            one
            for one in cloud.world.active.values()
            if one.server is server and one.status == "finished"
        ]
        if not found:
            raise Refusal(400, f"Instance {server.uuid} has not been resized.")
        action = record(cloud, request, server, name)
        confirm = name == "confirmResize"
        migrations.settle(cloud, found[0], action, confirm=confirm)
        return Response(None, status)

    return run


def _change(name: str, states: tuple[str, ...], task: str, becomes: str) -> Run:
    """A short change from one of some states to another."""

    def run(
        cloud: Cloud, request: Request, server: Server, arguments: Mapping[str, Any]
    ) -> Response:
        del arguments
        need_unlocked(request, server)
        need_state(server, name, *states)
        record(cloud, request, server, name).result = "Success"
        server.task_state = task
        migrations.later(cloud, becomes, server)
        return Response(None, 202)

    return run


def _lock(name: str, locked: bool) -> Run:
    def run(
        cloud: Cloud, request: Request, server: Server, arguments: Mapping[str, Any]
    ) -> Response:
        del arguments
        record(cloud, request, server, name).result = "Success"
        server.locked, server.updated = locked, cloud.clock.now()
        return Response(None, 202)

    return run


_ACTIONS: dict[str, Run] = {
    "os-migrateLive": _live,
    "migrate": _cold,
    "resize": _resize,
    "confirmResize": _settle("confirmResize", 204),
    "revertResize": _settle("revertResize", 202),
    "os-stop": _change("stop", ("active",), "powering-off", "stopped"),
    "os-start": _change("start", ("stopped",), "powering-on", "active"),
    "pause": _change("pause", ("active",), "pausing", "paused"),
    "unpause": _change("unpause", ("paused",), "unpausing", "active"),
    "lock": _lock("lock", True),
    "unlock": _lock("unlock", False),
}


def delete(cloud: Cloud, request: Request, server: Server) -> Response:
    """DELETE /servers/{id}."""
    need_unlocked(request, server)
    record(cloud, request, server, "delete").result = "Success"
    server.task_state = "deleting"
    migrations.later(cloud, "delete", server)
    return Response(None, 204)


def migration_of(cloud: Cloud, server: Server, migration_id: str) -> Migration:
    """A live migration of a server that is in progress.

    :raises Refusal: 404
    """
    for one in cloud.world.active.values():
        wanted = one.server is server and one.kind == LIVE and str(one.id) == migration_id
        if wanted and one.status in migrations.IN_PROGRESS:
            return one
    raise Refusal(
        404,
        f"Migration {migration_id} for server {server.uuid} is not live-migration or not in"
        " progress.",
    )


def abort(cloud: Cloud, request: Request, server: Server, migration_id: str) -> Response:
    """DELETE /servers/{id}/migrations/{id}: running from 2.24, queued and preparing from 2.65."""
    move = migration_of(cloud, server, migration_id)
    if move.status != "running" and request.version < (2, 65):
        raise Refusal(
            400,
            f"Migration {migration_id} state of instance {server.uuid} is {move.status}."
            " Cannot abort while the migration is in this state.",
        )
    record(cloud, request, server, "live_migration_cancel").result = "Success"
    migrations.abort(cloud.world, move, cloud.clock.now())
    return Response(None, 202)


def migration_action(
    cloud: Cloud, request: Request, server: Server, migration_id: str
) -> Response:
    """POST /servers/{id}/migrations/{id}/action: force_complete is the only one."""
    if list(request.json()) != ["force_complete"]:
        raise Refusal(400, "The only action of a migration is force_complete.")
    move = migration_of(cloud, server, migration_id)
    if move.status != "running":
        raise Refusal(
            400,
            f"Migration {migration_id} state of instance {server.uuid} is {move.status}."
            " Cannot force_complete while the migration is in this state.",
        )
    record(cloud, request, server, "live_migration_force_complete").result = "Success"
    migrations.force_complete(cloud, move)
    return Response(None, 202)
