# SPDX-License-Identifier: Apache-2.0
"""The two sides of a plan."""

import numpy as np

from tests.shelves import pool_name
from tests.unit.report.stories import actions, gathered, volume_cluster
from tests.worlds import uuid
from watcher.core.metrics import Metrics
from watcher.core.plan import Plan
from watcher.core.solution import Solution, enable_host, migrate, migrate_volume, retype_volume
from watcher.report import evidence
from watcher.report.sides import NOWHERE, Doing, after, before, passages


def doings(*given):
    return [Doing(one.type, one.input_parameters) for one in given]


def named(places, column):
    return dict(zip(places.name, column.tolist(), strict=True))


def test_the_side_before_is_what_was_kept() -> None:
    places = gathered().hosts
    side = before(places)
    assert (side.used == places.used).all()
    assert side.gauges[0] is places.gauges[0].value


def test_what_moves_takes_its_demand_and_its_loads_along() -> None:
    places = gathered().hosts
    end = after(places, doings(*actions()))
    assert named(places, end.count) == {"c1": 0, "c2": 0, "c3": 4, "c4": 0}
    assert named(places, end.used[:, 1]) == {"c1": 0, "c2": 0, "c3": 8192, "c4": 0}
    assert named(places, end.gauges[0]) == {"c1": 0.25, "c2": 0.0, "c3": 5.0, "c4": 0.0}
    assert np.isnan(end.gauges[1]).all()  # what a host measures of itself nobody can know
    assert named(places, end.open) == {"c1": False, "c2": True, "c3": True, "c4": False}


def test_a_host_may_be_opened() -> None:
    places = gathered().hosts
    assert named(places, after(places, doings(enable_host(uuid("c4"), "c4"))).open)["c4"]


def test_without_a_destination_it_is_nowhere_until_nova_has_chosen() -> None:
    places = gathered().hosts
    moves = doings(migrate(uuid("vm1"), "c1"))
    (passage,) = passages(places, moves)
    assert passage.destination == NOWHERE
    assert after(places, moves).used.sum() == places.used.sum() - sum(passage.item.demand)


def test_a_stay_on_the_way_and_a_way_back_leave_nothing() -> None:
    places = gathered().hosts
    there, back = migrate(uuid("vm1"), "c1", "c2"), migrate(uuid("vm1"), "c2", "c1")
    assert passages(places, doings(there, back)) == []
    assert (after(places, doings(there, back)).used == places.used).all()


def test_what_was_not_kept_moves_nothing() -> None:
    places = gathered().hosts
    assert passages(places, doings(migrate(uuid("unknown"), "c1", "c2"))) == []


def test_volumes_move_between_pools_and_a_retype_leaves_them_where_they_are() -> None:
    storage = volume_cluster()
    move = migrate_volume(uuid("v1"), pool_name("two"))
    plan = Plan((move,), ((),))
    pools = evidence.gather(storage, plan, Solution((move,)), Metrics(), {}).pools
    assert pools is not None
    assert after(pools, doings(move)).used[:, 0].tolist() == [0.0, 40.0]
    assert passages(pools, doings(retype_volume(uuid("v1"), "fast"))) == []
