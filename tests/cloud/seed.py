# SPDX-License-Identifier: Apache-2.0
"""What tests find in the cloud: flavors, an image, aggregates, servers."""

from __future__ import annotations

from concurrent import futures

from tests.cloud import volumes
from tests.cloud.api import Cloud, Json
from tests.cloud.process import step, wait_for

FLAVORS = {  # name: (vCPUs, MiB, GiB)
    "c.tiny": (1, 1024, 5),
    "c.small": (1, 2048, 10),
    "c.medium": (2, 4096, 20),
    "c.large": (4, 8192, 40),
}
# Twenty of these need 67 GiB of memory: three hosts of 32 GiB hold what six hold at first.
ORDER = ("c.medium", "c.small", "c.medium", "c.tiny", "c.small", "c.large")
IMAGE = "test-image"
RACKS = ("rack-a", "rack-b")


def flavors(cloud: Cloud) -> None:
    """Make the flavors that are missing."""
    known = cloud.flavors()
    for name, (vcpus, ram_mb, disk_gb) in FLAVORS.items():
        if name not in known:
            body = {"name": name, "vcpus": vcpus, "ram": ram_mb, "disk": disk_gb}
            cloud.nova.post("/flavors", json={"flavor": body})


def image(cloud: Cloud) -> str:
    """The id of the image, made if need be: 64 KiB of nothing."""
    glance = cloud.api("image")
    found = glance.get("/v2/images", params={"name": IMAGE}).json()["images"]
    if found:
        return str(found[0]["id"])
    body = {
        "name": IMAGE,
        "disk_format": "raw",
        "container_format": "bare",
        "visibility": "public",
    }
    image_id = str(glance.post("/v2/images", json=body).json()["id"])
    glance.put(
        f"/v2/images/{image_id}/file",
        data=bytes(64 * 1024),
        headers={"Content-Type": "application/octet-stream"},
    )
    return image_id


def aggregates(cloud: Cloud) -> None:
    """Two racks, half of the hosts in each."""
    hosts = cloud.settings.hosts()
    half = (len(hosts) + 1) // 2
    known = {row["name"] for row in cloud.nova.get("/os-aggregates").json()["aggregates"]}
    for name, members in zip(RACKS, (hosts[:half], hosts[half:]), strict=True):
        if name in known:
            continue
        made = cloud.nova.post("/os-aggregates", json={"aggregate": {"name": name}}).json()
        for host in members:
            body = {"add_host": {"host": host}}
            cloud.nova.post(f"/os-aggregates/{made['aggregate']['id']}/action", json=body)


def seeded_host(cloud: Cloud, index: int) -> str:
    """Where server number INDEX (from 0) is put: over the hosts in turn.

    Shifted by one each round, so that no host gets all of one size.
    """
    hosts = cloud.settings.hosts()
    return hosts[(index + index // len(hosts)) % len(hosts)]


def server_name(index: int) -> str:
    """vm-001 is number 0."""
    return f"vm-{index + 1:03}"


def servers(cloud: Cloud, image_id: str, count: int) -> None:
    """Servers vm-001 and so on.

    The host is named (microversion 2.74): left to the scheduler, a burst of requests
    ends up on few hosts, since it sees a load only once the host has claimed it.
    """
    ids = cloud.flavors()
    known = {row["name"] for row in cloud.servers()}

    def boot(index: int) -> None:
        name = server_name(index)
        if name not in known:
            flavor = ids[ORDER[index % len(ORDER)]]
            cloud.boot(name, flavor, seeded_host(cloud, index), imageRef=image_id)

    with futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(boot, range(count)))
    wait_for("no server in BUILD", lambda: "BUILD" not in cloud.count_by_status(), every_s=0.5)
    broken: list[Json] = cloud.servers(status="ERROR")
    if broken:
        row = broken[0]
        raise SystemExit(f"{row['name']} is in ERROR: {row.get('fault', {}).get('message')}")


def seed(count: int) -> None:
    """Make what is missing; what is there stays as it is."""
    cloud = Cloud()
    with step("flavors, image, aggregates"):
        flavors(cloud)
        image_id = image(cloud)
        aggregates(cloud)
    if cloud.settings.cinder:
        with step("volume types"):
            volumes.types(cloud)
    with step(f"{count} servers"):
        servers(cloud, image_id, count)


def _busy(server: Json) -> bool:
    return server["OS-EXT-STS:task_state"] is not None


def _settle(cloud: Cloud, server: Json) -> Json:
    """Make a seeded server ACTIVE, unlocked and without metadata; return it as it is then."""
    uuid, failed_cold = server["id"], "fail_cold_migration" in server["metadata"]
    if server["locked"]:
        cloud.act(uuid, "unlock")
    for key in server["metadata"]:
        cloud.delete_metadata(uuid, key)
    stable = ("ACTIVE", "SHUTOFF", "PAUSED", "SUSPENDED", "VERIFY_RESIZE", "ERROR")
    server = cloud.settled(uuid, *stable, timeout_s=120)
    remedy = {
        "SHUTOFF": ("os-start", {}),
        "PAUSED": ("unpause", {}),
        "SUSPENDED": ("resume", {}),
        "VERIFY_RESIZE": ("confirmResize", {}),
        "ERROR": ("os-resetState", {"state": "active"}),
    }.get(server["status"])
    if remedy:
        cloud.act(uuid, remedy[0], **remedy[1])
        server = cloud.settled(uuid, "ACTIVE", "SHUTOFF")
        if server["status"] == "SHUTOFF":
            cloud.act(uuid, "os-start")
            server = cloud.settled(uuid, "ACTIVE")
    return _forget_cold_migration(cloud, uuid) if failed_cold else server


def _forget_cold_migration(cloud: Cloud, uuid: str) -> Json:
    """Rid a server of the context of a cold migration that failed; return it as it is then.

    Nova 34 keeps it, and its next look at the host's resources ends whatever migration of the
    server runs then as an error. One that is made and taken back clears it.
    """
    cloud.cold_migrate(uuid)
    cloud.settled(uuid, "VERIFY_RESIZE")
    cloud.act(uuid, "revertResize")
    return cloud.settled(uuid, "ACTIVE")


def restore(cloud: Cloud) -> None:
    """Undo what tests did: services enabled, seeded servers ACTIVE and on their hosts.

    Servers that were not seeded are deleted. Does nothing but look if all is well.
    """
    hosts = cloud.settings.hosts()
    homes = {
        server_name(index): seeded_host(cloud, index) for index in range(cloud.settings.servers)
    }
    for row in cloud.services():
        if row["forced_down"]:
            body = {"forced_down": False}
            cloud.nova.put(f"/os-services/{row['id']}", json=body)
        if row["status"] != "enabled":
            cloud.set_service(row["host"], enabled=True)
    wait_for(
        "every compute",  # RabbitMQ may have been away
        lambda: sum(row["state"] == "up" for row in cloud.services()) >= len(hosts),
    )

    def put_back(server: Json) -> None:
        if server["name"] not in homes:
            cloud.nova.delete(f"/servers/{server['id']}")
            return
        if server["status"] != "ACTIVE" or server["metadata"] or server["locked"] or _busy(server):
            server = _settle(cloud, server)
        home = homes[server["name"]]
        if server["OS-EXT-SRV-ATTR:host"] != home:
            cloud.live_migrate(server["id"], home)
            cloud.moved(server["id"], home)

    with futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(put_back, cloud.servers()))
