# SPDX-License-Identifier: Apache-2.0
"""Actions over HTTP: lists and skipping (contract rest-api 17)."""

from typing import Any

import pytest

from tests.functional.api.bench import Bench, add, remove, replace

URL = "/v1/actions"
UUID = "6a0a707c-45ef-4758-b533-e55adddba8ce"
SKIP = replace("/state", "SKIPPED")
SKIPPED = "Action skipped by user."
BRIEF = {"uuid", "action_plan_uuid", "action_type", "state", "parents", "links"}
FULL = BRIEF | {"description", "input_parameters", "created_at", "updated_at", "deleted_at"}


def skip(
    bench: Bench, uuid: str, *operations: Any, status: int = 200, version: str = "1.5"
) -> Any:
    return bench.patch(f"{URL}/{uuid}", *operations, status=status, version=version)


def test_brief_detail_and_show_agree(bench: Bench) -> None:
    plan = bench.plan()
    first = bench.actions(plan)[0]
    shown = bench.get(f"{URL}/{first.uuid}", version="1.5")
    assert set(shown) == FULL | {"status_message"}
    assert set(bench.get(f"{URL}/{first.uuid}", version="1.4")) == FULL
    assert bench.get(f"{URL}/detail", version="1.5")["actions"][0] == shown
    assert bench.get(URL, version="1.5")["actions"][0] == {key: shown[key] for key in BRIEF}
    assert shown["input_parameters"] == {"message": "hello"}
    assert shown["description"] == "Say a word."
    assert shown["action_plan_uuid"] == plan.uuid


def test_a_type_the_applier_does_not_know_has_no_description(bench: Bench) -> None:
    (action,) = bench.actions(bench.plan(actions=1))
    bench.set(action, action_type="strange")
    assert bench.get(f"{URL}/{action.uuid}")["description"] == ""


def test_actions_are_listed_in_the_order_of_their_making(bench: Bench) -> None:
    plan = bench.plan()
    kinds = [item["action_type"] for item in bench.get(URL)["actions"]]
    assert kinds == ["nop", "nop", "sleep"]
    skip(bench, bench.actions(plan)[0].uuid, SKIP)
    found = bench.get(f"{URL}?action_plan_uuid={plan.uuid}")["actions"]
    assert [item["state"] for item in found] == ["SKIPPED", "PENDING", "PENDING"]


def test_actions_are_filtered_by_plan_or_by_audit(bench: Bench) -> None:
    plan, other = bench.plan(), bench.plan(actions=1)
    audit = bench.get(f"/v1/action_plans/{plan.uuid}")["audit_uuid"]
    for form in ("", "/detail"):
        for query in (f"action_plan_uuid={plan.uuid}", f"audit_uuid={audit}"):
            found = bench.get(f"{URL}{form}?{query}")["actions"]
            assert {item["action_plan_uuid"] for item in found} == {plan.uuid}
            assert len(found) == 3
    assert bench.get(f"{URL}?action_plan_uuid={UUID}")["actions"] == []
    assert bench.get(f"{URL}?audit_uuid={UUID}")["actions"] == []
    both = f"audit_uuid={audit}&action_plan_uuid={other.uuid}"
    assert bench.fails(f"{URL}?{both}", 400)
    assert bench.fails(f"{URL}?audit_uuid=abc", 400)
    assert bench.fails(f"{URL}?action_plan_uuid=abc", 400)


def test_a_skip_tells_its_reason_in_a_fixed_sentence(bench: Bench) -> None:
    plan = bench.plan()
    one, two, three = (action.uuid for action in bench.actions(plan))
    assert skip(bench, one, SKIP)["status_message"] == SKIPPED
    shown = skip(bench, two, SKIP, replace("/status_message", "not needed"))
    assert shown["status_message"] == "Action skipped by user. Reason: not needed"
    assert shown["state"] == "SKIPPED"
    assert shown == bench.get(f"{URL}/{two}", version="1.5")
    for nothing in (None, ""):
        assert (
            skip(bench, three, SKIP, add("/status_message", nothing))["status_message"] == SKIPPED
        )


