# SPDX-License-Identifier: Apache-2.0
import threading
from datetime import datetime, timedelta

import pytest

from tests.worlds import uuid, world
from watcher.core.errors import ServiceDown, StaleCluster
from watcher.core.news import News, absorb
from watcher.decision_engine import keeper as keeping
from watcher.decision_engine.follower import Follower
from watcher.decision_engine.keeper import Keeper

NOW = datetime(2026, 1, 1)


class Cloud:
    """A collector whose answer and time a test sets."""

    name = "compute"

    def __init__(self):
        self.now = NOW
        self.readings = 0
        self.error = None
        self.cluster = world().host("c1").cluster()

    def clock(self):
        return self.now

    def collect(self):
        self.readings += 1
        if self.error:
            raise self.error
        return self.cluster


@pytest.fixture
def cloud():
    return Cloud()


@pytest.fixture
def keeper(cloud):
    return Keeper(cloud, 3600, cloud.clock)


def test_the_first_snapshot_is_read_when_it_is_asked_for(keeper, cloud):
    assert keeper.latest is None
    assert keeper.age_s is None
    assert keeper.snapshot(0) is cloud.cluster
    assert keeper.latest is cloud.cluster


def test_a_snapshot_that_is_young_enough_is_not_read_again(keeper, cloud):
    keeper.snapshot(60)
    cloud.now += timedelta(seconds=60)
    keeper.snapshot(60)
    assert cloud.readings == 1
    assert keeper.age_s == 60


def test_a_snapshot_that_is_too_old_is_read_again(keeper, cloud):
    keeper.snapshot(60)
    cloud.now += timedelta(seconds=61)
    keeper.snapshot(60)
    assert cloud.readings == 2


def test_an_audit_is_told_why_the_cloud_cannot_be_read(keeper, cloud):
    cloud.error = ServiceDown("Nova does not answer")
    with pytest.raises(StaleCluster, match="Nova does not answer"):
        keeper.snapshot(0)


def test_a_failed_reading_keeps_the_last_good_snapshot_for_questions(keeper, cloud):
    good = keeper.snapshot(0)
    cloud.error, cloud.now = ServiceDown("down"), NOW + timedelta(seconds=1)
    with pytest.raises(StaleCluster):
        keeper.snapshot(0)
    assert keeper.latest is good


def test_a_cloud_that_is_back_is_read_again(keeper, cloud):
    cloud.error = ServiceDown("down")
    with pytest.raises(StaleCluster):
        keeper.snapshot(60)
    cloud.error = None
    cloud.now += timedelta(seconds=1)
    assert keeper.snapshot(60) is cloud.cluster


def test_a_reason_is_logged_once_and_its_end_once(keeper, cloud, caplog):
    cloud.error = ServiceDown("down")
    for _ in range(3):
        with pytest.raises(StaleCluster):
            keeper.snapshot(0)
    cloud.error = None
    with caplog.at_level("INFO"):
        keeper.snapshot(0)
    assert sum("cannot be read" in line for line in caplog.messages) == 1
    assert sum("can be read again" in line for line in caplog.messages) == 1


def test_audits_that_wait_for_one_reading_share_it(cloud):
    begun, go = threading.Event(), threading.Event()

    def slow():
        cloud.readings += 1
        begun.set()
        assert go.wait(5)
        return cloud.cluster

    cloud.collect = slow
    keeper = Keeper(cloud, 3600, cloud.clock)
    threads = [threading.Thread(target=keeper.snapshot, args=(0,)) for _ in range(4)]
    threads[0].start()
    assert begun.wait(5)
    for thread in threads[1:]:
        thread.start()
    go.set()
    for thread in threads:
        thread.join(5)
    assert cloud.readings == 1


def test_a_snapshot_that_is_young_enough_serves_although_the_cloud_is_gone_since(keeper, cloud):
    good = keeper.snapshot(60)
    cloud.error, cloud.now = ServiceDown("down"), NOW + timedelta(seconds=30)
    with pytest.raises(StaleCluster):
        keeper.snapshot(0)
    assert keeper.snapshot(60) is good
    assert cloud.readings == 2


