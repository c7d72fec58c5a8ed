# SPDX-License-Identifier: Apache-2.0
"""A few words of reStructuredText."""

import inspect
import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

NOTICE = ".. Written by tools/generate_docs from the code; changes here are lost.\n"


def page(name: str, title: str, *parts: str) -> str:
    """A whole file with a label of its name and a title."""
    return (
        "\n".join((NOTICE, f".. _{name}:\n", heading(title, "="), *filter(None, parts))).strip()
        + "\n"
    )


def heading(title: str, line: str = "-") -> str:
    """A title underlined."""
    return f"{title}\n{line * len(title)}\n"


def text(value: object) -> str:
    """Plain words in which no character means anything to Sphinx."""
    return re.sub(r"([\\`*|_])", r"\\\1", str(value))


def code(value: object) -> str:
    """A literal; JSON for what is not text."""
    word = value if isinstance(value, str) else json.dumps(value, default=str)
    return f"``{word}``" if word else "(empty)"


def table(headings: Sequence[str], rows: Iterable[Sequence[str]], widths: str = "") -> str:
    """A list-table; a cell with several lines stays one cell. '' when there are no rows."""
    lines = [".. list-table::", "   :header-rows: 1"]
    if widths:
        lines.append(f"   :widths: {widths}")
    lines.append("")
    body = [headings, *rows]
    for row in body:
        for index, cell in enumerate(row):
            first, *more = cell.splitlines() or [""]
            lines.append(f"   {'* -' if index == 0 else '  -'} {first}".rstrip())
            lines.extend(f"       {line}".rstrip() for line in more)
    return "\n".join(lines) + "\n" if len(body) > 1 else ""


def docstring(thing: Any) -> str:
    """The documentation of a class or module as it is written there."""
    return inspect.cleandoc(thing.__doc__ or "") + "\n"
