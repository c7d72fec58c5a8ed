# SPDX-License-Identifier: Apache-2.0
"""Laws of the values everything else is made of, on drawn worlds and on arbitrary input."""

import math
from dataclasses import fields
from datetime import datetime

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.worlds import uuid, worlds
from watcher.core import changes, records
from watcher.core.changes import (
    HostAdded,
    HostChanged,
    HostRemoved,
    InstanceAdded,
    InstanceChanged,
    InstanceRemoved,
)
from watcher.core.cluster import UNPLACED
from watcher.core.errors import BadInterval, BadParameters, BadScope, Invalid
from watcher.core.goals import GOALS, efficacy
from watcher.core.parameters import check, schema, with_defaults
from watcher.core.placement import Placement
from watcher.core.plan import Plan
from watcher.core.schedule import check_interval, next_time
from watcher.core.scope import apply, check_scope
from watcher.core.solution import migrate
from watcher.strategies.dummy import Parameters as DummyParameters

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


def all_records(cluster):
    hosts = records.host_records(cluster, list(range(len(cluster.hosts))))
    instances = records.instance_records(cluster, list(range(len(cluster.instances))))
    return hosts, instances, cluster.groups


def same(one, other):
    return one.groups == other.groups and all(
        np.array_equal(getattr(a, field.name), getattr(b, field.name))
        for a, b in ((one.hosts, other.hosts), (one.instances, other.instances))
        for field in fields(a)
    )


@given(worlds(), st.randoms(use_true_random=False))
def test_records_come_back_and_their_order_means_nothing(cluster, chance):
    hosts, instances, groups = all_records(cluster)
    chance.shuffle(hosts)
    chance.shuffle(instances)
    assert same(cluster, records.assemble(hosts, instances, groups))


@given(worlds(min_hosts=1), st.data())
def test_a_placement_keeps_its_books(cluster, data):
    placement = Placement(cluster)
    if not len(cluster.instances):
        return
    rows = st.integers(0, len(cluster.instances) - 1)
    hosts = st.integers(UNPLACED, len(cluster.hosts) - 1)
    for row, host in data.draw(st.lists(st.tuples(rows, hosts), max_size=12)):
        placement.move(row, host)
    moved = cluster.with_instances(host=placement.host.copy())
    assert (placement.used == moved.used).all()
    assert {(one.instance, one.destination) for one in placement.moves()} == {
        (row, host)
        for row, host in enumerate(placement.host)
        if host != cluster.instances.host[row]
    }
    for row in range(len(cluster.instances)):
        each = [placement.has_room(row, host) for host in range(len(cluster.hosts))]
        assert placement.fits(row).tolist() == each


@given(worlds(min_hosts=2), st.data())
def test_a_plan_of_moves_that_fit_replays_and_ends_where_they_end(cluster, data):
    placement, actions = Placement(cluster), []
    names, placed = cluster.hosts.name, np.flatnonzero(cluster.instances.host != UNPLACED)
    for row in data.draw(
        st.lists(st.sampled_from(placed.tolist()), max_size=8) if placed.size else st.just([])
    ):
        source = placement.host[row]
        room = placement.fits(row)
        room[source] = False
        if room.any():
            target = data.draw(st.sampled_from(np.flatnonzero(room).tolist()))
            actions.append(migrate(cluster.instances.uuid[row], names[source], names[target]))
            placement.move(row, target)
    plan = Plan(tuple(actions), tuple(() for _ in actions))
    assert (plan.replay(cluster).host == placement.host).all()
    assert (placement.used <= np.maximum(placement.limit, cluster.used)).all()


HOST_NAMES = st.sampled_from(("c0", "c1", "c2", "c3", "new"))
INSTANCE_NAMES = st.sampled_from(("vm0", "vm1", "vm2", "vm3", "new"))
HOST_FIELDS = st.fixed_dictionaries({}, optional={"up": st.booleans(), "vcpus": st.just(3)})
INSTANCE_FIELDS = st.fixed_dictionaries(
    {}, optional={"host": HOST_NAMES, "locked": st.booleans(), "state": st.just("stopped")}
)


def host(name, **given_fields):
    return records.HostRecord(uuid(name), name, 8, 8192, 100, **given_fields)


def instance(name, where):
    return records.InstanceRecord(uuid(name), name, where, 1, 512, 5)


