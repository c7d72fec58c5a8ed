# SPDX-License-Identifier: Apache-2.0
"""Audits over HTTP: what is shown and what is created (contract rest-api 15.1 and 15.2)."""

import datetime
import re
from typing import Any

import pytest

from tests.functional.api.bench import Bench

URL = "/v1/audits"
UUID = "6a0a707c-45ef-4758-b533-e55adddba8ce"
BRIEF = {
    *("uuid", "name", "audit_type", "state", "goal_uuid", "goal_name", "strategy_uuid"),
    *("strategy_name", "interval", "scope", "auto_trigger", "next_run_time", "force", "links"),
}
FULL = BRIEF | {"parameters", "hostname", "created_at", "updated_at", "deleted_at"}


def oneshot(**values: Any) -> dict[str, Any]:
    return {"audit_type": "ONESHOT", "goal": "dummy", **values}


def continuous(**values: Any) -> dict[str, Any]:
    return {"audit_type": "CONTINUOUS", "goal": "dummy", "interval": "7200", **values}


@pytest.mark.parametrize(
    ("version", "extra"),
    [
        ("1.0", set()),
        ("1.1", {"start_time", "end_time"}),
        ("1.4", {"start_time", "end_time"}),
        ("1.5", {"start_time", "end_time", "status_message"}),
        ("1.7", {"start_time", "end_time", "status_message"}),
    ],
)
def test_each_version_shows_what_it_knows(bench: Bench, version: str, extra: set[str]) -> None:
    audit = bench.audit(force=True)
    shown = bench.get(f"{URL}/{audit.uuid}", version=version)
    assert set(shown) == FULL | extra
    assert set(bench.get(URL, version=version)["audits"][0]) == BRIEF
    assert bench.get(f"{URL}/detail", version=version)["audits"] == [shown]
    assert shown["force"] is True


def test_a_oneshot_audit_is_kept_and_told_to_the_engine(bench: Bench) -> None:
    answer = bench.call("POST", URL, oneshot(strategy="dummy", name="a"), status=201)
    audit = answer.json
    assert answer.headers["Location"] == f"http://localhost{URL}/{audit['uuid']}"
    assert audit == bench.get(f"{URL}/a")
    assert bench.told() == [("trigger_audit", audit["uuid"])]
    assert audit["state"] == "PENDING"
    assert audit["parameters"] == {"para1": 3.2, "para2": "hello"}
    assert audit["scope"] == []
    assert audit["interval"] is None
    assert audit["hostname"] is None
    assert audit["auto_trigger"] is False


@pytest.mark.parametrize("body", [continuous(), oneshot(audit_type="EVENT")])
def test_other_audits_wait_without_a_message(bench: Bench, body: dict[str, Any]) -> None:
    bench.post(URL, body)
    assert bench.told() == []


def test_explicit_nulls_are_as_good_as_nothing(bench: Bench) -> None:
    empty = ("strategy", "interval", "parameters", "name", "start_time", "end_time", "force")
    audit = bench.post(URL, oneshot(**dict.fromkeys(empty), auto_trigger=None), version="1.1")
    assert audit["strategy_name"] is None
    assert audit["parameters"] == {}
    assert (audit["auto_trigger"], audit["force"]) == (False, False)


@pytest.mark.parametrize(
    ("given", "stored"),
    [(True, True), (False, False), ("yes", True), ("1", True), ("FALSE", False), (1, True)],
)
def test_truth_may_be_a_word(bench: Bench, given: Any, stored: bool) -> None:
    assert bench.post(URL, oneshot(auto_trigger=given))["auto_trigger"] is stored


def test_a_name_is_made_of_strategy_else_template_else_goal(bench: Bench) -> None:
    template = bench.post("/v1/audit_templates", {"name": "tmpl", "goal": "dummy"})
    stamp = r"-\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+"
    for body, head in (
        (oneshot(strategy="dummy_with_resize"), "dummy_with_resize"),
        (oneshot(), "dummy"),
        ({"audit_type": "ONESHOT", "audit_template_uuid": template["uuid"]}, "tmpl"),
    ):
        assert re.fullmatch(head + stamp, bench.post(URL, body)["name"])


