# SPDX-License-Identifier: Apache-2.0
"""The compute side of the cloud, from Nova and Placement, as one immutable Cluster.

Everything is read in bulk: pages of servers, and one request per other kind. Placement alone must
be asked provider by provider; a provider is asked again only when its generation has changed.
"""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from typing import Any, ClassVar, NamedTuple, TypeVar

from oslo_config import cfg

from watcher.clients.nova import Aggregate, ComputeService, Hypervisor, Nova, Server
from watcher.clients.placement import Inventory, Placement, Provider
from watcher.clients.session import Clients, retrying
from watcher.config import Group
from watcher.core.cluster import Cluster, ServerGroup
from watcher.core.errors import ServiceDown, WatcherError
from watcher.core.records import HostRecord, InstanceRecord, assemble

T = TypeVar("T")
Inventories = Mapping[str, Inventory]
IRONIC = "ironic"
Groups = Sequence[tuple[ServerGroup, tuple[str, ...]]]

OPTIONS = Group(
    "collector",
    "Reading the cloud",
    [
        cfg.IntOpt(
            "api_query_max_retries",
            default=10,
            min=1,
            mutable=True,
            deprecated_name="api_call_retries",
            help="Tries of one request to another service.",
        ),
        cfg.IntOpt(
            "api_query_interval",
            default=1,
            min=0,
            mutable=True,
            deprecated_name="api_query_timeout",
            help="Seconds between tries.",
        ),
        cfg.IntOpt(
            "compute_resources_collector_timeout",
            default=600,
            min=30,
            mutable=True,
            help="Seconds after which reading the compute side is given up.",
        ),
    ],
)


class Raw(NamedTuple):
    """What was read, before it is put together."""

    servers: Sequence[Server]
    hypervisors: Sequence[Hypervisor]
    services: Sequence[ComputeService]
    aggregates: Sequence[Aggregate]
    groups: Groups
    inventories: Mapping[str, Inventories]
    """By provider uuid; a provider that could not be read is absent."""


class ComputeCollector:
    """Reads Nova and Placement; serves one thread at a time, and keeps inventories."""

    name: ClassVar[str] = "compute"

    def __init__(self, clients: Clients, conf: cfg.ConfigOpts) -> None:
        self._clients = clients
        self._conf = conf
        self._inventories: dict[str, tuple[int, Inventories]] = {}

    def collect(self) -> Cluster:
        """Read everything. Raises ServiceDown when the cloud does not answer in time.

        A host whose inventory cannot be read is ``known=False``; the others are as they are.
        """
        taken_at = time.time()
        with _Reading(self._clients, self._conf, self._inventories) as reading:
            raw = reading.raw()
            self._inventories = reading.inventories
        return put_together(raw, taken_at, reading.origin())


class _Reading:
    """One reading of the cloud: its threads, its deadline, its counts."""

    def __init__(
        self,
        clients: Clients,
        conf: cfg.ConfigOpts,
        known: Mapping[str, tuple[int, Inventories]],
    ) -> None:
        options = conf.collector
        self._limit_s = options.compute_resources_collector_timeout
        self._stop = threading.Event()
        retries = options.api_query_max_retries, options.api_query_interval, self._stop
        self._nova = Nova(clients, retrying(*retries))
        self._placement = Placement(clients, retrying(*retries))
        self._known = known
        self._seconds: dict[str, float] = {}
        self._unread: dict[str, str] = {}
        self._begun = time.monotonic()
        self._pool = ThreadPoolExecutor(
            conf.watcher_decision_engine.max_general_workers, "collector"
        )
        self.inventories: dict[str, tuple[int, Inventories]] = {}

    def __enter__(self) -> "_Reading":
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()  # ends waits between tries; a request under way ends by its own timeout
        self._pool.shutdown(wait=False, cancel_futures=True)

    def raw(self) -> Raw:
        """All kinds side by side; the providers' inventories as soon as their list is there."""
        nova = self._nova
        reads: dict[str, Callable[[], Any]] = {
            "servers": lambda: list(self._until_stop(nova.servers())),
            "providers": self._placement.providers,
            "hypervisors": nova.hypervisors,
            "services": nova.services,
            "aggregates": nova.aggregates,
            "server groups": nova.server_groups,
        }
        futures = {kind: self._pool.submit(self._timed, kind, reads[kind]) for kind in reads}
        # What has to be asked one by one is only what belongs to a host.
        self._wait([futures["providers"], futures["hypervisors"]])
        hosts = {one.uuid for one in futures["hypervisors"].result() if one.type != IRONIC}
        providers = [one for one in futures["providers"].result() if one.uuid in hosts]
        self._timed("inventories", lambda: self._read_inventories(providers))
        self._wait(futures.values())
        return Raw(
            servers=futures["servers"].result(),
            hypervisors=futures["hypervisors"].result(),
            services=futures["services"].result(),
            aggregates=futures["aggregates"].result(),
            groups=futures["server groups"].result(),
            inventories={uuid: found for uuid, (_, found) in self.inventories.items()},
        )

    def origin(self) -> dict[str, Any]:
        """Requests by kind, seconds by kind, and what could not be read with its reason."""
        return {
            "requests": dict(self._nova.requests + self._placement.requests),
            "seconds": {**self._seconds, "all": self._spent_s()},
            "unread": self._unread,
        }

    def _read_inventories(self, providers: Iterable[Provider]) -> None:
        asked: dict[str, Future[tuple[int, Inventories]]] = {}
        for provider in providers:
            known = self._known.get(provider.uuid)
            if known is not None and known[0] == provider.generation:
                self.inventories[provider.uuid] = known
            else:
                call = self._pool.submit(self._placement.inventories, provider.uuid)
                asked[provider.uuid] = call
        # Half the time is for these: a silent provider costs its host, not the model.
        wait(asked.values(), timeout=max(0.0, self._limit_s / 2 - self._spent_s()))
        for uuid, future in asked.items():
            try:
                self.inventories[uuid] = future.result(timeout=0)
            except TimeoutError:
                self._unread[uuid] = "Placement did not answer in time"
            except WatcherError as error:
                self._unread[uuid] = str(error)
        if asked and not self.inventories:
            raise ServiceDown(f"no inventory can be read: {next(iter(self._unread.values()))}")

    def _wait(self, futures: Iterable[Future[Any]]) -> None:
        """Until all are done, or the first fails (its error is raised), or the time is up."""
        left_s = max(0.0, self._limit_s - self._spent_s())
        done, pending = wait(futures, timeout=left_s, return_when=FIRST_EXCEPTION)
        for future in done:
            future.result()
        if pending:
            raise ServiceDown(
                f"Nova and Placement were not read within {self._limit_s} s"
                f" ({len(pending)} kinds still unread); see how busy they are, or raise"
                " [collector] compute_resources_collector_timeout"
            )

    def _spent_s(self) -> float:
        return time.monotonic() - self._begun

    def _timed(self, kind: str, read: Callable[[], T]) -> T:
        begun = time.monotonic()
        try:
            return read()
        finally:
            self._seconds[kind] = time.monotonic() - begun

    def _until_stop(self, items: Iterable[T]) -> Iterable[T]:
        for item in items:
            if self._stop.is_set():
                return
            yield item


