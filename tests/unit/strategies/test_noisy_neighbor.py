# SPDX-License-Identifier: Apache-2.0
"""Moving away what disturbs more important instances."""

from typing import Any

import numpy as np
import pytest

from tests.plans import moves
from tests.worlds import World, world
from watcher.core.cluster import Cluster
from watcher.core.errors import NoMetrics
from watcher.core.metrics import Metric, Metrics
from watcher.core.parameters import parse, schema
from watcher.core.solution import Solution
from watcher.strategies.noisy_neighbor import NoisyNeighbor, Parameters

NAN = float("nan")


def solve(
    cluster: Cluster,
    cache: dict[str, tuple[float, float]] | None = None,
    steal: dict[str, float] | None = None,
    cpu: dict[str, float] | None = None,
    **given: Any,
) -> Solution:
    """The solution; ``cache`` is what each had in the period before and in this one."""
    parameters = parse(Parameters, given)
    names = cluster.instances.name
    then = np.array([(cache or {}).get(name, (NAN, NAN))[0] for name in names])
    now = np.array([(cache or {}).get(name, (NAN, NAN))[1] for name in names])
    columns = {
        Metric.INSTANCE_CPU_STEAL: np.array([(steal or {}).get(name, NAN) for name in names]),
        Metric.INSTANCE_CPU_USAGE: np.array([(cpu or {}).get(name, 0.0) for name in names]),
    }
    recent, both, *others = NoisyNeighbor().queries(parameters)
    answers = {recent: now, both: (now + then) / 2} if cache else {}
    answers |= {query: columns[query.metric] for query in others}
    return NoisyNeighbor().solve(cluster, Metrics(answers), parameters)


def crowd(**priorities: str) -> World:
    """Instances vip, loud and third on c1 with these priorities, and a free host."""
    built = world().host("c1")
    for name in ("vip", "loud", "third"):
        given = {"watcher-priority": priorities[name]} if name in priorities else {}
        built.runs(name, vcpus=2, metadata=given)
    return built.host("c2")


CACHE = {"vip": (100.0, 50.0), "loud": (100.0, 150.0), "third": (100.0, 101.0)}


def test_who_took_the_cache_of_a_more_important_one_is_moved() -> None:
    solution = solve(crowd(vip="9").cluster(), CACHE)
    assert moves(solution) == {"loud": ("c1", "c2")}
    assert solution.indicators == {"instance_migrations_count": 1, "disturbed_instances_count": 1}
    assert solution.notes == ("loud disturbs vip",)


@pytest.mark.parametrize(
    "cache",
    [
        {**CACHE, "vip": (100.0, 65.0)},
        {**CACHE, "loud": (100.0, 135.0)},
        {"loud": (100.0, 150.0), "vip": (0.0, 0.0)},
    ],
)
def test_both_must_change_by_more_than_the_threshold(cache: dict[str, Any]) -> None:
    assert solve(crowd(vip="9").cluster(), cache).actions == ()


def test_of_several_the_one_that_grew_most_is_moved() -> None:
    cache = {**CACHE, "third": (100.0, 300.0)}
    assert set(moves(solve(crowd(vip="9").cluster(), cache))) == {"third"}


def test_where_no_cache_is_measured_it_goes_by_steal_time_and_cpu() -> None:
    cluster = crowd(vip="9").cluster()
    steal = {"vip": 12.0, "loud": 1.0, "third": 0.0}
    solution = solve(cluster, None, steal, {"loud": 90.0, "third": 95.0, "vip": 10.0})
    assert set(moves(solution)) == {"third"}
    calm = solve(cluster, None, {"vip": 9.0}, {"loud": 90.0})
    assert calm.actions == ()
    assert calm.notes == ("no instance is disturbed",)


def test_an_idle_neighbour_disturbs_nobody() -> None:
    solution = solve(crowd(vip="9").cluster(), None, {"vip": 12.0}, {})
    assert solution.actions == ()
    assert "of 1 disturbed instances 1 have no move of their own" in solution.notes[0]


