# SPDX-License-Identifier: Apache-2.0
"""The history of 20,000 instances in a real InfluxDB: one request per metric."""

import time
from collections.abc import Iterator

import pytest
from oslo_config import cfg

from tests.benchmarks.metrics import HOSTS, INSTANCES, STEP_S, fetched
from tests.integration.backends import Influx
from tests.integration.conftest import influxdb  # noqa: F401
from watcher.datasources import choice
from watcher.datasources import influxdb as source
from watcher.datasources.influxdb import InfluxDB

STEPS = 12
BATCH = 20_000

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
    fetched(InfluxDB(conf))
