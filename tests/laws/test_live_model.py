# SPDX-License-Identifier: Apache-2.0
"""Laws of the live model: notifications late, twice, in any order or lost do no harm."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.clouds import TellingCloud
from watcher.core.news import absorb, absorb_storage
from watcher.core.records import host_records, instance_records
from watcher.decision_engine.feed import Feed
from watcher.decision_engine.follower import Follower

EVENTS = 2_000
"""Notifications of one example; five examples make the ten thousand of the target."""


def hosts(cluster):
    return host_records(cluster, list(range(len(cluster.hosts))))


def instances(cluster):
    """By uuid, without what a notification does not tell of an instance that is new."""
    found = instance_records(cluster, list(range(len(cluster.instances))))
    return {
        one.uuid: one if one.known else one._replace(known=True, domain_name="") for one in found
    }


def same(live, read):
    assert hosts(live) == hosts(read)
    ours, theirs = instances(live), instances(read)
    assert ours.keys() == theirs.keys()
    for uuid, one in ours.items():
        assert one == theirs[uuid]


def delivered(chance, messages, lost=0.0):
    """The messages in any order in batches, a fifth of them twice or more, and some never."""
    sent = [one for one in messages if chance.random() >= lost]
    sent += chance.choices(sent, k=len(sent) // 5)
    chance.shuffle(sent)
    while sent:
        size = chance.randint(1, 400)
        batch, sent = sent[:size], sent[size:]
        yield batch


def follow(feed, follower, snapshot, batches):
    for batch in batches:
        feed.hear(batch)
        snapshot = follower.follow(snapshot)
    return snapshot


def make(seed):
    cloud = TellingCloud(seed, hosts=20, instances=200)
    follower = Follower(absorb)
    return cloud, follower, Feed({"compute": follower, "storage": Follower(absorb_storage)})


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 2**32))
def test_in_any_order_and_twice_they_lead_to_what_a_reading_tells(seed):
    cloud, follower, feed = make(seed)
    snapshot = follower.replay(cloud.read())
    messages = [cloud.happen() for _ in range(EVENTS)]
    live = follow(feed, follower, snapshot, delivered(random.Random(seed), messages))
    same(live, cloud.read())


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 2**32), st.floats(0.0, 0.9))
def test_after_losses_the_next_reading_tells_all_whatever_comes_late(seed, lost):
    cloud, follower, feed = make(seed)
    chance = random.Random(seed)
    snapshot = follower.replay(cloud.read())
    before = [cloud.happen() for _ in range(EVENTS // 2)]
    batches = list(delivered(chance, before, lost))
    half = len(batches) // 2
    snapshot = follow(feed, follower, snapshot, batches[:half])
    cloud.now_s += 10.0
    follower.begin()
    read = cloud.read()
    # While the cloud is read, late ones come and new ones happen: none of them is lost.
    during = [cloud.happen() for _ in range(100)]
    follow(feed, follower, snapshot, [*batches[half:], *delivered(chance, during)])
    snapshot = follower.replay(read)
    after = [cloud.happen() for _ in range(EVENTS // 2)]
    live = follow(feed, follower, snapshot, delivered(chance, before[:100] + during + after))
    same(live, cloud.read())
