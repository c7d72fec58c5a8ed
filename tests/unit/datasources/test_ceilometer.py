# SPDX-License-Identifier: Apache-2.0
"""Ceilometer's layout, what an operator may change about it, and one number out of buckets."""

from typing import Any

import pytest

from watcher.core.errors import BadParameters
from watcher.core.metrics import Aggregate, Metric
from watcher.datasources import ceilometer
from watcher.datasources.ceilometer import Archive, Point, Window, mapping, number

GAUGE = Archive("m", "host")
WINDOW = Window(1000.0, 1600.0)


def points(*rows: tuple[float, float], granularity: float = 300.0) -> list[Point]:
    return [Point(at, granularity, value) for at, value in rows]


def test_a_mean_weighs_a_bucket_by_its_part_of_the_window() -> None:
    found = points((900.0, 6.0), (1200.0, 12.0), (1500.0, 18.0))
    expected = (6.0 * 200 + 12.0 * 300 + 18.0 * 100) / 600
    assert number(found, GAUGE, Aggregate.MEAN, WINDOW) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("aggregate", "expected"), [(Aggregate.MIN, 1.0), (Aggregate.MAX, 3.0), (Aggregate.COUNT, 6.0)]
)
def test_the_least_the_greatest_and_the_count_of_the_buckets(
    aggregate: Aggregate, expected: float
) -> None:
    found = points((900.0, 2.0), (1200.0, 1.0), (1500.0, 3.0))
    assert number(found, GAUGE, aggregate, WINDOW) == expected


def test_the_most_of_a_use_is_the_least_of_its_idle() -> None:
    idle = Archive("m", "host", scale=-1.0, offset=100.0)
    found = points((1200.0, 90.0), (1500.0, 20.0))
    assert number(found, idle, Aggregate.MAX, WINDOW) == 20.0


def test_the_finest_granularity_is_taken() -> None:
    found = [*points((0.0, 99.0), granularity=3600.0), *points((1200.0, 5.0), granularity=60.0)]
    assert number(found, GAUGE, Aggregate.MEAN, WINDOW) == 5.0


def test_without_a_bucket_in_the_window_there_is_no_number() -> None:
    assert number([], GAUGE, Aggregate.MEAN, WINDOW) is None
    assert number(points((0.0, 1.0)), GAUGE, Aggregate.MEAN, WINDOW) is None


def test_a_rate_is_by_the_seconds_between_samples() -> None:
    found = points((1200.0, 600.0))
    rate = Archive("cpu", "instance", kind="rate")
    assert number(found, rate, Aggregate.MEAN, WINDOW) == 2.0
    polled = Archive("cpu", "instance", kind="rate", step_s=60)
    assert number(found, polled, Aggregate.MAX, WINDOW) == 10.0


def test_a_counter_is_its_growth_and_one_that_began_again_has_none() -> None:
    counter = Archive("cpu", "instance", kind="counter")
    found = points((900.0, 100.0), (1200.0, 700.0), (1500.0, 50.0))
    assert number(found, counter, Aggregate.MEAN, WINDOW) == 2.0


def test_a_plain_word_is_another_metric_of_the_same_resources() -> None:
    found = mapping({"instance_ram_usage": "memory.usage"})[Metric.INSTANCE_RAM_USAGE]
    assert isinstance(found, Archive)
    assert (found.metric, found.resource_type, found.join) == ("memory.usage", "instance", "uuid")


def test_what_the_model_knows_and_what_has_no_default_may_come_from_the_archive() -> None:
    changes = {"instance_ram_allocated": {}, "instance_cpu_steal": "cpu.steal"}
    found = mapping(changes)
    assert [found[Metric.named(name)].metric for name in changes] == ["memory", "cpu.steal"]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"cpu": "x"}, "gnocchi: no metric 'cpu'"),
        ({"host_power": {"typ": "x"}}, "gnocchi.host_power: .*'typ'"),
        ({"host_power": {"step_s": -1}}, "gnocchi.host_power.step_s: -1"),
        ({"host_power": {"kind": "guess"}}, "gnocchi.host_power.kind: 'guess'"),
        ({"host_power": {"join": "uuid"}}, "uuid does not name a compute_node"),
    ],
)
def test_a_wrong_change_is_refused_in_one_line_that_says_where(change: Any, words: str) -> None:
    with pytest.raises(BadParameters, match=words) as caught:
        mapping(change)
    assert "\n" not in str(caught.value)


def test_what_a_resource_may_be_called() -> None:
    host = {"original_resource_id": "n1.example.org_n1.example.org"}
    assert ceilometer.names(host, GAUGE) == [host["original_resource_id"], "n1.example.org"]
    renamed = Archive("m", "host", names={"10.0.0.7": "n7"})
    assert ceilometer.names({"original_resource_id": "10.0.0.7"}, renamed) == ["n7"]
    instance = Archive("m", "instance", attribute="id", join="uuid")
    assert ceilometer.names({"id": "a_b"}, instance) == ["a_b"]


def test_several_resources_of_one_name_give_their_mean() -> None:
    assert ceilometer.pooled([("a", 1.0), ("a", 3.0), ("b", 5.0)]) == {"a": 2.0, "b": 5.0}
