# SPDX-License-Identifier: Apache-2.0
"""The parameters of change_nova_service_state; what it does is in tests/functional/applier."""

from typing import Any

import pytest

from watcher.actions.change_nova_service_state import ChangeNovaServiceState
from watcher.core import parameters, solution
from watcher.core.errors import BadParameters

SCHEMA = ChangeNovaServiceState.schema


@pytest.mark.parametrize(
    "action",
    [
        solution.disable_host("uuid", "c1", solution.DISABLED_BY_CONSOLIDATION),
        solution.enable_host("uuid", "c1"),
        solution.Action("change_nova_service_state", {"state": "up"}, "c1"),
    ],
)
def test_what_strategies_write_is_taken(action: solution.Action) -> None:
    parameters.check(SCHEMA, action.input_parameters)


@pytest.mark.parametrize(
    ("name", "value"),
    [("state", "off"), ("state", None), ("resource_id", ""), ("disabled_reason", "x" * 256)],
)
def test_what_it_cannot_do_is_refused_by_name(name: str, value: Any) -> None:
    given = {**solution.enable_host("uuid", "c1").input_parameters, name: value}
    with pytest.raises(BadParameters, match=name):
        parameters.check(SCHEMA, given)
