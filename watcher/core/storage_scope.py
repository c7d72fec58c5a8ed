# SPDX-License-Identifier: Apache-2.0
"""The part of an audit scope that is about pools, volumes and machines; and the scope's words.

The rules are those of contract rest-api §22.2 and §22.3, with the meaning that compute rules have:
included zones and volume types are united, what is excluded is out whatever includes it, a scope
that matches nothing is an empty scope, and names that match nothing are noted, never an error.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from watcher.core.baremetal import Machines
from watcher.core.cluster import Bools, Cluster, Words
from watcher.core.storage import Storage

Rules = Sequence[Mapping[str, Any]]


def apply(cluster: Cluster, blocks: Mapping[str, Rules], notes: list[str]) -> Cluster:
    """Mark pools, volumes and machines by the scope's storage and baremetal blocks.

    Pools and machines outside get ``in_scope`` False; volumes on such pools and those that the
    scope excludes get ``excluded`` True and still take room. What a person should know is added to
    ``notes``.
    """
    storage, machines = cluster.storage, cluster.baremetal
    for kind, part, what in (
        ("storage", storage, "pools and volumes are"),
        ("baremetal", machines, "machines are"),
    ):
        if kind in blocks and part is None:
            notes.append(f"the scope's {kind} block has no effect: {what} not looked at")
    if storage is not None and blocks.get("storage"):
        storage = _storage(storage, blocks["storage"], notes)
    if machines is not None and blocks.get("baremetal"):
        machines = _machines(machines, blocks["baremetal"], notes)
    if storage is cluster.storage and machines is cluster.baremetal:
        return cluster
    return replace(cluster, storage=storage, baremetal=machines)


def _storage(storage: Storage, rules: Rules, notes: list[str]) -> Storage:
    pools, volumes = storage.pools, storage.volumes
    excludes = list(entries(rules, "exclude"))
    out = {item["name"] for item in entries(excludes, "storage_pools")}
    note_unknown(notes, "storage pool", out - pools.row_by_name.keys())
    in_scope = pools.in_scope & _included(storage, rules, notes)
    in_scope &= ~mask(name in out for name in pools.name)
    if not in_scope.any():
        notes.append("the scope matches no storage pool: no volume can be moved")
    uuids = {item["uuid"].lower() for item in entries(excludes, "volumes")}
    note_unknown(notes, "volume", uuids - volumes.row_by_uuid.keys())
    projects = {item["uuid"] for item in entries(excludes, "projects")}
    excluded = volumes.excluded | mask(uuid in uuids for uuid in volumes.uuid)
    excluded |= projects_among(volumes.project_id, projects, notes)
    # NO_POOL is -1, so it picks the appended True: what is on no pool is outside of none.
    excluded |= ~np.append(in_scope, True)[volumes.pool]
    return storage.with_pools(in_scope=in_scope).with_volumes(excluded=excluded)


def _included(storage: Storage, rules: Rules, notes: list[str]) -> Bools:
    zones = {item["name"] for item in entries(rules, "availability_zones")}
    types = {item["name"] for item in entries(rules, "volume_types")}
    everything = np.ones(len(storage.pools), dtype=np.bool_)
    if (not zones and not types) or "*" in zones | types:
        return everything
    note_unknown(notes, "availability zone", zones - set(storage.pools.zone))
    note_unknown(notes, "volume type", types - storage.type_index.keys())
    known = [storage.type_index[name] for name in types & storage.type_index.keys()]
    served = np.asarray(storage.serves[known].any(axis=0), dtype=np.bool_)
    return served | mask(zone in zones for zone in storage.pools.zone)


def _machines(machines: Machines, rules: Rules, notes: list[str]) -> Machines:
    excludes = list(entries(rules, "exclude"))
    uuids = {item["uuid"].lower() for item in entries(excludes, "ironic_nodes")}
    note_unknown(notes, "bare metal node", uuids - set(machines.uuid))
    return machines.with_scope(machines.in_scope & ~mask(uuid in uuids for uuid in machines.uuid))


def projects_among(owners: Words, projects: Iterable[str], notes: list[str]) -> Bools:
    """The rows whose project is one of these; Keystone writes its ids without hyphens."""
    wanted = {uuid.lower().replace("-", "") for uuid in projects}
    if not wanted:
        return np.zeros(len(owners), dtype=np.bool_)
    plain = {project: project.lower().replace("-", "") for project in set(owners)}
    note_unknown(notes, "project", wanted - set(plain.values()))
    return mask(plain[project] in wanted for project in owners)


def entries(rules: Iterable[Mapping[str, Any]], key: str) -> Iterator[Mapping[str, Any]]:
    """What all rules together list under a key."""
    return (item for rule in rules for item in rule.get(key, ()))


def mask(claims: Iterable[bool]) -> Bools:
    """A column of truth values."""
    return np.fromiter(claims, dtype=np.bool_)


def note_unknown(notes: list[str], kind: str, names: Iterable[str]) -> None:
    """Note which names of a scope match nothing, at most three of them by name."""
    unknown = sorted(names)
    if unknown:
        more = f" and {len(unknown) - 3} more" if len(unknown) > 3 else ""
        notes.append(f"the scope names an unknown {kind}: {', '.join(unknown[:3])}{more}")
