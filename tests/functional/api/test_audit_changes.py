# SPDX-License-Identifier: Apache-2.0
"""Audits over HTTP: patches, states, deletion (contract rest-api 15.4 and 15.5)."""

import datetime
from typing import Any

import pytest

from tests.functional.api.bench import Bench, add, remove, replace
from tests.functional.api.test_audits import URL, UUID, continuous, oneshot
from watcher.core import states
from watcher.db import models

STATES = sorted(states.AUDIT.states)


@pytest.mark.parametrize("to", [*STATES, "SUPERSEDED", "nothing", "", None, 5, [], {}])
@pytest.mark.parametrize("word", ["replace", "add"])
@pytest.mark.parametrize("source", [state for state in STATES if state != "DELETED"])
def test_an_operator_moves_an_audit_as_the_matrix_says(
    bench: Bench, source: str, word: str, to: Any
) -> None:
    allowed = {
        "PENDING": {"ONGOING", "CANCELLED"},
        "ONGOING": {"SUCCEEDED", "FAILED", "CANCELLED", "SUSPENDED"},
        "SUCCEEDED": {"DELETED"},
        "FAILED": {"DELETED"},
        "CANCELLED": {"DELETED"},
        "SUSPENDED": {"ONGOING", "DELETED"},
    }
    audit = bench.audit(state=source)
    path = f"{URL}/{audit.uuid}"
    operation = {"op": word, "path": "/state", "value": to}
    if isinstance(to, str) and to in allowed[source]:
        assert bench.patch(path, operation)["state"] == to
        if to == "DELETED":
            assert bench.fails(path, 404)
        return
    text = bench.patch(path, operation, status=400)
    if to is None or isinstance(to, str):
        assert "State transition not allowed" in text
    assert bench.get(path)["state"] == source


def test_a_state_cannot_be_removed(bench: Bench) -> None:
    path = f"{URL}/{bench.audit().uuid}"
    assert "State transition not allowed" in bench.patch(path, remove("/state"), status=400)


@pytest.mark.parametrize("state", [state for state in STATES if state != "DELETED"])
def test_only_an_audit_that_has_ended_is_deleted(bench: Bench, state: str) -> None:
    audit = bench.audit(state=state)
    path = f"{URL}/{audit.uuid}"
    if state in ("SUCCEEDED", "FAILED", "CANCELLED", "SUSPENDED"):
        answer = bench.call("DELETE", path, status=204, Content_Type="application/octet-stream")
        assert answer.body == b""
        assert bench.fails(path, 404)
        assert bench.row(models.Audit, audit.uuid, deleted=True).state == "DELETED"
    else:
        expected = f"Couldn't delete when state is '{state}'."
        assert bench.fails(path, 400, "DELETE") == expected
        assert bench.get(path)["state"] == state


def test_a_cancelled_audit_is_deleted_at_once_and_its_name_is_free(bench: Bench) -> None:
    audit = bench.post(URL, continuous(name="a"))
    bench.patch(f"{URL}/a", replace("/state", "CANCELLED"))
    bench.call("DELETE", f"{URL}/a", status=204)
    assert bench.post(URL, continuous(name="a"))["uuid"] != audit["uuid"]


def test_a_finished_oneshot_audit_takes_an_interval(bench: Bench) -> None:
    audit = bench.audit(state="SUCCEEDED")
    for word in (add, replace):
        assert bench.patch(f"{URL}/{audit.uuid}", word("/interval", "2"))["interval"] == "2"
    assert bench.patch(f"{URL}/{audit.uuid}", remove("/interval"))["interval"] is None


def test_a_oneshot_audit_takes_an_end_time_local_in_and_utc_out(bench: Bench) -> None:
    audit = bench.audit(state="SUCCEEDED")
    local = datetime.datetime(2030, 5, 6, 7, 8, 9)
    changed = bench.patch(
        f"{URL}/{audit.uuid}", replace("/end_time", local.isoformat(" ")), version="1.1"
    )
    utc = local.astimezone(datetime.UTC).replace(tzinfo=None)
    assert changed["end_time"] == utc.isoformat()


def test_all_times_of_a_patch_are_converted_and_null_clears_them(bench: Bench) -> None:
    path = f"{URL}/{bench.audit().uuid}"
    changed = bench.patch(
        path,
        add("/start_time", "2030-01-01T00:00:00+01:00"),
        replace("/end_time", "2030-01-02T00:00:00+01:00"),
        version="1.1",
    )
    assert changed["start_time"] == "2029-12-31T23:00:00"
    assert changed["end_time"] == "2030-01-01T23:00:00"
    changed = bench.patch(path, replace("/start_time", None), remove("/end_time"), version="1.1")
    assert (changed["start_time"], changed["end_time"]) == (None, None)


