# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from tests.shelves import shelves
from tests.worlds import uuid, world
from watcher.core.storage import NO_POOL, NO_TYPE, VolumeRecord
from watcher.core.volume_placement import RETYPE, VolumePlacement, room_gb, volume_obstacles


def obstacle(built, servers=None, kind="migrate"):
    """Why the volume called v may not be moved."""
    cluster = built.beside((servers or world().host("c1")).cluster())
    return str(volume_obstacles(cluster, kind)[cluster.storage.volumes.row_by_uuid[uuid("v")]])


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, ""),
        ({"status": "error"}, "is error"),
        ({"migration_status": "migrating"}, "is being migrated already"),
        ({"migration_status": "success"}, ""),
        ({"grouped": True}, "is in a group of volumes"),
        ({"snapshots": True}, "has snapshots"),
        ({"replicated": True}, "is replicated"),
        ({"servers": ["vm1", "vm2"]}, "is attached to several servers"),
        ({"servers": ["gone"]}, f"is attached to server {uuid('gone')}, which is not known"),
    ],
)
def test_why_a_volume_may_not_be_migrated(fields, reason):
    assert obstacle(shelves().pool("p").holds("v", **fields)) == reason


def test_a_replicated_volume_may_be_retyped():
    assert obstacle(shelves().pool("p").holds("v", replicated=True), kind=RETYPE) == ""


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, ""),
        ({"state": "paused"}, ""),
        ({"state": "stopped"}, "which is stopped, not active or paused"),
        ({"task_state": "migrating"}, "which is migrating, not active or paused"),
        ({"locked": True}, "which is locked"),
    ],
)
def test_the_server_of_an_attached_volume_has_a_say(fields, reason):
    servers = world().host("c1").runs("vm", **fields)
    assert obstacle(shelves().pool("p").holds("v", servers=["vm"]), servers).endswith(reason)
    if not reason:
        assert not obstacle(shelves().pool("p").holds("v", servers=["vm"]), servers)


def test_what_the_scope_excludes_is_not_moved():
    cluster = (
        shelves()
        .pool("p")
        .holds("v")
        .holds("w", servers=["vm"])
        .beside(world().host("c1").runs("vm").cluster())
    )
    volumes = cluster.storage.volumes
    excluded = volumes.uuid == uuid("v")
    marked = cluster.with_instances(excluded=np.array([True]))
    reasons = volume_obstacles(
        type(marked)(
            marked.hosts,
            marked.instances,
            storage=cluster.storage.with_volumes(excluded=excluded.astype(bool)),
        )
    )
    assert reasons[volumes.row_by_uuid[uuid("v")]] == "is excluded by the audit's scope"
    assert reasons[volumes.row_by_uuid[uuid("w")]].endswith("is excluded by the audit's scope")


def test_a_volume_on_no_known_pool_stays_there():
    built = shelves().pool("p")
    built.volumes.append(VolumeRecord(uuid("v"), "v", 1, "elsewhere"))
    assert obstacle(built) == "is on no known pool"


def test_a_cluster_without_storage_cannot_be_asked():
    with pytest.raises(ValueError, match="without its storage"):
        volume_obstacles(world().cluster())


def test_the_room_of_a_thick_pool_is_what_is_free_without_the_reserve():
    pools = shelves().pool("p", total_gb=100, free_gb=50, reserved_percent=10).storage().pools
    assert room_gb(pools).tolist() == [40]


def test_the_room_of_a_thin_pool_is_what_it_may_promise_yet():
    thin = {"thin": True, "oversubscription": 2.0, "reserved_percent": 10, "total_gb": 100}
    pools = shelves().pool("p", free_gb=50, provisioned_gb=100, **thin).storage().pools
    assert room_gb(pools).tolist() == [80]


@pytest.mark.parametrize("free_gb", [np.inf, np.nan])
def test_a_pool_that_does_not_tell_its_room_has_as_much_as_cinder_takes_it_for(free_gb):
    pools = shelves().pool("p", free_gb=free_gb).pool("q").storage().pools
    assert room_gb(pools).tolist() == [np.inf, 1000]


def moved():
    built = shelves().type("gold", volume_backend_name="fast").type("any")
    built.pool("fast").holds("v", 100, volume_type="gold", zone="nova")
    built.pool("full", total_gb=60, free_gb=60).pool("west", zone="west").pool("wide")
    return VolumePlacement(built.storage())


def test_a_pool_takes_what_has_room_zone_and_type_in_it():
    placement = moved()
    assert placement.fits(0).tolist() == [False, False, False, True]
    assert placement.serves(1).tolist() == [True, False, False, False]
    assert placement.serves(NO_TYPE).all()
    assert not placement.allowed(0).any()


def test_a_volume_without_a_zone_or_pool_may_go_anywhere_with_room():
    built = shelves().pool("a").pool("b", zone="west")
    built.volumes.append(VolumeRecord(uuid("v"), "v", 1, "elsewhere"))
    placement = VolumePlacement(built.storage())
    assert placement.allowed(0).tolist() == [True, True]
    assert placement.pool.tolist() == [NO_POOL]
    placement.move(0, 1)
    assert placement.used_gb.tolist() == [0, 1]


def test_a_move_takes_room_and_gives_none_back():
    placement = moved()
    placement.move(0, 3)
    assert placement.free_gb.tolist() == [900, 60, 1000, 900]
    assert placement.used_gb.tolist() == [0, 0, 0, 100]


def test_a_thin_volume_weighs_what_is_written_of_its_pool():
    built = shelves().pool("p", total_gb=100, free_gb=75, thin=True, oversubscription=5.0)
    placement = VolumePlacement(built.holds("v", 50).holds("w", 50).storage())
    assert placement.used_gb.tolist() == [125]  # free_gb says so after both were put in
    assert placement.weight_gb(0) == 50
    thin = shelves().pool("q", free_gb=900, provisioned_gb=200, thin=True).storage()
    assert VolumePlacement(thin).used_gb.tolist() == [100]


def test_every_reason_against_a_pool_has_words():
    placement = moved()
    pools = placement.storage.pools
    gold, free = placement.storage.type_row("gold"), NO_TYPE

    def said(pool, kind=free, **columns):
        other = VolumePlacement(placement.storage.with_pools(**columns))
        return other.why_not(0, placement.storage.pool_row(f"store@{pool}#{pool}"), kind)

    every = np.zeros(len(pools), dtype=bool)
    assert said("wide") == ""
    assert said("fast") == "it is on store@fast#fast already"
    assert said("wide", up=every.copy()) == "the service of store@wide#wide is down"
    assert said("wide", enabled=every.copy()) == "the service of store@wide#wide is disabled"
    assert said("wide", in_scope=every.copy()).endswith("outside the audit's scope")
    assert said("wide", gold) == "store@wide#wide does not serve volume type gold"
    assert said("west") == "store@west#west is outside zone nova"
    assert said("full") == "store@full#full has 60 GiB left for 100 GiB"
