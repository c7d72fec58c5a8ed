# SPDX-License-Identifier: Apache-2.0
"""An hour of metric history of the test cloud in telegraf's layout."""

from __future__ import annotations

import time
from collections.abc import Iterator

from tests.cloud.api import Cloud, Json
from tests.integration.backends import Influx

STEP_S = 60
STEPS = 60
ORIGIN_S = 1_700_000_000
"""When every counter was 0: the same for each write, so that two of them tell one story."""


def write(influx: Influx, cloud: Cloud, cpu_percent: float = 20.0) -> None:
    """Every server uses ``cpu_percent`` of its vCPUs and half of its memory; hosts follow."""
    now = int(time.time())
    moments = [now - STEP_S * (STEPS - step) for step in range(STEPS + 1)]
    influx.write(_lines(cloud, moments, cpu_percent))


def _lines(cloud: Cloud, moments: list[int], cpu_percent: float) -> Iterator[str]:
    servers = cloud.servers()
    size = cloud.settings
    for host in cloud.settings.hosts():
        mine = [one for one in servers if one["OS-EXT-SRV-ATTR:host"] == host]
        busy = sum(one["flavor"]["vcpus"] for one in mine) * cpu_percent / size.host_vcpus
        used = sum(one["flavor"]["ram"] for one in mine) // 2 * 1024**2
        total = size.host_memory_mb * 1024**2
        for at in moments:
            yield f"cpu,host={host},cpu=cpu-total usage_idle={100 - busy} {at}"
            yield f"mem,host={host} total={total}i,used={used}i,available={total - used}i {at}"
    for server in servers:
        yield from _server(server, moments, cpu_percent)


def _server(server: Json, moments: list[int], cpu_percent: float) -> Iterator[str]:
    host, domain = (server[f"OS-EXT-SRV-ATTR:{key}"] for key in ("host", "instance_name"))
    flavor = server["flavor"]
    rate_ns = int(flavor["vcpus"] * cpu_percent / 100 * 1e9)
    tags = f"domain_name={domain},host={host}"
    for at in moments:
        cpu_time = rate_ns * (at - ORIGIN_S)
        ram_kib = flavor["ram"] * 1024
        yield f"libvirt_cpu,{tags} cpu_time={cpu_time}i {at}"
        yield f"libvirt_balloon,{tags} rss={ram_kib // 2}i,current={ram_kib}i {at}"
