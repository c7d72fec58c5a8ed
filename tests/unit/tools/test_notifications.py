# SPDX-License-Identifier: Apache-2.0
"""Tests of tools.docs.notifications: schemas and samples are fresh, complete and agree."""

import json

import pytest

from tests.sent import check
from tools.docs.notifications import FOLDER, files
from watcher.messaging.payloads import GIVEN, PAYLOADS, events

CONTRACT = {
    "audit.create": "AuditCreatePayload 1.2",
    "audit.update": "AuditUpdatePayload 1.2",
    "audit.delete": "AuditDeletePayload 1.2",
    "audit.strategy": "AuditActionPayload 1.2",
    "audit.planner": "AuditActionPayload 1.2",
    "action_plan.create": "ActionPlanCreatePayload 1.2",
    "action_plan.update": "ActionPlanUpdatePayload 1.2",
    "action_plan.delete": "ActionPlanDeletePayload 1.2",
    "action_plan.execution": "ActionPlanActionPayload 1.2",
    "action_plan.cancel": "ActionPlanCancelPayload 1.2",
    "action.create": "ActionCreatePayload 1.1",
    "action.update": "ActionUpdatePayload 1.1",
    "action.delete": "ActionDeletePayload 1.1",
    "action.execution": "ActionExecutionPayload 1.1",
    "action.cancel": "ActionCancelPayload 1.1",
    "service.update": "ServiceUpdatePayload 1.0",
}
"""Contract notifications §2; those of jobs have the phases start, end and error."""


@pytest.fixture(scope="module")
def written():
    return files()


def test_the_files_in_git_are_what_the_code_says(written):
    kept = {
        str(path.relative_to(FOLDER)): path.read_text(encoding="utf-8")
        for path in FOLDER.rglob("*.json")
    }
    assert kept == written, "run tools/generate_docs"


def test_the_events_and_their_payloads_are_those_of_the_contract():
    expected = {}
    for event, payload in CONTRACT.items():
        if event.partition(".")[2] in ("create", "update", "delete"):
            expected[event] = payload
        else:
            expected |= {f"{event}.{phase}": payload for phase in ("start", "end", "error")}
    found = {
        event: f"{payload} {PAYLOADS[payload][0]}" for event, (payload, _) in events().items()
    }
    assert found == expected


def test_there_is_a_sample_of_every_event_and_it_is_as_its_schema_says(written):
    samples = {name: json.loads(text) for name, text in written.items() if "/" not in name}
    assert set(samples) == {f"{event}.json" for event in events()}
    for name, sample in samples.items():
        assert name == f"{sample['event_type']}.json"
        assert sample["priority"] == events()[sample["event_type"]][1]
        check(sample["event_type"], sample["payload"])


def test_what_is_missing_too_much_or_of_another_type_is_wrong(written):
    sample = json.loads(written["audit.update.json"])["payload"]
    data = sample["watcher_object.data"]
    for wrong in (
        {name: value for name, value in data.items() if name != "goal"},
        {**data, "more": 1},
        {**data, "auto_trigger": "yes"},
        {**data, "state": "ON FIRE"},
        {**data, "created_at": "2026-11-23 12:00:00"},
    ):
        with pytest.raises(AssertionError):
            check("audit.update", {**sample, "watcher_object.data": wrong})
    with pytest.raises(AssertionError):
        check("audit.update", {**sample, "watcher_object.version": "9.9"})
    with pytest.raises(AssertionError):
        check("audit.nothing", sample)


def test_every_field_that_is_given_belongs_to_a_payload():
    assert GIVEN.keys() <= PAYLOADS.keys()
