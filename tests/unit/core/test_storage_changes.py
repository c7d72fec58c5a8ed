# SPDX-License-Identifier: Apache-2.0
"""Tests of watcher.core.storage_changes."""

import pytest

from tests.shelves import shelves
from tests.worlds import uuid
from watcher.core.storage import NO_POOL
from watcher.core.storage_changes import (
    PoolChanged,
    VolumeChanged,
    VolumeRemoved,
    apply_storage,
)


@pytest.fixture
def storage():
    return shelves().pool("p").holds("v1").holds("v2").pool("q").storage()


def test_no_news_is_the_same(storage):
    assert apply_storage(storage, []) is storage
    assert apply_storage(storage, [PoolChanged("nowhere", {"free_gb": 1.0})]) is storage


def test_a_pool_tells_new_numbers(storage):
    name = storage.pools.name[0]
    news = [PoolChanged(name, {"free_gb": 7.0}), PoolChanged(name, {"free_gb": 8.0})]
    after = apply_storage(storage, news)
    assert after.pools.free_gb[0] == 8.0
    assert storage.pools.free_gb[0] != 8.0
    assert after.pools.total_gb is storage.pools.total_gb
    assert after.volumes is storage.volumes


def test_volumes_move_change_and_go(storage):
    pool = storage.pools.name[1]
    after = apply_storage(
        storage,
        [
            VolumeChanged(uuid("v1"), {"pool": pool, "size_gb": 77}),
            VolumeChanged(uuid("v1"), {"status": "in-use"}),
            VolumeRemoved(uuid("v2")),
            VolumeChanged(uuid("v2"), {"status": "in-use"}),
            VolumeRemoved(uuid("v9")),
        ],
    )
    assert after.volumes.uuid.tolist() == [uuid("v1")]
    assert after.volumes.pool.tolist() == [1]
    assert after.volumes.size_gb.tolist() == [77]
    assert after.volumes.status.tolist() == ["in-use"]
    assert after.pools is storage.pools


def test_a_volume_on_a_pool_that_is_unknown_is_on_none(storage):
    after = apply_storage(storage, [VolumeChanged(uuid("v1"), {"pool": "h@b#new"})])
    row = after.volumes.row_by_uuid[uuid("v1")]
    assert after.volumes.pool[row] == NO_POOL
