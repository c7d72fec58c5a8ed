# SPDX-License-Identifier: Apache-2.0
"""Loads from measurements of instances and hosts."""

import numpy as np
import pytest

from tests.plans import measured
from tests.worlds import host_row, instance_row, world
from watcher.core.loads import Aggregation, answered, cpu_use, measured_use, ram_use
from watcher.core.metrics import Aggregate, Metric, Metrics, Query

CPU, HOST_CPU = Query(Metric.INSTANCE_CPU_USAGE), Query(Metric.HOST_CPU_USAGE)
RAM, HOST_RAM = Query(Metric.INSTANCE_RAM_USAGE), Query(Metric.HOST_RAM_USAGE)
CLUSTER = (
    world()
    .host("c1", vcpus=10, memory_mb=1000)
    .runs("vm1", vcpus=4, memory_mb=400)
    .runs("vm2", vcpus=2)
    .host("c2", vcpus=10)
    .runs("off", vcpus=2, state="stopped")
    .cluster()
)
C1, C2 = host_row(CLUSTER, "c1"), host_row(CLUSTER, "c2")
VM1, VM2, OFF = (instance_row(CLUSTER, name) for name in ("vm1", "vm2", "off"))


def test_cpu_is_in_threads_and_the_host_carries_the_rest() -> None:
    values = {"instance_cpu_usage": {"vm1": 50, "vm2": 0}, "host_cpu_usage": {"c1": 30}}
    use = cpu_use(CLUSTER, measured(CLUSTER, (CPU, HOST_CPU), values), CPU, HOST_CPU)
    assert use.known[[VM1, VM2, OFF]].tolist() == [2, 0, 0]
    assert use.beyond[[C1, C2]].tolist() == [1, 0]
    assert not use.unmeasured.any()


def test_a_host_below_the_sum_of_its_instances_carries_nothing_besides() -> None:
    values = {"instance_cpu_usage": {"vm1": 100, "vm2": 100}, "host_cpu_usage": {"c1": 10}}
    use = cpu_use(CLUSTER, measured(CLUSTER, (CPU, HOST_CPU), values), CPU, HOST_CPU)
    assert use.beyond[C1] == 0


def test_an_instance_without_a_measurement_belongs_to_its_host_or_counts_as_full() -> None:
    values = {"instance_cpu_usage": {"vm1": 50}, "host_cpu_usage": {"c1": 90}}
    use = cpu_use(CLUSTER, measured(CLUSTER, (CPU, HOST_CPU), values), CPU, HOST_CPU)
    assert np.flatnonzero(use.unmeasured).tolist() == [VM2]
    assert np.flatnonzero(use.blind).tolist() == [C1]
    assert np.flatnonzero(use.told).tolist() == [C1]
    cautious, plain = use.cautious_load("cpu", 80), use.load("cpu")
    assert (cautious.demand[VM2], cautious.overhead[C1], cautious.limit[C1]) == (2, 0, 8)
    assert (plain.demand[VM2], plain.overhead[C1], plain.limit[C1]) == (0, 7, 10)


def test_memory_is_in_mib_and_of_hosts_in_kib() -> None:
    values = {"instance_ram_usage": {"vm1": 300, "vm2": 100}, "host_ram_usage": {"c1": 512 * 1024}}
    use = ram_use(CLUSTER, measured(CLUSTER, (RAM, HOST_RAM), values), RAM, HOST_RAM)
    assert use.known[VM1] == 300
    assert use.beyond[C1] == 112
    assert use.total[C1] == 1000
    assert use.given[VM1] == 400


def test_hosts_need_not_be_asked() -> None:
    use = cpu_use(CLUSTER, measured(CLUSTER, (CPU,), {"instance_cpu_usage": {"vm1": 50}}), CPU)
    assert not use.told.any()
    assert not use.beyond.any()


@pytest.mark.parametrize("query", [CPU, HOST_CPU])
def test_a_question_without_an_answer_is_a_column_of_nan(query: Query) -> None:
    column = answered(CLUSTER, Metrics(), query)
    rows = 2 if query is HOST_CPU else 3
    assert len(column) == rows
    assert np.isnan(column).all()


def test_the_former_name_of_the_aggregate_of_hosts_wins() -> None:
    method = Aggregation(instance="max", compute_node="min")
    assert (method.of_instances, method.of_hosts) == (Aggregate.MAX, Aggregate.MIN)
    assert Aggregation(compute_node="min", node="max").of_hosts is Aggregate.MAX


def test_cpu_is_told_in_threads_and_memory_in_mib_when_it_is_measured() -> None:
    cluster = world().host("c1", memory_mb_reserved=512).runs("a", vcpus=4).cluster()
    names = ("instance_cpu_usage", "instance_ram_usage", "host_cpu_usage", "host_ram_usage")
    queries = [Query(Metric.named(name), 300) for name in names]
    use = {queries[0]: np.array([50.0]), queries[2]: np.array([50.0])}
    (cpu,) = measured_use(cluster, Metrics(use), queries, (80.0, 100.0))
    assert (cpu.load.demand[0], cpu.load.limit[0], cpu.load.overhead[0]) == (2.0, 6.4, 2.0)
    use[queries[1]], use[queries[3]] = np.array([256.0]), np.array([1024.0 * 1024])
    _, ram = measured_use(cluster, Metrics(use), queries, (80.0, 50.0))
    assert (ram.load.demand[0], ram.load.limit[0], ram.load.overhead[0]) == (256.0, 8192.0, 768.0)
    assert measured_use(cluster, Metrics({}), queries, (80.0, 50.0))[0].use.unmeasured.all()
