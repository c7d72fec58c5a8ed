# SPDX-License-Identifier: Apache-2.0
"""Reading a cloud of 1,000 hosts and 20,000 servers over HTTP, and its history."""

import time
from pathlib import Path

import numpy as np
import pytest

from tests.functional.collectors.configuration import written
from watcher.clients.session import Clients
from watcher.collectors.compute import ComputeCollector
from watcher.core.metrics import Metric, Query
from watcher.datasources.choice import DataSources
from watcher.simulator.generate import generate
from watcher.simulator.server import Simulator

HOSTS, SERVERS = 1_000, 20_000
BUDGET_S = 30.0

pytestmark = pytest.mark.slow


def test_a_cloud_of_20_000_servers_is_read_in_bulk_and_in_time(tmp_path: Path) -> None:
    """The simulator answers in this process, so the time is that of both sides."""
    with Simulator(generate(1, HOSTS, SERVERS)) as simulator:
        conf = written(tmp_path / "watcher.conf", simulator.urls)
        eyes = ComputeCollector(Clients(conf), conf)
        for what, most in (("first", 2 * HOSTS + 40), ("again", 40)):
            begun = time.monotonic()
            found = eyes.collect()
            took_s = time.monotonic() - begun
            requests = found.origin["requests"]
            print(
                f"\ncollector, {what}: {took_s:.1f} s (budget {BUDGET_S:.0f} s),"
                f" {sum(requests.values())} requests: {requests}",
                end="",
            )
            assert (len(found.hosts), len(found.instances)) == (HOSTS, SERVERS)
            assert took_s < BUDGET_S
            assert sum(requests.values()) <= most
        query = Query(Metric.INSTANCE_CPU_USAGE)
        begun = time.monotonic()
        column = DataSources(conf).fetch([query], found)[query]
        took_s = time.monotonic() - begun
        asked = simulator.requests["influxdb", "POST", "/query"]
        print(f"\nhistory of the simulator: {took_s:.1f} s, {asked} request(s)", end="")
        assert asked == 1
        assert np.count_nonzero(~np.isnan(column)) > SERVERS * 0.9
