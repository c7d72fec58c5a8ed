# SPDX-License-Identifier: Apache-2.0
"""The parameters of stop; what it does is in tests/functional/applier."""

from typing import Any

import pytest

from watcher.actions.stop import Stop
from watcher.core import parameters, solution
from watcher.core.errors import BadParameters

GOOD = solution.stop("0760b2d0-7381-4de5-8e93-e0ba771450d7").input_parameters


@pytest.mark.parametrize("more", [{}, {"resource_name": "web"}])
def test_what_strategies_write_is_taken(more: dict[str, Any]) -> None:
    parameters.check(Stop.schema, {**GOOD, **more})


@pytest.mark.parametrize(("name", "value"), [("resource_id", "web"), ("force", True)])
def test_what_it_cannot_do_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(BadParameters, match=name):
        parameters.check(Stop.schema, {**GOOD, name: value})
