# SPDX-License-Identifier: Apache-2.0
"""Small clusters written in one line, random ones of any size, and drawn ones for laws.

::

    cluster = world().host("c1", vcpus=8).runs("vm1", vcpus=2).host("c2").cluster()
    cluster.instances.row_by_uuid[uuid("vm1")]

Uuids come from names, so a test can name what it means and every run sees the same rows.
"""

import random
from collections.abc import Sequence
from typing import Any
from uuid import NAMESPACE_DNS, uuid5

import numpy as np
from hypothesis import strategies as st

from watcher.core.cluster import Cluster, ServerGroup
from watcher.core.metrics import Coverage, Metric, Metrics, Query, Subject
from watcher.core.records import HostRecord, InstanceRecord, assemble


def uuid(name: str) -> str:
    """The uuid of everything called so in a test's world."""
    return str(uuid5(NAMESPACE_DNS, name))


def host_row(cluster: Cluster, name: str) -> int:
    """The row of a host by its name."""
    return cluster.hosts.row_by_name[name]


def instance_row(cluster: Cluster, name: str) -> int:
    """The row of an instance by its name in the world."""
    return cluster.instances.row_by_uuid[uuid(name)]


def host_record(name: str, **fields: Any) -> HostRecord:
    """A host of 8 vCPUs, 16 GiB and 200 GiB unless said otherwise."""
    given = {"vcpus": 8, "memory_mb": 16384, "disk_gb": 200, **fields}
    given["aggregates"] = frozenset(given.get("aggregates", ()))
    return HostRecord(uuid=uuid(name), name=name, **given)


def instance_record(name: str, host: str = "", **fields: Any) -> InstanceRecord:
    """An instance of 1 vCPU, 1 GiB and 10 GiB unless said otherwise; ``group`` is a name."""
    given = {"vcpus": 1, "memory_mb": 1024, "disk_gb": 10, **fields}
    if given.get("group"):
        given["group"] = uuid(given["group"])
    given.setdefault("domain_name", f"instance-{name}")
    return InstanceRecord(uuid=uuid(name), name=name, host=host, **given)


class World:
    """A cluster under construction: ``runs`` puts an instance on the host named last."""

    def __init__(self) -> None:
        self.hosts: list[HostRecord] = []
        self.instances: list[InstanceRecord] = []
        self.groups: list[ServerGroup] = []

    def host(self, name: str, **fields: Any) -> "World":
        """Add a host; fields as HostRecord."""
        self.hosts.append(host_record(name, **fields))
        return self

    def runs(self, name: str, **fields: Any) -> "World":
        """Add an instance on the host added last; fields as InstanceRecord."""
        self.instances.append(instance_record(name, self.hosts[-1].name, **fields))
        return self

    def unplaced(self, name: str, **fields: Any) -> "World":
        """Add an instance that is on no host."""
        self.instances.append(instance_record(name, **fields))
        return self

    def group(self, name: str, policy: str = "anti-affinity", max_per_host: int = 1) -> "World":
        """Add a server group; instances name it with ``group=``."""
        self.groups.append(ServerGroup(uuid(name), policy, max_per_host))
        return self

    def cluster(self, **about: Any) -> Cluster:
        """The cluster; ``about`` are taken_at, generation, origin."""
        return assemble(self.hosts, self.instances, self.groups, **about)


def world() -> World:
    """An empty world."""
    return World()


FLAVORS = tuple(
    (vcpus, memory_gb * 1024, disk_gb)
    for vcpus, memory_gb, disk_gb in [
        *((1, 2, 10), (1, 4, 10), (2, 4, 20), (2, 8, 20), (4, 8, 40), (4, 16, 40)),
        *((8, 16, 80), (8, 32, 80), (16, 32, 100), (16, 64, 100)),
    ]
)
SHAPES = ((32, 128), (48, 256), (64, 256), (64, 512), (96, 384), (128, 768))
"""(threads, GiB of memory) of the hosts of a random world, as in design/targets."""
STATES = ("active",) * 16 + ("stopped",) * 2 + ("paused", "suspended", "error")


