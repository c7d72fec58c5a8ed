# SPDX-License-Identifier: Apache-2.0
"""Loads out of measurements, and what takes the place of what was not measured."""

import numpy as np

from tests.worlds import host_row, instance_row, world
from watcher.core.measured import measured_load, measured_use
from watcher.core.metrics import Metric, Metrics, Query


def test_what_is_measured_counts_and_what_is_not_counts_as_all_or_nothing() -> None:
    built = world().host("c1").runs("idle").runs("blind", vcpus=4).runs("off", state="stopped")
    cluster = built.cluster()
    use = np.full(3, np.nan)
    use[instance_row(cluster, "idle")] = 0.0
    allocated = cluster.instances.demand[:, 0].astype(float)
    found = measured_load(
        cluster, "cpu", (use, allocated), np.array([8.0]), (np.full(1, np.nan), np.zeros(1))
    )
    demand = {str(n): d for n, d in zip(cluster.instances.name, found.load.demand, strict=True)}
    assert demand == {"idle": 0.0, "blind": 4.0, "off": 0.0}
    assert found.known.tolist() == [0.0, 0.0, 0.0]
    assert found.unmeasured == 1


def test_a_host_carries_besides_its_instances_what_its_own_measurement_shows() -> None:
    cluster = world().host("c1").runs("a").host("c2").runs("b").cluster()
    use = np.where(np.arange(2) == instance_row(cluster, "a"), 1.0, np.nan)
    own = np.array([3.0, 3.0])
    found = measured_load(
        cluster, "cpu", (use, np.ones(2)), np.full(2, 8.0), (own, np.full(2, 0.5))
    )
    assert found.load.overhead[host_row(cluster, "c1")] == 2.0
    assert found.load.overhead[host_row(cluster, "c2")] == 0.5


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
