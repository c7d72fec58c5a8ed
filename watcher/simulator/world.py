# SPDX-License-Identifier: Apache-2.0
"""What the simulated cloud is made of, as plain values.

A :class:`World` is changed in place by :mod:`watcher.simulator.migrations` and by the services;
whoever does so holds the lock of :class:`watcher.simulator.web.Cloud`.
"""

import uuid
from dataclasses import dataclass, field
from typing import NamedTuple

RESOURCE_CLASSES = ("VCPU", "MEMORY_MB", "DISK_GB")


class Resources(NamedTuple):
    """An amount of what Placement counts."""

    vcpus: int
    ram_mb: int
    disk_gb: int


@dataclass(frozen=True, slots=True)
class Flavor:
    """A size of servers (https://docs.openstack.org/api-ref/compute/#flavors)."""

    id: str
    name: str
    vcpus: int
    ram_mb: int
    disk_gb: int
    ephemeral_gb: int = 0
    swap_mb: int = 0
    extra_specs: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Host:
    """A hypervisor with its nova-compute service and its resource provider.

    ``name`` is the service host (what actions use); the hypervisor and the provider carry
    ``hypervisor_hostname``, which differs on purpose: clients must not mix them up.

    :ivar overhead_vcpus: threads' worth of CPU that the host itself uses
    :ivar generation: of the resource provider: counts the changes of ``consumers``
    :ivar consumers: what is allocated here, by uuid of the server or of its migration
    """

    name: str
    uuid: str
    service_uuid: str
    zone: str
    total: Resources
    reserved: Resources
    ratios: tuple[float, float, float]
    ip: str
    overhead_vcpus: float
    enabled: bool = True
    disabled_reason: str | None = None
    up: bool = True
    forced_down: bool = False
    hypervisor_version: int = 8_002_000
    cpu_model: str = "Broadwell-IBRS"
    cpu_features: frozenset[str] = frozenset()
    traits: frozenset[str] = frozenset({"COMPUTE_NODE", "HW_CPU_X86_AVX2", "HW_CPU_X86_VMX"})
    generation: int = 0
    consumers: dict[str, Resources] = field(default_factory=dict)

    @property
    def hypervisor_hostname(self) -> str:
        """The name libvirt gives the machine."""
        return f"{self.name}.sim.example"

    @property
    def alive(self) -> bool:
        """Nova sees the service as up."""
        return self.up and not self.forced_down

    @property
    def used(self) -> Resources:
        """What is allocated here, by servers and by moves in flight."""
        held = self.consumers.values()
        return Resources(
            sum(one[0] for one in held), sum(one[1] for one in held), sum(one[2] for one in held)
        )

    @property
    def capacity(self) -> Resources:
        """What may be allocated: (total - reserved) x allocation ratio, rounded down."""
        return Resources(
            *(
                int((total - reserved) * ratio)
                for total, reserved, ratio in zip(
                    self.total, self.reserved, self.ratios, strict=True
                )
            )
        )