def test_audits_that_wait_for_a_reading_that_fails_do_not_try_one_after_the_other(cloud):
    begun, go, asked, told = threading.Event(), threading.Event(), [], []
    all_asked = threading.Event()

    def clock():
        asked.append(1)
        if len(asked) == 6:  # the first asks, and begins to read; then four others ask
            all_asked.set()
        return NOW + timedelta(microseconds=len(asked))

    def slow():
        cloud.readings += 1
        begun.set()
        assert go.wait(5)
        raise ServiceDown("down")

    def ask():
        try:
            keeper.snapshot(0)
        except StaleCluster as error:
            told.append(str(error))

    cloud.collect = slow
    keeper = Keeper(cloud, 3600, clock)
    threads = [threading.Thread(target=ask) for _ in range(5)]
    threads[0].start()
    assert begun.wait(5)
    for thread in threads[1:]:
        thread.start()
    assert all_asked.wait(5)
    go.set()
    for thread in threads:
        thread.join(5)
    assert told == ["the cluster cannot be read: down"] * 5
    assert cloud.readings == 2  # one more, for those who asked after the first had begun


def of_instance(name, host, updated_at, sent_at):
    fields = {"name": name, "host": host, "vcpus": 1, "memory_mb": 1, "disk_gb": 1}
    return News(updated_at, sent_at, "instance", uuid(name), {**fields, "updated_at": updated_at})


@pytest.fixture
def follower():
    return Follower(absorb)


def test_what_is_heard_changes_the_snapshot_between_two_readings(cloud, follower):
    cloud.cluster = world().host("c1").runs("vm1", updated_at=5).host("c2").cluster()
    keeper = Keeper(cloud, 3600, cloud.clock, follower=follower)
    assert keeper.about() is None
    follower.hear([of_instance("vm1", "c2", 4, 4.0)])
    keeper.follow()  # there is nothing yet to be kept up to date
    keeper.snapshot(0)
    follower.hear([of_instance("vm1", "c2", 6, 6.0)])
    keeper.follow()
    assert keeper.latest.rows_on(keeper.latest.host_row("c2")).size == 1
    assert keeper.snapshot(60) is keeper.latest
    cloud.now += timedelta(seconds=30)
    about = keeper.about()
    assert (about["age_s"], about["events"], about["changes"]) == (30, 1, 1)
    assert (about["notifications"], about["failure"]) == ("off", "")


def test_what_is_heard_while_the_cloud_is_read_is_not_lost(cloud, follower):
    cluster = world().host("c1").runs("vm1", updated_at=5).host("c2").cluster()
    keeper = Keeper(cloud, 3600, cloud.clock, follower=follower)

    def collect():
        follower.hear([of_instance("vm1", "c2", 6, 6.0)])
        keeper.follow()
        return cluster

    cloud.collect = collect
    found = keeper.snapshot(0)
    assert found.rows_on(found.host_row("c2")).size == 1


def test_a_keeper_without_follower_says_so(keeper):
    keeper.snapshot(0)
    keeper.follow()
    assert keeper.about()["notifications"] == "off"


def pauses(keeper):
    return keeper._pause_s()


def test_the_next_reading_comes_sooner_while_something_is_missing(cloud, follower):
    bus = ["heard"]
    keeper = Keeper(
        cloud, 3600, cloud.clock, follower=follower, short_period_s=300, bus=lambda: bus[0]
    )
    keeper.snapshot(0)
    assert pauses(keeper) == 3600
    bus[0] = "lost"
    assert pauses(keeper) == 300
    bus[0] = "heard"
    follower.hear([of_instance("vm9", "c1", 6, 6.0)])
    keeper.follow()
    assert pauses(keeper) == 300
    keeper.hurry()
    assert pauses(keeper) == 0
    cloud.now += timedelta(seconds=1)
    keeper.snapshot(0)
    assert pauses(keeper) == 3600
    cloud.error, cloud.now = ServiceDown("down"), NOW + timedelta(seconds=2)
    with pytest.raises(StaleCluster):
        keeper.snapshot(0)
    assert pauses(keeper) == keeping.AGAIN_S


def test_in_the_background_the_cloud_is_read_again_when_it_is_hurried(cloud, monkeypatch):
    monkeypatch.setattr(keeping, "LOOK_S", 0.01)
    read = threading.Semaphore(0)
    cloud.collect = lambda: read.release() or cloud.cluster
    keeper = Keeper(cloud, 3600, cloud.clock)
    keeper.start()
    try:
        assert read.acquire(timeout=5)
        keeper.hurry()
        assert read.acquire(timeout=5)
    finally:
        keeper.stop()
