# SPDX-License-Identifier: Apache-2.0
"""The metric history of a world in telegraf's layout: measurements, tags, fields.

Nothing is stored. The placement is the present one; what is shut off, and hosts without power,
have no series. A field is a wave around the present load (:mod:`watcher.simulator.series`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from watcher.simulator.columns import OVERHEAD_RAM_MB, Loads, living, loads
from watcher.simulator.world import Host, Server, World

Floats = NDArray[np.float64]
Words = NDArray[np.object_]


@dataclass(frozen=True)
class Signal:
    """One field: a wave of some height around a mean, or a counter growing by it each second."""

    mean: Floats
    height: Floats
    counter: bool = False


class Frame(NamedTuple):
    """A measurement: one row per series."""

    tags: dict[str, Words]
    fields: dict[str, Signal]


def words(values: list[str]) -> Words:
    """A column of tag values."""
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column


def measurement(name: str, world: World) -> Frame | None:
    """A measurement as telegraf writes it; None when there is none."""
    build = _MEASUREMENTS.get(name)
    return build(world, loads(world)) if build else None


def _flat(mean: Floats) -> Signal:
    return Signal(mean, np.zeros_like(mean))


def _host_rows(world: World) -> tuple[list[Host], Any]:
    """Hosts in the rows of loads(), and which of them tell anything."""
    hosts = sorted(world.hosts.values(), key=lambda one: one.uuid)
    up = np.array([host.up for host in hosts], dtype=np.bool_)
    return [host for host in hosts if host.up], up


def _server_rows(world: World) -> tuple[list[Server], Any]:
    servers = sorted(living(world), key=lambda one: one.uuid)
    on = np.fromiter(
        (one.rss_mb > 0 and world.hosts[one.host].up for one in servers), np.bool_, len(servers)
    )
    return [one for one, shown in zip(servers, on, strict=True) if shown], on


def _domain_tags(servers: list[Server]) -> dict[str, Words]:
    return {
        "host": words([one.host for one in servers]),
        "domain_name": words([one.instance_name for one in servers]),
    }


def _cpu(world: World, measured: Loads) -> Frame:
    """cpu-total, and cpu0 with figures of its own so that a forgotten filter shows."""
    hosts, up = _host_rows(world)
    use = measured.host_cpu_percent[up]
    height = np.minimum(use * 0.1, 100 - use)
    names = [host.name for host in hosts]
    which = ["cpu-total"] * len(hosts) + ["cpu0"] * len(hosts)
    idle = Signal(np.concatenate([100 - use, (100 - use) / 2]), np.concatenate([height, height]))
    busy = Signal(100 - idle.mean, idle.height)
    return Frame(
        {"host": words(names * 2), "cpu": words(which)},
        {"usage_idle": idle, "usage_active": busy},
    )


def _mem(world: World, measured: Loads) -> Frame:
    hosts, up = _host_rows(world)
    total = np.array([float(host.total.ram_mb) for host in hosts]) * 2**20
    used = np.minimum(measured.host_ram_kib[up] * 1024, total)
    height = np.minimum(used * 0.02, total - used)
    return Frame(
        {"host": words([host.name for host in hosts])},
        {
            "total": _flat(total),
            "used": Signal(used, height),
            "available": Signal(total - used, height),
            "used_percent": Signal(used / total * 100, height / total * 100),
        },
    )


def _libvirt_cpu(world: World, measured: Loads) -> Frame:
    servers, on = _server_rows(world)
    vcpus = np.array([float(one.flavor.vcpus) for one in servers])
    use = measured.instance_cpu_percent[on]
    unit = vcpus * 1e9 / 100
    rate = Signal(use * unit, np.minimum(use * 0.1, 100 - use) * unit, counter=True)
    return Frame(_domain_tags(servers), {"cpu_time": rate})


def _libvirt_balloon(world: World, measured: Loads) -> Frame:
    servers, on = _server_rows(world)
    rss = measured.instance_ram_mb[on] * 1024
    size = np.array([one.flavor.ram_mb * 1024.0 for one in servers])
    return Frame(
        _domain_tags(servers),
        {
            "rss": Signal(rss, np.minimum(rss * 0.02, size - rss)),
            "current": _flat(size),
            "maximum": _flat(size),
        },
    )


def _libvirt_state(world: World, measured: Loads) -> Frame:
    """The one measurement that shut-off domains are in."""
    del measured
    servers = [one for one in living(world) if world.hosts[one.host].up]
    codes = {"active": 1.0, "resized": 1.0, "paused": 3.0, "stopped": 5.0}
    states = np.array([codes.get(one.vm_state, 0.0) for one in servers])
    return Frame(_domain_tags(servers), {"state": _flat(states)})


def _ipmi_sensor(world: World, measured: Loads) -> Frame:
    """Temperatures, airflow and power, which follow the CPU's load."""
    hosts, up = _host_rows(world)
    load = measured.host_cpu_percent[up] / 100
    threads = np.array([float(host.total.vcpus) for host in hosts])
    sensors = {
        ("inlet_temp", "degrees_c"): 21 + 3 * load,
        ("exhaust_temp", "degrees_c"): 28 + 22 * load,
        ("airflow", "cfm"): 40 + 80 * load,
        ("pwr_consumption", "watts"): threads * (1.5 + 4.5 * load) + OVERHEAD_RAM_MB / 32,
    }
    names = [host.name for host in hosts]
    value = np.concatenate(list(sensors.values()))
    return Frame(
        {
            "host": words(names * len(sensors)),
            "name": words([name for name, _unit in sensors for _host in names]),
            "unit": words([unit for _name, unit in sensors for _host in names]),
        },
        {"value": Signal(value, value * 0.02)},
    )


_MEASUREMENTS: Mapping[str, Callable[[World, Loads], Frame]] = {
    "cpu": _cpu,
    "mem": _mem,
    "libvirt_cpu": _libvirt_cpu,
    "libvirt_balloon": _libvirt_balloon,
    "libvirt_state": _libvirt_state,
    "ipmi_sensor": _ipmi_sensor,
}
NAMES = tuple(sorted(_MEASUREMENTS))
