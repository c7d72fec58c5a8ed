# SPDX-License-Identifier: Apache-2.0
"""News of block storage, applied to a snapshot as one batch; the same idea as ``core.changes``."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from watcher.core.changes import merged, rows_of
from watcher.core.cluster import words
from watcher.core.storage import Storage, volume_columns, volume_records


class PoolChanged(NamedTuple):
    """Numbers of a pool that are different now: total_gb, free_gb, provisioned_gb."""

    name: str
    fields: Mapping[str, float]


class VolumeChanged(NamedTuple):
    """Fields of a volume that are different now; its type may be named by uuid."""

    uuid: str
    fields: Mapping[str, Any]


class VolumeRemoved(NamedTuple):
    """A volume that is gone."""

    uuid: str


StorageChange = PoolChanged | VolumeChanged | VolumeRemoved


def apply_storage(storage: Storage, changes: Sequence[StorageChange]) -> Storage:
    """The storage after these changes, in order; what it does not know is passed over."""
    return _pools(_volumes(storage, changes), changes)


def _pools(storage: Storage, changes: Sequence[StorageChange]) -> Storage:
    columns: dict[str, Any] = {}
    for change in (one for one in changes if isinstance(one, PoolChanged)):
        row = storage.pools.row_by_name.get(change.name)
        if row is None:
            continue
        for name, value in change.fields.items():
            column = columns.setdefault(name, getattr(storage.pools, name).copy())
            column[row] = value
    return storage.with_pools(**columns) if columns else storage


def _volumes(storage: Storage, changes: Sequence[StorageChange]) -> Storage:
    news = [one for one in changes if not isinstance(one, PoolChanged)]
    if not news:
        return storage
    uuids = words(sorted({one.uuid for one in news}))
    rows = rows_of(storage.volumes.uuid, uuids)
    now = {one.uuid: one for one in volume_records(storage, rows[rows >= 0])}
    gone = set()
    for change in news:
        if change.uuid not in now:
            continue
        if isinstance(change, VolumeRemoved):
            gone.add(change.uuid)
            del now[change.uuid]
        else:
            now[change.uuid] = now[change.uuid]._replace(**change.fields)
    part = volume_columns(list(now.values()), storage.pools.row_by_name, storage.type_index)
    return replace(storage, volumes=merged(storage.volumes, part, sorted(gone)))
