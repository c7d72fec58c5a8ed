# SPDX-License-Identifier: Apache-2.0
"""What Nova says about its things: values in, JSON values out, by microversion.

See https://docs.openstack.org/api-ref/compute/.
"""

import hashlib
from typing import Any

from watcher.simulator.clock import iso
from watcher.simulator.migrations import LIVE, progress
from watcher.simulator.web import Version
from watcher.simulator.world import (
    Action,
    Aggregate,
    Flavor,
    Group,
    Host,
    Migration,
    Server,
    World,
)

Json = dict[str, Any]

_POWER_STATES = {"active": 1, "resized": 1, "paused": 3, "stopped": 4}
_STATUSES = {
    "active": "ACTIVE",
    "paused": "PAUSED",
    "stopped": "SHUTOFF",
    "resized": "VERIFY_RESIZE",
    "error": "ERROR",
    "deleted": "DELETED",
}
_TASK_STATUSES = {
    "migrating": "MIGRATING",
    "resize_prep": "RESIZE",
    "resize_migrating": "RESIZE",
    "resize_reverting": "REVERT_RESIZE",
}


def status(server: Server) -> str:
    """The one word that Nova makes of vm_state and task_state."""
    return _TASK_STATUSES.get(server.task_state or "", _STATUSES[server.vm_state])


def link(origin: str, kind: str, item_id: str) -> list[Json]:
    """The links of a thing."""
    return [
        {"rel": "self", "href": f"{origin}/v2.1/{kind}/{item_id}"},
        {"rel": "bookmark", "href": f"{origin}/{kind}/{item_id}"},
    ]


def server_brief(server: Server, origin: str) -> Json:
    """A row of GET /servers."""
    return {"id": server.uuid, "name": server.name, "links": link(origin, "servers", server.uuid)}


def server(one: Server, host: Host, origin: str, version: Version, *, admin: bool) -> Json:
    """A row of GET /servers/detail."""
    body: Json = {
        "id": one.uuid,
        "name": one.name,
        "status": status(one),
        "tenant_id": one.project_id,
        "user_id": one.user_id,
        "metadata": one.metadata,
        "hostId": hashlib.sha224(f"{one.project_id}{one.host}".encode()).hexdigest(),
        "image": _image(one, version),
        "flavor": _embedded(one.flavor, origin, version),
        "created": iso(one.created, zone="Z"),
        "updated": iso(one.updated, zone="Z"),
        "addresses": {},
        "accessIPv4": "",
        "accessIPv6": "",
        "links": link(origin, "servers", one.uuid),
        "OS-DCF:diskConfig": "MANUAL",
        "OS-EXT-AZ:availability_zone": host.zone,
        "config_drive": "",
        "key_name": None,
        "OS-SRV-USG:launched_at": iso(one.created, micro=True),
        "OS-SRV-USG:terminated_at": iso(one.updated) if one.vm_state == "deleted" else None,
        "OS-EXT-STS:task_state": one.task_state,
        "OS-EXT-STS:vm_state": one.vm_state,
        "OS-EXT-STS:power_state": _POWER_STATES.get(one.vm_state, 0),
        "os-extended-volumes:volumes_attached": [
            {"id": volume, **({"delete_on_termination": False} if version >= (2, 3) else {})}
            for volume in one.volumes
        ],
        "security_groups": [{"name": "default"}],
    }
    if one.vm_state in ("active", "paused", "resized"):
        body["progress"] = 0
    if one.vm_state == "error":
        body["fault"] = {"code": 500, "message": one.fault or "", "created": iso(one.updated)}
    if admin:
        body |= _for_admins(one, host, version)
    return body | _newer(one, version)


def _for_admins(one: Server, host: Host, version: Version) -> Json:
    body: Json = {
        "OS-EXT-SRV-ATTR:host": host.name,
        "OS-EXT-SRV-ATTR:instance_name": one.instance_name,
        "OS-EXT-SRV-ATTR:hypervisor_hostname": host.hypervisor_hostname,
    }
    if version >= (2, 3):
        body |= {
            "OS-EXT-SRV-ATTR:hostname": one.name,
            "OS-EXT-SRV-ATTR:launch_index": 0,
            "OS-EXT-SRV-ATTR:reservation_id": f"r-{one.number:08x}",
            "OS-EXT-SRV-ATTR:root_device_name": "/dev/vda",
            "OS-EXT-SRV-ATTR:kernel_id": "",
            "OS-EXT-SRV-ATTR:ramdisk_id": "",
            "OS-EXT-SRV-ATTR:user_data": None,
        }
    if version >= (2, 16):
        body["host_status"] = "DOWN" if not host.alive else "UP" if host.enabled else "MAINTENANCE"
    return body