@pytest.mark.parametrize("plan_state", ["RECOMMENDED", "PENDING"])
def test_skipping_twice_is_fine_and_keeps_the_reason(bench: Bench, plan_state: str) -> None:
    uuid = bench.actions(bench.plan(state=plan_state))[0].uuid
    skip(bench, uuid, SKIP, replace("/status_message", "why"))
    assert skip(bench, uuid, SKIP)["status_message"] == "Action skipped by user. Reason: why"
    again = skip(bench, uuid, SKIP, replace("/status_message", "better"))
    assert again["status_message"] == "Action skipped by user. Reason: better"


def test_the_reason_of_a_skipped_action_can_be_replaced(bench: Bench) -> None:
    uuid = bench.actions(bench.plan())[0].uuid
    skip(bench, uuid, SKIP)
    shown = skip(bench, uuid, replace("/status_message", "later"))
    assert shown["status_message"] == "Action skipped by user. Reason: later"
    pending = bench.actions(bench.plan())[0].uuid
    assert skip(bench, pending, replace("/status_message", "later"), status=409)


def test_a_reason_fits_its_column(bench: Bench) -> None:
    uuid = bench.actions(bench.plan())[0].uuid
    room = 255 - len("Action skipped by user. Reason: ")
    text = skip(bench, uuid, SKIP, replace("/status_message", "r" * (room + 1)), status=400)
    assert str(room) in text
    shown = skip(bench, uuid, SKIP, replace("/status_message", "r" * room))
    assert len(shown["status_message"]) == 255


@pytest.mark.parametrize("state", ["ONGOING", "SUCCEEDED", "FAILED", "CANCELLED", "CANCELLING"])
def test_only_a_pending_action_is_skipped(bench: Bench, state: str) -> None:
    action = bench.actions(bench.plan())[0]
    bench.set(action, state=state)
    assert skip(bench, action.uuid, SKIP, status=409)
    assert bench.get(f"{URL}/{action.uuid}")["state"] == state


@pytest.mark.parametrize(
    "state", ["ONGOING", "SUCCEEDED", "FAILED", "CANCELLED", "CANCELLING", "SUPERSEDED"]
)
def test_an_action_of_a_plan_that_has_begun_is_not_skipped(bench: Bench, state: str) -> None:
    action = bench.actions(bench.plan(state=state))[0]
    assert state in skip(bench, action.uuid, SKIP, status=409)


@pytest.mark.parametrize("to", ["ONGOING", "SUCCEEDED", "FAILED", "CANCELLED", "DELETED"])
def test_no_other_move_is_the_operators(bench: Bench, to: str) -> None:
    action = bench.actions(bench.plan())[0]
    assert skip(bench, action.uuid, replace("/state", to), status=409)


@pytest.mark.parametrize("operations", [[], [replace("/state", "PENDING")]])
def test_a_patch_that_asks_for_nothing_changes_nothing(bench: Bench, operations: Any) -> None:
    uuid = bench.actions(bench.plan())[0].uuid
    before = bench.get(f"{URL}/{uuid}", version="1.5")
    assert skip(bench, uuid, *operations) == before
    assert before["status_message"] is None


@pytest.mark.parametrize(
    "operation",
    [
        *(replace("/state", "nothing"), replace("/state", 5), replace("/state", [])),
        *(replace("/state", None), remove("/state"), remove("/status_message")),
        *(replace("/status_message", 5), replace("/parents", []), replace("/uuid", UUID)),
        *(replace("/input_parameters", {}), add("/foo", 1), replace("/action_type", "nop"), 5),
    ],
)
def test_what_cannot_be_patched_is_400(bench: Bench, operation: Any) -> None:
    uuid = bench.actions(bench.plan())[0].uuid
    assert skip(bench, uuid, SKIP, operation, status=400)
    assert bench.get(f"{URL}/{uuid}")["state"] == "PENDING"


def test_skipping_needs_1_5_and_an_action(bench: Bench) -> None:
    uuid = bench.actions(bench.plan())[0].uuid
    assert "1.5 or higher" in skip(bench, uuid, SKIP, status=400, version="1.4")
    assert skip(bench, UUID, SKIP, status=404)
    assert skip(bench, "abc", SKIP, status=400)


def test_the_dashboards_refresh_of_a_plan_is_a_clean_404(bench: Bench) -> None:
    assert bench.fails(f"{URL}/{bench.plan().uuid}", 404)
