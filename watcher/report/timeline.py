# SPDX-License-Identifier: Apache-2.0
"""The order of a plan in time as SVG: how much runs side by side, and when each action does."""

import math
from collections.abc import Sequence
from html import escape

from watcher.report.account import Account, Step
from watcher.report.style import SIGNS
from watcher.solvers.makespan import TOTAL

MOST_STEPS = 36
"""More actions than these have no line of their own: the first ones have. So many fit a page."""
COLUMNS = 150
"""Into so many pieces the whole time is cut to draw how much runs in each."""

LEFT, WIDTH = 27.0, 66.0
"""Where time begins and how long it is, in percent of the picture's width."""
CHART_PX, AXIS_PX, ROW_PX, BAR_PX = 60, 22, 20, 12
LETTERS = 17


def timed(account: Account) -> list[Step]:
    """The actions that take time, by when they start; all of them where none does."""
    steps = [step for step in account.steps if step.span.end > step.span.start]
    return sorted(steps or account.steps, key=lambda step: (step.span.start, step.number))


def rows(account: Account) -> list[Step]:
    """The actions that have a line."""
    return timed(account)[:MOST_STEPS]


def height(account: Account) -> int:
    """How high the picture is, in pixels."""
    return CHART_PX + AXIS_PX + ROW_PX * len(rows(account)) + 6


def draw(account: Account, prefix: str) -> str:
    """The inside of an SVG; ``prefix`` is that of the patterns of ``watcher.report.picture``."""
    length = account.length or 1.0
    lines = rows(account)
    bottom = CHART_PX + AXIS_PX + ROW_PX * len(lines)
    ticks = "".join(_tick(value, length, bottom) for value in _round_values(length))
    drawn = "".join(_row(step, length, place, prefix) for place, step in enumerate(lines))
    return f"{_chart(account)}{ticks}{drawn}"


def at_once(account: Account) -> list[int]:
    """How many actions that take time run at once in each of ``COLUMNS`` equal parts of it."""
    events = sorted(
        (moment, change)
        for step in timed(account)
        for moment, change in ((step.span.start, 1), (step.span.end, -1))
    )
    most, running, column = [0] * COLUMNS, 0, 0
    width = (account.length or 1.0) / COLUMNS
    for moment, change in events:
        to = min(int(moment / width + 1e-9), COLUMNS - 1)
        within = moment > to * width * (1 + 1e-9)  # what ends where a part begins is not in it
        for passed in range(column + 1, to + within):
            most[passed] = max(most[passed], running)
        column, running = to, running + change
        if change > 0:
            most[to] = max(most[to], running)
    return most


def _chart(account: Account) -> str:
    """How many run side by side, with the limit in all."""
    most = at_once(account)
    limit = account.limits.get(TOTAL, 0)
    top = max(*most, 1)
    shown = limit if 0 < limit <= 2 * top else 0
    unit = (CHART_PX - 16) / max(top, shown)
    found = []
    start = 0
    for place in range(1, COLUMNS + 1):
        if place == COLUMNS or most[place] != most[start]:
            tall = unit * most[start]
            found.append(
                f'<rect x="{LEFT + WIDTH * start / COLUMNS:.2f}%" y="{CHART_PX - tall:.1f}"'
                f' width="{WIDTH * (place - start) / COLUMNS:.2f}%" height="{tall:.1f}"'
                ' class="gauge"/>'
            )
            start = place
    if shown:
        y = CHART_PX - unit * shown
        found.append(
            f'<line x1="{LEFT}%" x2="{LEFT + WIDTH}%" y1="{y:.1f}" y2="{y:.1f}" class="level"/>'
            f'<text x="{LEFT + WIDTH}%" y="{y - 3:.1f}" class="small right">limit {limit}</text>'
        )
    label = f"side by side: {top}" if max(most) else "no time needed"
    return (
        f'<text x="{LEFT - 2}%" y="{CHART_PX - 4}" class="right">{label}</text>{"".join(found)}'
        f"<title>At the most {max(most)} actions run side by side.</title>"
    )


def _round_values(length: float) -> list[float]:
    """Five or so round numbers from 0 to a length."""
    rough = length / 4
    power = 10 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    return [step * number for number in range(int(length / step + 1e-9) + 1)]


def _tick(value: float, length: float, bottom: int) -> str:
    at = LEFT + WIDTH * value / length
    return (
        f'<line x1="{at:.2f}%" x2="{at:.2f}%" y1="{CHART_PX}" y2="{bottom}" class="grid"/>'
        f'<text x="{at:.2f}%" y="{CHART_PX + 14}" class="small middle">{value:g}</text>'
    )


def _row(step: Step, length: float, place: int, prefix: str) -> str:
    top = CHART_PX + AXIS_PX + ROW_PX * place
    left = LEFT + WIDTH * step.span.start / length
    width = WIDTH * (step.span.end - step.span.start) / length
    name = f"{step.number} {step.what or step.deed.type}"
    short = name if len(name) <= LETTERS else f"{name[: LETTERS - 1]}…"
    told = f"{step.number} {step.deed.type} {step.what} {step.how}: {step.deed.state}"
    if width:
        look = _look(step.deed.state, prefix)
        mark = (
            f'<rect x="{left:.2f}%" y="{top + 3}" width="{width:.2f}%" height="{BAR_PX}" {look}/>'
        )
    else:
        mark = f'<circle cx="{left:.2f}%" cy="{top + 9}" r="4" class="stays"/>'
    bad = ' class="bad"' if step.deed.state == "FAILED" else ""
    return (
        f"<g><title>{escape(told)}</title>"
        f'<text x="{LEFT - 2}%" y="{top + 13}" class="right">{escape(short)}</text>{mark}'
        f'<text x="{LEFT + WIDTH + 2}%" y="{top + 13}"{bad}>'
        f"{SIGNS.get(step.deed.state, '')}</text></g>"
    )


def _look(state: str, prefix: str) -> str:
    """How a bar is drawn: done, at work, gone wrong, or still to come."""
    if state == "SUCCEEDED":
        return 'class="arrives"'
    if state == "ONGOING":
        return f'fill="url(#{prefix}arrives)"'
    if state == "FAILED":
        return f'fill="url(#{prefix}leaves)"'
    return 'class="wait"'


def legend(states: Sequence[str]) -> str:
    """The signs of the states that are there, in words."""
    return ", ".join(f"{SIGNS[one]} {one.lower()}" for one in SIGNS if one in states)