@dataclass(slots=True)
class Server:
    """An instance. Loads are those it has while it runs.

    :ivar cpu_percent: mean use of its own vcpus, 0..100
    :ivar ram_percent: resident part of its flavor's memory, 0..100
    """

    uuid: str
    number: int
    name: str
    project_id: str
    user_id: str
    flavor: Flavor
    host: str
    created: float
    updated: float
    cpu_percent: float
    ram_percent: float
    vm_state: str = "active"
    task_state: str | None = None
    locked: bool = False
    volumes: tuple[str, ...] = ()
    image_id: str = ""
    pinned_zone: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    fault: str | None = None
    image_properties: dict[str, str] = field(default_factory=dict)
    hints: dict[str, object] = field(default_factory=dict)

    @property
    def instance_name(self) -> str:
        """libvirt's domain name."""
        return f"instance-{self.number:08x}"

    @property
    def cpu_load_percent(self) -> float:
        """Use of its vcpus in its present state."""
        return self.cpu_percent if self.vm_state in ("active", "resized") else 0.0

    @property
    def rss_mb(self) -> float:
        """Memory resident on the host in its present state, MiB."""
        running = self.vm_state in ("active", "paused", "resized")
        return self.flavor.ram_mb * self.ram_percent / 100 if running else 0.0

    def needs(self, flavor: Flavor | None = None) -> Resources:
        """What it allocates, as it is or with another flavor.

        A server booted from a volume has its root disk elsewhere.
        """
        size = flavor or self.flavor
        root_gb = 0 if self.volumes else size.disk_gb
        swap_gb = -(-size.swap_mb // 1024)
        return Resources(size.vcpus, size.ram_mb, root_gb + size.ephemeral_gb + swap_gb)


@dataclass(slots=True)
class Aggregate:
    """A host aggregate; one with ``availability_zone`` in its metadata makes a zone."""

    id: int
    uuid: str
    name: str
    hosts: list[str]
    metadata: dict[str, str]


@dataclass(slots=True)
class Group:
    """A server group: affinity, anti-affinity or their soft forms."""

    id: str
    name: str
    policy: str
    members: list[str]
    project_id: str
    max_server_per_host: int = 1


@dataclass(frozen=True, slots=True)
class Project:
    """A project of the default domain."""

    id: str
    name: str


@dataclass(slots=True)
class Migration:
    """One move of one server, as Nova's migration records tell it.

    :ivar seconds: wall seconds from its start to its end
    :ivar outcome: ``completed``, or what a test wants instead (:mod:`watcher.simulator.faults`)
    :ivar was: vm_state before, to which the server returns
    """

    id: int
    uuid: str
    server: Server
    kind: str
    source: str
    dest: str | None
    status: str
    created: float
    updated: float
    seconds: float
    old_flavor: Flavor
    new_flavor: Flavor
    user_id: str
    project_id: str
    action: "Action"
    outcome: str = "completed"
    error: str = ""
    was: str = "active"
    forced: bool = False
    started: float | None = None


@dataclass(slots=True)
class Action:
    """A server action of one request (os-instance-actions), with its one event."""

    request_id: str
    server_uuid: str
    action: str
    event: str
    user_id: str
    project_id: str
    start: float
    updated: float
    message: str | None = None
    result: str | None = None
    details: str | None = None


@dataclass(slots=True)
class World:
    """The whole cloud.

    :ivar hosts: by name; ``servers`` by uuid, ``flavors`` by id
    :ivar migrations: every record, oldest first; ``active`` moves that have not ended, by id, with
        those ``requested`` of which there is no record yet
    :ivar actions: of each server, oldest first
    :ivar events: a heap of what is due when (:mod:`watcher.simulator.migrations`)
    """

    seed: int
    hosts: dict[str, Host]
    servers: dict[str, Server]
    flavors: dict[str, Flavor]
    aggregates: list[Aggregate]
    groups: list[Group]
    projects: list[Project]
    migrations: list[Migration] = field(default_factory=list)
    active: dict[int, Migration] = field(default_factory=dict)
    actions: dict[str, list[Action]] = field(default_factory=dict)
    events: list[tuple[float, int, str, "Server", Migration | None]] = field(default_factory=list)
    max_live_migrations_per_host: int = 1
    _counter: int = 0

    def count(self) -> int:
        """The next of a row of numbers, for ids of what is made at run time."""
        self._counter += 1
        return self._counter

    def new_uuid(self) -> str:
        """A uuid that depends on the seed and on what was made before, nothing else."""
        return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{self.seed}/{self.count()}"))

    def group_of(self, server_uuid: str) -> Group | None:
        """The server group a server is in."""
        return next((group for group in self.groups if server_uuid in group.members), None)

    def group_members_elsewhere(self, group: Group, server_uuid: str) -> list[Server]:
        """The living members of a group but one."""
        others = (self.servers.get(uuid) for uuid in group.members if uuid != server_uuid)
        return [one for one in others if one is not None and one.vm_state != "deleted"]

    def metadata_of(self, host: str) -> dict[str, set[str]]:
        """The metadata of all aggregates a host is in: key -> words, lists taken apart."""
        found: dict[str, set[str]] = {}
        for aggregate in self.aggregates:
            if host in aggregate.hosts:
                for key, text in aggregate.metadata.items():
                    found.setdefault(key, set()).update(map(str.strip, text.split(",")))
        return found

    def claim(self, host: str, consumer: str, amount: Resources) -> None:
        """Allocate on a host."""
        self.hosts[host].consumers[consumer] = amount
        self.hosts[host].generation += 1

    def release(self, host: str, consumer: str) -> None:
        """Give up an allocation, if there is one."""
        if self.hosts[host].consumers.pop(consumer, None):
            self.hosts[host].generation += 1
