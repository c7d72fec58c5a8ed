# SPDX-License-Identifier: Apache-2.0
"""The account of a plan, and its JSON."""

import dataclasses
import json

import pytest

from tests.unit.report.stories import LIMITS, account, gathered
from tests.worlds import uuid
from watcher.core.solution import migrate
from watcher.report import words
from watcher.report.account import DATA, STEPS, Account, Bound, Deed, Head
from watcher.report.written import as_json


def test_the_timeline_is_the_plan_under_the_limits_in_data_copied() -> None:
    found = account(gathered())
    assert (found.unit, found.limits) == (DATA, LIMITS)
    spans = [(step.span.start, step.span.end) for step in found.steps]
    # vm2 waits for vm1 at c1 and at c3, <vm3> for c3
    assert spans == [(0.0, 0.0), (0.0, 2.0), (2.0, 6.0), (6.0, 7.0)]
    assert found.length == 7.0
    assert [step.size_gb for step in found.steps] == [None, 2.0, 4.0, 1.0]


def test_without_evidence_each_action_is_a_step_and_only_the_order_is_known() -> None:
    found = account()
    assert (found.unit, found.limits, found.hosts, found.pools) == (STEPS, {}, None, None)
    assert [(step.span.start, step.span.end) for step in found.steps] == [
        (0.0, 1.0),
        (1.0, 2.0),
        (1.0, 2.0),
        (2.0, 3.0),
    ]


def test_progress_counts_what_was_planned_and_not_what_takes_it_back() -> None:
    undo = ("migrate", migrate(uuid("vm1"), "c3", "c1").input_parameters)
    found = account(None, at0=("SUCCEEDED", None), at1=("FAILED", "No valid host"), undo=undo)
    assert (found.ended, len(found.planned), len(found.undoing)) == (2, 4, 1)
    assert found.migrations == 3
    assert found.states == {"SUCCEEDED": 1, "FAILED": 1, "PENDING": 2}
    assert found.taken_back[uuid("action1")].uuid == uuid("undo")


def test_an_indicator_with_a_lower_bound_is_shown_beside_it() -> None:
    assert account().bounds == [Bound("hosts_in_use", 3.0, 1.0, 1.0)]


@pytest.mark.parametrize(
    ("kind", "given", "told"),
    [
        ("migrate", {"resource_id": "i", "source_node": "a"}, ("i", "a to where Nova chooses")),
        (
            "migrate",
            {"resource_name": "n", "source_node": "a", "destination_node": "b"}
            | {"migration_type": "live"},
            ("n", "a to b, live"),
        ),
        ("volume_migrate", {"resource_id": "v", "destination_node": "p"}, ("v", "to p")),
        (
            "volume_migrate",
            {"resource_id": "v", "destination_type": "t", "migration_type": "retype"},
            ("v", "to t, retype"),
        ),
        ("change_nova_service_state", {"resource_name": "a", "state": "x"}, ("a", "x")),
        ("sleep", {"duration": 2.5}, ("", "2.5")),
        ("nop", {"message": "hello"}, ("hello", "")),
    ],
)
def test_an_action_is_told_in_words(kind: str, given: dict[str, object], told: object) -> None:
    found = Account(Head("p", "RECOMMENDED"), [Deed("1", kind, given)])
    (step,) = found.steps
    assert (step.what, step.how) == told


def test_as_json_it_has_both_sides_of_every_host() -> None:
    value = json.loads(json.dumps(as_json(account(gathered())), allow_nan=False))
    assert value["evidence"] is True
    hosts = value["hosts"]
    assert hosts["resources"] == ["vcpus", "memory_mb", "disk_gb"]
    assert hosts["gauges"][0] == {"name": "cpu load", "unit": "threads"}
    one = next(row for row in hosts["places"] if row["name"] == "c1")
    assert one["before"] == {
        "open": True,
        "count": 2,
        "used": [3, 6144, 20],
        "measured": [4.25, 50],
    }
    assert one["after"] == {
        "open": False,
        "count": 0,
        "used": [0, 0, 0],
        "measured": [0.25, None],
    }
    assert one["limits"] == [2, None]
    assert {move["name"]: (move["source"], move["destination"]) for move in hosts["moves"]} == {
        "vm1": ("c1", "c3"),
        "vm2": ("c1", "c3"),
        "<vm3>": ("c2", "c3"),
    }
    assert value["timeline"] == {"unit": "GiB copied", "length": 7.0, "limits": LIMITS}
    assert value["actions"][1]["why"].startswith("c1 is emptied")
    assert value["why_not"]["stayed"] == 1
    assert value["bounds"] == [{"name": "hosts_in_use", "before": 3.0, "after": 1.0, "bound": 1.0}]


def test_as_json_without_evidence_it_says_so() -> None:
    undo = ("migrate", migrate(uuid("vm1"), "c3").input_parameters)
    value = as_json(account(None, undo=undo))
    assert (value["evidence"], value["hosts"], value["why_not"]) == (False, None, None)
    assert value["cluster_read_at"] is None
    assert [one["undoes"] for one in value["taken_back"]] == [uuid("action1")]


def test_where_nova_chooses_there_is_no_destination() -> None:
    kept = gathered()
    deed = Deed("1", "migrate", migrate(uuid("vm1"), "c1").input_parameters)
    found = Account(Head("p", "RECOMMENDED"), [deed], dataclasses.replace(kept, taken_at=0.0))
    value = as_json(found)
    assert value["hosts"]["moves"][0]["destination"] is None
    assert value["cluster_read_at"] is None


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (0.123456, "0.123"),
        (12.34, "12.3"),
        (301_700.4, "301,700"),
        (1e7, "10,000,000"),
    ],
)
def test_a_number_is_told_without_an_exponent(value: float, text: str) -> None:
    assert words.amount(value) == text