def _newer(one: Server, version: Version) -> Json:
    """Fields that came with a microversion, to everybody."""
    fields: list[tuple[Version, str, Any]] = [
        ((2, 9), "locked", one.locked),
        ((2, 19), "description", None),
        ((2, 26), "tags", []),
        ((2, 63), "trusted_image_certificates", None),
        ((2, 73), "locked_reason", None),
        ((2, 96), "pinned_availability_zone", one.pinned_zone),
        ((2, 100), "scheduler_hints", one.hints),
    ]
    return {name: value for since, name, value in fields if version >= since}


def _image(one: Server, version: Version) -> Json | str:
    properties = {"properties": one.image_properties} if version >= (2, 98) else {}
    return {"id": one.image_id, **properties} if one.image_id else ""


def _embedded(flavor: Flavor, origin: str, version: Version) -> Json:
    if version < (2, 47):
        return {"id": flavor.id, "links": link(origin, "flavors", flavor.id)[1:]}
    return {
        "vcpus": flavor.vcpus,
        "ram": flavor.ram_mb,
        "disk": flavor.disk_gb,
        "ephemeral": flavor.ephemeral_gb,
        "swap": flavor.swap_mb,
        "original_name": flavor.name,
        "extra_specs": flavor.extra_specs,
    }


def flavor(one: Flavor, origin: str, version: Version) -> Json:
    """A row of GET /flavors/detail."""
    body: Json = {
        "id": one.id,
        "name": one.name,
        "vcpus": one.vcpus,
        "ram": one.ram_mb,
        "disk": one.disk_gb,
        "OS-FLV-EXT-DATA:ephemeral": one.ephemeral_gb,
        "swap": one.swap_mb if version >= (2, 75) else one.swap_mb or "",
        "os-flavor-access:is_public": True,
        "OS-FLV-DISABLED:disabled": False,
        "rxtx_factor": 1.0,
        "links": link(origin, "flavors", one.id),
    }
    if version >= (2, 55):
        body["description"] = None
    if version >= (2, 61):
        body["extra_specs"] = one.extra_specs
    return body


def hypervisor(host: Host, number: int, version: Version, vms: list[Server] | None) -> Json:
    """A row of GET /os-hypervisors/detail; ``vms`` when the servers are asked for."""
    by_uuid = version >= (2, 53)
    body: Json = {
        "id": host.uuid if by_uuid else number,
        "hypervisor_hostname": host.hypervisor_hostname,
        "hypervisor_type": "QEMU",
        "hypervisor_version": host.hypervisor_version,
        "host_ip": host.ip,
        "state": "up" if host.alive else "down",
        "status": "enabled" if host.enabled else "disabled",
        "service": {
            "id": host.service_uuid if by_uuid else number,
            "host": host.name,
            "disabled_reason": host.disabled_reason,
        },
    }
    if vms is not None:
        body["servers"] = [{"uuid": one.uuid, "name": one.instance_name} for one in vms]
    if version >= (2, 88):
        return body | {"uptime": None}
    return body | _sizes(host, version)


def _sizes(host: Host, version: Version) -> Json:
    used, total, reserved = host.used, host.total, host.reserved
    features = sorted(host.cpu_features)
    info = {"arch": "x86_64", "model": host.cpu_model, "vendor": "Intel", "features": features}
    return {
        "vcpus": total.vcpus,
        "vcpus_used": used.vcpus,
        "memory_mb": total.ram_mb,
        "memory_mb_used": used.ram_mb + reserved.ram_mb,
        "free_ram_mb": total.ram_mb - used.ram_mb - reserved.ram_mb,
        "local_gb": total.disk_gb,
        "local_gb_used": used.disk_gb,
        "free_disk_gb": total.disk_gb - used.disk_gb,
        "disk_available_least": total.disk_gb - used.disk_gb,
        "running_vms": len(host.consumers),
        "current_workload": 0,
        "cpu_info": info if version >= (2, 28) else "{}",
    }


