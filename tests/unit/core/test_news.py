# SPDX-License-Identifier: Apache-2.0
"""Tests of watcher.core.news."""

import pytest

from tests.shelves import shelves
from tests.worlds import host_row, instance_row, uuid, world
from watcher.core.cluster import UNPLACED
from watcher.core.news import FOREVER, SKEW_S, News, absorb, absorb_storage

READ_AT = 1000.0
VM1, VM9 = uuid("vm1"), uuid("vm9")


@pytest.fixture
def cluster():
    return (
        world()
        .host("c1")
        .runs("vm1", updated_at=100)
        .runs("vm2", updated_at=100)
        .host("c2")
        .cluster(taken_at=READ_AT)
    )


def of_instance(name, updated_at, sent_at, **fields):
    given = {
        "name": name,
        "host": "c2",
        "vcpus": 1,
        "memory_mb": 1024,
        "disk_gb": 10,
        "state": "active",
        "updated_at": updated_at,
        **fields,
    }
    return News(updated_at, sent_at, "instance", uuid(name), given)


def gone(name, updated_at=FOREVER, sent_at=READ_AT + 1):
    return News(updated_at, sent_at, "instance", uuid(name), None)


def of_host(name, sent_at, **fields):
    return News(0, sent_at, "host", name, fields)


def host_of(cluster, name):
    row = cluster.instances.host[instance_row(cluster, name)]
    return None if row == UNPLACED else cluster.hosts.name[row]


def test_no_news_is_the_same_cluster(cluster):
    after, absorbed = absorb(cluster, [], {})
    assert after is cluster
    assert absorbed == (0, frozenset(), {})


def test_what_was_written_later_counts_in_whatever_order_it_comes(cluster):
    first, second = of_instance("vm1", 101, 1001.0), of_instance("vm1", 102, 1002.0, host="c1")
    for news in ([first, second], [second, first], [second, first, first, second]):
        after, absorbed = absorb(cluster, news, {})
        assert host_of(after, "vm1") == "c1"
        assert absorbed.changes == 2
        assert absorbed.heard == {("instance", VM1): (102, 1002.0)}
    after, absorbed = absorb(cluster, [second], {})
    again, nothing = absorb(after, [first, second], absorbed.heard)
    assert again is after
    assert nothing.changes == 0


def test_of_the_same_second_what_was_sent_later_counts(cluster):
    news = [of_instance("vm1", 101, 1001.2, host="c1"), of_instance("vm1", 101, 1001.1)]
    after, _ = absorb(cluster, news, {})
    assert host_of(after, "vm1") == "c1"


def test_a_reading_that_is_newer_stays(cluster):
    after, absorbed = absorb(cluster, [of_instance("vm1", 99, 1001.0)], {})
    assert host_of(after, "vm1") == "c1"
    assert absorbed.changes == 0
    after, _ = absorb(cluster, [of_instance("vm1", 100, 1001.0)], {})
    assert host_of(after, "vm1") == "c2"  # of the same second as what was read: perhaps newer


def test_the_deleted_stay_deleted(cluster):
    late = of_instance("vm1", 200, 1002.0)
    for news in ([gone("vm1"), late], [late, gone("vm1")]):
        after, absorbed = absorb(cluster, news, {})
        assert VM1 not in after.instances.uuid
    again, _ = absorb(after, [late._replace(sent_at=1003.0)], absorbed.heard)
    assert VM1 not in again.instances.uuid
    after, absorbed = absorb(cluster, [gone("vm9")], {})
    assert absorbed.changes == 0
    assert absorbed.unread == frozenset()


def test_one_that_was_deleted_softly_may_come_back(cluster):
    after, absorbed = absorb(cluster, [gone("vm1", 101, 1001.0)], {})
    back, absorbed = absorb(after, [of_instance("vm1", 102, 1002.0)], absorbed.heard)
    assert not back.instances.known[instance_row(back, "vm1")]
    assert absorbed.unread == {("instance", VM1)}


def test_a_new_instance_takes_room_and_waits_to_be_read(cluster):
    news = [of_instance("vm9", 1001, 1001.0, vcpus=4), of_instance("vm9", 1002, 1002.0, vcpus=5)]
    after, absorbed = absorb(cluster, news, {})
    row = instance_row(after, "vm9")
    assert not after.instances.known[row]
    assert after.used[host_row(after, "c2")][0] == 5
    assert absorbed.unread == {("instance", VM9)}
    told, _ = absorb(after, [of_instance("vm9", 1003, 1003.0, host="c1")], absorbed.heard)
    assert host_of(told, "vm9") == "c1"
    assert not told.instances.known[instance_row(told, "vm9")]


