# SPDX-License-Identifier: Apache-2.0
"""Notifications of Nova and Cinder, translated to news of a snapshot; values in, values out.

Nova's are the versioned ones (https://docs.openstack.org/nova/latest/reference/notifications.html),
whose instance payloads are complete: any of them tells all that an instance is now, with the time
at which its row was last written. Cinder's are unversioned and carry no such time.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from watcher.clients.cinder import number
from watcher.clients.nova import epoch_s
from watcher.core.news import FOREVER, News

Payload = Mapping[str, Any]

ALIVE_S = 60.0
"""A compute service that was seen so shortly before is up: Nova's default service_down_time."""

STALE = frozenset(
    {
        "instance.live_migration_post.start",
        "instance.live_migration_post.end",
        "instance.exists",
    }
)
"""Told by a host that knows no more of the instance than it did some time ago."""


class Notification(NamedTuple):
    """One notification as it came over the bus."""

    event_type: str
    publisher_id: str
    sent_at: float
    """Seconds since the epoch, by the sender's clock."""
    payload: Payload


def translate(notification: Notification) -> list[News]:
    """What this notification tells; nothing when it is of no interest.

    Raises KeyError, TypeError, ValueError or AttributeError for a payload of another form.
    """
    event = notification.event_type
    for prefix, reader in _READERS.items():
        if event.startswith(prefix):
            return reader(notification)
    return []


def sent_at(metadata: Mapping[str, Any]) -> float:
    """When a message was sent, from what oslo.messaging put beside it: ``timestamp`` in UTC."""
    return datetime.fromisoformat(str(metadata["timestamp"])).replace(tzinfo=UTC).timestamp()


def _instance(notification: Notification) -> list[News]:
    if notification.event_type in STALE:
        return []
    data = notification.payload["nova_object.data"]
    uuid, moment = data["uuid"], notification.sent_at
    written = epoch_s(data["updated_at"] or data["created_at"])
    if data["state"] == "deleted" or data.get("deleted_at"):
        return [News(FOREVER, moment, "instance", uuid, None)]
    if data["state"] == "soft-delete":  # it may come back, but lists do not show it
        return [News(written, moment, "instance", uuid, None)]
    return [News(written, moment, "instance", uuid, _instance_fields(data))]


def _instance_fields(data: Payload) -> dict[str, Any]:
    flavor = data["flavor"]["nova_object.data"]
    root_gb = flavor["root_gb"] if data["image_uuid"] else 0  # 0: it boots from a volume
    fields = {
        "name": data["display_name"] or "",
        "host": data["host"] or "",
        "vcpus": flavor["vcpus"],
        "memory_mb": flavor["memory_mb"],
        "disk_gb": root_gb + flavor["ephemeral_gb"] - (-(flavor["swap"] or 0) // 1024),
        "state": data["state"] or "",
        "project_id": data["tenant_id"],
        "metadata": dict(data["metadata"]),
        "flavor": flavor["name"],
        "extra_specs": dict(flavor.get("extra_specs") or {}),
        "created_at": data["created_at"],
        "task_state": data["task_state"] or "",
        "updated_at": epoch_s(data["updated_at"] or data["created_at"]),
    }
    if "locked" in data:  # from version 1.1 of the payload
        fields["locked"] = bool(data["locked"])
    if data.get("instance_name"):
        fields["domain_name"] = data["instance_name"]
    return fields


def _service(notification: Notification) -> list[News]:
    data = notification.payload["nova_object.data"]
    if data["binary"] != "nova-compute":
        return []
    moment, host = notification.sent_at, data["host"]
    if notification.event_type == "service.delete":
        return [News(0, moment, "host", host, None)]
    seen = data["last_seen_up"]
    alive = bool(seen) and moment - epoch_s(seen) <= ALIVE_S
    fields = {
        "up": alive and not data["forced_down"],
        "enabled": not data["disabled"],
        "disabled_reason": data["disabled_reason"] or "",
    }
    return [News(0, moment, "host", host, fields)]


def _aggregate(notification: Notification) -> list[News]:
    # What a host belongs to is the sum of all aggregates, which no single notification tells.
    if not notification.event_type.endswith(".end"):
        return []
    name = notification.payload["nova_object.data"]["name"]
    return [News(0, notification.sent_at, "other", f"aggregate {name}", {})]


def _server_group(notification: Notification) -> list[News]:
    uuid = notification.payload["nova_object.data"]["uuid"]
    return [News(0, notification.sent_at, "other", f"server group {uuid}", {})]


def _volume(notification: Notification) -> list[News]:
    data = notification.payload
    uuid, moment = data["volume_id"], notification.sent_at
    if notification.event_type == "volume.delete.end":
        return [News(FOREVER, moment, "volume", uuid, None)]
    if notification.event_type.endswith(".start"):
        return []
    attached = [one for one in data.get("volume_attachment") or () if one.get("instance_uuid")]
    fields = {
        "name": data["display_name"] or "",
        "size_gb": int(data["size"]),
        "status": data["status"],
        "pool": data["host"] or "",
        "volume_type": data["volume_type"] or "",
        "project_id": data["tenant_id"],
        "servers": tuple(sorted({one["instance_uuid"] for one in attached})),
        "zone": data["availability_zone"] or "",
    }
    return [News(0, moment, "volume", uuid, fields)]


def _snapshot(notification: Notification) -> list[News]:
    """A volume has snapshots from its first one on; whether any is left only Cinder knows."""
    event, uuid = notification.event_type, notification.payload["volume_id"]
    if event not in ("snapshot.create.end", "snapshot.delete.end"):
        return []
    fields = {"snapshots": True} if event == "snapshot.create.end" else {}
    return [News(0, notification.sent_at, "snapshot", uuid, fields)]


def _pool(notification: Notification) -> list[News]:
    data = notification.payload
    fields = {
        "total_gb": number(data["total"]),
        "free_gb": number(data["free"]),
        "provisioned_gb": number(data["provisioned"]),
    }
    return [News(0, notification.sent_at, "pool", data["name_to_id"], fields)]


_READERS: Mapping[str, Callable[[Notification], list[News]]] = {
    "instance.": _instance,
    "service.": _service,
    "aggregate.": _aggregate,
    "server_group.": _server_group,
    "volume.": _volume,
    "snapshot.": _snapshot,
    "capacity.pool": _pool,
}
