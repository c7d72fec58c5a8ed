# SPDX-License-Identifier: Apache-2.0
"""The cluster before and after a plan as SVG: one bar per host, one segment per instance.

A segment is as long as the share of its host's memory that the instance takes, and has the
colour of the host it was on before; so what has moved stands out. The thin line below
a bar is the host's measured CPU load. Both pictures list the hosts by name.
"""

from dataclasses import dataclass
from html import escape

import numpy as np

from watcher.core.cluster import MEMORY_MB, Bools, Cluster, Floats

ROW_PX = 22
BAR_PX = 12
LABEL_PX = 110
WIDTH_PX = 520
MAX_SEGMENTS = 5000
"""More instances than this are drawn as one segment per host, so that a page stays small."""


@dataclass(frozen=True)
class Side:
    """One half of the picture: a cluster and its hosts' CPU load in percent (nan = unknown)."""

    title: str
    cluster: Cluster
    cpu_percent: Floats


def colour(row: int, count: int) -> str:
    """A colour per host, far from its neighbours' on the wheel (golden angle)."""
    hue = (row * 137.508) % 360
    light = 52 if count < 40 or row % 2 else 62
    return f"hsl({hue:.0f} 55% {light}%)"


def draw(side: Side, home: dict[str, int]) -> str:
    """The SVG of one side; ``home`` maps an instance's uuid to its host row before."""
    hosts = side.cluster.hosts
    height = ROW_PX * len(hosts) + 8
    order = np.argsort(hosts.name, kind="stable")
    rows = "".join(_row(side, int(row), place, home) for place, row in enumerate(order))
    label = f"{side.title}: {in_use(side.cluster)} of {len(hosts)} hosts in use"
    return (
        f'<svg viewBox="0 0 {LABEL_PX + WIDTH_PX + 60} {height}" role="img"'
        f' aria-label="{escape(label)}"><title>{escape(label)}</title>{rows}</svg>'
    )


def in_use(cluster: Cluster, among: Bools | None = None) -> int:
    """How many hosts have an instance; ``among`` these (hosts), or among all."""
    busy = np.bincount(_placed(cluster), minlength=len(cluster.hosts)) > 0
    return int((busy if among is None else busy & among).sum())


def _placed(cluster: Cluster) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    rows = cluster.instances.host
    return rows[rows >= 0]


def _row(side: Side, row: int, place: int, home: dict[str, int]) -> str:
    hosts, top = side.cluster.hosts, ROW_PX * place + 4
    name, enabled = str(hosts.name[row]), bool(hosts.enabled[row])
    state = "" if enabled else " disabled"
    cpu = side.cpu_percent[row]
    load = "" if np.isnan(cpu) else f"{cpu:.0f} %"
    measured = 0.0 if np.isnan(cpu) else min(float(cpu), 100.0) / 100 * WIDTH_PX
    return (
        f'<text x="{LABEL_PX - 8}" y="{top + 10}" class="name{state}">{escape(name)}</text>'
        f'<rect x="{LABEL_PX}" y="{top}" width="{WIDTH_PX}" height="{BAR_PX}"'
        f' class="host{state}"/>'
        f"{_segments(side.cluster, row, top, home)}"
        f'<rect x="{LABEL_PX}" y="{top + BAR_PX + 1}" width="{measured:.1f}" height="3"'
        ' class="cpu"/>'
        f'<text x="{LABEL_PX + WIDTH_PX + 6}" y="{top + 11}" class="load">{load}</text>'
    )


def _segments(cluster: Cluster, row: int, top: int, home: dict[str, int]) -> str:
    capacity = max(float(cluster.hosts.capacity[row, MEMORY_MB]), 1.0)
    rows = cluster.rows_on(row)
    if len(cluster.instances) > MAX_SEGMENTS:
        width = float(cluster.instances.demand[rows, MEMORY_MB].sum()) / capacity * WIDTH_PX
        return _segment(LABEL_PX, top, width, colour(row, len(cluster.hosts)), "")
    drawn, left = [], float(LABEL_PX)
    for instance in sorted(rows, key=lambda one: home.get(str(cluster.instances.uuid[one]), -1)):
        width = float(cluster.instances.demand[instance, MEMORY_MB]) / capacity * WIDTH_PX
        came_from = home.get(str(cluster.instances.uuid[instance]), row)
        name = str(cluster.instances.name[instance])
        drawn.append(_segment(left, top, width, colour(came_from, len(cluster.hosts)), name))
        left += width
    return "".join(drawn)


def _segment(left: float, top: int, width: float, fill: str, name: str) -> str:
    return (
        f'<rect x="{left:.1f}" y="{top}" width="{max(width - 0.6, 0.4):.1f}" height="{BAR_PX}"'
        f' fill="{fill}"><title>{escape(name)}</title></rect>'
    )
