# SPDX-License-Identifier: Apache-2.0
import math

import numpy as np
import pytest

from tests.shelves import pool_name, shelves
from tests.worlds import uuid
from watcher.core.errors import NotFound
from watcher.core.storage import (
    NO_POOL,
    NO_TYPE,
    VolumeRecord,
    assemble_storage,
    backend_of,
    pool_records,
    volume_records,
)


@pytest.fixture
def storage():
    built = shelves().type("gold", volume_backend_name="fast").type("any")
    built.pool("fast").holds("v1", 20, volume_type="gold", servers=["vm1"]).holds("v2")
    return built.pool("slow", up=False).holds("v3", volume_type="any").storage()


def test_pools_are_sorted_by_name_and_volumes_by_uuid(storage):
    assert storage.pools.name.tolist() == [pool_name("fast"), pool_name("slow")]
    assert storage.volumes.uuid.tolist() == sorted(map(uuid, ("v1", "v2", "v3")))
    assert storage.pools.backend.tolist() == ["store@fast", "store@slow"]


def test_volumes_know_their_pool_and_type(storage):
    row = storage.volumes.row_by_uuid[uuid("v1")]
    assert storage.pools.name[storage.volumes.pool[row]] == pool_name("fast")
    assert storage.type_name(row) == "gold"
    assert storage.type_name(storage.volumes.row_by_uuid[uuid("v2")]) == ""
    assert storage.volumes.attached.sum() == 1


def test_what_is_not_given_is_none():
    storage = assemble_storage([], [VolumeRecord(uuid("v"), "v", 1, "gone", volume_type="gone")])
    assert storage.volumes.pool.tolist() == [NO_POOL]
    assert storage.volumes.type.tolist() == [NO_TYPE]
    assert storage.serves.shape == (0, 0)


def test_types_are_served_where_their_extra_specs_are_met(storage):
    assert [one.name for one in storage.types] == ["any", "gold"]
    assert storage.serves.tolist() == [[True, True], [True, False]]


def test_a_pool_is_usable_when_its_service_is(storage):
    assert storage.pools.usable.tolist() == [True, False]


@pytest.mark.parametrize("size", [math.inf, math.nan, 0.0])
def test_a_pool_whose_size_is_no_number_is_not_known_and_the_others_are(size):
    pools = shelves().pool("a", total_gb=size).pool("b").storage().pools
    assert pools.known.tolist() == [False, True]


def test_pools_and_types_are_found_by_name_and_types_by_uuid(storage):
    assert storage.pool_row(pool_name("slow")) == 1
    assert storage.type_row("gold") == storage.type_row(uuid("type gold")) == 1
    with pytest.raises(NotFound, match="Storage pool"):
        storage.pool_row("nowhere")
    with pytest.raises(NotFound, match="Volume type"):
        storage.type_row("silver")


def test_columns_are_read_only_also_when_replaced(storage):
    again = storage.with_pools(up=np.array([False, True])).with_volumes(
        excluded=np.array([True, False, False])
    )
    for column in (storage.pools.up, again.pools.up, again.volumes.excluded):
        with pytest.raises(ValueError, match="read-only"):
            column[0] = True


def test_the_backend_is_what_stands_before_the_pool():
    assert backend_of("h@b#p") == "h@b"


def test_volumes_can_be_made_records_again():
    built = shelves().type("gold").pool("p").holds("v1", volume_type="gold", servers=["vm1"])
    built.volumes.append(VolumeRecord(uuid("v2"), "v2", 1, ""))
    storage = built.storage()
    ordered = sorted(built.volumes)
    assert volume_records(storage, [0, 1]) == ordered
    assert volume_records(storage, []) == []
    assert volume_records(assemble_storage([], []), []) == []


def test_pools_can_be_made_records_again():
    built = shelves().pool("p", thin=True, reserved_percent=5.0).pool("q", total_gb=math.inf)
    assert pool_records(built.storage()) == sorted(built.pools)
    assert pool_records(assemble_storage([], [])) == []
