# SPDX-License-Identifier: Apache-2.0
"""Tests of watcher.core.states."""

import pytest

from watcher.core.states import ACTION, ACTION_PLAN, AUDIT, Lifecycle, parse


def test_lines_become_a_table():
    table = parse(
        """
        A -> B | C
        B -> C

        C ->
        """
    )
    assert table == {"A": {"B", "C"}, "B": {"C"}, "C": frozenset()}


def test_a_state_with_two_lines_is_refused():
    with pytest.raises(ValueError, match="state A has two lines"):
        parse("A -> B\nA -> C")


def test_a_target_without_its_own_line_is_refused():
    with pytest.raises(ValueError, match="door: no line for AJAR"):
        Lifecycle("door", "OPEN -> AJAR")


@pytest.mark.parametrize("operator", ["SHUT -> OPEN", "LOST -> SHUT"])
def test_an_operator_cannot_do_what_the_lifecycle_does_not_have(operator):
    with pytest.raises(ValueError, match="the operator may do from"):
        Lifecycle("door", "OPEN -> SHUT\nSHUT ->", by_operator=operator)


def test_states_come_in_the_order_of_the_table():
    door = Lifecycle("door", "OPEN -> SHUT\nSHUT -> OPEN\nGONE ->")
    assert door.states == ("OPEN", "SHUT", "GONE")
    assert door.kind == "door"


def test_sources_are_the_states_one_move_before():
    assert AUDIT.sources("SUSPENDED") == {"ONGOING"}
    assert ACTION_PLAN.sources("CANCELLING") == {"ONGOING"}
    assert ACTION.sources("DELETED") >= {"SKIPPED", "SUCCEEDED", "FAILED", "CANCELLED"}
    assert AUDIT.sources("NOWHERE") == frozenset()


@pytest.mark.parametrize(
    ("lifecycle", "source", "to", "allowed"),
    [
        (AUDIT, "PENDING", "CANCELLED", True),
        (AUDIT, "SUSPENDED", "ONGOING", True),
        (AUDIT, "SUCCEEDED", "ONGOING", False),
        (ACTION_PLAN, "RECOMMENDED", "PENDING", True),
        (ACTION_PLAN, "ONGOING", "SUCCEEDED", False),
        (ACTION, "PENDING", "SKIPPED", True),
        (ACTION, "PENDING", "CANCELLED", False),
        (ACTION, "NOWHERE", "SKIPPED", False),
    ],
)
def test_an_operator_may_only_ask_for_his_part_of_the_moves(lifecycle, source, to, allowed):
    assert lifecycle.operator_may(source, to) is allowed
