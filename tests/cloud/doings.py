# SPDX-License-Identifier: Apache-2.0
"""Whatever can happen to servers, hosts and volumes of the test cloud, once each.

The test of the live model follows it over the bus; tests/unit/collectors/recorded has the
notifications that Nova and Cinder sent of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.cloud.api import Cloud
from tests.cloud.process import wait_for
from tests.cloud.seed import image
from tests.cloud.volumes import Volumes


@contextmanager
def server(cloud: Cloud, name: str, host: str) -> Iterator[str]:
    """A server that is deleted afterwards."""
    flavors = cloud.flavors()
    uuid = cloud.boot(name, flavors["c.tiny"], host, imageRef=image(cloud))
    cloud.settled(uuid, "ACTIVE")
    yield uuid
    cloud.nova.delete(f"/servers/{uuid}")
    wait_for(
        f"no server {name}",
        lambda: uuid not in {row["id"] for row in cloud.servers()},
        every_s=0.2,
    )


def states(cloud: Cloud, uuid: str) -> None:
    """Every state that a server can be put in and taken out of."""
    for actions in (
        (("lock", "ACTIVE"), ("unlock", "ACTIVE")),
        (("pause", "PAUSED"), ("unpause", "ACTIVE")),
        (("suspend", "SUSPENDED"), ("resume", "ACTIVE")),
        (("os-stop", "SHUTOFF"), ("os-start", "ACTIVE")),
        (("rescue", "RESCUE"), ("unrescue", "ACTIVE")),
        (("shelve", "SHELVED_OFFLOADED"), ("unshelve", "ACTIVE")),
    ):
        for action, status in actions:
            cloud.act(uuid, action)
            cloud.settled(uuid, status)
    cloud.act(uuid, "rebuild", imageRef=image(cloud), metadata={"rebuilt": "yes"})
    cloud.settled(uuid, "ACTIVE")
    cloud.set_metadata(uuid, env="prod")
    cloud.nova.put(f"/servers/{uuid}", json={"server": {"name": "renamed"}})


def sizes(cloud: Cloud, uuid: str) -> None:
    """Resized and confirmed, resized and put back, migrated cold."""
    flavors = cloud.flavors()
    for name, end in (("c.small", "confirmResize"), ("c.large", "revertResize")):
        cloud.act(uuid, "resize", flavorRef=flavors[name])
        cloud.settled(uuid, "VERIFY_RESIZE")
        cloud.act(uuid, end)
        cloud.settled(uuid, "ACTIVE")
    cloud.cold_migrate(uuid)
    cloud.settled(uuid, "VERIFY_RESIZE")
    cloud.act(uuid, "confirmResize")
    cloud.settled(uuid, "ACTIVE")


def moves(cloud: Cloud, uuid: str) -> None:
    """Migrated live, and not: the copy breaks."""
    for host in ("compute-05", "compute-06"):
        cloud.live_migrate(uuid, host)
        cloud.moved(uuid, host)
    cloud.set_metadata(uuid, fail_live_migration="copy")
    before = max(int(row["id"]) for row in cloud.migrations(uuid))
    cloud.live_migrate(uuid, "compute-05")
    cloud.migrated(uuid, before)
    cloud.settled(uuid, "ACTIVE")
    cloud.delete_metadata(uuid, "fail_live_migration")


def hosts(cloud: Cloud) -> None:
    """A compute service is switched off and on, forced down and up."""
    host = "compute-06"
    cloud.set_service(host, enabled=False, reason="hands in it")
    cloud.set_service(host, enabled=True)
    uuid = next(row["id"] for row in cloud.services() if row["host"] == host)
    for down in (True, False):
        cloud.nova.put(f"/os-services/{uuid}", json={"forced_down": down})


def racks(cloud: Cloud) -> None:
    """An aggregate is made, gets a host and metadata, loses them, and is deleted."""
    body = {"aggregate": {"name": "passing", "availability_zone": None}}
    found = cloud.nova.post("/os-aggregates", json=body).json()["aggregate"]["id"]
    for action in (
        {"add_host": {"host": "compute-06"}},
        {"set_metadata": {"metadata": {"ssd": "true"}}},
        {"set_metadata": {"metadata": {"ssd": None}}},
        {"remove_host": {"host": "compute-06"}},
    ):
        cloud.nova.post(f"/os-aggregates/{found}/action", json=action)
    cloud.nova.delete(f"/os-aggregates/{found}")


def groups(cloud: Cloud) -> None:
    """A server group is made, gets a member, and is deleted."""
    body = {"server_group": {"name": "passing", "policy": "soft-anti-affinity"}}
    found = cloud.nova.post("/os-server-groups", json=body).json()["server_group"]["id"]
    flavors = cloud.flavors()
    hints = {"os:scheduler_hints": {"group": found}}
    body = {
        "server": {
            "name": "member",
            "flavorRef": flavors["c.tiny"],
            "imageRef": image(cloud),
            "networks": "none",
        },
        **hints,
    }
    uuid = cloud.nova.post("/servers", json=body).json()["server"]["id"]
    cloud.settled(uuid, "ACTIVE")
    cloud.nova.delete(f"/servers/{uuid}")
    wait_for("no member", lambda: uuid not in {row["id"] for row in cloud.servers()}, every_s=0.2)
    cloud.nova.delete(f"/os-server-groups/{found}")


def volumes(cloud: Cloud, uuid: str, volume: str) -> None:
    """A volume is renamed, attached, detached, extended, retyped, and has a snapshot once."""
    shelf = Volumes(cloud)
    shelf.cinder.put(f"/volumes/{volume}", json={"volume": {"name": "v1 renamed"}})
    shelf.attach(volume, uuid)
    shelf.detach(shelf.get(volume))
    shelf.act(volume, "os-extend", new_size=2)
    wait_for("the extension", lambda: shelf.get(volume)["status"] == "available", every_s=0.2)
    shelf.act(volume, "os-retype", new_type="slow", migration_policy="on-demand")
    wait_for("the retype", lambda: shelf.get(volume)["volume_type"] == "slow", every_s=0.2)
    wait_for("the retype", lambda: shelf.get(volume)["status"] == "available", every_s=0.2)
    body = {"volume_id": volume, "name": "s1"}
    snapshot = shelf.cinder.post("/snapshots", json={"snapshot": body}).json()["snapshot"]["id"]
    wait_for(
        "the snapshot",
        lambda: (
            shelf.cinder.get(f"/snapshots/{snapshot}").json()["snapshot"]["status"] == "available"
        ),
        every_s=0.2,
    )
    shelf.cinder.delete(f"/snapshots/{snapshot}")
    wait_for(
        "no snapshot",
        lambda: not shelf.cinder.get("/snapshots").json()["snapshots"],
        every_s=0.2,
    )


def unshelved(cloud: Cloud, volume: str) -> None:
    """The volume is deleted."""
    shelf = Volumes(cloud)
    shelf.cinder.delete(f"/volumes/{volume}")
    wait_for("no volume", lambda: volume not in {row["id"] for row in shelf.all()}, every_s=0.2)
