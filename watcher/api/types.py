# SPDX-License-Identifier: Apache-2.0
"""The words of the wire as WSME types: strict on the way in, exact on the way out.

WSME turns numbers into texts and texts into numbers where it can; these types do not, so a wrong
JSON type is a 400 that names the attribute. A type says nothing about null: whether an attribute
may be null is the business of who reads it.
"""

import datetime
import uuid as uuids
from collections.abc import Collection, Sequence
from typing import Any, ClassVar

from oslo_utils import strutils
from wsme.types import UserType

UTC = datetime.UTC
_TRUE, _FALSE = strutils.TRUE_STRINGS, strutils.FALSE_STRINGS


Schema = dict[str, Any]
"""A JSON Schema (2020-12)."""


class Json(UserType):
    """A JSON value of one Python type, shown as it is.

    ``schema`` describes the values shown, ``accepts`` those taken.
    """

    def __init__(self, python: type | tuple[type, ...], name: str, schema: Schema) -> None:
        self.basetype = object
        self.python = python
        self.name = name
        self.schema = schema

    @property
    def accepts(self) -> Schema:
        """What clients may send: what they are shown, if nothing else is said."""
        return self.schema

    def validate(self, value: Any) -> Any:
        """The value itself; ValueError when it is of another type."""
        if not isinstance(value, self.python):
            raise ValueError(f"must be {self.name}, not {_json_name(value)}")
        return value


class Text(Json):
    """A text of bounded length, in characters."""

    def __init__(self, maximum: int | None = None, *, empty: bool = True) -> None:
        limits = {} if maximum is None else {"maxLength": maximum}
        least = {} if empty else {"minLength": 1}
        super().__init__(str, "a string", {"type": "string", **least, **limits})
        self.maximum = maximum
        self.empty = empty

    def validate(self, value: Any) -> str:
        """The text; ValueError when it is none, too long, or empty where it may not be."""
        text: str = super().validate(value)
        if self.maximum is not None and len(text) > self.maximum:
            raise ValueError(f"must be at most {self.maximum} characters, not {len(text)}")
        if not text and not self.empty:
            raise ValueError("must not be empty")
        return text


class Word(Text):
    """One of a few words. Any text is let in: what another one means is for the reader to say."""

    def __init__(self, words: Sequence[str]) -> None:
        super().__init__()
        self.schema = {"type": "string", "enum": list(words)}


class Uuid(Json):
    """A uuid; any spelling goes in, the usual one comes out."""

    def __init__(self) -> None:
        super().__init__(str, "a uuid", {"type": "string", "format": "uuid"})

    def validate(self, value: Any) -> str:
        """The uuid in lower case with dashes; ValueError when it is none."""
        found = as_uuid(value) if isinstance(value, str) else None
        if found is None:
            raise ValueError("must be a uuid")
        return found


class Boolean(Json):
    """True or false, also as the usual words: yes, true, on, 1."""

    def __init__(self) -> None:
        super().__init__(bool, "a boolean", {"type": "boolean"})

    @property
    def accepts(self) -> Schema:
        """A boolean, its number, or one of the words for it in any case."""
        words = "|".join(_any_case(word) for word in (*_TRUE, *_FALSE))
        word = {"type": "string", "pattern": rf"^\s*({words})\s*$"}
        return {"anyOf": [self.schema, {"enum": [0, 1]}, word]}

    def validate(self, value: Any) -> bool:
        """The truth value; ValueError for what is neither a boolean nor a word for one."""
        if isinstance(value, str):
            return strutils.bool_from_string(value, strict=True)
        return bool(value if value in (0, 1) else super().validate(value))


class Instant(UserType):
    """A point in time, stored as naive UTC; shown in ISO 8601 with or without the offset.

    Contract rest-api 9: the timestamps of rows carry ``+00:00``, the times of the trade do not.
    """

    basetype = object
    accepts: ClassVar[Schema] = {"type": "string"}

    def __init__(self, *, offset: bool) -> None:
        self.name = "a date and time"
        self.offset = offset
        zone = r"\+00:00" if offset else ""
        form = rf"^\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{{6}})?{zone}$"
        self.schema: Schema = {"type": "string", "pattern": form}

    def tobasetype(self, value: datetime.datetime) -> str:
        """The text on the wire."""
        return (value.replace(tzinfo=UTC) if self.offset else value).isoformat()


def list_of(items: Schema) -> Json:
    """A list whose items, when they are shown, are as this schema says."""
    return Json(list, "a list", {"type": "array", "items": items})


def closed(properties: Schema, *, optional: Collection[str] = ()) -> Schema:
    """The schema of an object with these properties, the optional ones or not, and no other."""
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
    }


def or_null(schema: Schema) -> Schema:
    """The schema, or null."""
    return {"anyOf": [schema, {"type": "null"}]}


def as_uuid(text: str) -> str | None:
    """The uuid in its usual spelling, or None when the text is none (dashes are needed)."""
    try:
        found = str(uuids.UUID(text))
    except ValueError:
        return None
    return found if found == text.lower() else None


def _any_case(word: str) -> str:
    """A pattern for a word in any case; JSON Schema has no flag for it."""
    return "".join(f"[{one.lower()}{one.upper()}]" if one.isalpha() else one for one in word)


def _json_name(value: Any) -> str:
    names = {str: "a string", bool: "a boolean", list: "a list", dict: "an object"}
    return names.get(type(value), "a number")


uuid = Uuid()
boolean = Boolean()
integer = Json(int, "an integer", {"type": "integer"})
text = Text()
text_63 = Text(63, empty=False)
text_255 = Text(255)
objects = Json(dict, "an object", {"type": "object"})
lists = list_of({})
anything = Json(object, "a value", {})
timestamp = Instant(offset=True)
moment = Instant(offset=False)
