# SPDX-License-Identifier: Apache-2.0
"""Laws of all lifecycles, and what the API contract says an operator may ask for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.core.states import ACTION, ACTION_PLAN, AUDIT, LIFECYCLES

COLUMN = 20
"""Characters of the state columns in the database."""

FIRST = {"audit": {"PENDING"}, "action plan": {"RECOMMENDED"}, "action": {"PENDING"}}

every_lifecycle = pytest.mark.parametrize("lifecycle", LIFECYCLES, ids=lambda one: one.kind)


def reached(lifecycle, begin):
    """All states that some path from these reaches, with themselves."""
    found, new = set(), set(begin)
    while new:
        found |= new
        new = {to for state in new for to in lifecycle.moves[state]} - found
    return found


@every_lifecycle
def test_no_path_leaves_a_final_state(lifecycle):
    final = {state for state in lifecycle.states if not lifecycle.moves[state]}
    assert final == {"DELETED"}
    assert reached(lifecycle, final) == final


@every_lifecycle
def test_every_state_is_reached_from_the_first(lifecycle):
    assert reached(lifecycle, FIRST[lifecycle.kind]) == set(lifecycle.states)


@every_lifecycle
def test_every_state_has_a_way_to_the_end(lifecycle):
    for state in lifecycle.states:
        assert "DELETED" in reached(lifecycle, {state}), state


@every_lifecycle
def test_nothing_moves_to_where_it_is(lifecycle):
    assert all(state not in targets for state, targets in lifecycle.moves.items())


@every_lifecycle
def test_names_fit_their_columns(lifecycle):
    assert all(state.isupper() and len(state) <= COLUMN for state in lifecycle.states)


@every_lifecycle
def test_the_operators_moves_are_moves(lifecycle):
    for source, targets in lifecycle.by_operator.items():
        assert targets <= lifecycle.moves[source]


@pytest.mark.parametrize("lifecycle", [ACTION_PLAN, ACTION], ids=lambda one: one.kind)
def test_what_was_done_is_never_done_again(lifecycle):
    for state in ("SUCCEEDED", "FAILED", "CANCELLED"):
        assert lifecycle.moves[state] == {"DELETED"}


@every_lifecycle
@given(data=st.data())
def test_any_walk_ends_and_sources_agree_with_moves(lifecycle, data):
    state = data.draw(st.sampled_from(lifecycle.states))
    for _ in range(20):
        targets = sorted(lifecycle.moves[state])
        assert all(state in lifecycle.sources(to) for to in targets)
        strangers = set(lifecycle.states) - set(targets)
        assert all(state not in lifecycle.sources(to) for to in strangers)
        assert not any(lifecycle.operator_may(state, to) for to in strangers)
        if not targets:
            break
        state = data.draw(st.sampled_from(targets))


# The tables of contract/rest-api.md 15.4, 16.2 and 17.2, written again by hand.
BY_OPERATOR = {
    "audit": {
        ("PENDING", "ONGOING"),
        ("PENDING", "CANCELLED"),
        ("ONGOING", "SUCCEEDED"),
        ("ONGOING", "FAILED"),
        ("ONGOING", "CANCELLED"),
        ("ONGOING", "SUSPENDED"),
        ("SUCCEEDED", "DELETED"),
        ("FAILED", "DELETED"),
        ("CANCELLED", "DELETED"),
        ("SUSPENDED", "ONGOING"),
        ("SUSPENDED", "DELETED"),
    },
    "action plan": {
        ("RECOMMENDED", "PENDING"),
        ("RECOMMENDED", "CANCELLED"),
        ("PENDING", "CANCELLED"),
        ("ONGOING", "CANCELLING"),
    },
    "action": {("PENDING", "SKIPPED")},
}


@every_lifecycle
def test_an_operator_may_ask_for_what_the_contract_says(lifecycle):
    pairs = {
        (source, to)
        for source in lifecycle.states
        for to in lifecycle.states
        if lifecycle.operator_may(source, to)
    }
    assert pairs == BY_OPERATOR[lifecycle.kind]


def test_the_states_are_those_of_the_contract():
    assert set(AUDIT.states) == {
        *("PENDING", "ONGOING", "SUCCEEDED", "FAILED", "CANCELLED", "SUSPENDED", "DELETED"),
    }
    assert set(ACTION_PLAN.states) == {
        *("RECOMMENDED", "PENDING", "ONGOING", "FAILED", "SUCCEEDED", "DELETED", "CANCELLED"),
        *("SUPERSEDED", "CANCELLING"),
    }
    assert set(ACTION.states) == {
        *("PENDING", "ONGOING", "FAILED", "SUCCEEDED", "DELETED", "CANCELLED", "SKIPPED"),
        "CANCELLING",
    }


@pytest.mark.parametrize(
    ("lifecycle", "states"),
    [
        (AUDIT, {"SUCCEEDED", "FAILED", "CANCELLED", "SUSPENDED"}),
        (ACTION_PLAN, {"RECOMMENDED", "SUCCEEDED", "FAILED", "SUPERSEDED", "CANCELLED"}),
    ],
    ids=["audit", "action plan"],
)
def test_only_what_the_contract_says_can_be_deleted(lifecycle, states):
    assert lifecycle.sources("DELETED") == states
