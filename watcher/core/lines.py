# SPDX-License-Identifier: Apache-2.0
"""Records as lists of plain values, one for a line of a file, and back with every type checked.

What comes back may have been written by anybody, so nothing but the types of the record's own
fields is accepted. Sets become sorted lists, ``nan`` and the infinities words, which JSON lacks.
"""

import math
import typing
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, Generic, TypeVar

from watcher.core.cluster import Cpu
from watcher.core.errors import Invalid

R = TypeVar("R")

LARGEST = 2**40
"""Of whole numbers: an exbibyte in MiB; the sum of a million of them is still one."""


class Lines(Generic[R]):
    """Reads the lines of one kind of record, a NamedTuple, whose ``names`` are those of its file.

    A field that the file does not have takes its default. Raises Invalid for names that the
    record does not have, and when it needs one that is not there.
    """

    def __init__(self, kind: Any, names: Sequence[Any]) -> None:
        self._kind = kind
        known = _readers(kind)
        unknown = [name for name in map(str, names) if name not in known]
        given = set(map(str, names))
        missing = given_by_nobody(kind) - given
        if unknown or missing or len(given) != len(names):
            raise Invalid(f"its fields are {', '.join(map(str, names))[:200] or 'none'}")
        self._names = [str(name) for name in names]
        self._read = [known[name] for name in self._names]
        self._same: dict[str, Any] = {}

    def record(self, values: Any) -> R:
        """The record of one line. Raises Invalid, which names the field, for a wrong value."""
        if not isinstance(values, list) or len(values) != len(self._names):
            raise Invalid(f"{len(self._names)} values are wanted")
        found: dict[str, Any] = {}
        for name, read, value in zip(self._names, self._read, values, strict=True):
            try:
                made = read(value)
            except (TypeError, ValueError, KeyError) as error:
                raise Invalid(f"{name} cannot be {value!r:.40}") from error
            # What many have in common, such as a flavor's extra specs, is kept once.
            alike = isinstance(made, dict | frozenset)
            found[name] = self._same.setdefault(repr(value), made) if alike else made
        record: R = self._kind(**found)
        return record


def plain(value: Any) -> Any:
    """A field's value, or a record, as JSON has it."""
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, tuple):
        return [plain(one) for one in value]
    if isinstance(value, Mapping):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def number(value: Any) -> float:
    """A number, or the word for one that JSON lacks. Raises ValueError or TypeError."""
    if isinstance(value, str):
        return {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}[value]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError
    return float(value)


def given_by_nobody(kind: Any) -> set[str]:
    """The fields of a record that have no default."""
    return set(kind._fields) - set(kind._field_defaults)


@cache
def _readers(kind: Any) -> dict[str, Callable[[Any], Any]]:
    return {name: _READERS[hint] for name, hint in typing.get_type_hints(kind).items()}


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > LARGEST:
        raise TypeError
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise TypeError
    return tuple(map(_text, value))


def _set(value: Any) -> frozenset[str]:
    return frozenset(_texts(value))


def _mapping(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError
    return value


def _sets(value: Any) -> dict[str, frozenset[str]]:
    return {key: _set(one) for key, one in _mapping(value).items()}


def _three(value: Any) -> tuple[int, int, int]:
    if not isinstance(value, list):
        raise TypeError
    first, second, third = map(_whole, value)
    return first, second, third


def _three_or_none(value: Any) -> tuple[int, int, int] | None:
    return None if value is None else _three(value)


def _cpu(value: Any) -> Cpu:
    arch, vendor, model, features = value
    return Cpu(_text(arch), _text(vendor), _text(model), _set(features))


_READERS: Mapping[Any, Callable[[Any], Any]] = {
    str: _text,
    int: _whole,
    float: number,
    bool: _flag,
    Cpu: _cpu,
    frozenset[str]: _set,
    tuple[str, ...]: _texts,
    tuple[int, int, int]: _three,
    tuple[int, int, int] | None: _three_or_none,
    Mapping[str, str]: _mapping,
    Mapping[str, Any]: _mapping,
    Mapping[str, frozenset[str]]: _sets,
}
