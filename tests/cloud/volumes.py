# SPDX-License-Identifier: Apache-2.0
"""The block storage of the test cloud: its types, and volumes for tests to move."""

from __future__ import annotations

from typing import Any

from tests.cloud.api import Cloud, Json
from tests.cloud.config import BACKENDS
from tests.cloud.process import wait_for

MICROVERSION = "3.59"


def pool(backend: str) -> str:
    """The full name of the pool of a back end."""
    return f"storage@{backend}#{backend}"


def types(cloud: Cloud) -> None:
    """A volume type for each back end, made if need be."""
    cinder = cloud.api("block-storage", MICROVERSION)
    known = {row["name"] for row in cinder.get("/types").json()["volume_types"]}
    for backend in BACKENDS.keys() - known:
        body = {"name": backend, "extra_specs": {"volume_backend_name": backend}}
        cinder.post("/types", json={"volume_type": body})


class Volumes:
    """Volumes that are made, looked at and deleted."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self.cinder = cloud.api("block-storage", MICROVERSION)

    def create(self, name: str, size_gb: int = 1, volume_type: str = "fast", **more: Any) -> str:
        """Make a volume and wait until it is there; its uuid."""
        body = {"name": name, "size": size_gb, "volume_type": volume_type, **more}
        uuid = str(self.cinder.post("/volumes", json={"volume": body}).json()["volume"]["id"])
        wait_for(f"volume {name}", lambda: self.get(uuid)["status"] == "available", every_s=0.2)
        return uuid

    def get(self, uuid: str) -> Json:
        """A volume as Cinder shows it."""
        found: Json = self.cinder.get(f"/volumes/{uuid}").json()["volume"]
        return found

    def all(self) -> list[Json]:
        """Every volume of every project."""
        query = {"all_tenants": "1"}
        found: list[Json] = self.cinder.get("/volumes/detail", params=query).json()["volumes"]
        return found

    def pool_of(self, uuid: str) -> str:
        """Where a volume is."""
        return str(self.get(uuid)["os-vol-host-attr:host"])

    def act(self, uuid: str, action: str, **arguments: Any) -> None:
        """Ask for an action on a volume, without waiting."""
        self.cinder.post(f"/volumes/{uuid}/action", json={action: arguments})

    def attach(self, uuid: str, server: str) -> None:
        """Attach a volume to a server and wait until it is."""
        body = {"volumeAttachment": {"volumeId": uuid}}
        self._cloud.nova.post(f"/servers/{server}/os-volume_attachments", json=body)
        wait_for("attachment", lambda: self.get(uuid)["status"] == "in-use", every_s=0.2)

    def detach(self, volume: Json) -> None:
        """Detach a volume from all its servers and wait until it is."""
        for one in volume["attachments"]:
            path = f"/servers/{one['server_id']}/os-volume_attachments/{volume['id']}"
            self._cloud.nova.delete(path)
        wait_for(
            "detachment", lambda: self.get(volume["id"])["status"] == "available", every_s=0.2
        )

    def clear(self) -> None:
        """Delete every volume, whatever it is at."""
        for one in self.all():
            if one["attachments"]:
                self.detach(one)
            if one["status"] != "deleting":
                self.act(one["id"], "os-force_delete")
        wait_for("no volume left", lambda: not self.all(), every_s=0.5)
