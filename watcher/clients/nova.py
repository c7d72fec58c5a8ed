# SPDX-License-Identifier: Apache-2.0
"""Nova, read in bulk, and the switch of its compute services.

https://docs.openstack.org/api-ref/compute/ . Reading uses the newest microversion that both this
module and Nova know, at most 2.100 (2.96: the zone asked for, 2.98: image properties, 2.100:
scheduler hints); hypervisors at most 2.87, the last one that tells their sizes and CPUs.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, NamedTuple

from keystoneauth1.discover import normalize_version_number
from tenacity import Retrying

from watcher.clients.session import Clients, retrying, translated
from watcher.core.cluster import Cpu, ServerGroup
from watcher.core.errors import Forbidden, NotFound

NEWEST = (2, 100)
NEWEST_WITH_SIZES = (2, 87)
READ_TIMEOUT_S = 60.0


class Server(NamedTuple):
    """One instance as Nova tells it to an administrator."""

    uuid: str
    name: str
    status: str
    """ACTIVE, SHUTOFF, VERIFY_RESIZE, ... in capitals."""
    vm_state: str
    """active, stopped, resized, ... in small letters."""
    task_state: str
    """'' when Nova is doing nothing with it."""
    host: str
    """Service host name, or ''."""
    hypervisor_hostname: str
    flavor_name: str
    vcpus: int
    memory_mb: int
    disk_gb: int
    """As allocated: root (0 when booted from a volume) + ephemeral + swap rounded up."""
    project_id: str
    metadata: Mapping[str, str]
    locked: bool
    created_at: str
    domain_name: str
    pinned_zone: str
    extra_specs: Mapping[str, str]
    image_properties: Mapping[str, str]
    """As they were when it was made; none for one booted from a volume, or before 2.98."""
    hints: Mapping[str, Any]
    """Scheduler hints; none before 2.100."""
    volumes: tuple[str, ...]
    fault: str
    """Nova's own text about what went wrong last, or ''."""
    updated_at: int
    """When Nova last wrote it, whole seconds since the epoch."""

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> "Server":
        """From an entry of GET /servers/detail; KeyError when Nova left out what it must tell."""
        flavor = body["flavor"]
        # Before 2.96 Nova does not tell who asked for a zone: then nobody leaves theirs.
        zone = body.get("OS-EXT-AZ:availability_zone")
        root_gb = 0 if not body["image"] else flavor["disk"]
        return cls(
            uuid=body["id"],
            name=body["name"],
            status=body["status"],
            vm_state=body["OS-EXT-STS:vm_state"],
            task_state=body["OS-EXT-STS:task_state"] or "",
            host=body["OS-EXT-SRV-ATTR:host"] or "",
            hypervisor_hostname=body["OS-EXT-SRV-ATTR:hypervisor_hostname"] or "",
            flavor_name=flavor["original_name"],
            vcpus=flavor["vcpus"],
            memory_mb=flavor["ram"],
            disk_gb=root_gb + flavor["ephemeral"] - (-(flavor["swap"] or 0) // 1024),
            project_id=body["tenant_id"],
            metadata=body["metadata"],
            locked=body["locked"],
            created_at=body["created"],
            domain_name=body["OS-EXT-SRV-ATTR:instance_name"],
            pinned_zone=body.get("pinned_availability_zone", zone) or "",
            extra_specs=flavor.get("extra_specs", {}),
            image_properties=(body["image"] or {}).get("properties", {}),
            hints=body.get("scheduler_hints", {}),
            volumes=tuple(v["id"] for v in body.get("os-extended-volumes:volumes_attached", ())),
            fault=body.get("fault", {}).get("message", ""),
            updated_at=epoch_s(body["updated"]),
        )


class Hypervisor(NamedTuple):
    """One hypervisor; its uuid is also that of its resource provider in Placement."""

    uuid: str
    hostname: str
    """What the hypervisor calls itself; not the name actions use."""
    service_host: str
    type: str
    up: bool
    vcpus: int
    memory_mb: int
    disk_gb: int
    version: int = 0
    """Such as 8002000 for 8.2.0."""
    cpu: Cpu = Cpu()


class ComputeService(NamedTuple):
    """One nova-compute service."""

    uuid: str
    host: str
    zone: str
    enabled: bool
    up: bool
    disabled_reason: str


class Aggregate(NamedTuple):
    """One host aggregate; ``hosts`` are service host names."""

    id: int
    name: str
    zone: str
    hosts: tuple[str, ...]
    metadata: Mapping[str, str]


class Flavor(NamedTuple):
    """A size an instance may have; ``id`` is what a resize asks for."""

    id: str
    name: str


class Nova:
    """Typed calls; raises ServiceDown, NotFound, Conflict, Forbidden, Invalid.

    ``retries`` repeats a request that failed for a passing reason (default: [nova] http_retries).
    ``requests`` counts what was sent, by the first part of the path.
    """

    def __init__(self, clients: Clients, retries: Retrying | None = None) -> None:
        self._clients = clients
        self._retries = retries or retrying(*clients.nova_retries)
        self.requests: Counter[str] = Counter()

    def servers(self) -> Iterator[Server]:
        """Every instance of every project, a page of Nova's own size at a time.

        Left out are those of a cell that is down: Nova tells no more of them than their uuid.
        """
        for body in self._pages("servers/detail", "servers", all_tenants="1"):
            if "flavor" in body:
                yield _server(body)

    def server(self, uuid: str) -> Server:
        """One instance."""
        return _server(self._get(f"servers/{uuid}")["server"])

    def act(self, uuid: str, action: str) -> None:
        """Have Nova do something to a server, such as os-stop; the request is never repeated."""
        self.requests["servers"] += 1
        with translated("nova"):
            self._clients.compute.post(
                f"/servers/{uuid}/action",
                json={action: None},
                microversion=self._clients.nova_version,
                timeout=READ_TIMEOUT_S,
            )

    def flavor(self, id_or_name: str) -> Flavor:
        """A flavor, public or not, by its id or else by its name; NotFound when there is none."""
        named = None
        for body in self._pages("flavors", "flavors", is_public="None"):
            if body["id"] == id_or_name:
                return Flavor(body["id"], body["name"])
            if body["name"] == id_or_name:
                named = Flavor(body["id"], body["name"])
        if named is None:
            raise NotFound("Flavor", id_or_name)
        return named

    def uuids_on(self, host: str) -> set[str]:
        """The uuids of the instances on a host, by its service host name."""
        return {one["id"] for one in self._pages("servers", "servers", all_tenants="1", host=host)}

    def hypervisors(self) -> list[Hypervisor]:
        """Every hypervisor."""
        version = min(NEWEST_WITH_SIZES, self._newest)
        bodies = self._pages("os-hypervisors/detail", "hypervisors", version)
        return [
            Hypervisor(
                uuid=body["id"],
                hostname=body["hypervisor_hostname"],
                service_host=body["service"]["host"],
                type=body["hypervisor_type"],
                up=body["state"] == "up",
                vcpus=body["vcpus"],
                memory_mb=body["memory_mb"],
                disk_gb=body["local_gb"],
                version=body["hypervisor_version"] or 0,
                cpu=_cpu(body.get("cpu_info")),
            )
            for body in bodies
        ]

    def services(self) -> list[ComputeService]:
        """Every nova-compute service."""
        return self._services(binary="nova-compute")

    def service(self, host: str) -> ComputeService:
        """The nova-compute service of a host; NotFound when there is none."""
        for service in self._services(binary="nova-compute", host=host):
            return service
        raise NotFound("Compute service on host", host)

    def aggregates(self) -> list[Aggregate]:
        """Every host aggregate."""
        return [
            Aggregate(
                id=body["id"],
                name=body["name"],
                zone=body["availability_zone"] or "",
                hosts=tuple(body["hosts"]),
                metadata=body["metadata"],
            )
            for body in self._get("os-aggregates")["aggregates"]
        ]

    def server_groups(self) -> list[tuple[ServerGroup, tuple[str, ...]]]:
        """Every server group of every project, each with the uuids of its members."""
        found: dict[str, tuple[ServerGroup, tuple[str, ...]]] = {}
        while True:
            query = {"all_projects": "True", "offset": str(len(found))}
            page = self._get("os-server-groups", query)["server_groups"]
            if not page or page[0]["id"] in found:
                return list(found.values())
            found |= {body["id"]: (_group(body), tuple(body["members"])) for body in page}

    def disable_service(self, uuid: str, reason: str) -> None:
        """Take a compute service out of scheduling, with a reason people can read."""
        self._switch(uuid, {"status": "disabled", "disabled_reason": reason})

    def enable_service(self, uuid: str) -> None:
        """Give a compute service back to scheduling."""
        self._switch(uuid, {"status": "enabled"})

    def _switch(self, uuid: str, body: Mapping[str, str]) -> None:
        # Saying twice what the status is does no harm, so it may be repeated.
        self._send("PUT", f"os-services/{uuid}", self._clients.nova_version, json=body)

    def _services(self, **filters: str) -> list[ComputeService]:
        return [
            ComputeService(
                uuid=body.get("id", ""),  # not told when the cell is down
                host=body["host"],
                zone=body.get("zone") or "",
                enabled=body["status"] == "enabled",
                up=body.get("state") == "up" and not body.get("forced_down", False),
                disabled_reason=body.get("disabled_reason") or "",
            )
            for body in self._get("os-services", filters)["services"]
        ]

    @cached_property
    def _newest(self) -> tuple[int, int]:
        """The microversion to read with; one request, once."""

        def once() -> Any:
            self.requests["versions"] += 1
            with translated("nova"):
                return self._clients.compute.get_endpoint_data()

        data = self._retries(once)
        theirs = (data and data.max_microversion) or self._clients.nova_version
        major, minor = normalize_version_number(theirs)[:2]
        return min(NEWEST, (int(major), int(minor)))

    def _pages(
        self, path: str, key: str, version: tuple[int, int] | None = None, **query: str
    ) -> Iterator[Mapping[str, Any]]:
        while True:
            page = self._get(path, query, version)
            yield from page[key]
            if not page.get(f"{key}_links") or not page[key]:
                return
            # The link's own address may be one that only Nova's proxy knows; the marker is enough.
            query["marker"] = page[key][-1]["id"]

    def _get(
        self,
        path: str,
        query: Mapping[str, str] | None = None,
        version: tuple[int, int] | None = None,
    ) -> Any:
        major, minor = version or self._newest
        return self._send("GET", path, f"{major}.{minor}", params=query).json()

    def _send(self, method: str, path: str, microversion: str, **more: Any) -> Any:
        def once() -> Any:
            self.requests[path.partition("/")[0]] += 1
            with translated("nova"):
                return self._clients.compute.request(
                    f"/{path}", method, microversion=microversion, timeout=READ_TIMEOUT_S, **more
                )

        return self._retries(once)


def epoch_s(moment: str | None) -> int:
    """A moment as OpenStack writes it (ISO 8601, UTC) in whole seconds since the epoch, or 0."""
    if not moment:
        return 0
    found = datetime.fromisoformat(moment)
    return int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp())


def _server(body: Mapping[str, Any]) -> Server:
    try:
        return Server.of(body)
    except KeyError as error:
        raise Forbidden(
            f"Nova does not tell {error} of server {body['id']}; Watcher's user needs role admin"
        ) from error


def _cpu(info: Any) -> Cpu:
    """Of a hypervisor's cpu_info, which some drivers leave empty and old Novas write as text."""
    told = info if isinstance(info, Mapping) else {}
    arch, vendor, model = (str(told.get(name) or "") for name in ("arch", "vendor", "model"))
    return Cpu(arch, vendor, model, frozenset(map(str, told.get("features") or ())))


def _group(body: Mapping[str, Any]) -> ServerGroup:
    policies = [body["policy"]] if "policy" in body else body["policies"]
    rules = body.get("rules") or {}
    return ServerGroup(
        uuid=body["id"],
        policy=policies[0] if policies else "",
        max_per_host=int(rules.get("max_server_per_host", 1)),
    )