news = st.one_of(
    st.builds(HostAdded, st.builds(host, HOST_NAMES)),
    st.builds(HostChanged, HOST_NAMES, HOST_FIELDS),
    st.builds(InstanceAdded, st.builds(instance, INSTANCE_NAMES, HOST_NAMES)),
    st.builds(InstanceChanged, INSTANCE_NAMES.map(uuid), INSTANCE_FIELDS),
    st.builds(InstanceRemoved, INSTANCE_NAMES.map(uuid)),
)


@given(worlds(), st.lists(news, max_size=8))
def test_a_batch_of_news_does_what_one_after_the_other_does(cluster, batch):
    # Hosts first: a batch knows all its hosts, one after the other only those that came before.
    batch = sorted(batch, key=lambda one: not isinstance(one, HostAdded | HostChanged))
    step_by_step = cluster
    for one in batch:
        step_by_step = changes.apply(step_by_step, [one])
    assert same(changes.apply(cluster, batch), step_by_step)


@given(worlds(), st.lists(news | st.builds(HostRemoved, HOST_NAMES), max_size=8))
def test_after_any_news_a_cluster_is_one_that_could_have_been_collected(cluster, batch):
    after = changes.apply(cluster, batch)
    assert same(after, records.assemble(*all_records(after)))


rules = st.one_of(
    st.builds(
        lambda one: {"host_aggregates": [one]}, st.sampled_from(({"id": 1}, {"name": "ssd"}))
    ),
    st.builds(lambda one: {"availability_zones": [{"name": one}]}, st.sampled_from(("az1", "x"))),
    st.builds(
        lambda one: {"exclude": [one]},
        st.sampled_from(
            (
                {"compute_nodes": [{"name": "c0"}, {"name": "c9"}]},
                {"instances": [{"uuid": uuid("vm1")}]},
                {"instance_metadata": [{"env": "prod"}]},
                {"projects": [{"uuid": "p1"}]},
                {"host_aggregates": [{"name": "ssd"}]},
            )
        ),
    ),
)


@given(worlds(), st.lists(rules, max_size=4), st.lists(rules, max_size=2))
def test_a_scope_only_takes_away_and_twice_is_once(cluster, first, more):
    once, _ = apply(cluster, check_scope(first))
    twice, _ = apply(once, check_scope(first))
    assert same(once, twice)
    assert (once.used == cluster.used).all()
    narrower, _ = apply(once, check_scope(more))
    assert not (narrower.hosts.in_scope & ~once.hosts.in_scope).any()
    assert not (once.instances.excluded & ~narrower.instances.excluded).any()
    outside = ~np.append(once.hosts.in_scope, True)[once.instances.host]
    assert once.instances.excluded[outside].all()


@given(st.lists(rules, max_size=4))
def test_a_checked_scope_stays_as_it_is(scope):
    assert check_scope(check_scope(scope)) == check_scope(scope)


def complaint(kind, function, *arguments):
    """The text of the error of this kind that is raised, or None; any other error is a fault."""
    try:
        function(*arguments)
    except kind as error:
        return str(error)
    return None


@given(json_values)
def test_whatever_is_given_as_scope_is_a_scope_or_a_bad_one(value):
    text = complaint(BadScope, check_scope, value)
    assert isinstance(check_scope(value), list) if text is None else 0 < len(text) < 400


@given(st.text(max_size=30) | st.from_regex(r"[0-9*/,@a-z -]{0,20}( [0-9*/,-]{1,6}){0,6}"))
def test_whatever_is_given_as_interval_gives_a_time_or_is_a_bad_one(text):
    now = datetime(2026, 1, 1)
    said = complaint(BadInterval, lambda: next_time(check_interval(text), now))
    assert next_time(text.strip(), now) > now if said is None else "interval" in said


@given(json_values)
def test_whatever_is_given_as_parameters_fits_or_is_bad(value):
    spec = schema(DummyParameters)
    if complaint(BadParameters, check, spec, value) is None:
        check(spec, with_defaults(spec, value))


@given(st.sampled_from(GOALS), st.data())
def test_whatever_a_strategy_counts_has_an_efficacy_or_is_invalid(goal, data):
    names = [one.name for one in goal.indicators] + ["extra"]
    numbers = st.integers(-2, 9) | st.floats() | st.none() | st.text(max_size=3)
    values = data.draw(st.dictionaries(st.sampled_from(names), numbers))
    said = complaint(Invalid, efficacy, goal, values)
    if said is not None:
        assert goal.name in said
        return
    rows, total = efficacy(goal, values)
    assert len(rows) == len([one for one in values.values() if one is not None])
    assert all(math.isfinite(one["value"]) for one in (*rows, *total))
