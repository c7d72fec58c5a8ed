# SPDX-License-Identifier: Apache-2.0
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from watcher.api import patching, types, views
from watcher.api.views import View, attr
from watcher.core.errors import BadPatch

LAW = settings(deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


class Thing(View):
    uuid = attr(types.uuid)
    name = attr(types.text_63, patch=True)
    tags = attr(types.lists, patch=True)
    more = attr(types.objects, patch=True)


NOW = {"name": "n", "tags": ["a", "b"], "more": {"x": {"y": 1}}}


def apply(*operations: Any, also: Any = None) -> dict[str, Any]:
    return patching.apply(list(operations), {**views.patchable(Thing), **(also or {})}, NOW)


def op(word: str, path: str, *value: Any) -> dict[str, Any]:
    return {"op": word, "path": path, **({"value": value[0]} if value else {})}


@pytest.mark.parametrize(
    ("operations", "values"),
    [
        ([], {}),
        ([op("replace", "/name", "m")], {"name": "m"}),
        ([op("add", "/name", "m")], {"name": "m"}),
        ([op("remove", "/name")], {"name": None}),
        ([op("replace", "/name", None)], {"name": None}),
        ([op("add", "/tags/-", "c")], {"tags": ["a", "b", "c"]}),
        ([op("add", "/tags/0", "c")], {"tags": ["c", "a", "b"]}),
        ([op("remove", "/tags/0")], {"tags": ["b"]}),
        ([op("replace", "/more/x/y", 2)], {"more": {"x": {"y": 2}}}),
        ([op("remove", "/more/x")], {"more": {}}),
        ([op("remove", "/name"), op("add", "/name", "m")], {"name": "m"}),
        ([op("replace", "/name", "m"), op("add", "/tags/-", 1)], {"name": "m", "tags": ["a", "b", 1]}),
    ],
)  # fmt: skip
def test_what_a_patch_touches_comes_back(operations: Any, values: dict[str, Any]) -> None:
    assert apply(*operations) == values


def test_what_is_there_is_left_alone() -> None:
    apply(op("replace", "/more/x/y", 2), op("remove", "/tags/0"))
    assert NOW == {"name": "n", "tags": ["a", "b"], "more": {"x": {"y": 1}}}


def test_attributes_that_are_not_shown_may_be_patched_too() -> None:
    assert apply(op("add", "/goal", "g"), also={"goal": types.text}) == {"goal": "g"}
    with pytest.raises(BadPatch, match="a string"):
        apply(op("add", "/goal", 5), also={"goal": types.text})


@pytest.mark.parametrize(
    ("operation", "text"),
    [
        (5, "an operation is an object"), ("x", "an operation is an object"),
        ({"op": "add", "path": "/name", "value": 1, "from": "/x"}, "an operation is an object"),
        (op("test", "/name", "n"), "op must be"), ({"path": "/name", "value": 1}, "op must be"),
        ({"op": ["add"], "path": "/name", "value": 1}, "op must be"),
        (op("replace", "/name"), "needs a value"), (op("add", "/name"), "needs a value"),
        (op("replace", "name", 1), "path must"), (op("replace", "", 1), "path must"),
        (op("replace", "/name/", 1), "path must"), (op("replace", "/na me", 1), "path must"),
        (op("replace", "/name~0", 1), "path must"), (op("replace", "/name\n", 1), "path must"),
        ({"op": "remove", "path": 5}, "path must"), ({"op": "remove"}, "path must"),
        (op("replace", "/uuid", "x"), "cannot be changed; /name, /tags, /more can"),
        (op("add", "/other", 1), "cannot be changed"), (op("replace", "/name", 5), "/name must be"),
        (op("replace", "/name", ""), "/name must not be empty"), (op("add", "/tags", {}), "/tags"),
        (op("remove", "/tags/7"), "cannot be applied"), (op("remove", "/more/z"), "cannot be"),
        (op("add", "/tags/x", 1), "cannot be"), (op("add", "/name/x", 1), "leads into|cannot be"),
        (op("remove", "/tags/-"), "cannot be|leads into"), (op("add", "/more/q/r", 1), "cannot be"),
    ],
)  # fmt: skip
def test_what_is_no_patch_says_why(operation: Any, text: str) -> None:
    with pytest.raises(BadPatch, match=text):
        apply(operation)


@pytest.mark.parametrize("patch", [{}, "x", 5, None])
def test_a_patch_is_a_list(patch: Any) -> None:
    with pytest.raises(BadPatch, match="list"):
        patching.apply(patch, views.patchable(Thing), NOW)


WORDS = st.sampled_from(["add", "replace", "remove", "test", "move", "", None, 5])
PATHS = st.lists(
    st.sampled_from(["name", "tags", "more", "x", "y", "0", "-", "-1", "9"]), max_size=4
)
VALUES = st.none() | st.integers() | st.text(max_size=3) | st.lists(st.integers(), max_size=2)


@LAW
@given(
    st.lists(
        st.fixed_dictionaries(
            {"op": WORDS, "path": PATHS.map(lambda parts: "/" + "/".join(parts))},
            optional={"value": VALUES | st.dictionaries(st.sampled_from("xy"), VALUES)},
        ),
        max_size=5,
    )
)
def test_any_patch_gives_values_or_bad_patch(operations: Any) -> None:
    try:
        values = apply(*operations)
    except BadPatch:
        return
    assert set(values) <= {"name", "tags", "more"}
