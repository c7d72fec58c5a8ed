# SPDX-License-Identifier: Apache-2.0
import datetime
from typing import Any

import pytest
from wsme.rest.json import tojson
from wsme.types import UserType

from watcher.api import types

UUID = "6a0a707c-45ef-4758-b533-e55adddba8ce"


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        *((types.text, ""), (types.text, "x" * 1000), (types.text_63, "é" * 63)),
        *((types.text_255, ""), (types.uuid, UUID), (types.objects, {"a": 1})),
        *((types.lists, []), (types.integer, 5), (types.anything, None), (types.anything, 5)),
    ],
)
def test_a_value_of_the_right_type_is_kept(kind: UserType, value: Any) -> None:
    assert kind.validate(value) == value


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        (types.text, 5, "a string, not a number"),
        (types.text, True, "a string, not a boolean"),
        (types.text_63, "", "must not be empty"),
        (types.text_63, "x" * 64, "at most 63 characters, not 64"),
        (types.uuid, "abc", "must be a uuid"),
        (types.uuid, 5, "must be a uuid"),
        (types.objects, [], "an object, not a list"),
        (types.lists, {}, "a list, not an object"),
        (types.boolean, {}, "a boolean, not an object"),
        (types.boolean, "maybe", "maybe"),
        (types.boolean, 2, "a boolean, not a number"),
    ],
)
def test_a_value_of_another_type_is_named(kind: UserType, value: Any, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        kind.validate(value)


@pytest.mark.parametrize("word", [True, 1, "1", "true", "Yes", "ON", "t"])
def test_many_words_are_true(word: Any) -> None:
    assert types.boolean.validate(word) is True


@pytest.mark.parametrize("word", [False, 0, "0", "false", "No", "off", "f"])
def test_many_words_are_false(word: Any) -> None:
    assert types.boolean.validate(word) is False


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (UUID, UUID),
        (UUID.upper(), UUID),
        (UUID.replace("-", ""), None),
        ("{" + UUID + "}", None),
        ("urn:uuid:" + UUID, None),
        ("", None),
        ("1", None),
        ("dummy", None),
    ],
)
def test_a_uuid_has_dashes_and_no_case(text: str, found: str | None) -> None:
    assert types.as_uuid(text) == found


@pytest.mark.parametrize(
    ("microsecond", "stamp", "time"),
    [
        (0, "2030-01-02T03:04:05+00:00", "2030-01-02T03:04:05"),
        (60, "2030-01-02T03:04:05.000060+00:00", "2030-01-02T03:04:05.000060"),
    ],
)
def test_timestamps_carry_an_offset_and_times_do_not(
    microsecond: int, stamp: str, time: str
) -> None:
    value = datetime.datetime(2030, 1, 2, 3, 4, 5, microsecond)
    assert tojson(types.timestamp, value) == stamp
    assert tojson(types.moment, value) == time
    assert tojson(types.timestamp, None) is None
