# SPDX-License-Identifier: Apache-2.0
"""Tests of watcher.core.errors."""

import inspect

import pytest

from watcher.core import errors
from watcher.core.refusals import WhyNot

FAMILIES = {
    errors.Invalid: {
        *(errors.BadParameters, errors.BadScope, errors.BadInterval, errors.BadPatch),
        *(errors.BadTransition, errors.ImpossiblePlan),
    },
    errors.Forbidden: set(),
    errors.NotFound: set(),
    errors.NotAcceptable: set(),
    errors.Conflict: {errors.AlreadyExists, errors.LostRace},
    errors.Unavailable: {errors.ServiceDown, errors.NoMetrics, errors.StaleCluster},
    errors.ActionFailed: {errors.Skip},
}


def below(kind):
    """The subclasses of an error that stand in the tree; another room may refine one for itself."""
    return {one for one in kind.__subclasses__() if one.__module__ == errors.__name__}


def test_the_tree_has_these_families_and_nothing_else():
    assert below(errors.WatcherError) == set(FAMILIES)
    assert {family: below(family) for family in FAMILIES} == FAMILIES


def test_every_class_of_the_module_is_in_the_drawing_of_the_tree():
    drawing = errors.__doc__
    classes = [one for _, one in inspect.getmembers(errors, inspect.isclass)]
    assert all(one.__name__ in drawing for one in classes)


@pytest.mark.parametrize("kind", [errors.Invalid, errors.LostRace, errors.Skip])
def test_the_text_of_an_error_is_what_was_said(kind):
    assert str(kind("host c1 has no room")) == "host c1 has no room"


def test_not_found_names_the_kind_and_the_identifier():
    error = errors.NotFound("Goal", "speed")
    assert str(error) == "Goal speed could not be found"
    assert (error.kind, error.ident) == ("Goal", "speed")


def test_an_impossible_plan_may_say_what_was_refused():
    assert errors.ImpossiblePlan("no room").why_not is None
    assert errors.ImpossiblePlan("no room", WhyNot(stayed=1)).why_not == WhyNot(stayed=1)
