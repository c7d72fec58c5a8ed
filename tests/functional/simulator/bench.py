# SPDX-License-Identifier: Apache-2.0
"""A cloud as tests handle it: asked through the clients, simulated or real."""

import time
from collections.abc import Callable
from threading import Event
from typing import Any, TypeVar

from keystoneauth1.adapter import Adapter
from keystoneauth1.session import Session
from novaclient import client as novaclient

T = TypeVar("T")
PATIENCE_S = 60.0


def until(look: Callable[[], T | None], what: str) -> T:
    """What ``look`` gives as soon as it gives something."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        Event().wait(0.05)
    raise AssertionError(f"not within {PATIENCE_S} s: {what}")


class Bench:
    """The cloud as these tests handle it."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.nova = novaclient.Client("2.96", session=session)
        self.compute = Adapter(session, service_type="compute", default_microversion="2.96")
        self.placement = Adapter(session, service_type="placement", default_microversion="1.36")
        self._known: dict[str, int] = {}

    def get(self, path: str, version: str = "2.96", **query: str) -> Any:
        return self.compute.get(path, params=query, microversion=version).json()

    def server(self, uuid: str) -> dict[str, Any]:
        found: dict[str, Any] = self.get(f"/servers/{uuid}")["server"]
        return found

    def servers(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.get("/servers/detail", all_tenants="1")["servers"]
        return found

    def alone(self) -> list[dict[str, Any]]:
        """Running servers that nothing ties to a place."""
        return [
            one
            for one in self.servers()
            if one["status"] == "ACTIVE"
            and not one["locked"]
            and not one["pinned_availability_zone"]
            and not self.server(one["id"])["server_groups"]
        ]

    def movable(self, skip: int = 0) -> tuple[str, str, str]:
        """A server, its host, and another host with much room."""
        server = self.alone()[skip]
        source = server["OS-EXT-SRV-ATTR:host"]
        hosts = self.get("/os-hypervisors/detail", "2.87")["hypervisors"]
        usable = [
            one
            for one in hosts
            if (one["state"], one["status"]) == ("up", "enabled")
            and one["service"]["host"] != source
        ]
        best = max(usable, key=lambda one: one["free_ram_mb"])
        return server["id"], source, best["service"]["host"]

    def service(self, host: str) -> dict[str, Any]:
        (found,) = self.get("/os-services", binary="nova-compute", host=host)["services"]
        return dict(found)

    def rests(self, uuid: str, status: str = "ACTIVE") -> dict[str, Any]:
        """The server once nothing happens to it any more."""

        def look() -> dict[str, Any] | None:
            one = self.server(uuid)
            settled = one["OS-EXT-STS:task_state"] is None and one["status"] == status
            return one if settled else None

        return until(look, f"{uuid} rests as {status}")

    def live(self, uuid: str, host: str | None) -> None:
        """Ask for a live migration."""
        self._remember(uuid)
        self.nova.servers.live_migrate(uuid, host=host, block_migration="auto")

    def cold(self, uuid: str, host: str) -> None:
        """Ask for a cold migration."""
        self._remember(uuid)
        self.nova.servers.migrate(uuid, host=host)

    def _remember(self, uuid: str) -> None:
        """Which migrations there are: the record of the next one comes after the answer."""
        found = self.get("/os-migrations", instance_uuid=uuid)["migrations"]
        self._known[uuid] = max((one["id"] for one in found), default=0)

    def newest_migration(self, uuid: str) -> dict[str, Any]:
        """The record of what was asked for last."""

        def look() -> dict[str, Any] | None:
            found = self.get("/os-migrations", instance_uuid=uuid, limit="1")["migrations"]
            return found[0] if found and found[0]["id"] > self._known[uuid] else None

        return until(look, f"the migration of {uuid} has a record")

    def ended(self, uuid: str, *statuses: str) -> dict[str, Any]:
        """The record of what was asked for last once it has one of these statuses."""

        def look() -> dict[str, Any] | None:
            one = self.newest_migration(uuid)
            return one if one["status"] in statuses else None

        return until(look, f"the migration of {uuid} is {statuses}")

    def last_details(self, uuid: str, action: str) -> str:
        """Nova's error text of the newest action of a kind."""
        rows = self.get(f"/servers/{uuid}/os-instance-actions")["instanceActions"]
        request_id = next(row["request_id"] for row in rows if row["action"] == action)
        path = f"/servers/{uuid}/os-instance-actions/{request_id}"
        events = self.get(path)["instanceAction"]["events"]
        return " ".join(event["details"] or "" for event in events)

    def providers_of(self, consumer: str) -> set[str]:
        """The hypervisors on which a consumer holds something."""
        found = self.placement.get(f"/allocations/{consumer}").json()["allocations"]
        return set(found)

    def hypervisor_uuid(self, host: str) -> str:
        rows = self.get("/os-hypervisors/detail", "2.87")["hypervisors"]
        return next(str(row["id"]) for row in rows if row["service"]["host"] == host)
