# SPDX-License-Identifier: Apache-2.0
"""Tests of watcher.core.damping."""

from dataclasses import dataclass

import pytest

from tests.worlds import uuid, world
from watcher.core import parameters
from watcher.core.constraints import movable, touchable
from watcher.core.damping import DAMPED, Damping, gain, rest, spec, split, worth
from watcher.core.errors import BadParameters
from watcher.core.parameters import param
from watcher.core.solution import Solution, disable_host, migrate


@dataclass(frozen=True)
class Own:
    limit: float = param(80.0, "Limit, percent.")


@dataclass(frozen=True)
class Resting:
    cool_down: float = param(5.0, "Its own, seconds.")


class Consolidation:
    name, goal, parameters = "mine", "server_consolidation", Own


class Dummy(Consolidation):
    goal = "dummy"


class Stubborn(Consolidation):
    parameters = Resting


MOVES = tuple(migrate(uuid(name), "c1", "c2") for name in ("vm1", "vm2"))


def test_strategies_of_damped_goals_take_the_parameters_of_damping_beside_their_own():
    taken = spec(Consolidation())
    assert set(taken["properties"]) == {"limit", "cool_down", "minimum_gain"}
    parameters.check(taken, {"cool_down": 600, "minimum_gain": None})
    assert parameters.with_defaults(taken, {}) == {"limit": 80.0}
    with pytest.raises(BadParameters, match="cool_down"):
        parameters.check(taken, {"cool_down": -1})


def test_where_moving_is_the_end_nothing_is_damped():
    assert "cluster_maintaining" not in DAMPED
    assert "hardware_maintenance" not in DAMPED
    assert set(spec(Dummy())["properties"]) == {"limit"}


def test_the_parameters_are_told_apart():
    given = {"limit": 70.0, "cool_down": 60.0}
    assert split(Consolidation(), given) == ({"limit": 70.0}, Damping(cool_down=60.0))
    assert split(Consolidation(), {}) == ({}, Damping())


def test_a_parameter_of_the_strategy_itself_stays_its_own():
    assert spec(Stubborn())["properties"]["cool_down"]["default"] == 5.0
    assert split(Stubborn(), {"cool_down": 9.0}) == ({"cool_down": 9.0}, Damping())


def test_an_instance_that_was_moved_rests_and_may_still_be_evacuated():
    cluster = world().host("c1").runs("vm1").runs("vm2").cluster()
    rested, notes = rest(cluster, {uuid("vm1"), uuid("gone")}, 1800.0)
    mask, reasons = movable(rested)
    row = cluster.instances.row_by_uuid[uuid("vm1")]
    assert mask.sum() == 1
    assert not mask[row]
    assert reasons[row] == "it was migrated a short time ago (cool_down)"
    assert touchable(rested)[0].all()
    assert notes == [
        "1 instances were migrated within 1800 seconds (cool_down): they are left alone"
    ]


def test_without_recent_migrations_the_cluster_stays_as_it_is():
    cluster = world().host("c1").runs("vm1").cluster()
    assert rest(cluster, {uuid("gone")}, 60.0) == (cluster, [])


@pytest.mark.parametrize(
    ("goal", "indicators", "total"),
    [
        ("server_consolidation", {"released_compute_nodes_count": 2}, 2),
        (
            "workload_balancing",
            {"standard_deviation_before_audit": 0.3, "standard_deviation_after_audit": 0.1},
            pytest.approx(20),
        ),
        ("workload_balancing", {"standard_deviation_before_audit": 0.3}, None),
        *(("server_consolidation", {}, None), ("saving_energy", {"x": 1}, None)),
    ],
)
def test_what_a_solution_brings_is_read_from_its_indicators(goal, indicators, total):
    assert gain(goal, indicators) == total


def test_a_plan_that_brings_too_little_for_each_migration_is_not_made():
    solution = Solution(MOVES, {"released_compute_nodes_count": 1}, ("because",))
    assert worth("server_consolidation", solution, 0.5) is solution
    refused = worth("server_consolidation", solution, 0.6)
    assert refused.actions == ()
    assert refused.notes == (
        "2 migrations would bring 0.5 each, less than the minimum_gain of 0.6: nothing is moved",
        "because",
    )


def test_a_plan_without_migrations_or_without_a_known_gain_is_made():
    alone = Solution((disable_host(uuid("c1"), "c1", "watcher_disabled"),))
    assert worth("server_consolidation", alone, 9.0) is alone
    unknown = Solution(MOVES)
    assert worth("noisy_neighbor", unknown, 9.0) is unknown
