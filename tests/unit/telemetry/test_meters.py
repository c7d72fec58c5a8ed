# SPDX-License-Identifier: Apache-2.0
"""Names and help of all that is measured, by Prometheus' rules, and the clock of a block."""

import re

import pytest

from tests.telemetry import number
from watcher.core.states import LIFECYCLES
from watcher.telemetry import gauges, meters

OURS = [one for one in meters.REGISTRY.collect() if one.name.startswith("watcher_")]
GAUGES = (*gauges.DATABASE, *gauges.PROCESS)


@pytest.mark.parametrize("name", [*(one.name for one in OURS), *(one.name for one in GAUGES)])
def test_a_name_has_the_base_unit_and_no_type(name):
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", name)
    for wrong in ("_total", "_count", "_sum", "_bucket", "_gauge", "milliseconds", "percent"):
        assert not name.endswith(wrong)
    assert not {"duration", "age", "period"} & set(name.split("_")) or name.endswith("seconds")


@pytest.mark.parametrize(
    "text", [one.documentation for one in OURS] + [one.text for one in GAUGES]
)
def test_what_is_measured_is_said_in_a_sentence(text):
    assert re.fullmatch(r"[A-Z].{15,}\.", text)


def test_a_histogram_measures_seconds():
    assert {one.name for one in OURS if one.type == "histogram"} == {
        one.name for one in OURS if one.name.endswith("_seconds")
    }


def test_no_name_is_given_twice():
    names = [*(one.name for one in OURS), *(f"watcher_{one.name}" for one in GAUGES)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("lifecycle", LIFECYCLES, ids=lambda one: one.kind)
def test_every_state_is_counted_from_nothing_on(lifecycle):
    kind = lifecycle.kind.replace(" ", "_")
    for state in lifecycle.states:
        assert number("watcher_state_changes_total", kind=kind, state=state) >= 0


def test_a_block_is_observed_under_what_it_says_of_itself():
    labels = {"model": "compute", "outcome": "read"}
    before = number("watcher_model_reading_duration_seconds_count", **labels)
    with meters.timed(meters.MODEL_READINGS, "compute", failed="failed") as outcome:
        outcome[0] = "read"
    assert number("watcher_model_reading_duration_seconds_count", **labels) == before + 1


def test_a_block_that_an_error_leaves_has_failed():
    labels = {"model": "compute", "outcome": "failed"}
    before = number("watcher_model_reading_duration_seconds_count", **labels)
    with (
        pytest.raises(KeyError),
        meters.timed(meters.MODEL_READINGS, "compute", failed="failed"),
    ):
        raise KeyError
    assert number("watcher_model_reading_duration_seconds_count", **labels) == before + 1