def random_records(
    seed: int, hosts: int, instances: int
) -> tuple[list[HostRecord], list[InstanceRecord], list[ServerGroup]]:
    """What a collector would read from a cloud of this size; the same for the same seed.

    Hosts differ in size, some are disabled, down or unknown, in three zones and some aggregates;
    instances are of ten flavors, few are locked, grouped or not active, and every one is on a host
    that has room for it (one in a hundred hosts' worth finds none and is on no host).
    """
    chance = random.Random(seed)
    host_records = [_random_host(chance, number) for number in range(hosts)]
    groups = [
        ServerGroup(uuid(f"group{number}"), chance.choice(("affinity", "anti-affinity")))
        for number in range(instances // 100)
    ]
    free = [_capacity(record) for record in host_records]
    records = []
    for number in range(instances):
        size = chance.choices(FLAVORS, weights=(8, 8, 8, 8, 5, 5, 3, 3, 1, 1))[0]
        row = _random_place(chance, free, size)
        if row is not None:
            free[row] = [left - need for left, need in zip(free[row], size, strict=True)]
        place = "" if row is None else host_records[row].name
        records.append(_random_instance(chance, number, place, size))
    return host_records, records, groups


def _random_host(chance: random.Random, number: int) -> HostRecord:
    vcpus, memory_gb = chance.choice(SHAPES)
    rack = number // 20
    return host_record(
        f"host{number:05d}",
        vcpus=vcpus,
        memory_mb=memory_gb * 1024,
        disk_gb=vcpus * 100,
        vcpus_ratio=chance.choice((1.0, 2.0, 4.0)),
        memory_mb_reserved=2048,
        up=chance.random() > 0.01,
        enabled=chance.random() > 0.03,
        known=chance.random() > 0.01,
        zone=f"az{rack % 3 + 1}",
        aggregates={f"rack{rack}", f"#{rack + 1}"},
    )


def _capacity(record: HostRecord) -> list[int]:
    return [
        int((record.vcpus - record.vcpus_reserved) * record.vcpus_ratio),
        int((record.memory_mb - record.memory_mb_reserved) * record.memory_ratio),
        int((record.disk_gb - record.disk_gb_reserved) * record.disk_ratio),
    ]


def _random_place(
    chance: random.Random, free: Sequence[Sequence[int]], size: Sequence[int]
) -> int | None:
    for _ in range(20 if free else 0):
        row = chance.randrange(len(free))
        if all(left >= need for left, need in zip(free[row], size, strict=True)):
            return row
    return None


def _random_instance(
    chance: random.Random, number: int, host: str, size: Sequence[int]
) -> InstanceRecord:
    group = f"group{number // 100}" if number % 100 < 2 else ""
    return instance_record(
        f"vm{number:06d}",
        host,
        vcpus=size[0],
        memory_mb=size[1],
        disk_gb=size[2],
        state=chance.choice(STATES),
        project_id=uuid(f"project{number % 50}").replace("-", ""),
        metadata={"env": "prod"} if number % 7 == 0 else {},
        locked=number % 97 == 0,
        created_at=f"2026-01-{number % 28 + 1:02d}T00:00:00Z",
        group=group,
    )


def random_world(seed: int, hosts: int, instances: int) -> Cluster:
    """The cluster of ``random_records``."""
    return assemble(*random_records(seed, hosts, instances))


READ_OF_HOSTS = {
    Metric.HOST_OUTLET_TEMP: (20.0, 8.0, None),
    Metric.HOST_INLET_TEMP: (20.0, 0.0, None),
    Metric.HOST_POWER: (400.0, 20.0, 200.0),
    Metric.HOST_AIRFLOW: (100.0, 150.0, 700.0),
}
"""What is read of a host: without work, more for each thread in use; with broken fans, if that
makes a difference."""


def random_metrics(
    cluster: Cluster, queries: Sequence[Query], seed: int = 0, lost: float = 0.02
) -> Metrics:
    """An answer to each query: long-tailed instances, a part of them ``lost``, and their hosts.

    What is read of a host is what its instances make of it, so the columns agree: its CPU and
    memory use are sums, its temperatures, power and air flow rise with the threads in use. One
    host in seven has broken fans.
    """
    columns = {query: _column(cluster, query, seed, lost) for query in queries}
    for column in columns.values():
        column.flags.writeable = False
    coverage = {
        query: Coverage("random", int((~np.isnan(column)).sum()), len(column))
        for query, column in columns.items()
    }
    return Metrics(columns, coverage)


def _column(cluster: Cluster, query: Query, seed: int, part_lost: float) -> Any:
    chance = np.random.default_rng(seed)
    instances, hosts = cluster.instances, cluster.hosts
    cpu = 100 * chance.beta(1.2, 4.0, len(instances))
    resident_mb = instances.demand[:, 1] * chance.beta(4.0, 2.0, len(instances))
    lost = np.random.default_rng(seed + 1).random(len(instances)) < part_lost
    placed = instances.host >= 0
    if query.metric is Metric.INSTANCE_CPU_USAGE:
        return np.where(lost, np.nan, cpu)
    if query.metric is Metric.INSTANCE_RAM_USAGE:
        return np.where(lost, np.nan, resident_mb)
    if query.metric is Metric.HOST_CPU_USAGE:
        busy = (cpu / 100 * instances.demand[:, 0])[placed]
        carried = np.bincount(instances.host[placed], busy, minlength=len(hosts))
        return np.minimum(100.0, 2.0 + 100 * carried / hosts.total[:, 0])
    if query.metric in READ_OF_HOSTS:
        busy = (cpu / 100 * instances.demand[:, 0])[placed]
        carried = np.bincount(instances.host[placed], busy, minlength=len(hosts))
        base, slope, with_broken_fans = READ_OF_HOSTS[query.metric]
        broken = np.array([int(one[:8], 16) % 7 == 0 for one in hosts.uuid], dtype=np.bool_)
        broken &= with_broken_fans is not None
        return np.where(broken, with_broken_fans or 0.0, base + slope * carried)
    if query.metric is Metric.INSTANCE_CPU_STEAL:
        return np.where(lost, np.nan, 40 * chance.beta(0.5, 3.0, len(instances)))
    if query.metric is Metric.INSTANCE_L3_CACHE_USAGE:
        chance = np.random.default_rng(seed + query.period_s)
        return np.where(lost, np.nan, 2.0**25 * chance.random(len(instances)))
    if query.metric is Metric.HOST_RAM_USAGE:
        carried = np.bincount(instances.host[placed], resident_mb[placed], minlength=len(hosts))
        return 1024 * np.minimum(hosts.total[:, 1], 2048 + carried)
    size = len(hosts) if query.metric.subject is Subject.HOST else len(instances)
    return 20.0 + 30.0 * chance.random(size)


@st.composite
def worlds(
    draw: st.DrawFn, max_hosts: int = 6, max_instances: int = 18, min_hosts: int = 0
) -> Cluster:
    """Any small cluster whose hosts are not over their capacity; shrinks to the empty one."""
    built = World()
    flag = st.sampled_from((True, True, True, False))
    for number in range(draw(st.integers(min_hosts, max_hosts))):
        built.host(
            f"c{number}",
            vcpus=draw(st.sampled_from((8, 4, 16))),
            memory_mb=draw(st.sampled_from((8192, 4096, 16384))),
            vcpus_ratio=draw(st.sampled_from((1.0, 2.0, 1.5))),
            up=draw(flag),
            enabled=draw(flag),
            known=draw(flag),
            zone=draw(st.sampled_from(("az1", "az2"))),
            aggregates=draw(st.frozensets(st.sampled_from(("ssd", "#1")))),
        )
    policies = ("affinity", "anti-affinity", "soft-affinity", "soft-anti-affinity")
    for number in range(draw(st.integers(0, 2))):
        built.group(f"g{number}", draw(st.sampled_from(policies)))
    free = [_capacity(record) for record in built.hosts]
    for number in range(draw(st.integers(0, max_instances))):
        built.instances.append(draw(_drawn_instances(number, built, free)))
    return built.cluster()


@st.composite
def _drawn_instances(
    draw: st.DrawFn, number: int, built: World, free: list[list[int]]
) -> InstanceRecord:
    size = draw(st.sampled_from(((1, 1024, 10), (2, 2048, 20), (4, 1024, 0), (1, 4096, 0))))
    row = draw(st.integers(0, len(free) - 1)) if free else None
    if row is not None:
        left = [have - need for have, need in zip(free[row], size, strict=True)]
        if min(left) >= 0:
            free[row] = left
        else:
            row = None
    groups = ["", *(f"g{index}" for index in range(len(built.groups)))]
    return instance_record(
        f"vm{number}",
        "" if row is None else built.hosts[row].name,
        vcpus=size[0],
        memory_mb=size[1],
        disk_gb=size[2],
        state=draw(st.sampled_from(("active", "active", "stopped", "paused", "error"))),
        locked=draw(st.sampled_from((False, False, False, True))),
        metadata=draw(st.sampled_from(({}, {"env": "prod"}))),
        project_id=draw(st.sampled_from(("p1", "p2"))),
        pinned_zone=draw(st.sampled_from(("", "", "az1"))),
        group=draw(st.sampled_from(groups)),
    )