def test_what_is_unknown_and_was_told_before_the_reading_is_no_ghost(cluster):
    after, absorbed = absorb(cluster, [of_instance("vm9", 990, READ_AT - 1)], {})
    assert after is cluster
    assert absorbed.unread == {("instance", VM9)}
    _, absorbed = absorb(cluster, [of_instance("vm9", 990, READ_AT - SKEW_S - 1)], {})
    assert absorbed.unread == frozenset()


def test_an_instance_on_a_host_that_is_unknown_is_on_none_and_the_host_waits(cluster):
    after, absorbed = absorb(cluster, [of_instance("vm1", 101, 1001.0, host="c9")], {})
    assert host_of(after, "vm1") is None
    assert absorbed.unread == {("host", "c9")}
    after, absorbed = absorb(cluster, [of_instance("vm1", 101, 1001.0, host="")], {})
    assert host_of(after, "vm1") is None
    assert absorbed.unread == frozenset()


def test_a_host(cluster):
    news = [of_host("c1", 1002.0, enabled=False), of_host("c1", 1001.0, enabled=True)]
    after, absorbed = absorb(cluster, news, {})
    assert not after.hosts.enabled[host_row(after, "c1")]
    assert absorbed.unread == frozenset()
    again, _ = absorb(after, [of_host("c1", 1001.5, enabled=True)], absorbed.heard)
    assert again is after
    after, _ = absorb(cluster, [News(0, 1003.0, "host", "c1", None)], {})
    assert after.hosts.name.tolist() == ["c2"]


def test_what_was_told_of_a_host_before_the_reading_is_older(cluster):
    after, absorbed = absorb(cluster, [of_host("c1", READ_AT - 60, up=False)], {})
    assert after is cluster
    assert absorbed.unread == frozenset()
    after, absorbed = absorb(cluster, [of_host("c1", READ_AT - 1, up=False)], {})
    assert after is cluster
    assert absorbed.unread == {("host", "c1")}  # by the sender's clock, which may be late


def test_a_new_host_and_what_only_a_reading_can_tell(cluster):
    other = News(0, 1001.0, "other", "aggregate ssd", {})
    news = [of_host("c9", 1001.0, up=True), other, News(0, 1001.0, "host", "c8", None)]
    after, absorbed = absorb(cluster, news, {})
    assert after is cluster
    assert absorbed.unread == {("host", "c9"), ("other", "aggregate ssd")}


@pytest.fixture
def storage():
    return shelves().pool("p").holds("v1").pool("q").storage(taken_at=READ_AT)


def volume(name, sent_at, **fields):
    return News(0, sent_at, "volume", uuid(name), fields)


def test_volumes_and_pools(storage):
    pool, other = storage.pools.name.tolist()
    news = [
        volume("v1", 1002.0, pool=other, status="in-use"),
        volume("v1", 1001.0, pool=pool, status="retyping"),
        News(0, 1001.0, "pool", pool, {"free_gb": 5.0}),
        News(0, 1001.0, "snapshot", uuid("v1"), {"snapshots": True}),
    ]
    after, absorbed = absorb_storage(storage, news, {})
    assert after.volumes.pool.tolist() == [after.pool_row(other)]
    assert after.volumes.status.tolist() == ["in-use"]
    assert after.volumes.snapshots.all()
    assert after.pools.free_gb[after.pool_row(pool)] == 5.0
    assert absorbed.changes == 4
    assert absorbed.unread == frozenset()
    gone_for_good = News(FOREVER, 1003.0, "volume", uuid("v1"), None)
    after, absorbed = absorb_storage(after, [gone_for_good], absorbed.heard)
    assert len(after.volumes) == 0
    again, _ = absorb_storage(after, [volume("v1", 1004.0, pool=pool)], absorbed.heard)
    assert again is after


def test_what_is_new_or_told_by_half_waits_to_be_read(storage):
    news = [
        volume("v9", 1001.0, status="available"),
        News(FOREVER, 1001.0, "volume", uuid("v8"), None),
        News(0, 1001.0, "snapshot", uuid("v1"), {}),
        News(0, 1001.0, "pool", "other@pool#x", {"free_gb": 5.0}),
        volume("v1", READ_AT - 1, status="in-use"),
        volume("v7", READ_AT - 60, status="in-use"),
    ]
    after, absorbed = absorb_storage(storage, news, {})
    assert after is storage
    assert absorbed.changes == 0
    assert absorbed.unread == {
        ("volume", uuid("v9")),
        ("volume", uuid("v1")),
        ("snapshot", uuid("v1")),
        ("pool", "other@pool#x"),
    }
