# SPDX-License-Identifier: Apache-2.0
"""A snapshot that may be shown to others: names and uuids replaced, the same by the same.

What replaces a name depends on the name and a salt only, so that two snapshots masked with one
salt can be compared, and nobody without it can try names out. The new uuids are in the order of
the old ones, by which strategies decide ties: a plan comes out as before. Kept are what Nova's and
Cinder's rules compare (traits, extra specs, image properties they read, metadata of aggregates but
for the projects and flavors in them, capabilities that a volume type asks for), numbers, states
and times.
"""

import hashlib
import hmac
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import numpy as np

from watcher.core.baremetal import MachineRecord, Machines, assemble_machines, machine_records
from watcher.core.cluster import Cluster
from watcher.core.records import (
    HostRecord,
    InstanceRecord,
    assemble,
    host_records,
    instance_records,
)
from watcher.core.snapshot import Snapshot
from watcher.core.solution import OUR_REASONS
from watcher.core.storage import (
    PoolRecord,
    Storage,
    VolumeRecord,
    VolumeType,
    assemble_storage,
    pool_records,
    volume_records,
)

READ_METADATA = frozenset({"optimize", "watcher-priority"})
"""The keys of instances' metadata that strategies read."""
_READ_PROPERTIES = ("hw_", "img_hv_", "trait:")
_READ_PROPERTY_NAMES = frozenset(
    {
        *("os_secure_boot", "hypervisor_version_requires"),
        *("architecture", "hypervisor_type", "vm_mode"),
    }
)
_OWNERS, _FLAVORS = "filter_tenant_id", "instance_type"
WHY = "no data source measured it"


class Masks:
    """What names become. The empty name stays empty."""

    def __init__(self, salt: str, uuids: Iterable[str] = ()) -> None:
        self._key = salt.encode()
        self._known: dict[tuple[str, str], str] = {}
        old = sorted({*uuids} - {""})
        self._uuids = dict(zip(old, sorted(map(self._any_uuid, old)), strict=True))

    def uuid(self, text: str) -> str:
        """Another uuid; for those that were told of at the beginning, in their order."""
        return text and (self._uuids.get(text) or self._any_uuid(text))

    def _any_uuid(self, text: str) -> str:
        return str(UUID(bytes=self._digest("uuid", text)[:16], version=4))

    def name(self, kind: str, text: str) -> str:
        """``kind-`` and 12 hexadecimal digits; one in a hundred million of 100,000 are alike."""
        if not text:
            return ""
        key = kind, text
        if key not in self._known:
            self._known[key] = f"{kind}-{self._digest(*key).hex()[:12]}"
        return self._known[key]

    def pool(self, text: str) -> str:
        """The name of a pool, ``host@backend#pool``, or one of its parts, part by part."""
        front, sharp, pool = text.rpartition("#")
        host, at, backend = front.partition("@")
        parts = self.name("host", host) + at + self.name("backend", backend)
        return parts + sharp + self.name("pool", pool)

    def words(self, value: Any) -> Any:
        """All texts within a value; keys of objects stay."""
        if isinstance(value, str):
            return self.name("word", value)
        if isinstance(value, Mapping):
            return {key: self.words(one) for key, one in value.items()}
        if isinstance(value, list | tuple):
            return [self.words(one) for one in value]
        return value

    def _digest(self, kind: str, text: str) -> bytes:
        return hmac.digest(self._key, f"{kind}\0{text}".encode(), hashlib.sha256)


def masked(snapshot: Snapshot, salt: str) -> Snapshot:
    """The snapshot for others. The same salt gives the same names."""
    cluster = snapshot.cluster
    masks = Masks(salt, _uuids(cluster))
    hosts = host_records(cluster, np.arange(len(cluster.hosts)))
    instances = instance_records(cluster, np.arange(len(cluster.instances)))
    compared = frozenset[str]().union(*(one.aggregate_metadata for one in hosts))
    anonymous = assemble(
        [_host(masks, one) for one in hosts],
        [_instance(masks, one, compared) for one in instances],
        [one._replace(uuid=masks.uuid(one.uuid)) for one in cluster.groups],
        filters=cluster.filters,
        traits=cluster.traits,
        taken_at=cluster.taken_at,
        generation=cluster.generation,
    )
    storage = cluster.storage and _storage(masks, cluster.storage)
    known = frozenset(cluster.hosts.uuid)
    machines = cluster.baremetal and _machines(masks, cluster.baremetal, known)
    return replace(
        snapshot,
        cluster=replace(anonymous, storage=storage, baremetal=machines),
        answers=[replace(one, why=WHY) if one.why else one for one in snapshot.answers],
        settings=_settings(masks, snapshot.settings),
        anonymised=True,
        notes=(),
    )


