# SPDX-License-Identifier: Apache-2.0
"""What the operator reads about an action that failed."""

from watcher.applier.steps import attempt, message, words
from watcher.core.errors import ActionFailed, ServiceDown


def test_our_errors_are_told_and_others_named_by_their_class() -> None:
    assert words(ServiceDown("Nova does not answer")) == "Nova does not answer"
    assert words(KeyError("secret")) == "KeyError"


def test_the_message_names_the_phase_of_the_error() -> None:
    late = ActionFailed("it is elsewhere", phase="post_condition")
    assert message("execute", late) == "Action failed in post_condition: it is elsewhere"
    assert message("pre_condition", ActionFailed("no")) == "Action failed in pre_condition: no"
    assert message("execute", KeyError("x")) == "Action failed in execute: KeyError"


def test_what_was_undone_is_told_however_long_the_reason() -> None:
    text = message("execute", ActionFailed("x" * 500), "; undone: moved back")
    assert len(text) == 255
    assert text.endswith("x…; undone: moved back")


def test_whatever_a_plugin_raises_is_caught() -> None:
    assert attempt(lambda: 1) == (1, None)
    result, error = attempt(lambda: [][0])
    assert result is None
    assert isinstance(error, IndexError)
