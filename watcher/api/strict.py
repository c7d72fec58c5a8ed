# SPDX-License-Identifier: Apache-2.0
"""JSON as the standard has it, and nothing a database could not keep.

Python's parser takes NaN, 1e999 and half of a surrogate pair, and runs out of stack on deep
nesting; the null character cannot be stored by PostgreSQL. All of these are the client's mistake
and are told as such, before anything looks at the value.
"""

import json
import math
from typing import Any

from watcher.core.errors import Invalid

DEPTH = 100
"""Levels of nesting that are accepted; a scope has 6."""


def loads(raw: bytes) -> Any:
    """The value of a JSON text in UTF-8. Raises Invalid."""
    try:
        value = json.loads(raw.decode())
    except (ValueError, RecursionError) as error:
        raise Invalid("the body is not valid JSON in UTF-8") from error
    check(value)
    return value


def check(value: Any) -> None:
    """Raise Invalid for a value that holds a number or a text that JSON or a database has not."""
    level = [value]
    for _ in range(DEPTH):
        if not level:
            return
        level = [inner for item in level for inner in _members(item)]
    if level:
        raise Invalid(f"the body is nested deeper than {DEPTH} levels")


def _members(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [*value, *value.values()]
    if isinstance(value, list):
        return value
    if isinstance(value, float) and not math.isfinite(value):
        raise Invalid("NaN and infinite numbers are not JSON")
    if isinstance(value, str):
        _check_text(value)
    return []


def _check_text(text: str) -> None:
    if "\x00" in text:
        raise Invalid("a text must not contain the null character")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise Invalid("a text must not contain half of a surrogate pair")
