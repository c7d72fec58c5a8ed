# SPDX-License-Identifier: Apache-2.0
"""What the benchmarks of metric stores share: 20,000 instances, and one request per metric."""

import time
from typing import Any

import numpy as np

from tests.worlds import host_record, instance_record
from watcher.core.cluster import Cluster
from watcher.core.metrics import Aggregate, Metric, Query
from watcher.core.records import assemble

HOSTS, INSTANCES = 1_000, 20_000
STEP_S = 30
BUDGET_S = 15.0


def cluster() -> Cluster:
    """Hosts node-0.., instance vm{i} of one vCPU on host i % HOSTS."""
    return assemble(
        [host_record(f"node-{row}") for row in range(HOSTS)],
        [
            instance_record(f"vm{row}", f"node-{row % HOSTS}", domain_name=f"instance-{row:08x}")
            for row in range(INSTANCES)
        ],
    )


def fetched(store: Any, **tolerance: float) -> None:
    """Ask a store for each metric: one request, in time, and the right values.

    Instance i uses i % 100 % of its vCPU and i + 1 MiB, host h is h % 90 % idle.
    """
    there = cluster()
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
        np.testing.assert_allclose(column, values, **tolerance)
