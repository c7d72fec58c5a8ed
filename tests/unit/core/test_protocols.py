# SPDX-License-Identifier: Apache-2.0
"""Tests of watcher.core.protocols: a plugin satisfies one by its shape, it inherits nothing."""

from watcher.core.plan import Plan
from watcher.core.protocols import (
    ActionHandler,
    DataSource,
    Planner,
    Strategy,
    marks_of,
    models_of,
)
from watcher.core.solution import Solution


class Still:
    """Does nothing, in the shape of a strategy."""

    name = "still"
    display_name = "Still"
    goal = "dummy"
    planner = "any"
    parameters = dict

    def queries(self, parameters):
        return ()

    def solve(self, cluster, metrics, parameters):
        return Solution()


class InOrder:
    """In the shape of a planner."""

    name = "in_order"

    def order(self, solution, cluster):
        return Plan(solution.actions, tuple(() for _ in solution.actions))


def test_what_has_the_shape_of_a_strategy_is_one():
    assert isinstance(Still(), Strategy)
    assert not isinstance(InOrder(), Strategy)


def test_what_has_the_shape_of_a_planner_is_one():
    assert isinstance(InOrder(), Planner)
    assert not isinstance(Still(), Planner)


def test_neither_has_hands_nor_eyes():
    assert not isinstance(Still(), ActionHandler)
    assert not isinstance(InOrder(), DataSource)


def test_a_strategy_that_reads_more_than_compute_says_so_for_its_parameters():
    class Wide(Still):
        def models(self, parameters):
            return [parameters]

    assert models_of(Still(), "x") == ()
    assert models_of(Wide(), "storage") == ("storage",)
    assert models_of(Wide(), None) == ()


def test_a_strategy_says_which_thresholds_it_has_if_any():
    class Marked:
        def marks(self, parameters):
            return {"host_cpu_usage": parameters}

    assert marks_of(Marked(), 80.0) == {"host_cpu_usage": 80.0}
    assert marks_of(object(), 80.0) == {}
