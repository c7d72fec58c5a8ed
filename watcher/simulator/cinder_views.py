# SPDX-License-Identifier: Apache-2.0
"""How the block storage service shows what it has."""

from typing import Any

from watcher.simulator.block import Block, Pool, Type, Volume
from watcher.simulator.clock import iso
from watcher.simulator.web import Request


def volume(one: Volume, block: Block, request: Request) -> dict[str, Any]:
    """A volume in detail; what is for administrators only, only to them."""
    body: dict[str, Any] = {
        "id": one.id,
        "name": one.name,
        "description": None,
        "size": one.size_gb,
        "status": one.status,
        "migration_status": one.migration_status,
        "volume_type": block.types[one.type].name,
        "volume_type_id": one.type,
        "attachments": [_attachment(one, server) for server in one.servers],
        "availability_zone": block.pools[one.pool].zone if one.pool else "nova",
        "bootable": "true" if one.bootable else "false",
        "encrypted": False,
        "multiattach": False,
        "metadata": {},
        "snapshot_id": None,
        "source_volid": None,
        "consistencygroup_id": None,
        "group_id": None,
        "replication_status": None,
        "user_id": "u-admin",
        "created_at": iso(one.created, micro=True),
        "updated_at": iso(one.created, micro=True),
        "links": [{"rel": "self", "href": f"{request.origin}/v3/volumes/{one.id}"}],
        "os-vol-tenant-attr:tenant_id": one.project_id,
    }
    if request.identity.admin:
        body["os-vol-host-attr:host"] = one.pool or None
        body["os-vol-mig-status-attr:migstat"] = one.migration_status
        body["os-vol-mig-status-attr:name_id"] = None
    return body


def _attachment(one: Volume, server: str) -> dict[str, Any]:
    return {
        "id": one.id,
        "volume_id": one.id,
        "server_id": server,
        "attachment_id": f"{one.id[:24]}{server[-12:]}",
        "device": "/dev/vdb",
        "host_name": None,
        "attached_at": iso(one.created, micro=True),
    }


def volume_type(one: Type) -> dict[str, Any]:
    """A volume type."""
    return {
        "id": one.id,
        "name": one.name,
        "is_public": True,
        "description": None,
        "extra_specs": one.extra_specs,
        "qos_specs_id": None,
        "os-volume-type-access:is_public": True,
    }


def pool(one: Pool, block: Block, *, detail: bool) -> dict[str, Any]:
    """A pool as the scheduler knows it."""
    if not detail:
        return {"name": one.name}
    used_gb = block.used_gb(one.name)
    said = {
        "total_capacity_gb": one.total_gb,
        "free_capacity_gb": block.free_gb(one),
        "provisioned_capacity_gb": used_gb,
        "allocated_capacity_gb": used_gb,
        "max_over_subscription_ratio": 1.0,
        "thin_provisioning_support": False,
        "thick_provisioning_support": True,
        "reserved_percentage": 0,
        "storage_protocol": "simulated",
        **one.capabilities,
    }
    return {"name": one.name, "capabilities": said}


def service(one: Pool, now: float) -> dict[str, Any]:
    """The cinder-volume service of a pool's back end."""
    return {
        "binary": "cinder-volume",
        "host": one.backend,
        "zone": one.zone,
        "status": "enabled" if one.enabled else "disabled",
        "state": "up" if one.up else "down",
        "backend_state": "up" if one.up else "down",
        "disabled_reason": None,
        "updated_at": iso(now, micro=True),
        "cluster": None,
        "replication_status": "disabled",
        "active_backend_id": None,
        "frozen": False,
    }