def test_one_patch_changes_many_things_or_none(bench: Bench) -> None:
    path = f"{URL}/{bench.audit(state='ONGOING').uuid}"
    good = (replace("/name", "new"), replace("/force", True), replace("/auto_trigger", "yes"))
    bench.patch(path, *good, replace("/interval", "garbage"), status=400)
    assert bench.get(path)["name"] == "audit-0"
    changed = bench.patch(path, *good, replace("/state", "CANCELLED"), version="1.5")
    expected = {"name": "new", "force": True, "auto_trigger": True, "state": "CANCELLED"}
    assert {key: changed[key] for key in expected} == expected
    assert changed["status_message"] == "Cancelled by user."
    assert changed == bench.get(path, version="1.5")


def test_parameters_are_checked_against_the_strategy(bench: Bench) -> None:
    path = f"{URL}/{bench.audit(parameters={'para1': 2.0, 'para2': 'x'}).uuid}"
    changed = bench.patch(path, replace("/parameters/para1", 4.5), remove("/parameters/para2"))
    assert changed["parameters"] == {"para1": 4.5, "para2": "hello"}
    for wrong in (
        replace("/parameters/para1", 99), add("/parameters/bogus", 1), replace("/parameters", "x"),
        replace("/parameters", []), remove("/parameters/nothing"),
    ):  # fmt: skip
        assert bench.patch(path, wrong, status=400)
    assert bench.get(path)["parameters"] == {"para1": 4.5, "para2": "hello"}


@pytest.mark.parametrize(
    ("operation", "status"),
    [
        (replace("/name", "taken"), 409), (replace("/name", None), 400), (remove("/name"), 400),
        (replace("/name", ""), 400), (replace("/name", "x" * 64), 400), (replace("/name", 5), 400),
        (replace("/interval", 5), 400), (replace("/interval", "garbage"), 400),
        (replace("/interval", None), 400), (remove("/interval"), 400), (add("/interval", "0"), 400),
        (replace("/interval", "9" * 37), 400), (replace("/interval", "*/7 * * * *"), 200),
        (replace("/interval", "@hourly"), 200), (replace("/start_time", "garbage"), 400),
        (replace("/start_time", 5), 400), (replace("/end_time", []), 400),
        (replace("/auto_trigger", None), 400), (replace("/force", None), 400),
        (replace("/auto_trigger", "perhaps"), 400), (replace("/audit_type", "ONESHOT"), 400),
        (replace("/audit_type", None), 400), (replace("/scope", []), 400), (add("/scope", "x"), 400),
        (replace("/hostname", "x"), 400), (replace("/goal_id", 1), 400), (add("/goal", "x"), 400),
        (replace("/strategy_id", 1), 400), (replace("/strategy", "dummy"), 400),
        (replace("/next_run_time", None), 400), (replace("/status_message", "x"), 400),
        (replace("/uuid", UUID), 400), (replace("/id", 1), 400), (replace("/links", []), 400),
        (replace("/created_at", None), 400), (replace("/type", "x"), 400),
        (replace("/audit_template_uuid", UUID), 400), (add("/foo", 1), 400), (5, 400), ("x", 400),
        ([], 400),
    ],
)  # fmt: skip
def test_what_cannot_be_patched_is_refused(bench: Bench, operation: Any, status: int) -> None:
    bench.post(URL, oneshot(name="taken"))
    audit = bench.post(URL, continuous())
    path = f"{URL}/{audit['uuid']}"
    result = bench.patch(path, operation, status=status)
    if status == 200:
        assert result["interval"] == operation["value"]
    else:
        assert "UPDATE" not in result
        assert bench.get(path) == audit


def test_an_empty_patch_changes_nothing(bench: Bench) -> None:
    path = f"{URL}/{bench.audit().uuid}"
    before = bench.get(path)
    assert bench.patch(path) == before


def test_an_audit_is_found_by_name_though_it_looks_like_a_number_or_a_uuid(bench: Bench) -> None:
    for name in ("12345", "00000000-0000-0000-0000-000000000000"):
        made = bench.post(URL, oneshot(name=name))
        assert bench.get(f"{URL}/{name}")["uuid"] == made["uuid"]


def test_a_name_deleted_twice_shows_the_newest(bench: Bench) -> None:
    made = []
    for _ in range(2):
        audit = bench.audit(name="again", state="FAILED")
        bench.call("DELETE", f"{URL}/again", status=204)
        made.append(audit.uuid)
    assert bench.get(f"{URL}/again", X_Show_Deleted="1")["uuid"] == made[-1]
    live = bench.audit(name="again")
    assert bench.get(f"{URL}/again", X_Show_Deleted="1")["uuid"] == live.uuid