def service(host: Host, number: int, version: Version, now: float) -> Json:
    """A nova-compute of GET /os-services."""
    body: Json = {
        "id": host.service_uuid if version >= (2, 53) else number,
        "binary": "nova-compute",
        "host": host.name,
        "zone": host.zone,
        "status": "enabled" if host.enabled else "disabled",
        "state": "up" if host.alive else "down",
        "updated_at": iso(now if host.up else now - 120, micro=True),
        "disabled_reason": host.disabled_reason,
    }
    if version >= (2, 11):
        body["forced_down"] = host.forced_down
    return body


def aggregate(one: Aggregate, version: Version) -> Json:
    """A row of GET /os-aggregates."""
    body: Json = {
        "id": one.id,
        "name": one.name,
        "hosts": one.hosts,
        "metadata": one.metadata,
        "availability_zone": one.metadata.get("availability_zone"),
        "created_at": "2026-01-01T00:00:00.000000",
        "updated_at": None,
        "deleted": False,
        "deleted_at": None,
    }
    return body | ({"uuid": one.uuid} if version >= (2, 41) else {})


def group(one: Group, version: Version) -> Json:
    """A row of GET /os-server-groups."""
    body: Json = {"id": one.id, "name": one.name, "members": one.members}
    if version >= (2, 13):
        body |= {"project_id": one.project_id, "user_id": "u-admin"}
    if version >= (2, 64):
        spread = {"max_server_per_host": one.max_server_per_host}
        return body | {
            "policy": one.policy,
            "rules": spread if one.policy == "anti-affinity" else {},
        }
    return body | {"policies": [one.policy], "metadata": {}}


def migration(one: Migration, origin: str, version: Version) -> Json:
    """A row of GET /os-migrations."""
    body = _migration_common(one) | {
        "instance_uuid": one.server.uuid,
        "old_instance_type_id": int(one.old_flavor.id),
        "new_instance_type_id": int(one.new_flavor.id),
    }
    if version >= (2, 23):
        body["migration_type"] = one.kind
        if one.kind == LIVE and one.status in ("queued", "preparing", "running"):
            kind = f"servers/{one.server.uuid}/migrations"
            body["links"] = link(origin, kind, str(one.id))
    return body | _migration_newer(one, version)


def server_migration(one: Migration, version: Version, now: float) -> Json:
    """A row of GET /servers/{id}/migrations: how far it is."""
    memory, disk = one.server.flavor.ram_mb << 20, one.server.needs().disk_gb << 30
    done = progress(one, now)
    return (
        _migration_common(one)
        | {
            "server_uuid": one.server.uuid,
            "memory_total_bytes": memory,
            "memory_processed_bytes": int(memory * done),
            "memory_remaining_bytes": memory - int(memory * done),
            "disk_total_bytes": disk,
            "disk_processed_bytes": int(disk * done),
            "disk_remaining_bytes": disk - int(disk * done),
        }
        | _migration_newer(one, version)
    )


def _migration_common(one: Migration) -> Json:
    return {
        "id": one.id,
        "status": one.status,
        "source_compute": one.source,
        "source_node": f"{one.source}.sim.example",
        "dest_compute": one.dest,
        "dest_node": one.dest and f"{one.dest}.sim.example",
        "dest_host": None,
        "created_at": iso(one.created, micro=True),
        "updated_at": iso(one.updated, micro=True),
    }


def _migration_newer(one: Migration, version: Version) -> Json:
    body: Json = {"uuid": one.uuid} if version >= (2, 59) else {}
    if version >= (2, 80):
        body |= {"user_id": one.user_id, "project_id": one.project_id}
    return body


def action(one: Action, version: Version, world: World, *, events: bool) -> Json:
    """A row of GET /servers/{id}/os-instance-actions, with its event when asked for."""
    body: Json = {
        "action": one.action,
        "instance_uuid": one.server_uuid,
        "request_id": one.request_id,
        "user_id": one.user_id,
        "project_id": one.project_id,
        "start_time": iso(one.start, micro=True),
        "message": one.message,
    }
    if version >= (2, 58):
        body["updated_at"] = iso(one.updated, micro=True)
    if not events:
        return body
    server = world.servers[one.server_uuid]
    event: Json = {
        "event": one.event,
        "start_time": iso(one.start, micro=True),
        "finish_time": iso(one.updated, micro=True) if one.result else None,
        "result": one.result,
        "traceback": one.details and f"Traceback (most recent call last):\n{one.details}\n",
        "host": server.host,
        "hostId": hashlib.sha224(f"{server.project_id}{server.host}".encode()).hexdigest(),
    }
    if version >= (2, 84):
        event["details"] = one.details
    return body | {"events": [event]}
