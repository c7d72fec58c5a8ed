# SPDX-License-Identifier: Apache-2.0
"""Action plans over HTTP: start, cancel, delete (contract rest-api 16)."""

from typing import Any

import pytest

from tests.functional.api.bench import Bench, add, remove, replace
from watcher.core import states
from watcher.db import models

URL = "/v1/action_plans"
UUID = "6a0a707c-45ef-4758-b533-e55adddba8ce"
BRIEF = {
    *("uuid", "audit_uuid", "strategy_uuid", "strategy_name", "state", "updated_at", "links"),
    *("efficacy_indicators", "global_efficacy"),
}
FULL = BRIEF | {"created_at", "deleted_at", "hostname"}
STATES = sorted(set(states.ACTION_PLAN.states) - {"DELETED"})
DELETABLE = {"RECOMMENDED", "SUCCEEDED", "FAILED", "SUPERSEDED", "CANCELLED"}


def test_brief_detail_and_show_agree(bench: Bench) -> None:
    plan = bench.plan(hostname="h")
    shown = bench.get(f"{URL}/{plan.uuid}", version="1.5")
    assert set(shown) == FULL | {"status_message"}
    assert set(bench.get(f"{URL}/{plan.uuid}", version="1.4")) == FULL
    assert bench.get(f"{URL}/detail", version="1.5")["action_plans"] == [shown]
    (brief,) = bench.get(URL, version="1.5")["action_plans"]
    assert brief == {key: shown[key] for key in BRIEF}
    assert shown["strategy_name"] == "dummy"
    assert shown["hostname"] == "h"


def test_efficacy_is_a_list_even_when_there_is_none(bench: Bench) -> None:
    plan = bench.plan()
    shown = bench.get(f"{URL}/{plan.uuid}")
    assert (shown["efficacy_indicators"], shown["global_efficacy"]) == ([], [])


def test_indicators_are_shown_in_their_order(bench: Bench) -> None:
    ratio = {"name": "released_nodes_ratio", "description": "x", "unit": "%", "value": 50.0}
    plan = bench.plan(global_efficacy=[ratio])
    for name, value in (("b", 3.0), ("a", 1.5)):
        row = models.EfficacyIndicator(
            name=name, description="d", unit=None, value=value, action_plan_id=plan.id
        )
        bench.put(row)
    shown = bench.get(f"{URL}/{plan.uuid}")
    assert shown["global_efficacy"] == [ratio]
    assert shown["efficacy_indicators"] == [
        {"name": "b", "description": "d", "unit": None, "value": 3.0},
        {"name": "a", "description": "d", "unit": None, "value": 1.5},
    ]


def test_plans_of_a_deleted_audit_are_still_found_by_its_uuid(bench: Bench) -> None:
    plan = bench.plan()
    bench.plan()
    audit = bench.get(f"{URL}/{plan.uuid}")["audit_uuid"]
    bench.call("DELETE", f"/v1/audits/{audit}", status=204)
    for form in ("", "/detail"):
        found = bench.get(f"{URL}{form}?audit_uuid={audit.upper()}")["action_plans"]
        assert [item["uuid"] for item in found] == [plan.uuid]
        assert found[0]["audit_uuid"] == audit


@pytest.mark.parametrize(
    ("query", "count"), [("strategy=dummy", 1), ("strategy=basic", 0), (f"audit_uuid={UUID}", 0)]
)
def test_filters(bench: Bench, query: str, count: int) -> None:
    bench.plan()
    assert len(bench.get(f"{URL}?{query}")["action_plans"]) == count


@pytest.mark.parametrize("wrong", ["?audit_uuid=abc", "?audit_uuid=", "/1", "/name", "/detail/x"])
def test_plans_are_addressed_by_uuid_only(bench: Bench, wrong: str) -> None:
    status = 404 if "detail" in wrong else 400
    assert bench.fails(URL + wrong, status)


def test_an_unknown_plan_is_404_whatever_is_asked(bench: Bench) -> None:
    for method, tail, body in (
        ("GET", "", None), ("PATCH", "", [replace("/state", "PENDING")]), ("DELETE", "", None),
        ("POST", "/start", {}),
    ):  # fmt: skip
        assert bench.fails(f"{URL}/{UUID}{tail}", 404, method, body=body)


@pytest.mark.parametrize("to", [*STATES, "DELETED", "nothing", None, 5, []])
@pytest.mark.parametrize("source", STATES)
def test_an_operator_moves_a_plan_as_the_table_says(bench: Bench, source: str, to: Any) -> None:
    allowed = {
        "RECOMMENDED": {"PENDING", "CANCELLED"},
        "PENDING": {"CANCELLED"},
        "ONGOING": {"CANCELLING"},
    }.get(source, set())
    plan = bench.plan(state=source, actions=1)
    path = f"{URL}/{plan.uuid}"
    if isinstance(to, str) and to in allowed:
        assert bench.patch(path, replace("/state", to))["state"] == to
        return
    text = bench.patch(path, replace("/state", to), status=400)
    if to is None or isinstance(to, str):
        assert "State transition not allowed" in text
    assert bench.get(path)["state"] == source