def put_together(raw: Raw, taken_at: float, origin: Mapping[str, Any]) -> Cluster:
    """The cluster that these answers describe; hosts are matched by exact names and uuids."""
    services = {service.host: service for service in raw.services}
    aggregates = _aggregates_by_host(raw.aggregates)
    hosts = [
        _host(one, services.get(one.service_host), aggregates, raw.inventories.get(one.uuid))
        for one in raw.hypervisors
        if one.type != IRONIC
    ]
    group_of = {member: group.uuid for group, members in raw.groups for member in members}
    # A server that moved between two pages may be told twice; the later page is the newer truth.
    instances = {
        one.uuid: _instance(one, group_of.get(one.uuid, ""))
        for one in raw.servers
        if one.vm_state != "deleted"
    }
    groups = [group for group, _ in raw.groups]
    return assemble(hosts, list(instances.values()), groups, taken_at=taken_at, origin=origin)


def _aggregates_by_host(aggregates: Iterable[Aggregate]) -> dict[str, frozenset[str]]:
    found: defaultdict[str, set[str]] = defaultdict(set)
    for one in aggregates:
        for host in one.hosts:
            found[host] |= {one.name, f"#{one.id}"}
    return {host: frozenset(labels) for host, labels in found.items()}


def _host(
    one: Hypervisor,
    service: ComputeService | None,
    aggregates: Mapping[str, frozenset[str]],
    inventories: Inventories | None,
) -> HostRecord:
    """One host; Placement's numbers where it gave them, else the hypervisor's own."""
    given = inventories or {}
    vcpus = given.get("VCPU", Inventory(one.vcpus, 0, 1.0))
    memory = given.get("MEMORY_MB", Inventory(one.memory_mb, 0, 1.0))
    disk = given.get("DISK_GB", Inventory(one.disk_gb, 0, 1.0))
    return HostRecord(
        uuid=one.uuid,
        name=one.service_host,
        vcpus=vcpus.total,
        memory_mb=memory.total,
        disk_gb=disk.total,
        vcpus_reserved=vcpus.reserved,
        memory_mb_reserved=memory.reserved,
        disk_gb_reserved=disk.reserved,
        vcpus_ratio=vcpus.ratio,
        memory_ratio=memory.ratio,
        disk_ratio=disk.ratio,
        up=service is not None and service.up and one.up,
        enabled=service is not None and service.enabled,
        disabled_reason=service.disabled_reason if service else "",
        zone=service.zone if service else "",
        aggregates=aggregates.get(one.service_host, frozenset()),
        hypervisor_type=one.type,
        # A host that Placement gives no CPU or memory takes no instance: the scheduler says no.
        known=service is not None and {"VCPU", "MEMORY_MB"} <= given.keys(),
    )


def _instance(one: Server, group: str) -> InstanceRecord:
    return InstanceRecord(
        uuid=one.uuid,
        name=one.name,
        host=one.host,
        vcpus=one.vcpus,
        memory_mb=one.memory_mb,
        disk_gb=one.disk_gb,
        state=one.vm_state,
        project_id=one.project_id,
        metadata=one.metadata,
        locked=one.locked,
        pinned_zone=one.pinned_zone,
        extra_specs=one.extra_specs,
        created_at=one.created_at,
        task_state=one.task_state,
        domain_name=one.domain_name,
        group=group,
    )
