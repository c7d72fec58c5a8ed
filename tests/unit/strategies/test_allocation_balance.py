# SPDX-License-Identifier: Apache-2.0
"""Levelling what is allocated."""

from dataclasses import replace
from typing import Any

import pytest

from tests.plans import moves
from tests.worlds import World, world
from watcher.core.cluster import Cluster
from watcher.core.errors import BadParameters
from watcher.core.metrics import Metrics
from watcher.core.parameters import parse
from watcher.core.solution import Solution
from watcher.strategies.allocation_balance import AllocationBalance, Parameters


def solve(cluster: Cluster, **given: Any) -> Solution:
    return AllocationBalance().solve(cluster, Metrics(), parse(Parameters, given))


def crowded(number: int = 4, **fields: Any) -> World:
    built = world().host("c1")
    for one in range(number):
        built.runs(f"vm{one}", **fields)
    return built.host("c2")


def test_half_of_what_is_allocated_goes_to_the_empty_host() -> None:
    solution = solve(crowded(8, memory_mb=2048).cluster())
    assert len(moves(solution)) == 4
    assert solution.indicators == {
        "instance_migrations_count": 4,
        "instances_count": 8,
        "standard_deviation_before_audit": 0.5,
        "standard_deviation_after_audit": 0.0,
        "standard_deviation_lower_bound": 0.0,
        "gap_to_standard_deviation_lower_bound": 0.0,
        "fullest_host_percent_before": 100.0,
        "fullest_host_percent_after": 50.0,
    }
    assert "from 0.5000 to 0.0000" in solution.notes[0]


def test_level_hosts_are_left_alone() -> None:
    solution = solve(crowded(8, memory_mb=2048).cluster(), threshold=0.5)
    assert solution.actions == ()
    assert solution.notes == ("the hosts are level: no resource is above the threshold",)


def test_ratios_and_reserves_count() -> None:
    built = world().host("c1", vcpus_ratio=4.0).runs("a").runs("b").runs("c").runs("d")
    built.host("c2", vcpus=9, vcpus_reserved=1).runs("e")
    # 4 of 32 and 1 of 8: level.
    assert solve(built.cluster(), resources=["vcpus"], threshold=0.0).actions == ()


def test_stopped_instances_count_and_stay() -> None:
    built = world().host("c1").runs("off", vcpus=4, state="stopped").runs("a", vcpus=2)
    solution = solve(built.host("c2").cluster(), resources=["vcpus"], threshold=0.1)
    assert set(moves(solution)) == {"a"}
    stuck = solve(crowded(4, vcpus=2, state="stopped").cluster())
    assert stuck.actions == ()
    assert "stays above the threshold" in stuck.notes[-1]


def test_disk_can_be_levelled_too() -> None:
    solution = solve(crowded(4, disk_gb=50).cluster(), resources=["disk_gb"])
    assert len(moves(solution)) == 2


def test_so_many_migrations_and_no_more() -> None:
    assert len(moves(solve(crowded(8).cluster(), max_migrations=1))) == 1


def test_moves_that_were_left_out_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from watcher.solvers import levelling

    real = levelling.levelled

    def short(*given: Any) -> Any:
        found = real(*given)
        return replace(found, moves=found.moves[:-1], blocked=1)

    monkeypatch.setattr("watcher.strategies.allocation_balance.levelled", short)
    assert solve(crowded(8).cluster()).notes[-1].startswith("1 moves were left out")


def test_it_measures_nothing_and_takes_what_can_be() -> None:
    assert AllocationBalance().queries(Parameters()) == ()
    with pytest.raises(BadParameters, match="resources"):
        parse(Parameters, {"resources": ["cpu"]})
    with pytest.raises(BadParameters, match="threshold"):
        parse(Parameters, {"threshold": 2})
