# SPDX-License-Identifier: Apache-2.0
"""Microversion 1.12: audits whose plans are to be looked at and are never started."""

import json
import pathlib
import re
from typing import Any

import pytest

from tests.functional.api.bench import Bench, replace
from watcher.db import models, store

URL = "/v1/audits"
REFUSED = "is never started: create the audit without dry_run"


def body(**more: Any) -> dict[str, Any]:
    return {"audit_type": "ONESHOT", "goal": "dummy", "strategy": "dummy", **more}


def test_a_dry_run_is_shown_from_1_12_on(bench: Bench) -> None:
    made = bench.post(URL, body(dry_run=True), version="1.12")
    assert made["dry_run"] is True
    path = f"{URL}/{made['uuid']}"
    assert bench.get(path, version="1.12")["dry_run"] is True
    assert "dry_run" not in bench.get(path, version="1.11")
    assert bench.told() == [("trigger_audit", made["uuid"])]
    assert bench.post(URL, body(), version="1.12")["dry_run"] is False


@pytest.mark.parametrize("value", [True, False])
def test_an_older_version_refuses_it(bench: Bench, value: bool) -> None:
    said = bench.fails(URL, 406, "POST", body=body(dry_run=value), version="1.11")
    assert "dry_run needs microversion 1.12" in said


def test_a_plan_that_never_starts_cannot_start_by_itself(bench: Bench) -> None:
    both = body(dry_run=True, auto_trigger=True)
    assert "never started" in bench.post(URL, both, status=400, version="1.12")
    made = bench.post(URL, body(dry_run=True), version="1.12")
    path = f"{URL}/{made['uuid']}"
    said = bench.patch(path, replace("/auto_trigger", True), status=400, version="1.12")
    assert "set auto_trigger to false" in said
    assert bench.patch(path, replace("/auto_trigger", False), version="1.12")["dry_run"] is True


def test_whether_it_is_dry_is_said_once(bench: Bench) -> None:
    made = bench.post(URL, body(dry_run=True), version="1.12")
    for value in (False, True):
        patch = replace("/dry_run", value)
        bench.patch(f"{URL}/{made['uuid']}", patch, status=400, version="1.12")


def test_a_continuous_one_and_one_of_a_template_may_be_dry(bench: Bench) -> None:
    template = {"name": "t", "goal": "dummy", "strategy": "dummy"}
    uuid = bench.post("/v1/audit_templates", template)["uuid"]
    given = {"audit_type": "CONTINUOUS", "interval": "60", "audit_template_uuid": uuid}
    assert bench.post(URL, {**given, "dry_run": True}, version="1.12")["dry_run"] is True


@pytest.mark.parametrize(
    ("state", "method", "path", "sent"),
    [
        ("RECOMMENDED", "POST", "/start", {}),
        ("RECOMMENDED", "PATCH", "", [replace("/state", "PENDING")]),
        ("CANCELLED", "POST", "/retry", {}),
    ],
)
def test_its_plan_is_not_started(
    bench: Bench, state: str, method: str, path: str, sent: Any
) -> None:
    audit = bench.audit(state="SUCCEEDED", dry_run=True)
    plan = bench.plan(audit, state=state)
    for action in bench.actions(plan):
        bench.set(action, state="PENDING" if state == "RECOMMENDED" else state)
    url = f"/v1/action_plans/{plan.uuid}{path}"
    assert REFUSED in bench.fails(url, 409, method, body=sent, version="latest")
    assert bench.row(models.ActionPlan, plan.uuid).state == state
    with bench.database.reading() as session:
        assert len(store.every(session, models.ActionPlan)) == 1
        assert store.every(session, models.Lease) == []
    assert bench.told() == []


def test_what_the_page_asks_for_is_answered_as_it_says(bench: Bench) -> None:
    page = pathlib.Path(__file__).parents[3] / "doc/source/user/what_if.rst"
    words = " ".join(page.read_text(encoding="utf-8").split())
    asked = json.loads(re.findall(r"-d '(\{.*?\})'", words)[0])
    made = bench.post(URL, asked, version="1.12")
    plan = bench.plan(bench.row(models.Audit, made["uuid"]))
    said = bench.fails(f"/v1/action_plans/{plan.uuid}/start", 409, "POST", body={})
    assert said.replace(plan.uuid, "PLAN").replace(made["uuid"], "AUDIT") in words


def test_its_plan_says_that_it_is_dry_and_may_be_cancelled(bench: Bench) -> None:
    dry = bench.plan(bench.audit(state="SUCCEEDED", dry_run=True))
    path = f"/v1/action_plans/{dry.uuid}"
    assert bench.get(path, version="1.12")["dry_run"] is True
    assert "dry_run" not in bench.get(path, version="1.11")
    assert bench.get(f"/v1/action_plans/{bench.plan().uuid}", version="1.12")["dry_run"] is False
    bench.patch(path, replace("/state", "CANCELLED"), version="1.12")
