# SPDX-License-Identifier: Apache-2.0
"""Microversion 1.8: what a plan does after a failure, what was taken back, plans retried."""

from typing import Any

import pytest

from tests.functional.api.bench import Bench, replace
from watcher.db import models

AUDITS, PLANS, ACTIONS = "/v1/audits", "/v1/action_plans", "/v1/actions"
ONCE = {"goal": "dummy", "strategy": "dummy", "audit_type": "ONESHOT"}
INSTANCE = "6a0a707c-45ef-4758-b533-e55adddba8ce"


@pytest.mark.parametrize("word", ["continue", "stop", "rollback"])
def test_an_audit_says_what_becomes_of_its_plans(bench: Bench, word: str) -> None:
    made = bench.post(AUDITS, {**ONCE, "on_failure": word}, version="1.8")
    assert made["on_failure"] == word
    path = f"{AUDITS}/{made['uuid']}"
    assert "on_failure" not in bench.get(path, version="1.7")
    assert bench.get(path, version="1.8")["on_failure"] == word
    changed = bench.patch(path, replace("/on_failure", "stop"), version="1.8")
    assert changed["on_failure"] == "stop"


def test_an_audit_need_not_say_it(bench: Bench) -> None:
    assert bench.post(AUDITS, ONCE, version="1.8")["on_failure"] is None


def test_a_word_nobody_knows_is_refused(bench: Bench) -> None:
    wrong = {**ONCE, "on_failure": "panic"}
    assert "continue, stop, rollback" in bench.post(AUDITS, wrong, status=400, version="1.8")
    made = bench.post(AUDITS, ONCE)
    patch = replace("/on_failure", "panic")
    assert "on_failure" in bench.patch(
        f"{AUDITS}/{made['uuid']}", patch, status=400, version="1.8"
    )


def test_older_versions_do_not_take_it(bench: Bench) -> None:
    bench.post(AUDITS, {**ONCE, "on_failure": "stop"}, status=406, version="1.7")
    made = bench.post(AUDITS, ONCE)
    path = f"{AUDITS}/{made['uuid']}"
    bench.patch(path, replace("/on_failure", "stop"), status=406, version="1.7")


def test_plans_and_actions_show_it(bench: Bench) -> None:
    plan = bench.plan(on_failure="rollback")
    assert bench.get(f"{PLANS}/{plan.uuid}", version="1.8")["on_failure"] == "rollback"
    first, second, _ = bench.actions(plan)
    bench.set(second, undoes=first.uuid)
    assert bench.get(f"{ACTIONS}/{second.uuid}", version="1.8")["undoes"] == first.uuid
    assert "undoes" not in bench.get(f"{ACTIONS}/{second.uuid}", version="1.7")


def failed(bench: Bench) -> tuple[Any, list[Any]]:
    """A plan whose first action succeeded, whose second failed and whose third was not run."""
    plan = bench.plan(state="FAILED", on_failure="stop")
    bench.put(
        models.EfficacyIndicator(
            name="n", description="d", unit=None, value=3.0, action_plan_id=plan.id
        )
    )
    actions = bench.actions(plan)
    for action, state in zip(actions, ("SUCCEEDED", "FAILED", "CANCELLED"), strict=True):
        bench.set(action, state=state)
    bench.set(actions[2], parents=[actions[0].uuid, actions[1].uuid])
    return plan, actions


def test_a_retry_is_a_new_plan_of_what_is_left(bench: Bench) -> None:
    plan, actions = failed(bench)
    answer = bench.call("POST", f"{PLANS}/{plan.uuid}/retry", version="1.8", status=201)
    again = answer.json
    assert answer.headers["Location"].endswith(f"{PLANS}/{again['uuid']}")
    assert (again["state"], again["on_failure"]) == ("PENDING", "stop")
    assert again["status_message"] == f"Retries what is left of action plan {plan.uuid}."
    assert [one["name"] for one in again["efficacy_indicators"]] == ["n"]
    left = bench.actions(bench.row(models.ActionPlan, again["uuid"]))
    assert [(one.action_type, one.state) for one in left] == [
        ("nop", "PENDING"),
        ("sleep", "PENDING"),
    ]
    assert left[1].parents == [left[0].uuid]
    assert bench.told() == [("launch_action_plan", again["uuid"])]
    assert bench.row(models.ActionPlan, plan.uuid).state == "FAILED"
    assert [one.state for one in bench.actions(plan)] == ["SUCCEEDED", "FAILED", "CANCELLED"]
    assert actions[0].uuid not in {one.uuid for one in left}


def test_what_was_taken_back_is_done_again(bench: Bench) -> None:
    plan, actions = failed(bench)
    bench.set(actions[2], state="SUCCEEDED", undoes=actions[0].uuid)
    again = bench.post(f"{PLANS}/{plan.uuid}/retry", None, version="1.8")
    left = bench.actions(bench.row(models.ActionPlan, again["uuid"]))
    assert [one.action_type for one in left] == ["nop", "nop"]


@pytest.mark.parametrize("state", ["RECOMMENDED", "PENDING", "ONGOING", "SUCCEEDED", "SUPERSEDED"])
def test_a_plan_in_another_state_is_not_retried(bench: Bench, state: str) -> None:
    plan = bench.plan(state=state)
    text = bench.post(f"{PLANS}/{plan.uuid}/retry", None, status=409, version="1.8")
    assert text == f"action plan {plan.uuid} is {state}: only FAILED and CANCELLED ones"
    assert bench.told() == []


def test_a_plan_of_which_nothing_is_left_is_not_retried(bench: Bench) -> None:
    plan = bench.plan(state="FAILED", actions=0)
    text = bench.post(f"{PLANS}/{plan.uuid}/retry", None, status=409, version="1.8")
    assert text.startswith("nothing is left to be done")


def test_a_retry_needs_its_version(bench: Bench) -> None:
    plan, _ = failed(bench)
    bench.post(f"{PLANS}/{plan.uuid}/retry", None, status=406, version="1.7")


@pytest.mark.parametrize("way", ["start", "patch", "retry"])
def test_a_plan_does_not_start_while_another_has_its_instance(bench: Bench, way: str) -> None:
    plans = [bench.plan(state="RECOMMENDED"), bench.plan(state="RECOMMENDED")]
    move = {"migration_type": "live", "source_node": "a", "resource_id": INSTANCE}
    for plan in plans:
        bench.set(bench.actions(plan)[0], action_type="migrate", input_parameters=move)
    first, second = plans
    bench.post(f"{PLANS}/{first.uuid}/start", None, status=200)
    path, options = f"{PLANS}/{second.uuid}", {"status": 409, "version": "1.8"}
    if way == "start":
        text = bench.post(f"{path}/start", None, **options)
    elif way == "patch":
        text = bench.patch(path, replace("/state", "PENDING"), **options)
    else:
        bench.set(second, state="FAILED")
        for action in bench.actions(second):
            bench.set(action, state="CANCELLED")
        text = bench.post(f"{path}/retry", None, **options)
        assert len(bench.get(PLANS)["action_plans"]) == 2
    assert f"instance {INSTANCE} is in the hands of action plan {first.uuid}" in text
    bench.patch(f"{PLANS}/{first.uuid}", replace("/state", "CANCELLED"))
    if way != "retry":
        bench.post(f"{path}/start", None, status=200)
