# SPDX-License-Identifier: Apache-2.0
"""Taking work off hosts that something rises on with it."""

from collections.abc import Mapping

import numpy as np
import pytest

from tests.plans import measured
from tests.worlds import World, host_row, instance_row, world
from watcher.core.cluster import Cluster
from watcher.core.constraints import movable
from watcher.core.loads import cpu_use
from watcher.core.metrics import Metric, Query
from watcher.solvers.cooling import Cooling, Readings, at_least, work

NAN = float("nan")


def readings(
    cluster: Cluster,
    values: Mapping[str, float],
    threshold: float = 35.0,
    base: Mapping[str, float] | None = None,
) -> Readings:
    def column(given: Mapping[str, float]) -> np.ndarray:
        return np.array([given.get(name, NAN) for name in cluster.hosts.name])

    return Readings(column(values), column(base or {}), threshold)


def cooled(
    built: World,
    values: Mapping[str, float],
    emptied: tuple[str, ...] = (),
    most: int = 0,
    base: Mapping[str, float] | None = None,
) -> tuple[Cooling, dict[str, str]]:
    """The cooling, and where each moved instance went; every vCPU is busy."""
    cluster = built.cluster()
    amounts = cluster.instances.demand[:, 0].astype(float)
    cooling = Cooling(cluster, amounts, readings(cluster, values, base=base), cluster.hosts.usable)
    shut = np.array([name in emptied for name in cluster.hosts.name], dtype=np.bool_)
    cooling.run(movable(cluster)[0], shut, most)
    names = cluster.instances.name
    return cooling, {
        names[move.instance]: str(cluster.hosts.name[move.destination])
        for move in cooling.placement.moves()
    }


def three() -> World:
    """A host with instances of 4, 2 and 1 vCPUs, and two with one of 1."""
    built = world().host("hot", vcpus=16).runs("four", vcpus=4).runs("two", vcpus=2).runs("one")
    return built.host("mild").runs("m").host("cool").runs("c")


def test_the_smallest_that_is_enough_goes_to_the_coolest() -> None:
    # 14 degrees above what nothing makes: 2 for each busy thread.
    values = {"hot": 36.0, "mild": 25.0, "cool": 24.0}
    base = dict.fromkeys(values, 22.0)
    cooling, went = cooled(three(), values, base=base)
    assert went == {"one": "cool"}
    expected = dict(zip(cooling.placement.cluster.hosts.name, cooling.expected(), strict=True))
    assert expected == pytest.approx({"hot": 34.0, "mild": 25.0, "cool": 26.0 + 3.0 / 9}, abs=0.4)


def test_one_large_is_better_than_several_small() -> None:
    values = {"hot": 52.0, "mild": 12.0, "cool": 12.0}
    # 6 degrees for each busy thread: 17 degrees too much, so three threads must go.
    cooling, went = cooled(three(), values, base=dict.fromkeys(values, 10.0))
    assert set(went) == {"four"}
    assert not at_least(cooling.expected(), 35.0).any()


def test_as_much_goes_as_others_may_take() -> None:
    values = {"hot": 52.0, "mild": 20.5, "cool": 20.0}
    cooling, went = cooled(three(), values, base=dict.fromkeys(values, 15.0))
    assert went == {"two": "cool", "one": "mild"}
    assert at_least(cooling.expected(), 35.0).sum() == 1


def test_without_a_base_the_coolest_host_is_compared_with() -> None:
    built = world().host("hot", vcpus=8).runs("a", vcpus=3).runs("b", vcpus=2)
    cluster_values = {"hot": 38.0, "cool": 30.0}
    cooling, went = cooled(built.host("cool").runs("c"), cluster_values)
    # 8 degrees for 4 threads more: 2 for each, so one of the two is enough.
    assert went == {"b": "cool"}
    row = host_row(cooling.placement.cluster, "hot")
    assert cooling.expected()[row] == pytest.approx(34.0)


def test_no_host_is_brought_to_the_threshold() -> None:
    values = {"hot": 36.0, "mild": 34.9, "cool": 34.9}
    _, went = cooled(three(), values, base=dict.fromkeys(values, 22.0))
    assert went == {}


def test_a_host_without_a_reading_takes_nothing() -> None:
    _, went = cooled(three(), {"hot": 36.0, "mild": 25.0}, base=dict.fromkeys(["hot"], 22.0))
    assert went == {"one": "mild"}
    _, nowhere = cooled(three(), {"hot": 36.0})
    assert nowhere == {}


def test_so_many_and_no_more() -> None:
    values = {"hot": 80.0, "mild": 20.0, "cool": 20.0}
    _, went = cooled(three(), values, most=1, base=dict.fromkeys(values, 10.0))
    assert len(went) == 1


def test_a_host_is_emptied_completely_or_not_at_all() -> None:
    values = {"hot": 36.0, "mild": 20.0, "cool": 20.0}
    base = dict.fromkeys(values, 19.0)
    _, went = cooled(three(), values, ("hot",), base=base)
    assert set(went) == {"four", "two", "one"}
    stays = three()
    stays.host("other").runs("x")
    stays.instances[0] = stays.instances[0]._replace(locked=True)
    assert cooled(stays, values, ("hot",), base=base)[1] == {}
    big = world().host("hot").runs("a", vcpus=4).runs("b", vcpus=4).host("cool", vcpus=6)
    assert cooled(big, {"hot": 36.0, "cool": 20.0}, ("hot",))[1] == {}


def test_a_hot_host_without_work_stays_as_it_is() -> None:
    built = world().host("hot").host("cool").runs("c")
    cooling, went = cooled(built, {"hot": 40.0, "cool": 20.0})
    assert went == {}
    assert at_least(cooling.expected(), 35.0).sum() == 1


def test_nothing_read_at_all_moves_nothing() -> None:
    cooling, went = cooled(three(), {})
    assert went == {}
    assert np.isnan(cooling.expected()).all()


def test_work_is_cpu_in_use_and_all_where_it_is_not_measured() -> None:
    built = world().host("c1").runs("a", vcpus=4).runs("b", vcpus=2).runs("c", state="stopped")
    cluster = built.runs("p", vcpus=2, state="paused").cluster()
    query = Query(Metric.INSTANCE_CPU_USAGE)
    use = cpu_use(cluster, measured(cluster, (query,), {"instance_cpu_usage": {"a": 50}}), query)
    amounts = work(cluster, use)
    assert [amounts[instance_row(cluster, name)] for name in "abcp"] == [2, 2, 0, 0]


def test_the_hottest_comes_first() -> None:
    cluster = three().cluster()
    found = readings(cluster, {"hot": 40.0, "mild": 50.0, "cool": 20.0})
    assert [str(cluster.hosts.name[row]) for row in found.order] == ["mild", "hot"]


def test_a_host_that_is_no_target_teaches_nothing() -> None:
    """Its reading does not follow its work: it would make all others look steep."""
    built = world().host("broken").runs("a").runs("b").host("cool").runs("c")
    cluster = built.cluster()
    amounts = cluster.instances.demand[:, 0] * 0.1
    sound = np.array([name != "broken" for name in cluster.hosts.name])
    cooling = Cooling(cluster, amounts, readings(cluster, {"broken": 90.0, "cool": 20.0}), sound)
    cooling.run(movable(cluster)[0], ~sound)
    assert len(cooling.placement.moves()) == 2
