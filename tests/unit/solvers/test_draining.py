# SPDX-License-Identifier: Apache-2.0
"""Emptying whole hosts, least loaded first."""

import numpy as np

from tests.worlds import World, host_row, instance_row, world
from watcher.core.cluster import VCPUS, Cluster, Floats
from watcher.core.constraints import Constraints, movable
from watcher.core.placement import Placement
from watcher.solvers.draining import Drain, drain


def rank(placement: Placement) -> Floats:
    return placement.used[:, VCPUS]


def drained(
    cluster: Cluster, max_failures: int | None = None, kind: str = ""
) -> tuple[list[str], dict[str, str]]:
    """Names of the emptied hosts, and where each instance is then."""
    placement = Placement(cluster)
    kinds = np.array([int(kind == name) for name in cluster.hosts.name])
    wanted = Drain(cluster.hosts.usable, kinds, rank, max_failures)
    emptied = drain(Constraints(placement), movable(cluster)[0], wanted)
    names = cluster.hosts.name
    homes = {
        name: str(names[host])
        for name, host in zip(cluster.instances.name, placement.host, strict=True)
    }
    return [str(names[row]) for row in emptied], homes


def three() -> World:
    """Hosts with 1, 2 and 4 instances of one vCPU; 8 vCPUs each."""
    built = world()
    for host, number in (("c1", 1), ("c2", 2), ("c3", 4)):
        built.host(host)
        for one in range(number):
            built.runs(f"{host}-{one}")
    return built


def test_the_least_loaded_are_emptied_into_the_fullest_that_has_room() -> None:
    emptied, homes = drained(three().cluster())
    assert emptied == ["c1", "c2"]
    assert set(homes.values()) == {"c3"}


def test_a_host_is_left_alone_when_there_is_no_room_for_all_of_it() -> None:
    cluster = three().host("c4", vcpus=7).runs("big", vcpus=6).cluster()
    emptied, homes = drained(cluster)
    assert emptied == ["c1", "c2"]
    assert {homes[f"c3-{number}"] for number in range(4)} == {"c3"}
    assert homes["big"] == "c4"


def test_what_was_moved_for_nothing_goes_back() -> None:
    built = world().host("small").runs("a", memory_mb=2048).runs("b", memory_mb=1024)
    # Room for both in sum, but in two hosts, and the second is too small for either.
    built.host("x", memory_mb=4096).runs("x1", vcpus=3, memory_mb=2048)
    built.host("y", memory_mb=4096).runs("y1", vcpus=4, memory_mb=3584)
    cluster = built.host("z", memory_mb=4096).runs("z1", vcpus=4, memory_mb=3584).cluster()
    emptied, homes = drained(cluster)
    assert "small" not in emptied
    assert homes["a"] == homes["b"] == "small"


def test_a_host_with_something_that_stays_is_left_alone_entirely() -> None:
    cluster = three().cluster()
    locked = cluster.instances.locked.copy()
    locked[instance_row(cluster, "c2-0")] = True
    emptied, homes = drained(cluster.with_instances(locked=locked))
    assert emptied == ["c1"]
    assert homes["c2-1"] == "c2"


def test_the_last_of_a_kind_stays() -> None:
    emptied, _ = drained(three().cluster(), kind="c1")
    assert emptied == ["c2"]


def test_empty_hosts_and_those_that_are_not_usable_take_nothing() -> None:
    built = three().host("empty").host("off", enabled=False).runs("alone", vcpus=8)
    emptied, homes = drained(built.cluster())
    assert emptied == ["c1", "c2"]
    assert set(homes.values()) == {"c3", "off"}


def test_so_many_failures_end_it() -> None:
    built = world().host("a", zone="az1").runs("a1", pinned_zone="az1")
    built.host("b", zone="az2").runs("b1", vcpus=2).host("c", zone="az2").runs("c1", vcpus=3)
    cluster = built.cluster()
    assert drained(cluster)[0] == ["b"]
    assert drained(cluster, max_failures=1)[0] == ["b"]
    assert drained(cluster, max_failures=0)[0] == []


def test_of_equals_the_first_goes_to_the_second() -> None:
    cluster = world().host("a").runs("a1").host("b").runs("b1").cluster()
    first, second = sorted("ab", key=lambda name: host_row(cluster, name))
    assert drained(cluster)[0] == [first]
    assert set(drained(cluster)[1].values()) == {second}
