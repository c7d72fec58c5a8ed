# SPDX-License-Identifier: Apache-2.0
"""The history of 20,000 instances in a real InfluxDB: one request per metric."""

import time
from collections.abc import Iterator

import numpy as np
import pytest
from oslo_config import cfg

from tests.integration.backends import Influx
from tests.integration.conftest import influxdb  # noqa: F401
from tests.worlds import host_record, instance_record
from watcher.core.metrics import Aggregate, Metric, Query
from watcher.core.records import assemble
from watcher.datasources import choice
from watcher.datasources import influxdb as source
from watcher.datasources.influxdb import InfluxDB

HOSTS, INSTANCES = 1_000, 20_000
STEP_S, STEPS = 30, 12
BATCH = 20_000
BUDGET_S = 15.0

pytestmark = [pytest.mark.slow, pytest.mark.integration]


def batches(newest: int) -> Iterator[list[str]]:
    """Instance i uses i % 100 % of its one vCPU and i + 1 MiB; host h is h % 90 % idle."""
    for step in range(STEPS):
        at = newest - STEP_S * (STEPS - 1 - step)
        yield [
            f"cpu,cpu=cpu-total,host=node-{host} usage_idle={host % 90} {at}"
            for host in range(HOSTS)
        ]
        for begin in range(0, INSTANCES, BATCH // 2):
            rows = range(begin, min(begin + BATCH // 2, INSTANCES))
            tags = [f"domain_name=instance-{row:08x},host=node-{row % HOSTS}" for row in rows]
            used = step * STEP_S * 10_000_000
            yield [
                line
                for row, tag in zip(rows, tags, strict=True)
                for line in (
                    f"libvirt_cpu,{tag} cpu_time={used * (row % 100)}i {at}",
                    f"libvirt_balloon,{tag} rss={(row + 1) * 1024}i {at}",
                )
            ]


@pytest.fixture
def filled(influxdb: Influx) -> Influx:  # noqa: F811
    begun = time.monotonic()
    newest = int(time.time()) - 2
    for lines in batches(newest):
        influxdb.write(lines)
    points = STEPS * (2 * INSTANCES + HOSTS)
    print(f"\n{points} points written in {time.monotonic() - begun:.1f} s", end="")
    return influxdb


def test_20_000_instances_are_one_request_per_metric(filled: Influx) -> None:
    conf = cfg.ConfigOpts()
    for group in (*choice.OPTIONS(), source.OPTIONS):
        group.register(conf)
    conf([])
    conf.set_override("url", filled.url, "influxdb")
    conf.set_override("database", filled.database, "influxdb")
    store = InfluxDB(conf)
    cluster = assemble(
        [host_record(f"node-{row}") for row in range(HOSTS)],
        [
            instance_record(f"vm{row}", f"node-{row % HOSTS}", domain_name=f"instance-{row:08x}")
            for row in range(INSTANCES)
        ],
    )
    number = np.array([int(name[2:]) for name in cluster.instances.name])
    host = np.array([int(name[5:]) for name in cluster.hosts.name])
    expected = {
        (Metric.INSTANCE_CPU_USAGE, Aggregate.MEAN): number % 100,
        (Metric.INSTANCE_CPU_USAGE, Aggregate.MAX): number % 100,
        (Metric.INSTANCE_RAM_USAGE, Aggregate.MEAN): number + 1,
        (Metric.HOST_CPU_USAGE, Aggregate.MEAN): 100 - host % 90,
    }
    for (metric, aggregate), values in expected.items():
        before, begun, used = store.requests, time.monotonic(), time.process_time()
        column, coverage = store.fetch(Query(metric, aggregate=aggregate), cluster)
        took_s, cpu_s = time.monotonic() - begun, time.process_time() - used
        print(
            f"\n{metric.public_name} {aggregate.value}: {took_s:.2f} s (budget {BUDGET_S:.0f} s),"
            f" {cpu_s:.2f} s of CPU here, {store.requests - before} request; {coverage}",
            end="",
        )
        assert store.requests - before == 1
        assert took_s < BUDGET_S
        np.testing.assert_allclose(column, values)
