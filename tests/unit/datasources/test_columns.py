# SPDX-License-Identifier: Apache-2.0
"""From names to rows."""

from collections.abc import Mapping

import numpy as np
import pytest

from tests.worlds import instance_record, uuid, world
from watcher.core.cluster import Cluster
from watcher.core.metrics import Aggregate, Metric, Query
from watcher.core.records import HostRecord, assemble
from watcher.datasources import columns
from watcher.datasources.influxql import Answer
from watcher.datasources.mapping import Series

HOST = Query(Metric.HOST_CPU_USAGE)
CPU = Query(Metric.INSTANCE_CPU_USAGE)


def hosts(*names: str) -> Cluster:
    return assemble([HostRecord(f"{at:03}", name, 8, 8, 8) for at, name in enumerate(names)], [])


def host_column(values: Mapping[str, float], cluster: Cluster, **series: object) -> list[float]:
    found = columns.column(values, Series("m", "f", **series), HOST, cluster)  # type: ignore[arg-type]
    return [float(one) for one in found]


def answers(*rows: tuple[str, str, float]) -> list[Answer]:
    return [Answer({"domain": domain, "host": host}, 0, value) for domain, host, value in rows]


@pytest.mark.parametrize(
    ("tag", "row"),
    [
        ("n1", 0),
        ("n10", 1),
        ("n1.example.org", 0),
        ("N10.Example.org", 1),
        ("n100", None),
        ("n", None),
        ("", None),
    ],
)
def test_a_host_is_its_exact_name_or_its_short_one(tag: str, row: int | None) -> None:
    found = host_column({tag: 5.0}, hosts("n1", "n10"))
    assert [at for at in range(2) if found[at] == 5.0] == ([] if row is None else [row])
    assert np.isnan(found).sum() == (2 if row is None else 1)


def test_the_service_may_have_the_long_name_and_the_agent_the_short_one() -> None:
    assert host_column({"n1": 5.0}, hosts("n1.example.org")) == [5.0]


def test_the_exact_name_goes_before_the_short_one() -> None:
    assert host_column({"n1.example.org": 7.0, "n1": 5.0}, hosts("n1")) == [5.0]


def test_a_short_name_that_fits_two_is_nobodys() -> None:
    two_hosts = hosts("n1.east", "n1.west")
    assert np.isnan(host_column({"n1": 5.0}, two_hosts)).all()
    assert np.isnan(host_column({"n1.east": 5.0, "n1.west": 6.0}, hosts("n1"))).all()
    assert host_column({"n1.east": 5.0, "n1.west": 6.0}, two_hosts) == [5.0, 6.0]


def test_a_host_without_an_answer_is_not_measured_and_zero_is_zero() -> None:
    found = host_column({"n1": 0.0}, hosts("n1", "n2"))
    assert found[0] == 0.0
    assert np.isnan(found[1])


def test_idle_becomes_use_but_a_count_stays_a_count() -> None:
    idle = Series("cpu", "usage_idle", scale=-1.0, offset=100.0)
    cluster = hosts("n1")
    assert columns.column({"n1": 30.0}, idle, HOST, cluster).tolist() == [70.0]
    counted = Query(Metric.HOST_CPU_USAGE, aggregate=Aggregate.COUNT)
    assert columns.column({"n1": 30.0}, idle, counted, cluster).tolist() == [30.0]


def test_an_instance_is_found_by_uuid_or_by_domain_name() -> None:
    cluster = world().host("c1").runs("vm1").runs("vm2").cluster()
    row = cluster.instances.row_by_uuid[uuid("vm1")]
    by_uuid = Series("m", "f", join="uuid")
    by_domain = Series("m", "f", join="domain_name")
    for series, name in ((by_uuid, uuid("vm1")), (by_domain, "instance-vm1")):
        found = columns.column({name: 5.0, "gone": 6.0}, series, CPU, cluster)
        assert found[row] == 5.0
        assert np.isnan(found[1 - row])


def test_a_domain_name_that_two_cells_gave_is_nobodys() -> None:
    records = [
        instance_record("a", domain_name="instance-1"),
        instance_record("b", domain_name="instance-1"),
        instance_record("c", domain_name=""),
    ]
    series = Series("m", "f", join="domain_name")
    found = columns.column({"instance-1": 5.0, "": 6.0}, series, CPU, assemble([], records))
    assert np.isnan(found).all()


def test_the_use_of_cpu_is_by_the_instances_own_vcpus_and_at_most_the_maximum() -> None:
    cluster = world().host("c1").runs("vm1", vcpus=4).runs("vm2", vcpus=1).cluster()
    series = Series("m", "f", join="uuid", scale=100 / 1e9, per_vcpu=True, maximum=100.0)
    rates = {uuid("vm1"): 1e9, uuid("vm2"): 1.2e9}
    found = columns.column(rates, series, CPU, cluster)
    assert found[cluster.instances.row_by_uuid[uuid("vm1")]] == pytest.approx(25.0)
    assert found[cluster.instances.row_by_uuid[uuid("vm2")]] == 100.0


MIGRATED = answers(("vm", "a", 10.0), ("vm", "b", 40.0), ("other", "a", 7.0))


@pytest.mark.parametrize(
    ("combine", "scale", "aggregate", "expected"),
    [
        ("pool", 1.0, Aggregate.MEAN, 15.0),
        ("pool", 1.0, Aggregate.MAX, 40.0),
        ("pool", 1.0, Aggregate.MIN, 10.0),
        ("pool", 1.0, Aggregate.COUNT, 50.0),
        ("pool", -1.0, Aggregate.MAX, 10.0),
        ("sum", 1.0, Aggregate.MEAN, 50.0),
        ("max", 1.0, Aggregate.MEAN, 40.0),
        ("max", -1.0, Aggregate.MEAN, 10.0),
        ("max", 1.0, Aggregate.COUNT, 50.0),
    ],
)
def test_several_series_of_one_resource_become_one_number(
    combine: str, scale: float, aggregate: Aggregate, expected: float
) -> None:
    series = Series("m", "f", tag="domain", combine=combine, scale=scale)
    counts = columns.weights(answers(("vm", "a", 5.0), ("vm", "b", 1.0)))
    found = columns.combined(MIGRATED, series, aggregate, counts)
    assert found == {"vm": pytest.approx(expected), "other": 7.0}


def test_the_resources_with_several_series_are_named_for_the_second_question() -> None:
    assert columns.several(MIGRATED, Series("m", "f", tag="domain")) == ["vm"]


def test_another_name_of_a_resource_is_taken_for_it() -> None:
    series = Series("m", "f", names={"10.0.0.7": "n1"})
    found = columns.combined([Answer({"host": "10.0.0.7"}, 0, 5.0)], series, Aggregate.MEAN, {})
    assert found == {"n1": 5.0}


def test_a_series_without_the_tag_belongs_to_nobody() -> None:
    assert columns.combined([Answer({}, 0, 5.0)], Series("m", "f"), Aggregate.MEAN, {}) == {}
