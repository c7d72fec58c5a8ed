# SPDX-License-Identifier: Apache-2.0
"""The history of 20,000 instances in a real Prometheus: one request per metric."""

import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.benchmarks.metrics import HOSTS, INSTANCES, STEP_S, fetched
from tests.integration.backends import unique
from tests.integration.conftest import address
from tests.integration.prometheus import Sample, Store
from tests.integration.stores import configured
from tests.worlds import uuid
from watcher.datasources.prometheus import Prometheus

STEPS = 14
BATCH = 4_000
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


def test_20_000_instances_are_one_request_per_metric(filled: Store, tmp_path: Path) -> None:
    options = {"prometheus_client": {"url": filled.url, "where": {"test": filled.test}}}
    store = Prometheus(configured(tmp_path, "prometheus", options))
    fetched(store, rtol=RATE_ERROR, atol=0.01)
