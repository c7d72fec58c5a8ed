# SPDX-License-Identifier: Apache-2.0
"""A client of the test cloud: what seeding and the tests ask of it.

Plain JSON over keystoneauth, in bulk where the API allows: a test states what it
wants to see, and what it gets is what Nova itself said.
"""

from __future__ import annotations

import collections
import time
from typing import Any

from keystoneauth1 import adapter, loading, session

from tests.cloud.process import pause
from tests.cloud.settings import REGION, Settings, credentials, load

Json = dict[str, Any]

# The newest at which hypervisors still tell their size.
NOVA_MICROVERSION = "2.87"

# Statuses in which Nova no longer works on a migration ("finished": to be confirmed).
ENDED = frozenset(
    {"completed", "confirmed", "reverted", "finished", "cancelled", "error", "failed"}
)


def login(settings: Settings, user: str = "admin", project: str = "admin") -> session.Session:
    """A Keystone session of a user."""
    plugin: Any = loading.get_plugin_loader("password").load_from_options(
        **credentials(settings, user, project)
    )
    return session.Session(auth=plugin)


class Cloud:
    """The APIs of the test cloud, as its admin or as another user."""

    def __init__(
        self, settings: Settings | None = None, user: str = "admin", project: str = "admin"
    ) -> None:
        self.settings = settings or load()
        self.session = login(self.settings, user, project)
        self.nova = self.api("compute", NOVA_MICROVERSION)
        self.placement = self.api("placement", "1.39")
        self.identity = self.api("identity")

    def api(self, service_type: str, microversion: str | None = None) -> adapter.Adapter:
        """An adapter for one service of the catalog."""
        return adapter.Adapter(
            self.session,
            service_type=service_type,
            interface="public",
            region_name=REGION,
            default_microversion=microversion,
        )

    # -- looking --------------------------------------------------------------

    def servers(self, **filters: str) -> list[Json]:
        """Every server of every project, as Nova shows it in detail."""
        query = {"all_tenants": "1", **filters}
        found: list[Json] = self.nova.get("/servers/detail", params=query).json()["servers"]
        return found

    def server(self, server_id: str) -> Json:
        """One server."""
        found: Json = self.nova.get(f"/servers/{server_id}").json()["server"]
        return found

    def servers_by_host(self) -> dict[str, list[str]]:
        """Host -> uuids of the servers on it, sorted; hosts without servers too."""
        hosts: dict[str, list[str]] = {row["host"]: [] for row in self.services()}
        for server in self.servers():
            hosts.setdefault(server["OS-EXT-SRV-ATTR:host"], []).append(server["id"])
        return {host: sorted(ids) for host, ids in sorted(hosts.items())}

    def services(self) -> list[Json]:
        """Nova's compute services, sorted by host."""
        query = {"binary": "nova-compute"}
        found: list[Json] = self.nova.get("/os-services", params=query).json()["services"]
        return sorted(found, key=lambda row: str(row["host"]))

    def hypervisors(self) -> list[Json]:
        """Nova's hypervisors in detail."""
        found: list[Json] = self.nova.get("/os-hypervisors/detail").json()["hypervisors"]
        return found

    def flavors(self) -> dict[str, str]:
        """Name -> id."""
        found: list[Json] = self.nova.get("/flavors").json()["flavors"]
        return {row["name"]: row["id"] for row in found}

    def migrations(self, server_id: str) -> list[Json]:
        """The migration records of a server, the newest first."""
        query = {"instance_uuid": server_id}
        found: list[Json] = self.nova.get("/os-migrations", params=query).json()["migrations"]
        return sorted(found, key=lambda row: -int(row["id"]))

    def events(self, server_id: str) -> list[Json]:
        """The events of the newest action on a server; those that failed have details."""
        path = f"/servers/{server_id}/os-instance-actions"
        actions: list[Json] = self.nova.get(path).json()["instanceActions"]
        newest = self.nova.get(f"{path}/{actions[0]['request_id']}").json()["instanceAction"]
        found: list[Json] = newest["events"]
        return found

    # -- changing -------------------------------------------------------------

    def boot(self, name: str, flavor: str, host: str, **fields: Any) -> str:
        """Ask for a server on a host; return its uuid without waiting."""
        body = {
            "name": name,
            "flavorRef": flavor,
            "host": host,
            "networks": "none",
            **fields,
        }
        uuid: str = self.nova.post("/servers", json={"server": body}).json()["server"]["id"]
        return uuid

    def act(self, server_id: str, action: str, **arguments: Any) -> None:
        """Ask for an action on a server, e.g. ``act(uuid, "os-stop")``, without waiting."""
        self.nova.post(f"/servers/{server_id}/action", json={action: arguments or None})

    def live_migrate(self, server_id: str, host: str | None = None) -> None:
        """Ask for a live migration, without waiting."""
        self.act(server_id, "os-migrateLive", host=host, block_migration="auto")

    def cold_migrate(self, server_id: str, host: str | None = None) -> None:
        """Ask for a cold migration, without waiting; it has to be confirmed."""
        self.act(server_id, "migrate", host=host)

    def set_metadata(self, server_id: str, **values: str) -> None:
        """Set metadata of a server; fakecloud/compute.py tells what some keys do."""
        self.nova.post(f"/servers/{server_id}/metadata", json={"metadata": values})

    def delete_metadata(self, server_id: str, key: str) -> None:
        """Take a key of a server's metadata away."""
        self.nova.delete(f"/servers/{server_id}/metadata/{key}")

    def set_service(self, host: str, enabled: bool, reason: str | None = None) -> None:
        """Enable or disable a compute service."""
        uuid = next(row["id"] for row in self.services() if row["host"] == host)
        body: Json = {"status": "enabled" if enabled else "disabled"}
        if reason:
            body["disabled_reason"] = reason
        self.nova.put(f"/os-services/{uuid}", json=body)

    # -- waiting --------------------------------------------------------------

    def settled(self, server_id: str, *statuses: str, timeout_s: float = 60) -> Json:
        """Wait until a server has one of the statuses and no task; return it.

        Raises:
            TimeoutError: it has not, with what it had.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            server = self.server(server_id)
            if server["status"] in statuses and not server["OS-EXT-STS:task_state"]:
                return server
            if time.monotonic() > deadline:
                raise TimeoutError(
                    f"server {server['name']} is {server['status']}, "
                    f"task {server['OS-EXT-STS:task_state']}, not {statuses}"
                )
            pause(0.2)

    def moved(self, server_id: str, host: str, timeout_s: float = 120) -> Json:
        """Wait until a server is ACTIVE on a host without a task; return it.

        Raises:
            TimeoutError: it is not, with Nova's record of its last migration.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            server = self.server(server_id)
            if (
                server["OS-EXT-SRV-ATTR:host"] == host
                and server["status"] == "ACTIVE"
                and not server["OS-EXT-STS:task_state"]
            ):
                return server
            if time.monotonic() > deadline:
                raise TimeoutError(
                    f"server {server['name']} is not on {host}: {self.migrations(server_id)[:1]}"
                )
            pause(0.2)

    def migrated(self, server_id: str, after: int = 0, timeout_s: float = 60) -> Json:
        """Wait for the end of a migration with an id above AFTER; return its record.

        Raises:
            TimeoutError: there is none, or it goes on.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            newest: Json = next(iter(self.migrations(server_id)), {"id": 0, "status": ""})
            if newest["id"] > after and newest["status"] in ENDED:
                return newest
            if time.monotonic() > deadline:
                raise TimeoutError(f"the migration of {server_id} is {newest['status']!r}")
            pause(0.2)

    def count_by_status(self) -> dict[str, int]:
        """Status -> how many servers have it."""
        return dict(collections.Counter(server["status"] for server in self.servers()))
