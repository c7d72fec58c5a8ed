# SPDX-License-Identifier: Apache-2.0
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from watcher.api import strict
from watcher.core.errors import Invalid

LAW = settings(deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab"), inner, max_size=3),
    max_leaves=10,
)  # fmt: skip


@LAW
@given(JSON)
def test_json_is_taken_as_it_is(value: Any) -> None:
    import json

    assert strict.loads(json.dumps(value).encode()) == value


@pytest.mark.parametrize(
    "raw",
    [
        *(b"", b"{", b"NaN", b"[Infinity]", b'{"a": -1e999}', b'"\\ud800"', b'{"\\udfff": 1}'),
        *(b'"\\u0000"', b'{"a\\u0000": 1}', b"\xff", b"[" * 200 + b"]" * 200, b"[" * 500_000),
        b"9" * 5000,
    ],
)
def test_what_the_standard_or_a_database_has_not_is_refused(raw: bytes) -> None:
    with pytest.raises(Invalid):
        strict.loads(raw)


def test_whole_surrogate_pairs_are_one_character() -> None:
    assert strict.loads(b'"\\ud83c\\udf89"') == "🎉"


def test_nesting_has_a_limit() -> None:
    def nested(levels: int) -> bytes:
        return b"[" * levels + b"]" * levels

    strict.loads(nested(strict.DEPTH - 1))
    with pytest.raises(Invalid, match="deeper than 100"):
        strict.loads(nested(strict.DEPTH + 1))
