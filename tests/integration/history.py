# SPDX-License-Identifier: Apache-2.0
"""An hour of metric history of the test cloud in telegraf's layout."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping

from tests.cloud.api import Cloud, Json
from tests.integration.backends import Influx

STEP_S = 60
STEPS = 60
ORIGIN_S = 1_700_000_000
"""When every counter was 0: the same for each write, so that two of them tell one story."""


def write(
    influx: Influx,
    cloud: Cloud,
    cpu_percent: float = 20.0,
    busy: Mapping[str, float] | None = None,
) -> None:
    """Every server uses ``cpu_percent`` of its vCPUs and half of its memory; hosts follow.

    ``busy`` says otherwise for the servers with these ids.
    """
    influx.write(_lines(cloud, _moments(), cpu_percent, busy or {}))


def _moments() -> list[int]:
    now = int(time.time())
    return [now - STEP_S * (STEPS - step) for step in range(STEPS + 1)]


def write_sensors(influx: Influx, name: str, unit: str, values: Mapping[str, float]) -> None:
    """What an IPMI sensor of each host has shown for the hour."""
    tags = f"name={name}" + (f",unit={unit}" if unit else "")
    influx.write(
        f"ipmi_sensor,host={host},{tags} value={value} {at}"
        for host, value in values.items()
        for at in _moments()
    )


def write_steal(influx: Influx, cloud: Cloud, percent: Mapping[str, float]) -> None:
    """How much of the time the vCPUs of each server waited for a CPU of the host; others never."""
    influx.write(
        f"libvirt_vcpu,domain_name={server['OS-EXT-SRV-ATTR:instance_name']},"
        f"host={server['OS-EXT-SRV-ATTR:host']},vcpu_id={number} "
        f"delay={int(percent.get(server['id'], 0.0) / 100 * 1e9) * (at - ORIGIN_S)}i {at}"
        for server in cloud.servers()
        for number in range(server["flavor"]["vcpus"])
        for at in _moments()
    )


def _lines(
    cloud: Cloud, moments: list[int], cpu_percent: float, percent: Mapping[str, float]
) -> Iterator[str]:
    servers = cloud.servers()
    size = cloud.settings
    for host in cloud.settings.hosts():
        mine = [one for one in servers if one["OS-EXT-SRV-ATTR:host"] == host]
        threads = sum(one["flavor"]["vcpus"] * percent.get(one["id"], cpu_percent) for one in mine)
        busy = min(threads / size.host_vcpus, 100.0)
        used = sum(one["flavor"]["ram"] for one in mine) // 2 * 1024**2
        total = size.host_memory_mb * 1024**2
        for at in moments:
            yield f"cpu,host={host},cpu=cpu-total usage_idle={100 - busy} {at}"
            yield f"mem,host={host} total={total}i,used={used}i,available={total - used}i {at}"
    for server in servers:
        yield from _server(server, moments, percent.get(server["id"], cpu_percent))


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
