# SPDX-License-Identifier: Apache-2.0
import pytest

from tests.worlds import instance_row, uuid, world
from watcher.core.news import News, absorb
from watcher.decision_engine.follower import Follower

READ_AT = 1000.0


def cluster(host="c1", updated_at=100, taken_at=READ_AT):
    built = world().host("c1").host("c2")
    built.unplaced("vm1", updated_at=updated_at)
    built.instances[0] = built.instances[0]._replace(host=host)
    return built.cluster(taken_at=taken_at)


def moved(host, updated_at, sent_at, name="vm1"):
    fields = {
        "name": name,
        "host": host,
        "vcpus": 1,
        "memory_mb": 1024,
        "disk_gb": 10,
        "updated_at": updated_at,
    }
    return News(updated_at, sent_at, "instance", uuid(name), fields)


def host_of(cluster):
    return cluster.hosts.name[cluster.instances.host[instance_row(cluster, "vm1")]]


@pytest.fixture
def follower():
    return Follower(absorb)


def test_nothing_heard_is_the_same_snapshot(follower):
    snapshot = cluster()
    assert follower.follow(snapshot) is snapshot
    assert follower.about()["changed_at"] is None


def test_what_is_heard_is_taken_in_once(follower):
    follower.hear([moved("c2", 101, 1001.0)])
    after = follower.follow(cluster())
    assert host_of(after) == "c2"
    assert follower.follow(after) is after
    follower.hear([moved("c2", 101, 1001.0)])
    assert follower.follow(after) is after
    about = follower.about()
    assert (about["events"], about["changes"], about["unread"]) == (2, 1, 0)
    assert about["lag_s"] > 0


def test_what_came_during_a_reading_is_taken_in_again_at_its_end(follower):
    before = cluster()
    follower.begin()
    follower.hear([moved("c2", 101, 1001.0)])
    assert host_of(follower.follow(before)) == "c2"
    follower.hear([moved("c2", 102, 1002.0, name="vm9")])
    # The reading saw vm1 before it moved, and no vm9.
    after = follower.replay(cluster())
    assert host_of(after) == "c2"
    assert len(after.instances) == 2
    assert follower.unread == {("instance", uuid("vm9"))}


def test_a_reading_that_is_newer_than_what_was_heard_stays(follower):
    follower.hear([moved("c2", 101, 1001.0), moved("c2", 101, 1001.0, name="vm9")])
    follower.follow(cluster())
    assert follower.unread
    follower.begin()
    follower.hear([moved("c2", 101, 1001.5)])
    after = follower.replay(cluster("c1", updated_at=102, taken_at=1005.0))
    assert host_of(after) == "c1"
    assert follower.unread == frozenset()
    assert follower.about()["events"] == 1


def test_before_the_first_snapshot_only_what_a_reading_needs_is_kept(follower):
    follower.hear([moved("c2", 101, 1001.0)])
    follower.forget()
    follower.begin()
    follower.hear([moved("c2", 102, 1002.0)])
    follower.forget()
    assert host_of(follower.replay(cluster())) == "c2"
    assert follower.about()["events"] == 1
