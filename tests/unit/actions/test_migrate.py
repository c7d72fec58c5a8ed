# SPDX-License-Identifier: Apache-2.0
"""The parameters of migrate; what it does is in tests/functional/applier."""

from typing import Any

import pytest

from watcher.actions.migrate import Migrate
from watcher.core import parameters, solution
from watcher.core.errors import BadParameters

UUID = "0760b2d0-7381-4de5-8e93-e0ba771450d7"
GOOD = solution.migrate(UUID, "c1", "c2", name="web").input_parameters


@pytest.mark.parametrize(
    "more", [{}, {"destination_node": None}, {"migration_type": "cold"}, {"resource_name": ""}]
)
def test_what_strategies_write_is_taken(more: dict[str, Any]) -> None:
    parameters.check(Migrate.schema, {**GOOD, **more})


def test_a_destination_may_be_missing() -> None:
    parameters.check(Migrate.schema, solution.migrate(UUID, "c1").input_parameters)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("resource_id", "web"),
        ("resource_id", UUID.replace("-", "")),
        ("migration_type", "warm"),
        ("source_node", ""),
        ("source_node", None),
        ("destination_node", ""),
        ("destination", "c2"),
    ],
)
def test_what_it_cannot_do_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(BadParameters, match=name):
        parameters.check(Migrate.schema, {**GOOD, name: value})