def test_a_made_name_keeps_its_time_when_it_is_long(bench: Bench) -> None:
    template = bench.post("/v1/audit_templates", {"name": "t" * 63, "goal": "dummy"})
    name = bench.post(URL, {"audit_type": "EVENT", "audit_template_uuid": template["uuid"]})[
        "name"
    ]
    assert len(name) == 63
    assert re.fullmatch(r"t+-\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+", name)


def test_a_long_name_is_cut_to_63_characters(bench: Bench) -> None:
    assert bench.post(URL, oneshot(name="n" * 64))["name"] == "n" * 63
    assert bench.post(URL, oneshot(name="n" * 65), status=409)


def test_a_taken_name_is_409_and_nothing_is_told(bench: Bench) -> None:
    audit = bench.post(URL, oneshot(name="a"))
    text = bench.post(URL, oneshot(name="a"), status=409)
    assert "a" in text
    assert "INSERT" not in text
    assert bench.told() == [("trigger_audit", audit["uuid"])]


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ({"audit_type": None}, 400), ({"audit_type": "oneshot"}, 400), ({"audit_type": 5}, 400),
        ({"audit_type": ""}, 400), ({"goal": None}, 400), ({"goal": ""}, 400), ({"goal": 5}, 400),
        ({"goal": "nothing"}, 404), ({"goal": "nothing", "name": "n"}, 404), ({"goal": UUID}, 404),
        ({"goal": "9999", "name": "n"}, 404), ({"goal": "1"}, 404),
        ({"strategy": "nothing"}, 404), ({"strategy": "nothing", "name": "n"}, 404),
        ({"strategy": "basic"}, 400), ({"strategy": "basic", "name": "n"}, 400),
        ({"strategy": 5}, 400), ({"goal": "nothing", "strategy": "nothing"}, 404),
        ({"audit_template_uuid": UUID}, 400), ({"goal": None, "audit_template_uuid": UUID}, 400),
        ({"goal": None, "audit_template_uuid": "INVALID"}, 400),
        ({"name": ""}, 400), ({"name": 5}, 400), ({"name": "detail"}, 400), ({"name": []}, 400),
        ({"state": "INVALID"}, 400), ({"state": "PENDING"}, 400), ({"state": None}, 400),
        ({"hostname": "x"}, 400), ({"scope": []}, 400), ({"uuid": UUID}, 400), ({"foo": 1}, 400),
        ({"goal_uuid": UUID}, 400), ({"status_message": "x"}, 400), ({"next_run_time": None}, 400),
        ({"interval": "5"}, 400), ({"interval": ""}, 400), ({"interval": 5}, 400),
        ({"start_time": "2030-01-01"}, 400), ({"end_time": "2030-01-01"}, 400),
        ({"force": "perhaps"}, 400), ({"force": {}}, 400), ({"force": 2}, 400),
        ({"auto_trigger": "perhaps"}, 400), ({"auto_trigger": []}, 400),
        ({"parameters": []}, 400), ({"parameters": "x"}, 400), ({"parameters": {"para1": 1}}, 400),
        ({"strategy": "dummy", "parameters": {"bogus": 1}}, 400),
        ({"strategy": "dummy", "parameters": {"para1": "x"}}, 400),
        ({"strategy": "dummy", "parameters": {"para1": 99}}, 400),
        ({"goal": "server_consolidation", "strategy": "basic", "parameters": {"a": 1}}, 400),
        ({"goal": "cluster_maintaining", "strategy": "host_maintenance"}, 400),
        ({"goal": "cluster_maintaining"}, 400),
    ],
)  # fmt: skip
def test_a_wrong_request_leaves_nothing(bench: Bench, wrong: dict[str, Any], status: int) -> None:
    text = bench.post(URL, oneshot(**wrong), status=status, version="1.1")
    assert text
    assert "SELECT" not in text
    assert bench.get(URL)["audits"] == []
    assert bench.told() == []


@pytest.mark.parametrize("missing", ["audit_type", "goal"])
def test_type_and_goal_are_needed(bench: Bench, missing: str) -> None:
    body = oneshot()
    del body[missing]
    assert missing in bench.post(URL, body, status=400)


@pytest.mark.parametrize(
    "interval", ["1", "7200", "*/5 * * * *", "0 0 * * 1-5", "@daily", "0 */2 * * *"]
)
def test_a_good_interval_is_shown_as_given(bench: Bench, interval: str) -> None:
    assert bench.post(URL, continuous(interval=interval))["interval"] == interval