def test_a_patch_without_a_state_is_refused(bench: Bench) -> None:
    path = f"{URL}/{bench.plan().uuid}"
    assert "State transition not allowed" in bench.patch(path, status=400)
    assert "State transition not allowed" in bench.patch(path, remove("/state"), status=400)


@pytest.mark.parametrize(
    "name",
    [
        *("global_efficacy", "hostname", "strategy_id", "audit_id", "status_message", "uuid"),
        *("created_at", "links", "foo", "epoch", "efficacy_indicators"),
    ],
)
def test_nothing_rides_along_with_a_state(bench: Bench, name: str) -> None:
    path = f"{URL}/{bench.plan().uuid}"
    bench.patch(path, replace("/state", "PENDING"), add(f"/{name}", "x"), status=400)
    assert bench.get(path)["state"] == "RECOMMENDED"
    assert bench.told() == []


@pytest.mark.parametrize("body", [{}, b"", b"  "])
def test_a_recommended_plan_is_started_and_an_applier_told(bench: Bench, body: Any) -> None:
    plan = bench.plan()
    answer = bench.call("POST", f"{URL}/{plan.uuid}/start", body, status=200)
    assert answer.json["state"] == "PENDING"
    assert answer.json == bench.get(f"{URL}/{plan.uuid}")
    assert bench.told() == [("launch_action_plan", plan.uuid)]


def test_patching_to_pending_starts_too(bench: Bench) -> None:
    plan = bench.plan()
    bench.patch(f"{URL}/{plan.uuid}", replace("/state", "PENDING"))
    assert bench.told() == [("launch_action_plan", plan.uuid)]


@pytest.mark.parametrize("state", [state for state in STATES if state != "RECOMMENDED"])
def test_only_a_recommended_plan_is_started(bench: Bench, state: str) -> None:
    plan = bench.plan(state=state, actions=0)
    text = bench.fails(f"{URL}/{plan.uuid}/start", 400, "POST", body={})
    assert text == f"Couldn't start when state is '{state}'."
    assert bench.told() == []


@pytest.mark.parametrize(("body", "query"), [({"foo": 1}, ""), ([], ""), ("x", ""), ({}, "?x=1")])
def test_start_takes_no_arguments(bench: Bench, body: Any, query: str) -> None:
    plan = bench.plan()
    bench.call("POST", f"{URL}/{plan.uuid}/start{query}", body, status=400)
    assert bench.get(f"{URL}/{plan.uuid}")["state"] == "RECOMMENDED"


@pytest.mark.parametrize("state", ["RECOMMENDED", "PENDING"])
def test_cancelling_before_the_start_cancels_what_was_not_skipped(
    bench: Bench, state: str
) -> None:
    plan = bench.plan(state=state)
    first = bench.actions(plan)[0]
    bench.set(first, state="SKIPPED")
    bench.patch(f"{URL}/{plan.uuid}", replace("/state", "CANCELLED"))
    found = [action.state for action in bench.actions(plan)]
    assert found == ["SKIPPED", "CANCELLED", "CANCELLED"]
    assert bench.get(f"{URL}/{plan.uuid}", version="1.5")["status_message"] == "Cancelled by user."


def test_cancelling_a_plan_at_work_leaves_its_actions_to_the_applier(bench: Bench) -> None:
    plan = bench.plan(state="ONGOING")
    bench.patch(f"{URL}/{plan.uuid}", replace("/state", "CANCELLING"))
    assert {action.state for action in bench.actions(plan)} == {"PENDING"}


@pytest.mark.parametrize("state", STATES)
def test_a_plan_at_rest_is_deleted_with_its_actions(bench: Bench, state: str) -> None:
    plan = bench.plan(state=state, actions=1)
    (action,) = bench.actions(plan)
    path = f"{URL}/{plan.uuid}"
    if state in DELETABLE:
        bench.call("DELETE", path, status=204)
        assert bench.fails(path, 404)
        assert bench.fails(f"/v1/actions/{action.uuid}", 404)
        assert bench.row(models.ActionPlan, plan.uuid, deleted=True).state == "DELETED"
        assert bench.row(models.Action, action.uuid, deleted=True).state == "DELETED"
    else:
        assert bench.fails(path, 400, "DELETE") == f"Couldn't delete when state is '{state}'."
        assert bench.get(path)["state"] == state
