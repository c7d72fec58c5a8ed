# SPDX-License-Identifier: Apache-2.0
import threading

import pytest

from tests.recorded import first, messages
from tests.shelves import shelves
from tests.unit.messaging.conftest import conf  # noqa: F401 - a fixture
from tests.worlds import world
from watcher.core.news import absorb, absorb_storage
from watcher.decision_engine import feed as feeds
from watcher.decision_engine.feed import Feed
from watcher.decision_engine.follower import Follower
from watcher.decision_engine.keeper import Keeper


class Eyes:
    """A collector of what is given."""

    def __init__(self, name, answer):
        self.name = name
        self.answer = answer

    def collect(self):
        return self.answer


def hosts():
    built = world()
    for number in range(1, 7):
        built.host(f"compute-{number:02}")
    return built.cluster()


@pytest.fixture
def followers():
    return {"compute": Follower(absorb), "storage": Follower(absorb_storage)}


@pytest.fixture
def feed(followers):
    return Feed(followers)


def test_what_is_recorded_is_handed_to_the_model_it_is_of(feed, followers):
    feed.hear(messages())
    storage = shelves().pool("p").storage()
    assert len(followers["compute"].follow(hosts()).instances) == 0  # it was deleted in the end
    followers["storage"].follow(storage)
    assert followers["compute"].about()["events"] > 100
    assert followers["storage"].about()["events"] == 10
    assert {kind for kind, _ in followers["storage"].unread} == {"pool", "volume", "snapshot"}


def test_what_cannot_be_read_is_named_once_and_stops_nothing(feed, followers, caplog):
    bad = {**first("instance.lock"), "payload": {"nova_object.data": {"uuid": "x"}}}
    feed.hear([bad, bad, {"event_type": "service.update"}, first("instance.lock")])
    assert [line.split(":")[0] for line in caplog.messages] == [
        "a notification instance.lock cannot be read",
        "a notification service.update cannot be read",
    ]
    assert len(followers["compute"].follow(hosts()).instances) == 1


def test_nobody_listens_to_a_bus_inside_the_process(feed, conf):  # noqa: F811
    for group in feeds.OPTIONS:
        group.register(conf)
    assert feed.state == "off"
    feed.start(conf, [])
    assert feed.state == "off"
    feed.stop()


class Ear:
    """A listener as a feed sees it."""

    def __init__(self):
        self.listening = True

    def start(self):
        pass

    def stop(self):
        pass


def test_the_keepers_follow_and_read_anew_when_the_bus_is_back(
    feed,
    followers,
    conf,  # noqa: F811
    monkeypatch,
):
    for group in feeds.OPTIONS:
        group.register(conf)
    ear, heard = Ear(), []
    monkeypatch.setattr(feeds, "FOLLOW_S", 0.01)
    monkeypatch.setattr(feeds, "make_listener", lambda *given: heard.append(given) or ear)
    followed = threading.Event()
    keeper = Keeper(Eyes("compute", hosts()), 3600, follower=followers["compute"])
    keeper.snapshot(0)

    class Failing:
        def follow(self):
            raise RuntimeError("a fault of ours")

        def hurry(self):
            followed.set()

    feed.start(conf, [Failing(), keeper])
    try:
        assert feed.state == "heard"
        feed.hear([first("instance.lock")])
        assert followed.wait(5)
        for _ in range(500):
            if len(keeper.latest.instances):
                break
            threading.Event().wait(0.01)
        assert len(keeper.latest.instances) == 1
        ear.listening = False
        assert feed.state == "lost"
        followed.clear()
        heard[0][-1]()
        assert followed.is_set()
    finally:
        feed.stop()
