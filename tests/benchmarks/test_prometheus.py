# SPDX-License-Identifier: Apache-2.0
"""The history of 20,000 instances in a real Prometheus: one request per metric."""

import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest

from tests.integration.backends import unique
from tests.integration.conftest import address
from tests.integration.prometheus import Sample, Store
from tests.integration.stores import configured
from tests.worlds import host_record, instance_record, uuid
from watcher.core.cluster import Cluster
from watcher.core.metrics import Aggregate, Metric, Query
from watcher.core.records import assemble
from watcher.datasources.prometheus import Prometheus

HOSTS, INSTANCES = 1_000, 20_000
STEP_S, STEPS = 30, 14
BATCH = 4_000
BUDGET_S = 15.0
RATE_ERROR = 0.02
"""Prometheus extrapolates a rate to the edges of the period."""

pytestmark = [pytest.mark.slow, pytest.mark.integration]
Series = tuple[str, Mapping[str, str], list[Sample]]


def written(times: list[float]) -> Iterator[list[Series]]:
    """Instance i uses i % 100 % of its one vCPU and i + 1 MiB; host h is h % 90 % idle."""
    yield [
        (
            "node_cpu_seconds_total",
            {"fqdn": f"node-{host}", "cpu": "0", "mode": "idle"},
            [(at, 1e6 + host % 90 / 100 * (at - times[0])) for at in times],
        )
        for host in range(HOSTS)
    ]
    for begin in range(0, INSTANCES, BATCH):
        found: list[Series] = []
        for row in range(begin, begin + BATCH):
            labels = {"resource": uuid(f"vm{row}"), "publisher": f"node-{row % HOSTS}"}
            used = [(at, 1e12 + row % 100 * 1e7 * (at - times[0])) for at in times]
            found.append(("ceilometer_cpu", labels, used))
            found.append(("ceilometer_memory_usage", labels, [(at, row + 1.0) for at in times]))
        yield found


@pytest.fixture
def filled() -> Store:
    store = Store(address("prometheus", "prometheus_url"), unique())
    begun = time.monotonic()
    newest = time.time() + 60  # windows are full however long this takes
    times = [newest - STEP_S * (STEPS - 1 - step) for step in range(STEPS)]
    for series in written(times):
        store.write(series)
    samples = STEPS * (2 * INSTANCES + HOSTS)
    print(f"\n{samples} samples written in {time.monotonic() - begun:.1f} s", end="")
    return store


def cluster() -> Cluster:
    return assemble(
        [host_record(f"node-{row}") for row in range(HOSTS)],
        [instance_record(f"vm{row}", f"node-{row % HOSTS}") for row in range(INSTANCES)],
    )


def test_20_000_instances_are_one_request_per_metric(filled: Store, tmp_path: Path) -> None:
    options = {"prometheus_client": {"url": filled.url, "where": {"test": filled.test}}}
    store, there = Prometheus(configured(tmp_path, "prometheus", options)), cluster()
    number = np.array([int(name[2:]) for name in there.instances.name])
    host = np.array([int(name[5:]) for name in there.hosts.name])
    expected = {
        (Metric.INSTANCE_CPU_USAGE, Aggregate.MEAN): number % 100,
        (Metric.INSTANCE_CPU_USAGE, Aggregate.MAX): number % 100,
        (Metric.INSTANCE_RAM_USAGE, Aggregate.MEAN): number + 1,
        (Metric.HOST_CPU_USAGE, Aggregate.MEAN): 100 - host % 90,
    }
    for (metric, aggregate), values in expected.items():
        before, begun, used = store.requests, time.monotonic(), time.process_time()
        column, coverage = store.fetch(Query(metric, aggregate=aggregate), there)
        took_s, cpu_s = time.monotonic() - begun, time.process_time() - used
        print(
            f"\n{metric.public_name} {aggregate.value}: {took_s:.2f} s (budget {BUDGET_S:.0f} s),"
            f" {cpu_s:.2f} s of CPU here, {store.requests - before} request; {coverage}",
            end="",
        )
        assert store.requests - before == 1
        assert took_s < BUDGET_S
        np.testing.assert_allclose(column, values, rtol=RATE_ERROR, atol=0.01)
