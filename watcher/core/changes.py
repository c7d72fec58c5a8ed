# SPDX-License-Identifier: Apache-2.0
"""News of the cloud, applied to a snapshot as one batch: a new snapshot that shares the rest.

Fields have the names and units of the records of ``watcher.core.records``. News of something that
the snapshot does not know is passed over; the next collection brings it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, NamedTuple, TypeVar

import numpy as np

from watcher.core.cluster import UNPLACED, Cluster, Hosts, Instances, Ints, Words, frozen, words
from watcher.core.records import (
    HostRecord,
    InstanceRecord,
    host_columns,
    host_record,
    instance_columns,
    instance_record,
)


class HostAdded(NamedTuple):
    """A host that is new, or read again completely."""

    record: HostRecord


class HostChanged(NamedTuple):
    """Fields of a host that are different now, such as ``{"enabled": False}``."""

    name: str
    fields: Mapping[str, Any]


class HostRemoved(NamedTuple):
    """A host that is gone; its instances are on no host."""

    name: str


class InstanceAdded(NamedTuple):
    """An instance that is new, or read again completely."""

    record: InstanceRecord


class InstanceChanged(NamedTuple):
    """Fields of an instance that are different now; ``{"host": "c2"}`` is a move."""

    uuid: str
    fields: Mapping[str, Any]


class InstanceRemoved(NamedTuple):
    """An instance that is gone."""

    uuid: str


HostChange = HostAdded | HostChanged | HostRemoved
InstanceChange = InstanceAdded | InstanceChanged | InstanceRemoved
Change = HostChange | InstanceChange
Table = TypeVar("Table", Hosts, Instances)

_SCOPE = frozenset({"in_scope", "excluded", "resting"})
"""Columns that an audit sets: records do not have them, changes keep them."""


def apply(cluster: Cluster, changes: Sequence[Change]) -> Cluster:
    """The cluster after these changes, in order; of one resource the last word counts.

    Columns without a change are shared with the old cluster. The generation grows by one.
    """
    hosts = _hosts(cluster, [one for one in changes if isinstance(one, HostChange)])
    instances = cluster.instances
    if hosts.uuid is not cluster.hosts.uuid:
        rows = np.append(_rows(hosts.uuid, cluster.hosts.uuid), UNPLACED)
        instances = replace(instances, host=frozen(rows[instances.host]))
    news = [one for one in changes if isinstance(one, InstanceChange)]
    instances = _instances(cluster, instances, hosts, news)
    return replace(cluster, hosts=hosts, instances=instances, generation=cluster.generation + 1)


def _hosts(cluster: Cluster, changes: Sequence[HostChange]) -> Hosts:
    table, rows = cluster.hosts, cluster.hosts.row_by_name
    final: dict[str, HostRecord | None] = {}
    for change in changes:
        match change:
            case HostAdded(record):
                final[record.name] = record
            case HostRemoved(name):
                final[name] = None
            case HostChanged(name, given):
                known = final.get(name)
                if name not in final and name in rows:
                    known = host_record(cluster, rows[name])
                if known is not None:
                    final[name] = known._replace(**given)
    records = sorted(record for record in final.values() if record is not None)
    # A host that was made anew keeps its name and gets another uuid: the old row goes.
    uuids = {record.uuid for record in records}
    old = {table.uuid[rows[name]] for name in final if name in rows}
    return _merged(table, host_columns(records), sorted(old - uuids))


def _instances(
    cluster: Cluster, table: Instances, hosts: Hosts, changes: Sequence[InstanceChange]
) -> Instances:
    # One search in the sorted column: the dict of 100,000 uuids would cost more than the batch.
    wanted = sorted({one.uuid for one in changes if isinstance(one, InstanceChanged)})
    rows = dict(zip(wanted, _rows(cluster.instances.uuid, words(wanted)).tolist(), strict=True))
    final: dict[str, InstanceRecord | None] = {}
    for change in changes:
        match change:
            case InstanceAdded(record):
                final[record.uuid] = record
            case InstanceRemoved(uuid):
                final[uuid] = None
            case InstanceChanged(uuid, given):
                known = final.get(uuid)
                if uuid not in final and rows[uuid] >= 0:
                    known = instance_record(cluster, rows[uuid])
                if known is not None:
                    final[uuid] = known._replace(**given)
    groups = {group.uuid: index for index, group in enumerate(cluster.groups)}
    records = [record for _, record in sorted(final.items()) if record is not None]
    part = instance_columns(records, hosts.row_by_name, groups)
    return _merged(table, part, [uuid for uuid, record in final.items() if record is None])


def _rows(uuids: Words, wanted: Words) -> Ints:
    """The row of each wanted uuid in a sorted column, -1 where it has none."""
    if not len(uuids):
        return np.full(len(wanted), -1)
    rows = np.minimum(np.searchsorted(uuids, wanted), len(uuids) - 1)
    return np.where(uuids[rows] == wanted, rows, -1)


def _merged(table: Table, part: Table, gone: Sequence[str]) -> Table:
    """The table without the rows of ``gone``, and with those of ``part`` replaced or inserted."""
    if not len(table):
        return part
    rows = _rows(table.uuid, part.uuid)
    known, new = rows >= 0, rows < 0
    lost = _rows(table.uuid, words(sorted(gone)))
    lost = lost[lost >= 0]
    kept = np.delete(np.arange(len(table)), lost)
    between = np.searchsorted(table.uuid, part.uuid[new])
    # The old row that each row comes from, -1 for a new one; and where each row of part ends up.
    order = np.insert(kept, between - np.searchsorted(lost, between), -1)
    place = np.empty(len(part), dtype=np.int64)
    place[new] = np.flatnonzero(order < 0)
    place[known] = np.flatnonzero(order >= 0)[np.searchsorted(kept, rows[known])]
    columns: dict[str, Any] = {}
    for name in (field.name for field in fields(table)):
        column, values = getattr(table, name), getattr(part, name)
        taken = new if name in _SCOPE else np.ones_like(new)
        if new.any() or len(kept) < len(table):
            column = column[order]
        elif (column[rows[taken]] != values[taken]).any():
            column = column.copy()
        else:
            continue
        column[place[taken]] = values[taken]
        columns[name] = frozen(column)
    return replace(table, **columns)
