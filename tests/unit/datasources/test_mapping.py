# SPDX-License-Identifier: Apache-2.0
"""Where each metric is, and what an operator may say about it."""

from typing import Any

import pytest

from watcher.core.errors import BadParameters
from watcher.core.metrics import Aggregate, Metric
from watcher.datasources.mapping import DEFAULTS, Known, Series, mapping


def test_every_metric_of_the_vocabulary_has_a_place_by_default() -> None:
    assert set(mapping({})) == set(Metric)


def test_the_default_follows_telegraf() -> None:
    cpu = DEFAULTS[Metric.INSTANCE_CPU_USAGE]
    assert isinstance(cpu, Series)
    assert (cpu.measurement, cpu.field, cpu.tag) == ("libvirt_cpu", "cpu_time", "domain_name")
    assert (cpu.join, cpu.kind, cpu.per_vcpu) == ("domain_name", "counter", True)


def test_the_most_of_a_use_is_the_least_of_its_idle() -> None:
    idle, used = Series("cpu", "usage_idle", scale=-1.0), Series("cpu", "usage_active")
    assert [idle.asked(one) for one in (Aggregate.MAX, Aggregate.MIN)] == [
        Aggregate.MIN,
        Aggregate.MAX,
    ]
    assert [idle.asked(one) for one in (Aggregate.MEAN, Aggregate.COUNT)] == [
        Aggregate.MEAN,
        Aggregate.COUNT,
    ]
    assert used.asked(Aggregate.MAX) is Aggregate.MAX


def test_a_plain_word_is_another_field_of_the_same_measurement() -> None:
    changed = mapping({"host_ram_usage": "active"})[Metric.HOST_RAM_USAGE]
    assert changed == Series("mem", "active", scale=1 / 1024)


def test_a_change_keeps_what_it_does_not_name() -> None:
    changed = mapping({"instance_cpu_usage": {"tag": "uuid", "join": "uuid"}})
    default = DEFAULTS[Metric.INSTANCE_CPU_USAGE]
    found = changed[Metric.INSTANCE_CPU_USAGE]
    assert isinstance(found, Series)
    assert isinstance(default, Series)
    assert (found.tag, found.join) == ("uuid", "uuid")
    assert (found.measurement, found.scale, found.kind) == (
        default.measurement,
        default.scale,
        default.kind,
    )
    assert changed[Metric.HOST_CPU_USAGE] == DEFAULTS[Metric.HOST_CPU_USAGE]


def test_what_the_model_knows_may_come_from_the_history_instead() -> None:
    assert isinstance(mapping({})[Metric.INSTANCE_RAM_ALLOCATED], Known)
    changed = mapping({"instance_ram_allocated": {}})[Metric.INSTANCE_RAM_ALLOCATED]
    assert isinstance(changed, Series)
    assert (changed.measurement, changed.field) == ("libvirt_balloon", "current")


def test_another_field_for_an_idle_metric_must_say_how_to_read_it() -> None:
    with pytest.raises(BadParameters, match="usage_idle is turned round"):
        mapping({"host_cpu_usage": "usage_active"})
    said = {"field": "usage_active", "scale": 1, "offset": 0}
    found = mapping({"host_cpu_usage": said})[Metric.HOST_CPU_USAGE]
    assert isinstance(found, Series)
    assert (found.field, found.scale, found.offset) == ("usage_active", 1, 0)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"cpu": "x"}, "no metric 'cpu'; there are host_cpu_usage"),
        ({"host_power": {"fild": "x"}}, r"influxdb.host_power: .*'fild'"),
        ({"host_power": {"scale": "big"}}, r"influxdb.host_power.scale: 'big' is not"),
        ({"host_power": {"scale": 0}}, r"influxdb.host_power.scale: "),
        ({"host_power": {"kind": "guess"}}, r"influxdb.host_power.kind: 'guess'"),
        ({"host_power": {"where": {"name": 3}}}, r"influxdb.host_power.where.name: 3 is not"),
        ({"host_power": {"where": {"name": "/(/"}}}, "is no regular expression"),
        ({"host_power": {"measurement": ""}}, r"influxdb.host_power.measurement"),
        ({"host_power": {"join": "uuid"}}, "uuid does not name a compute_node"),
        ({"instance_cpu_usage": {"join": "hostname"}}, "hostname does not name a instance"),
        ({"host_power": 3}, "influxdb.host_power: 3 is not of type 'object'"),
        (["host_power"], "a mapping from metric names is wanted"),
    ],
)
def test_a_wrong_change_is_refused_in_one_line_that_says_where(change: Any, text: str) -> None:
    with pytest.raises(BadParameters, match=text) as caught:
        mapping(change)
    assert "\n" not in str(caught.value)