def test_a_locked_one_stays_and_the_next_noisy_one_goes() -> None:
    built = crowd(vip="9")
    built.instances[2] = built.instances[2]._replace(locked=True)
    steal, cpu = {"vip": 50.0}, {"third": 100.0, "loud": 50.0}
    assert set(moves(solve(built.cluster(), None, steal, cpu))) == {"loud"}


def test_it_goes_to_the_least_loaded_host_with_room() -> None:
    built = crowd(vip="9").runs("x", vcpus=4).host("c3").runs("y", vcpus=2).host("c4", vcpus=1)
    cpu = {"loud": 100.0, "x": 50.0, "y": 50.0}
    assert moves(solve(built.cluster(), None, {"vip": 50.0}, cpu)) == {"loud": ("c1", "c3")}


def test_so_many_migrations_and_no_more() -> None:
    built = world()
    for number in range(3):
        built.host(f"c{number}").runs(f"vip{number}", metadata={"watcher-priority": "9"})
        built.runs(f"loud{number}")
    built.host("free")
    steal = {f"vip{number}": 50.0 for number in range(3)}
    cpu = {f"loud{number}": 100.0 for number in range(3)}
    assert len(moves(solve(built.cluster(), None, steal, cpu))) == 3
    assert len(moves(solve(built.cluster(), None, steal, cpu, max_migrations=2))) == 2


# --- strategy-faults: each row a test


def test_fault_noisy_neighbor_two_or_more_affected_hosts() -> None:
    built = world().host("c1").runs("vip1", metadata={"watcher-priority": "9"}).runs("loud1")
    built.host("c2").runs("vip2", metadata={"watcher-priority": "8"}).runs("loud2").host("c3")
    cache = {"vip1": (10.0, 1.0), "vip2": (10.0, 1.0), "loud1": (10, 90), "loud2": (10, 90)}
    solution = solve(built.cluster(), cache)
    assert moves(solution) == {"loud1": ("c1", "c3"), "loud2": ("c2", "c3")}


def test_fault_noisy_neighbor_prioritised_and_unprioritised_vms() -> None:
    """Without one the priority is 5, and all of them are numbers."""
    assert set(moves(solve(crowd(loud="4").cluster(), CACHE))) == {"loud"}
    assert moves(solve(crowd(loud="5").cluster(), CACHE)) == {}
    assert set(moves(solve(crowd(vip="10", loud="9").cluster(), CACHE))) == {"loud"}
    odd = solve(crowd(vip="9", loud="high", third="9" * 40).cluster(), CACHE)
    assert set(moves(odd)) == {"loud"}
    assert odd.notes[-1] == (
        "2 instances have a watcher-priority that is no whole number; it counts as 5"
    )


def test_fault_noisy_neighbor_disabled_and_down_hosts_are_used() -> None:
    built = crowd(vip="9")
    built.hosts[1] = built.hosts[1]._replace(enabled=False)
    assert solve(built.cluster(), CACHE).actions == ()
    built.hosts[1] = built.hosts[1]._replace(enabled=True, up=False)
    assert solve(built.cluster(), CACHE).actions == ()


def test_nothing_measured_is_an_error_that_names_both() -> None:
    with pytest.raises(NoMetrics, match="instance_l3_cache_usage nor metric instance_cpu_steal"):
        solve(crowd().cluster())


def test_its_parameters_are_those_of_the_contract() -> None:
    properties = schema(Parameters)["properties"]
    assert properties["cache_threshold"]["default"] == 35.0
    assert properties["period"]["default"] == 100.0
    recent, both, *_ = NoisyNeighbor().queries(Parameters())
    assert (recent.period_s, both.period_s) == (100, 200)


def test_only_of_the_neighbours_of_the_disturbed_it_is_told_what_was_refused() -> None:
    built = world().host("c1").runs("vip", metadata={"watcher-priority": "9"})
    built.runs("loud", locked=True).host("c2").runs("far", locked=True)
    refused = solve(built.cluster(), steal={"vip": 50.0}, cpu={"loud": 90.0}).why_not
    assert refused is not None
    assert [(one.reason, one.count) for one in refused.instances] == [("it is locked", 1)]