def _uuids(cluster: Cluster) -> Iterator[str]:
    """Those that rows are sorted by."""
    yield from cluster.hosts.uuid
    yield from cluster.instances.uuid
    yield from (group.uuid for group in cluster.groups)
    if cluster.storage is not None:
        yield from cluster.storage.volumes.uuid
    if cluster.baremetal is not None:
        yield from cluster.baremetal.uuid


def _host(masks: Masks, one: HostRecord) -> HostRecord:
    reason = one.disabled_reason
    told = reason.startswith(OUR_REASONS) and reason.replace("_", "").isalpha()
    return one._replace(
        uuid=masks.uuid(one.uuid),
        name=masks.name("host", one.name),
        disabled_reason=reason if told else masks.name("reason", reason),
        zone=masks.name("zone", one.zone),
        aggregates=frozenset(
            name if name[:1] == "#" else masks.name("aggregate", name) for name in one.aggregates
        ),
        aggregate_metadata={
            key: _aggregate(masks, key, values) for key, values in one.aggregate_metadata.items()
        },
    )


def _aggregate(masks: Masks, key: str, values: Iterable[str]) -> frozenset[str]:
    kinds = {_OWNERS: "project", _FLAVORS: "flavor"}
    kind = next((kind for start, kind in kinds.items() if key.startswith(start)), None)
    if kind is None:
        return frozenset(values)
    words = ([word.strip() for word in text.split(",")] for text in values)
    return frozenset(",".join(masks.name(kind, word) for word in each) for each in words)


def _instance(masks: Masks, one: InstanceRecord, compared: frozenset[str]) -> InstanceRecord:
    return one._replace(
        uuid=masks.uuid(one.uuid),
        name=masks.name("instance", one.name),
        host=masks.name("host", one.host),
        project_id=masks.name("project", one.project_id),
        metadata=_metadata(masks, one.metadata),
        pinned_zone=masks.name("zone", one.pinned_zone),
        flavor=masks.name("flavor", one.flavor),
        image_properties={
            key: value
            for key, value in one.image_properties.items()
            if key.startswith(_READ_PROPERTIES) or key in _READ_PROPERTY_NAMES | compared
        },
        hints=masks.words(one.hints),
        domain_name=masks.name("domain", one.domain_name),
        group=masks.uuid(one.group),
    )


def _metadata(masks: Masks, metadata: Mapping[str, str]) -> dict[str, str]:
    return {
        key if key in READ_METADATA else masks.name("key", key): (
            value if key in READ_METADATA else masks.words(value)
        )
        for key, value in metadata.items()
    }


def _storage(masks: Masks, storage: Storage) -> Storage:
    wanted = {
        key.removeprefix("capabilities:") for one in storage.types for key in one.extra_specs
    }
    read = {key.partition(":")[0] for key in wanted}
    volumes = volume_records(storage, np.arange(len(storage.volumes)))
    types = [
        VolumeType(masks.name("type", one.name), masks.uuid(one.uuid), one.extra_specs)
        for one in storage.types
    ]
    return assemble_storage(
        [_pool(masks, one, read) for one in pool_records(storage)],
        [_volume(masks, one) for one in volumes],
        types,
        taken_at=storage.taken_at,
    )


def _pool(masks: Masks, one: PoolRecord, read: set[str]) -> PoolRecord:
    return one._replace(
        name=masks.pool(one.name),
        capabilities={key: value for key, value in one.capabilities.items() if key in read},
        zone=masks.name("zone", one.zone),
    )


def _volume(masks: Masks, one: VolumeRecord) -> VolumeRecord:
    return one._replace(
        uuid=masks.uuid(one.uuid),
        name=masks.name("volume", one.name),
        pool=masks.pool(one.pool),
        volume_type=masks.name("type", one.volume_type),
        project_id=masks.name("project", one.project_id),
        servers=tuple(masks.uuid(server) for server in one.servers),
        zone=masks.name("zone", one.zone),
    )


def _machines(masks: Masks, machines: Machines, hosts: frozenset[str]) -> Machines:
    def named(text: str) -> str:
        return masks.uuid(text) if text in hosts else masks.name("host", text)

    def one(record: MachineRecord) -> MachineRecord:
        return record._replace(
            uuid=masks.uuid(record.uuid),
            name=named(record.name),
            maintenance_reason=masks.name("reason", record.maintenance_reason),
            compute_node=named(record.compute_node),
        )

    return assemble_machines(
        [one(record) for record in machine_records(machines)], taken_at=machines.taken_at
    )


_NAMING: Mapping[tuple[str, str], Callable[[Masks, Sequence[str]], list[str]]] = {
    ("watcher_strategies.storage_capacity_balance", "ex_pools"): lambda masks, names: [
        masks.pool(name) for name in names
    ],
}
"""The options that name something of the cloud, and how their values are masked."""


def _settings(masks: Masks, settings: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {
        group: {
            name: _NAMING[group, name](masks, value) if (group, name) in _NAMING else value
            for name, value in options.items()
        }
        for group, options in settings.items()
    }
