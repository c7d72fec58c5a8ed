# SPDX-License-Identifier: Apache-2.0
"""The lifecycles of ``watcher.core.states`` as tables and as pictures (SVG, made here)."""

import math

from tools.docs import rst
from watcher.core.states import LIFECYCLES, Lifecycle

WIDTH, HEIGHT = 118, 34
ACROSS, DOWN = 200, 170
MARGIN, ABOVE = 30, 80
FINAL = frozenset({"DELETED"})
BY_OPERATOR, BY_WATCHER = "#1a5fb4", "#77767b"

STYLE = (
    "text{font:12px sans-serif;text-anchor:middle;dominant-baseline:central}"
    "rect{fill:#f6f5f4;stroke:#3d3846}path{fill:none;stroke-width:1.4}"
)


def pages() -> dict[str, str]:
    """The page about states and one picture for each lifecycle."""
    parts = []
    pictures = {}
    for lifecycle in LIFECYCLES:
        name = f"states_{lifecycle.kind.replace(' ', '_')}.svg"
        pictures[name] = picture(lifecycle)
        parts += [
            rst.heading(lifecycle.kind.capitalize()),
            f".. image:: {name}\n   :alt: the states of an {lifecycle.kind} and its moves\n",
            moves(lifecycle),
        ]
    intro = (
        "Every state and every move there is. A move in **bold** (blue in the pictures) may be\n"
        "asked for through the API; Watcher makes the others by itself. The pictures leave out\n"
        "DELETED, the end of all that is over.\n"
    )
    return {"states.rst": rst.page("states", "States", intro, *parts), **pictures}


def moves(lifecycle: Lifecycle) -> str:
    """A table: from each state, where it can go."""
    rows = []
    for state in lifecycle.states:
        targets = [to for to in lifecycle.states if to in lifecycle.moves[state]]
        words = (f"**{to}**" if lifecycle.operator_may(state, to) else to for to in targets)
        rows.append((state, ", ".join(words) or "(final)"))
    return rst.table(("State", "may become"), rows, "20 80")


def places(lifecycle: Lifecycle) -> dict[str, tuple[float, float]]:
    """The middle of each state's box: what goes on in the upper row, what has ended in the lower.

    The lower row is sorted so that each state is near those it is reached from. The final state is
    left out: nearly all arrows would lead there.
    """
    after = {state: lifecycle.moves[state] - FINAL for state in lifecycle.states}
    going = [state for state in lifecycle.states if after[state]]
    across = {state: float(column) for column, state in enumerate(going)}

    def nearness(state: str) -> float:
        sources = [across[one] for one in going if state in after[one]]
        return sum(sources) / len(sources)

    ended = sorted(
        set(lifecycle.states) - set(going) - FINAL, key=lambda one: (nearness(one), one)
    )
    shift = (len(going) - len(ended)) / 2
    columns = {**across, **{state: column + shift for column, state in enumerate(ended)}}
    left = min(columns.values())
    return {
        state: (
            MARGIN + WIDTH / 2 + ACROSS * (column - left),
            ABOVE + HEIGHT / 2 + (DOWN if state in ended else 0),
        )
        for state, column in columns.items()
    }


def picture(lifecycle: Lifecycle) -> str:
    """The lifecycle as an SVG that stands alone."""
    middle = places(lifecycle)
    width = max(x for x, _ in middle.values()) + WIDTH / 2 + MARGIN
    height = max(y for _, y in middle.values()) + HEIGHT / 2 + MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}"'
        f' width="{width:.0f}" height="{height:.0f}" role="img">',
        f"<title>The states of an {lifecycle.kind}</title>",
        f"<style>{STYLE}</style>",
        *(_marker(colour) for colour in (BY_OPERATOR, BY_WATCHER)),
    ]
    for state in middle:
        for to in sorted(lifecycle.moves[state] - FINAL):
            colour = BY_OPERATOR if lifecycle.operator_may(state, to) else BY_WATCHER
            both = state in lifecycle.moves[to]
            parts.append(_arrow(middle[state], middle[to], colour, bent=both))
    for state, (x, y) in middle.items():
        parts.append(
            f'<rect x="{x - WIDTH / 2:.1f}" y="{y - HEIGHT / 2:.1f}" width="{WIDTH}"'
            f' height="{HEIGHT}" rx="8"/><text x="{x:.1f}" y="{y:.1f}">{state}</text>'
        )
    return "\n".join([*parts, "</svg>"]) + "\n"


def _marker(colour: str) -> str:
    return (
        f'<marker id="{_marker_name(colour)}" viewBox="0 0 10 10" refX="9" refY="5"'
        ' markerWidth="7" markerHeight="7" orient="auto-start-reverse">'
        f'<path d="M0 0L10 5L0 10z" style="fill:{colour};stroke:none"/></marker>'
    )


def _marker_name(colour: str) -> str:
    return f"to{colour[1:]}"


def _arrow(
    source: tuple[float, float], target: tuple[float, float], colour: str, *, bent: bool
) -> str:
    """An arrow between the edges of two boxes, bent when it would lie on another or on a box."""
    across, down = target[0] - source[0], target[1] - source[1]
    length = math.hypot(across, down)
    far = not down and abs(across) > ACROSS * 1.5
    bend = 0.3 * length if far else 22.0 if bent else 0.0
    middle = (
        (source[0] + target[0]) / 2 + bend * down / length,
        (source[1] + target[1]) / 2 - bend * across / length,
    )
    begin, end = _edge(source, middle), _edge(target, middle)
    line = " ".join(f"{x:.1f} {y:.1f}" for x, y in (middle, end))
    return (
        f'<path d="M{begin[0]:.1f} {begin[1]:.1f}Q{line}" stroke="{colour}"'
        f' marker-end="url(#{_marker_name(colour)})"/>'
    )


def _edge(box: tuple[float, float], towards: tuple[float, float]) -> tuple[float, float]:
    """Where the line from the middle of a box towards a point leaves the box."""
    across, down = towards[0] - box[0], towards[1] - box[1]
    scale = min(
        WIDTH / 2 / abs(across) if across else math.inf,
        HEIGHT / 2 / abs(down) if down else math.inf,
    )
    return box[0] + across * scale, box[1] + down * scale
