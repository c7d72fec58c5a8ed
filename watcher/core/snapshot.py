# SPDX-License-Identifier: Apache-2.0
"""What a cloud was like at a moment, and what was measured of it: all that a strategy is given.

A value that can be cut down to a scope, or to what others may see (``watcher.core.masking``), and
kept in a file (``watcher.decision_engine.snapshot_file``).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from watcher.core import scope
from watcher.core.baremetal import Machines, assemble_machines, machine_records
from watcher.core.cluster import Bools, Cluster, Floats, Ints, frozen
from watcher.core.metrics import Query, Subject
from watcher.core.records import assemble, host_records, instance_records
from watcher.core.storage import Storage, assemble_storage, pool_records, volume_records

Settings = Mapping[str, Mapping[str, Any]]
"""Group -> option -> value."""


@dataclass(frozen=True, eq=False)
class Answer:
    """What a data source said to a query, or ``why`` none said anything.

    ``strategy`` is set where a strategy has an order of data sources of its own: the answer is for
    it only. ``column`` has one entry per host or instance, as the query's subject.
    """

    query: Query
    column: Floats | None = None
    source: str = ""
    newest_age_s: float | None = None
    strategy: str | None = None
    why: str = ""


@dataclass(frozen=True, eq=False)
class Snapshot:
    """The cluster, the answers, and the options of the cloud's Watcher that decide upon plans.

    ``made_at`` is in seconds since the epoch; ``notes`` say what could not be read, and why.
    """

    cluster: Cluster
    answers: Sequence[Answer] = ()
    settings: Settings = field(default_factory=dict)
    made_at: float = 0.0
    anonymised: bool = False
    notes: tuple[str, ...] = ()


def arranged(answers: Sequence[Answer], hosts: Ints, instances: Ints) -> list[Answer]:
    """The answers about these rows, in this order."""
    rows = {Subject.HOST: hosts, Subject.INSTANCE: instances}
    return [
        one
        if one.column is None
        else replace(one, column=frozen(one.column[rows[one.query.metric.subject]]))
        for one in answers
    ]


def within(snapshot: Snapshot, rules: Sequence[Mapping[str, Any]]) -> Snapshot:
    """What of a snapshot an audit's scope is about; ``rules`` are those of ``check_scope``.

    Hosts out of scope are left out with the instances on them, and so are pools, volumes and
    machines. What the scope excludes of the rest stays: it takes its room. Notes tell what the
    scope names and the cloud does not have.
    """
    cluster, notes = scope.apply(snapshot.cluster, rules)
    hosts = cluster.hosts.in_scope
    instances = np.append(hosts, True)[cluster.instances.host]  # the last for UNPLACED, -1
    rows = np.flatnonzero(hosts), np.flatnonzero(instances)
    cut = assemble(
        host_records(cluster, rows[0]),
        instance_records(cluster, rows[1]),
        cluster.groups,
        filters=cluster.filters,
        traits=cluster.traits,
        taken_at=cluster.taken_at,
        generation=cluster.generation,
        origin=cluster.origin,
    )
    storage = None if cluster.storage is None else _storage(cluster.storage)
    machines = None if cluster.baremetal is None else _machines(cluster.baremetal)
    return replace(
        snapshot,
        cluster=replace(cut, storage=storage, baremetal=machines),
        answers=arranged(snapshot.answers, *rows),
        notes=(*snapshot.notes, *notes),
    )


def _storage(storage: Storage) -> Storage:
    pools: Bools = storage.pools.in_scope
    volumes = np.flatnonzero(np.append(pools, True)[storage.volumes.pool])
    return assemble_storage(
        [one for one, kept in zip(pool_records(storage), pools, strict=True) if kept],
        volume_records(storage, volumes),
        storage.types,
        taken_at=storage.taken_at,
        origin=storage.origin,
    )


def _machines(machines: Machines) -> Machines:
    records = zip(machine_records(machines), machines.in_scope, strict=True)
    return assemble_machines(
        [one for one, kept in records if kept], taken_at=machines.taken_at, origin=machines.origin
    )
