# SPDX-License-Identifier: Apache-2.0
"""The parameters of resize; what it does is in tests/functional/applier."""

from typing import Any

import pytest

from watcher.actions.resize import Resize
from watcher.core import parameters, solution
from watcher.core.errors import BadParameters

UUID = "0760b2d0-7381-4de5-8e93-e0ba771450d7"
GOOD = solution.resize(UUID, "m1.large").input_parameters


@pytest.mark.parametrize("more", [{}, {"flavor": "42"}, {"resource_name": "web"}])
def test_what_strategies_write_is_taken(more: dict[str, Any]) -> None:
    parameters.check(Resize.schema, {**GOOD, **more})


@pytest.mark.parametrize(
    ("name", "value"),
    [("resource_id", "web"), ("flavor", ""), ("flavor", 4), ("flavor", None), ("size", "m")],
)
def test_what_it_cannot_do_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(BadParameters, match=name):
        parameters.check(Resize.schema, {**GOOD, name: value})


def test_a_flavor_is_needed() -> None:
    with pytest.raises(BadParameters, match="flavor"):
        parameters.check(Resize.schema, {"resource_id": UUID})
