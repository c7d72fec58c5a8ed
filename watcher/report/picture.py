# SPDX-License-Identifier: Apache-2.0
"""Hosts and pools before and after a plan as SVG: one bar each, in the same order on both sides.

A bar is what a place may give of one resource, filled as far as it is used: what stays in one
piece, what leaves (hatched) or has arrived (dotted) in a piece for each instance. The line below
is what was measured, against its limit. Widths are percentages, so that a picture fits its place
and its texts do not shrink with it.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape

import numpy as np

from watcher.core.cluster import Ints
from watcher.report.evidence import Gauge
from watcher.report.reasons import Plot
from watcher.report.sides import NOWHERE, Passage, Side

MOST_PLACES = 60
"""More than these are not drawn: those that change most are."""
PER_SHEET = 26
"""So many fit a printed page."""
MOST_PIECES = 40
"""More moves than these, off or to one place, are drawn as one piece."""

BAR_LEFT, BAR_WIDTH = 27.0, 60.0
"""Where a bar begins and how wide it is, in percent of the picture's width."""
LIMIT_AT = 0.8
"""How far along its bar the limit of what is measured stands."""

ROW_PX, BAR_PX, LINE_PX = 30, 13, 4
LETTERS = 17
"""Letters of a name that have room beside a bar; the whole name is its title."""


@dataclass(frozen=True)
class Chosen:
    """The places to be drawn, in order, and the resource (column) that is drawn of them."""

    rows: Ints
    resource: int
    gauge: int | None

    @classmethod
    def of(cls, plot: Plot, most: int = MOST_PLACES) -> "Chosen":
        """Those that change most when there are too many, by name; the first gauge that helps."""
        return cls(_rows(plot, most), _resource(plot), _gauge(plot))


def _resource(plot: Plot) -> int:
    """Memory, which is what a migration copies; of pools the only one there is."""
    names = plot.places.resources
    return names.index("memory_mb") if "memory_mb" in names else 0


def _gauge(plot: Plot) -> int | None:
    """The first measurement with a limit, or the first one, if any."""
    gauges = plot.places.gauges
    known = [number for number, one in enumerate(gauges) if np.isfinite(one.value).any()]
    held = [number for number in known if np.isfinite(gauges[number].limit).any()]
    return next(iter((*held, *known)), None)


def _rows(plot: Plot, most: int) -> Ints:
    """The rows to be drawn: by how much of anything on them changes, then by name."""
    start, end = plot.fullness
    change = np.nan_to_num(np.abs(end - start), nan=0.0, posinf=0.0).max(axis=1, initial=0.0)
    switched = plot.start.open != plot.end.open
    rows = np.lexsort((np.arange(len(change)), -change - 1000.0 * switched))[:most]
    names = np.array(plot.places.name, dtype=object)
    return rows[np.argsort(names[rows], kind="stable")]


def sheets(chosen: Chosen) -> list[Chosen]:
    """The same places in parts that each fit a printed page."""
    rows = chosen.rows
    return [
        replace(chosen, rows=rows[start : start + PER_SHEET])
        for start in range(0, len(rows), PER_SHEET)
    ]


def patterns(prefix: str) -> str:
    """The hatching of what leaves and the dots of what arrives, by these names."""
    return (
        f'<defs><pattern id="{prefix}leaves" width="6" height="6" patternUnits="userSpaceOnUse"'
        ' patternTransform="rotate(45)"><rect width="6" height="6" class="leaves"/>'
        '<rect width="2" height="6" class="mark"/></pattern>'
        f'<pattern id="{prefix}arrives" width="6" height="6" patternUnits="userSpaceOnUse">'
        '<rect width="6" height="6" class="arrives"/><circle cx="3" cy="3" r="1.3" class="mark"/>'
        "</pattern></defs>"
    )


def height(chosen: Chosen) -> int:
    """How high the picture of these places is, in pixels."""
    return ROW_PX * len(chosen.rows) + 4


def draw(plot: Plot, chosen: Chosen, *, after: bool, prefix: str) -> str:
    """One side as the inside of an SVG; ``prefix`` is that of the patterns."""
    side = plot.end if after else plot.start
    pieces: dict[int, list[Passage]] = defaultdict(list)
    for one in plot.passages:
        row = one.destination if after else one.source
        if row != NOWHERE:
            pieces[row].append(one)
    kind = f"url(#{prefix}{'arrives' if after else 'leaves'})"
    return "".join(
        _row(plot, side, chosen, int(row), place, (pieces[row], kind))
        for place, row in enumerate(chosen.rows)
    )


