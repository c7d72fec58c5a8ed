# SPDX-License-Identifier: Apache-2.0
"""The history of the simulated cloud, through the data sources, against what the world knows."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.functional.collectors.configuration import written
from watcher.clients.session import Clients
from watcher.collectors.compute import ComputeCollector
from watcher.core.cluster import Cluster
from watcher.core.errors import NoMetrics
from watcher.core.metrics import Aggregate, Metric, Query
from watcher.datasources.choice import DataSources
from watcher.simulator.columns import loads
from watcher.simulator.generate import generate
from watcher.simulator.server import Simulator


class Watched:
    """A simulated cloud with what we see of it."""

    def __init__(self, simulator: Simulator, path: Path) -> None:
        self.simulator = simulator
        conf = written(path, simulator.urls)
        self.cluster: Cluster = ComputeCollector(Clients(conf), conf).collect()
        self.sources = DataSources(conf)

    def column(self, metric: Metric, **more: object) -> np.ndarray:
        query = Query(metric, **more)  # type: ignore[arg-type]
        return self.sources.fetch([query], self.cluster)[query]


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    with Simulator(generate(3, 12, 80)) as simulator:
        yield Watched(simulator, tmp_path / "watcher.conf")


def test_the_mean_of_each_metric_is_the_load_of_the_world(watched: Watched) -> None:
    real = loads(watched.simulator.world)
    running = np.array(
        [
            watched.simulator.world.servers[uuid].vm_state == "active"
            for uuid in watched.cluster.instances.uuid
        ]
    )
    for metric, expected in (
        (Metric.INSTANCE_CPU_USAGE, real.instance_cpu_percent),
        (Metric.INSTANCE_RAM_USAGE, real.instance_ram_mb),
    ):
        found = watched.column(metric, period_s=3600)
        np.testing.assert_allclose(found[running], expected[running], rtol=0.02)
    found = watched.column(Metric.HOST_CPU_USAGE, period_s=3600)
    np.testing.assert_allclose(found, real.host_cpu_percent, rtol=0.02)


def test_a_stopped_instance_and_a_host_without_power_are_not_measured_rather_than_zero(
    watched: Watched,
) -> None:
    world, cluster = watched.simulator.world, watched.cluster
    stopped = [world.servers[uuid].vm_state == "stopped" for uuid in cluster.instances.uuid]
    assert np.isnan(watched.column(Metric.INSTANCE_CPU_USAGE)[stopped]).all()
    watched.simulator.host_down(cluster.hosts.name[4])
    assert np.flatnonzero(np.isnan(watched.column(Metric.HOST_CPU_USAGE))).tolist() == [4]


def test_the_mean_lies_between_the_least_and_the_greatest(watched: Watched) -> None:
    for metric in (Metric.HOST_CPU_USAGE, Metric.INSTANCE_CPU_USAGE, Metric.HOST_POWER):
        least, mean, greatest = (
            watched.column(metric, aggregate=one)
            for one in (Aggregate.MIN, Aggregate.MEAN, Aggregate.MAX)
        )
        there = ~np.isnan(mean)
        assert (least[there] <= mean[there]).all()
        assert (mean[there] <= greatest[there]).all()
        assert (least[there] < greatest[there]).any()


def test_every_metric_of_an_audit_is_one_request(watched: Watched) -> None:
    queries = [Query(metric) for metric in (Metric.HOST_CPU_USAGE, Metric.INSTANCE_CPU_USAGE)]
    queries.append(Query(Metric.INSTANCE_RAM_ALLOCATED))
    metrics = watched.sources.fetch(queries, watched.cluster)
    assert all(query in metrics for query in queries)
    assert watched.simulator.requests["influxdb", "POST", "/query"] == 2


def test_a_measurement_that_is_not_there_is_named(watched: Watched) -> None:
    watched.simulator.faults.hide("libvirt_cpu")
    with pytest.raises(
        NoMetrics, match="measurement libvirt_cpu has no series in database telegr"
    ):
        watched.column(Metric.INSTANCE_CPU_USAGE)
    source, metrics = watched.sources.state([Query(Metric.INSTANCE_CPU_USAGE)])
    assert (source, metrics) == ("influxdb: available", [{"instance_cpu_usage": "not available"}])


def test_a_store_that_is_busy_for_a_moment_is_asked_again(watched: Watched) -> None:
    watched.simulator.faults.add(service="influxdb", status=503, body=b"busy", times=2)
    assert not np.isnan(watched.column(Metric.HOST_CPU_USAGE)).any()


def test_a_store_that_says_no_inside_a_200_fails_the_question_with_its_words(
    watched: Watched,
) -> None:
    body = {"results": [{"statement_id": 0, "error": "max-select-series limit exceeded"}]}
    watched.simulator.faults.add(service="influxdb", status=200, body=body, times=None)
    with pytest.raises(NoMetrics, match="it answers: max-select-series limit exceeded"):
        watched.column(Metric.HOST_CPU_USAGE)
