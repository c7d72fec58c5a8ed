# SPDX-License-Identifier: Apache-2.0
"""nop and its hooks."""

import logging
import threading
from typing import Any

import pytest

from watcher.actions.nop import Nop
from watcher.core import parameters
from watcher.core.errors import ActionFailed, BadParameters, Skip


def nop(**hooks: bool) -> Nop:
    given: dict[str, Any] = {"message": "good day", **hooks}
    parameters.check(Nop.schema, given)
    return Nop(None, given, threading.Event())  # type: ignore[arg-type]


def test_it_says_its_message(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        assert nop().check() == {}
        nop().perform()
    assert "good day" in caplog.text


def test_each_hook_fails_or_skips_its_phase() -> None:
    with pytest.raises(Skip):
        nop(skip_pre_condition=True).check()
    with pytest.raises(ActionFailed):
        nop(fail_pre_condition=True).check()
    with pytest.raises(ActionFailed) as execute:
        nop(fail_execute=True).perform()
    with pytest.raises(ActionFailed) as post:
        nop(fail_post_condition=True).perform()
    assert (execute.value.phase, post.value.phase) == ("execute", "post_condition")


@pytest.mark.parametrize(
    "given",
    [{}, {"message": 1}, {"message": "m", "fail": True}, {"message": "", "fail_execute": 1}],
)
def test_wrong_parameters_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(BadParameters):
        parameters.check(Nop.schema, given)


def test_no_message_is_a_message() -> None:
    parameters.check(Nop.schema, {"message": None})


def test_it_leaves_nothing_to_put_right() -> None:
    assert (nop().undo(), nop().compensation()) == ("", None)