def _row(
    plot: Plot,
    side: Side,
    chosen: Chosen,
    row: int,
    place: int,
    moving: tuple[Sequence[Passage], str],
) -> str:
    top = ROW_PX * place + 3
    name, is_open = plot.places.name[row], bool(side.open[row])
    used, capacity = side.used[row, chosen.resource], plot.places.capacity[row, chosen.resource]
    share = used / capacity if capacity > 0 else 0.0
    short = name if len(name) <= LETTERS else f"…{name[1 - LETTERS :]}"
    text = f"{100 * share:.0f} %" if capacity > 0 else "?"
    below = (
        ""
        if is_open
        else f'<text x="{BAR_LEFT - 2}%" y="{top + 22}" class="small right">disabled</text>'
    )
    return (
        f"<g><title>{escape(_told(plot, side, row))}</title>"
        f'<text x="{BAR_LEFT - 2}%" y="{top + 11}" class="right">{escape(short)}</text>{below}'
        f"{_pieces(side, capacity, chosen.resource, row, top, moving)}"
        f'<rect x="{BAR_LEFT}%" y="{top}" width="{BAR_WIDTH}%" height="{BAR_PX}"'
        f' class="frame{"" if is_open else " closed"}"/>'
        f'<text x="{BAR_LEFT + BAR_WIDTH + 1}%" y="{top + 11}">{text}</text>'
        f"{_line(plot, side, chosen, row, top + BAR_PX + 2)}</g>"
    )


def _pieces(
    side: Side,
    capacity: float,
    resource: int,
    row: int,
    top: int,
    moving: tuple[Sequence[Passage], str],
) -> str:
    """What fills a bar: one piece that stays, and one for each that moves."""
    if not capacity > 0:
        return ""
    passages, kind = moving
    sizes = [one.item.demand[resource] for one in passages]
    stays = max(float(side.used[row, resource]) - sum(sizes), 0.0)
    drawn = [(stays, 'class="stays cut"', "")]
    if len(passages) > MOST_PIECES:
        drawn.append((sum(sizes), f'fill="{kind}" class="cut"', f"{len(passages)} that move"))
    else:
        drawn += [
            (size, f'fill="{kind}" class="cut"', one.item.name or one.uuid)
            for size, one in zip(sizes, passages, strict=True)
        ]
    found, left = [], 0.0
    for size, look, name in drawn:
        width = min(size / capacity, 1.0 - left)
        if width > 0:
            title = f"<title>{escape(name)}</title>" if name else ""
            found.append(
                f'<rect x="{BAR_LEFT + BAR_WIDTH * left:.2f}%" y="{top}"'
                f' width="{BAR_WIDTH * width:.2f}%" height="{BAR_PX}" {look}>{title}</rect>'
            )
        left = min(left + size / capacity, 1.0)
    return "".join(found)


def _line(plot: Plot, side: Side, chosen: Chosen, row: int, top: int) -> str:
    """What is measured, as a line as long as its part of the limit, and the limit."""
    if chosen.gauge is None:
        return ""
    gauge = plot.places.gauges[chosen.gauge]
    value, whole = float(side.gauges[chosen.gauge][row]), _whole(gauge, row)
    if np.isnan(value) or not whole > 0:
        return ""
    width = BAR_WIDTH * min(max(value / whole * LIMIT_AT, 0.0), 1.0)
    drawn = (
        f'<rect x="{BAR_LEFT}%" y="{top}" width="{width:.2f}%" height="{LINE_PX}" class="gauge"/>'
    )
    if np.isfinite(gauge.limit[row]):
        at = BAR_LEFT + BAR_WIDTH * LIMIT_AT
        drawn += (
            f'<line x1="{at}%" x2="{at}%" y1="{top - 1}" y2="{top + LINE_PX + 2}" class="limit"/>'
        )
    return drawn


def _whole(gauge: Gauge, row: int) -> float:
    """What a line is measured against: its limit, or the most of all where there is none."""
    limit = float(gauge.limit[row])
    return limit if np.isfinite(limit) else float(np.nanmax(gauge.value, initial=0.0))


def _told(plot: Plot, side: Side, row: int) -> str:
    """A place in words."""
    places = plot.places
    used = (
        f"{side.used[row, column]:.10g} of {places.capacity[row, column]:.10g} {name}"
        for column, name in enumerate(places.resources)
        if np.isfinite(places.capacity[row, column])
    )
    measured = (
        f"{gauge.name} {column[row]:.4g} {gauge.unit}"
        for gauge, column in zip(places.gauges, side.gauges, strict=True)
        if np.isfinite(column[row])
    )
    state = "" if side.open[row] else ", disabled"
    count = f"{side.count[row]} on it"
    return f"{places.name[row]}{state}: {', '.join((count, *used, *measured))}"
