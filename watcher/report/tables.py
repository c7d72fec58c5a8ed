# SPDX-License-Identifier: Apache-2.0
"""Tables of a page: with a caption and named columns, and scrolled by keyboard where too wide."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

LETTERS = 32
"""The name of a line is not broken, not even after a hyphen, unless it is longer."""


@dataclass(frozen=True)
class Cell:
    """What stands in a cell: text, or ``html`` that was made here, with a class."""

    text: str
    kind: str = ""
    html: bool = False


def number(text: str) -> Cell:
    """A cell whose text is set like a number."""
    return Cell(text, "number")


def prose(text: str) -> Cell:
    """A cell of sentences, which wants some width."""
    return Cell(text, "prose")


def table(
    caption: str,
    heads: Sequence[str],
    lines: Iterable[Sequence[str | Cell]],
    *,
    first_is_head: bool = False,
) -> str:
    """A table as HTML; with ``first_is_head`` the first cell of a line names it."""
    cells = [[one if isinstance(one, Cell) else Cell(one) for one in line] for line in lines]
    kinds = [cell.kind for cell in cells[0]] if cells else []
    titles = "".join(
        f'<th scope="col"{_class(kind if kind == "number" else "")}>{escape(head)}</th>'
        for head, kind in zip(heads, [*kinds, *[""] * len(heads)], strict=False)
    )
    body = "".join(
        "<tr>"
        + "".join(
            _cell(cell, is_head=first_is_head and not place) for place, cell in enumerate(line)
        )
        + "</tr>"
        for line in cells
    )
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{escape(caption)}"><table>'
        f"<caption>{escape(caption)}</caption><thead><tr>{titles}</tr></thead>"
        f"<tbody>{body}</tbody></table></div>"
    )


def _cell(cell: Cell, *, is_head: bool) -> str:
    shown = cell.text if cell.html else escape(cell.text)
    if is_head:
        whole = "nowrap" if len(cell.text) <= LETTERS else ""
        return f'<th scope="row"{_class(whole)}>{shown}</th>'
    return f"<td{_class(cell.kind)}>{shown}</td>"


def _class(kind: str) -> str:
    return f' class="{kind}"' if kind else ""