@pytest.mark.parametrize(
    "interval",
    [
        *(None, "", " ", "bad cron", "1.5", "0", "-5", "9" * 23, "* * * *", "61 * * * *", 5, 1.5),
        *(True, [], {}, "1," * 20 + "2 * * * *"),
    ],
)
def test_an_interval_that_gives_no_schedule_is_400(bench: Bench, interval: Any) -> None:
    assert bench.post(URL, continuous(interval=interval), status=400)
    assert bench.get(URL)["audits"] == []


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("2030-01-01T00:00:00+02:00", "2029-12-31T22:00:00"),
        ("2030-01-01T00:00:00Z", "2030-01-01T00:00:00"),
        ("2030-01-01 12:30:00+00:00", "2030-01-01T12:30:00"),
        ("2030-01-01T12:30:00.5Z", "2030-01-01T12:30:00.500000"),
    ],
)
def test_a_time_with_an_offset_is_shown_in_utc(bench: Bench, given: str, shown: str) -> None:
    audit = bench.post(URL, continuous(start_time=given), version="1.1")
    assert audit["start_time"] == shown


@pytest.mark.parametrize("given", ["2030-01-01T00:00:00", "2030-07-01 08:00:00", "2030-01-01"])
def test_a_time_without_an_offset_is_the_servers(bench: Bench, given: str) -> None:
    audit = bench.post(URL, continuous(end_time=given), version="1.1")
    local = datetime.datetime.fromisoformat(given).astimezone(datetime.UTC)
    assert audit["end_time"] == local.replace(tzinfo=None).isoformat()


@pytest.mark.parametrize(
    "wrong",
    [
        *(5, [], True, "", "garbage", "0001-01-01T00:00:00+12:00", "9999-12-31T23:59:59-12:00"),
        *("2030-13-01", "tomorrow", "99999-01-01"),
    ],
)
@pytest.mark.parametrize("name", ["start_time", "end_time"])
def test_a_time_nobody_can_read_is_400(bench: Bench, name: str, wrong: Any) -> None:
    assert name in bench.post(URL, continuous(**{name: wrong}), status=400, version="1.1")


@pytest.mark.parametrize("end", ["2030-01-01T00:00:00Z", "2029-01-01T00:00:00Z"])
def test_the_end_comes_after_the_start(bench: Bench, end: str) -> None:
    body = continuous(start_time="2030-01-01T00:00:00Z", end_time=end)
    assert bench.post(URL, body, status=400, version="1.1")


def test_times_belong_to_version_1_1_and_force_to_all(bench: Bench) -> None:
    bench.post(URL, continuous(start_time="2030-01-01"), status=406, version="1.0")
    bench.post(URL, continuous(start_time=None, end_time=None), version="1.0")
    assert bench.post(URL, oneshot(force=True), version="1.0")["force"] is True


def test_a_template_gives_goal_strategy_scope_and_parameters(bench: Bench) -> None:
    scope = [{"compute": [{"availability_zones": [{"name": "AZ1"}]}]}]
    template = {"name": "t", "goal": "dummy", "strategy": "dummy", "scope": scope}
    defaults = {"para1": 5.0, "para2": "template"}
    made = bench.post(
        "/v1/audit_templates", {**template, "default_parameters": defaults}, version="1.7"
    )
    body = {"audit_type": "ONESHOT", "parameters": {"para2": "audit"}}
    for ident in (made["uuid"], made["uuid"].upper(), "t"):
        audit = bench.post(URL, {**body, "audit_template_uuid": ident})
        assert audit["goal_name"] == "dummy"
        assert audit["strategy_name"] == "dummy"
        assert audit["scope"] == scope
        assert audit["parameters"] == {"para1": 5.0, "para2": "audit"}


def test_a_strategy_beside_the_template_is_honoured(bench: Bench) -> None:
    bench.post("/v1/audit_templates", {"name": "t", "goal": "dummy", "strategy": "dummy"})
    body = {"audit_type": "ONESHOT", "audit_template_uuid": "t", "strategy": "dummy_with_resize"}
    assert bench.post(URL, body)["strategy_name"] == "dummy_with_resize"


def test_goal_and_template_together_are_400(bench: Bench) -> None:
    bench.post("/v1/audit_templates", {"name": "t", "goal": "dummy"})
    assert bench.post(URL, oneshot(audit_template_uuid="t"), status=400)
