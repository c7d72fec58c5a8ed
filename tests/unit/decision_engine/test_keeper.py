# SPDX-License-Identifier: Apache-2.0
import threading
from datetime import datetime, timedelta

import pytest

from tests.worlds import world
from watcher.core.errors import ServiceDown, StaleCluster
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
