# SPDX-License-Identifier: Apache-2.0
"""Goals over HTTP (contract rest-api 12)."""

import re

import pytest

from tests.functional.api.bench import Bench


def test_a_goal_shows_exactly_its_eight_attributes(bench: Bench) -> None:
    goal = bench.get("/v1/goals/server_consolidation")
    assert set(goal) == {
        *("uuid", "name", "display_name", "efficacy_specification", "links"),
        *("created_at", "updated_at", "deleted_at"),
    }
    assert goal["display_name"] == "Server Consolidation"
    assert goal["updated_at"] is None
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?\+00:00", goal["created_at"])


def test_an_indicator_shows_its_schema_as_text(bench: Bench) -> None:
    (indicator,) = bench.get("/v1/goals/server_consolidation")["efficacy_specification"]
    assert indicator == {
        "name": "released_compute_nodes_count",
        "description": "Hosts set free.",
        "unit": None,
        "schema": '{"type": "integer", "minimum": 0}',
    }


def test_a_plain_list_is_brief_and_a_detailed_one_is_not(bench: Bench) -> None:
    brief = {"uuid", "name", "display_name", "efficacy_specification", "links"}
    assert set(bench.get("/v1/goals")["goals"][0]) == brief
    full = bench.get("/v1/goals/detail")["goals"][0]
    assert set(full) == brief | {"created_at", "updated_at", "deleted_at"}


@pytest.mark.parametrize("word", ["dummy", "DUMMY", "Dummy"])
def test_a_goal_is_found_whatever_the_case_of_its_name(bench: Bench, word: str) -> None:
    assert bench.get(f"/v1/goals/{word}")["name"] == "dummy"


def test_a_goal_is_found_by_uuid_in_upper_case(bench: Bench) -> None:
    uuid = bench.get("/v1/goals/dummy")["uuid"]
    assert bench.get(f"/v1/goals/{uuid.upper()}")["uuid"] == uuid


def test_the_self_link_comes_first(bench: Bench) -> None:
    goal = bench.get("/v1/goals/dummy")
    assert goal["links"] == [
        {"href": f"http://localhost/v1/goals/{goal['uuid']}", "rel": "self"},
        {"href": f"http://localhost/goals/{goal['uuid']}", "rel": "bookmark"},
    ]
