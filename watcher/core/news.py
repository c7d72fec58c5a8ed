# SPDX-License-Identifier: Apache-2.0
"""What notifications tell of a cloud, and what of it a snapshot takes in: values only.

Notifications come late, twice, in any order, or never. Nova writes into each when it last wrote
the instance's row, and a reading of the cloud tells the same, so whichever is older gives way; of
two from the same second the one sent later counts. Hosts, pools and volumes have no such mark:
what was sent before the snapshot began to be read is older than the snapshot. What a notification
cannot tell completely is named as unread, for the next reading; nothing is fetched here.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from watcher.core import changes
from watcher.core.cluster import Cluster, words
from watcher.core.records import InstanceRecord
from watcher.core.storage import Storage
from watcher.core.storage_changes import (
    PoolChanged,
    StorageChange,
    VolumeChanged,
    VolumeRemoved,
    apply_storage,
)

FOREVER = 2**62
"""``updated_at`` of what is deleted for good: whatever else is told of it is older."""
SKEW_S = 5.0
"""How far clocks may be apart: what was sent so shortly before a reading may be news after all."""

Kind = Literal["instance", "host", "volume", "snapshot", "pool", "other"]
Key = tuple[Kind, str]
Order = tuple[int, float]
Ledger = Mapping[Key, Order]
"""The order of the last news of each resource since the snapshot began to be read."""


class News(NamedTuple):
    """What one notification tells of one resource; a higher ``order`` is newer."""

    updated_at: int
    """When the row was last written, seconds since the epoch; 0 where nobody tells."""
    sent_at: float
    """Seconds since the epoch, by the sender's clock."""
    kind: Kind
    key: str
    """Uuid, or name of the host or pool; what belongs to ``other`` is told to people only."""
    fields: Mapping[str, Any] | None
    """What of its record is so now, complete for an instance; None: it is gone."""

    @property
    def order(self) -> Order:
        """Which of two news of one resource is the newer."""
        return self[:2]


class Absorbed(NamedTuple):
    """What became of news."""

    changes: int
    """How many of the news changed something."""
    unread: frozenset[Key]
    """What only a reading can tell."""
    heard: Ledger
    """What to add to the ledger."""


def absorb(cluster: Cluster, news: Iterable[News], ledger: Ledger) -> tuple[Cluster, Absorbed]:
    """The cluster with what is news in these news, whatever their order."""
    fresh = _newer(news, ledger)
    wanted = words(sorted({one.key for one in fresh if one.kind == "instance"}))
    rows = changes.rows_of(cluster.instances.uuid, wanted)
    stamps = {
        uuid: int(cluster.instances.updated_at[row])
        for uuid, row in zip(wanted, rows.tolist(), strict=True)
        if row >= 0
    }
    made: list[changes.Change] = []
    unread: set[Key] = set()
    for one in fresh:
        if one.kind == "instance":
            made += _instance(cluster, one, stamps, unread)
        elif one.kind == "host" and one.key in cluster.hosts.row_by_name:
            if _late(one, cluster.taken_at, unread):
                continue
            given = one.fields
            gone = changes.HostRemoved(one.key)
            made.append(gone if given is None else changes.HostChanged(one.key, given))
        elif one.fields is not None and one.sent_at >= cluster.taken_at - SKEW_S:
            unread.add((one.kind, one.key))
    after = changes.apply(cluster, made) if made else cluster
    return after, Absorbed(len(made), frozenset(unread), _heard(fresh))


def absorb_storage(
    storage: Storage, news: Iterable[News], ledger: Ledger
) -> tuple[Storage, Absorbed]:
    """The same for block storage. A volume that is new is left to the next reading."""
    fresh = _newer(news, ledger)
    volumes, pools = storage.volumes.row_by_uuid, storage.pools.row_by_name
    made: list[StorageChange] = []
    unread: set[Key] = set()
    for one in fresh:
        if _late(one, storage.taken_at, unread):
            continue
        if one.key not in (pools if one.kind == "pool" else volumes):
            if one.fields is not None:
                unread.add((one.kind, one.key))
        elif one.fields is None:
            made.append(VolumeRemoved(one.key))
        elif not one.fields:
            unread.add((one.kind, one.key))
        elif one.kind == "pool":
            made.append(PoolChanged(one.key, one.fields))
        else:
            made.append(VolumeChanged(one.key, one.fields))
    after = apply_storage(storage, made) if made else storage
    return after, Absorbed(len(made), frozenset(unread), _heard(fresh))


def _newer(news: Iterable[News], ledger: Ledger) -> list[News]:
    """Those that the ledger does not know, oldest first, each once."""
    before = (-1, 0.0)
    newer = [one for one in news if one.order > ledger.get((one.kind, one.key), before)]
    newer.sort(key=lambda one: one.order)
    once = {(one.kind, one.key, one.order): one for one in newer}
    return list(once.values())


def _heard(fresh: Sequence[News]) -> Ledger:
    return {(one.kind, one.key): one.order for one in fresh}


def _late(one: News, taken_at: float, unread: set[Key]) -> bool:
    """Whether it was sent before the reading began; if only just, it is read again."""
    if one.sent_at >= taken_at:
        return False
    if one.sent_at >= taken_at - SKEW_S:
        unread.add((one.kind, one.key))
    return True


def _instance(
    cluster: Cluster, one: News, stamps: dict[str, int], unread: set[Key]
) -> list[changes.Change]:
    """The change of an instance; ``stamps`` has the ``updated_at`` of those that are known."""
    known = one.key in stamps
    if one.fields is None:
        stamps.pop(one.key, None)
        return [changes.InstanceRemoved(one.key)] if known else []
    if one.updated_at < stamps[one.key] if known else _late(one, cluster.taken_at, unread):
        return []  # late news of the unknown: more likely of one deleted before the reading
    host = one.fields["host"]
    if host and host not in cluster.hosts.row_by_name:
        unread.add(("host", host))
    if known:
        return [changes.InstanceChanged(one.key, one.fields)]
    # A notification tells neither group nor image properties, hints or the zone asked for.
    unread.add((one.kind, one.key))
    stamps[one.key] = one.updated_at
    record = InstanceRecord(**{"domain_name": "", **one.fields}, uuid=one.key, known=False)
    return [changes.InstanceAdded(record)]
