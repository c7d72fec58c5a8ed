# SPDX-License-Identifier: Apache-2.0
"""Strategies, scoring engines, services, data model, webhooks (contract rest-api 13, 18 to 21)."""

import datetime
from typing import Any

import pytest

from tests.functional.api.bench import MODEL, NODE, SERVER, STATE, Bench, utcnow
from watcher.core.errors import ServiceDown
from watcher.db import models

UUID = "6a0a707c-45ef-4758-b533-e55adddba8ce"
ROW = {**NODE, **SERVER, "not_in_the_contract": 1}


def test_a_strategy_has_no_timestamps_and_always_a_goal(bench: Bench) -> None:
    brief = {"uuid", "name", "display_name", "goal_uuid", "goal_name", "links"}
    for item in bench.get("/v1/strategies")["strategies"]:
        assert set(item) == brief
        assert all(item.values())
    shown = bench.get("/v1/strategies/DUMMY")
    assert set(shown) == brief | {"parameters_spec"}
    assert set(shown["parameters_spec"]["properties"]) == {"para1", "para2"}


def test_a_strategy_without_parameters_shows_an_empty_object(bench: Bench) -> None:
    bench.set(bench.row(models.Strategy, "basic"), parameters_spec=None)
    assert bench.get("/v1/strategies/basic")["parameters_spec"] == {}


def test_the_state_of_a_strategy_is_the_engines_answer(bench: Bench) -> None:
    bench.listener.answers["get_strategy_info"] = STATE
    assert bench.get("/v1/strategies/dummy/state") == STATE
    assert bench.told() == [("get_strategy_info", "dummy")]


def test_a_state_belongs_to_a_known_strategy(bench: Bench) -> None:
    assert bench.fails("/v1/strategies/nothing/state", 404)
    assert bench.fails("/v1/strategies/state", 400)


@pytest.mark.parametrize("path", ["/v1/strategies/dummy/state", "/v1/data_model"])
def test_what_the_engine_cannot_answer_is_503(bench: Bench, path: str) -> None:
    down = ServiceDown("Nova does not answer")
    bench.listener.answers.update(get_strategy_info=down, get_data_model_info=down)
    answer = bench.call("GET", path, version="1.3", status=503)
    assert "Nova does not answer" in answer.text
    assert "Traceback" not in answer.text


def test_a_scoring_engine_shows_exactly_five_attributes(bench: Bench) -> None:
    shown = bench.get("/v1/scoring_engines/dummy_scorer")
    assert set(shown) == {"uuid", "name", "description", "metainfo", "links"}
    assert shown["metainfo"] == ""
    (brief,) = bench.get("/v1/scoring_engines")["scoring_engines"]
    assert set(brief) == {"uuid", "name", "description", "links"}
    assert bench.get("/v1/scoring_engines/detail")["scoring_engines"] == [shown]


def seen(bench: Bench, name: str, host: str, ago_s: float | None) -> Any:
    when = None if ago_s is None else utcnow() - datetime.timedelta(seconds=ago_s)
    return bench.put(models.Service(name=name, host=host, last_seen_up=when))


@pytest.mark.parametrize(
    ("ago_s", "status"), [(0, "ACTIVE"), (80, "ACTIVE"), (100, "FAILED"), (None, "ACTIVE")]
)
def test_a_service_is_alive_while_its_heartbeat_is_young(
    bench: Bench, ago_s: float | None, status: str
) -> None:
    row = seen(bench, "watcher-applier", "h1", ago_s)
    shown = bench.get(f"/v1/services/{row.id}")
    assert set(shown) == {
        *("id", "name", "host", "status", "last_seen_up", "links"),
        *("created_at", "updated_at", "deleted_at"),
    }
    assert shown["status"] == status
    assert shown["id"] == row.id
    assert shown["links"][0]["href"] == f"http://localhost/v1/services/{row.id}"
    assert shown["last_seen_up"] is None or "+" not in shown["last_seen_up"]
    assert bench.get("/v1/services/detail")["services"] == [shown]
    (brief,) = bench.get("/v1/services")["services"]
    assert set(brief) == {"id", "name", "host", "status", "links"}


def test_a_service_by_name_is_the_one_seen_last(bench: Bench) -> None:
    seen(bench, "watcher-applier", "old", 500)
    seen(bench, "watcher-applier", "new", 5)
    seen(bench, "watcher-applier", "older", 900)
    assert bench.get("/v1/services/watcher-applier")["host"] == "new"


def test_services_page_by_number(bench: Bench) -> None:
    one = seen(bench, "watcher-applier", "h1", 1)
    two = seen(bench, "watcher-decision-engine", "h1", 1)
    page = bench.get("/v1/services?limit=1")
    assert f"marker={one.id}" in page["next"]
    (rest,) = bench.get(page["next"].removeprefix("http://localhost"))["services"]
    assert rest["id"] == two.id


@pytest.mark.parametrize(
    ("version", "hidden"),
    [
        ("1.3", {"server_pinned_az", "server_flavor_extra_specs"}),
        ("1.5", {"server_pinned_az", "server_flavor_extra_specs"}),
        ("1.6", set()),
        ("latest", set()),
    ],
)
def test_the_data_model_shows_what_its_version_knows(
    bench: Bench, version: str, hidden: set[str]
) -> None:
    bench.listener.answers["get_data_model_info"] = [ROW]
    (row,) = bench.get("/v1/data_model", version=version)["context"]
    assert set(row) == set(ROW) - hidden - {"not_in_the_contract"}


def test_the_data_model_tells_how_old_it_is(bench: Bench) -> None:
    bench.listener.answers["get_data_model_info"] = []
    assert set(bench.get("/v1/data_model", version="1.9")) == {"context"}
    quiet = {
        "read_at": "2026-01-01T00:00:00+00:00",
        "age": 12.5,
        "failure": None,
        "notifications": "off",
        "events": 0,
        "changes": 0,
        "changed_at": None,
        "lag": 0.0,
        "unread": 0,
        "origin": {},
    }
    assert bench.get("/v1/data_model", version="1.10")["model"] == quiet
    busy = {"notifications": "heard", "events": 7, "changes": 5, "unread": 1}
    told = {"changed_at": 1767225601.0, "lag_s": 0.25, "failure": "Nova is away"}
    bench.listener.answers["model"] = {**MODEL, **busy, **told}
    lively = {**quiet, **busy, "failure": "Nova is away", "lag": 0.25}
    lively["changed_at"] = "2026-01-01T00:00:01+00:00"
    assert bench.get("/v1/data_model", version="1.10")["model"] == lively


def test_rows_of_the_data_model_are_sorted_by_node_and_server(bench: Bench) -> None:
    bench.listener.answers["get_data_model_info"] = [
        *({**ROW, "node_uuid": "b", "server_uuid": uuid} for uuid in "21"),
        {**NODE, "node_uuid": "a"},
    ]
    found = bench.get("/v1/data_model/?data_model_type=compute", version="1.3")["context"]
    assert [(row["node_uuid"], row.get("server_uuid")) for row in found] == [
        *(("a", None), ("b", "1"), ("b", "2")),
    ]


def test_the_data_model_of_an_audit_is_asked_with_its_uuid(bench: Bench) -> None:
    audit = bench.audit()
    bench.listener.answers["get_data_model_info"] = []
    path = f"/v1/data_model?audit_uuid={audit.uuid}&data_model_type=compute"
    assert bench.get(path, version="1.3") == {"context": []}
    assert bench.told() == [("get_data_model_info", ["compute", audit.uuid])] or bench.told() == []


@pytest.mark.parametrize(
    ("query", "version", "status"),
    [
        ("", "1.2", 406),
        ("?data_model_type=storage", "1.3", 404),
        ("?data_model_type=baremetal", "1.3", 404),
        ("?data_model_type=nothing", "1.3", 404),
        ("?data_model_type=", "1.3", 404),
        ("?audit_uuid=abc", "1.3", 400),
        (f"?audit_uuid={UUID}", "1.3", 400),
        ("?x=1", "1.3", 400),
    ],
)
def test_a_wrong_question_about_the_model_is_refused(
    bench: Bench, query: str, version: str, status: int
) -> None:
    assert bench.fails(f"/v1/data_model{query}", status, version=version)


@pytest.mark.parametrize("body", [None, {}, [], "x", b"null", {"alarm": {"state": "alarm"}}])
@pytest.mark.parametrize("state", ["PENDING", "ONGOING", "SUCCEEDED", "FAILED"])
def test_an_alarm_triggers_an_event_audit(bench: Bench, body: Any, state: str) -> None:
    audit = bench.audit(audit_type="EVENT", state=state, name="alarm")
    for ident in (audit.uuid, "alarm"):
        answer = bench.call("POST", f"/v1/webhooks/{ident}", body, status=202)
        assert answer.body == b""
        assert answer.headers["Content-Length"] == "0"
    assert bench.told() == [("trigger_audit", audit.uuid)] * 2
    row = bench.row(models.Audit, audit.uuid)
    assert (row.state, row.next_run_time is not None) == (state, True)


@pytest.mark.parametrize(
    ("start_h", "end_h", "status"), [(1, None, 400), (None, -1, 400), (-1, 1, 202), (None, 1, 202)]
)
def test_an_alarm_outside_the_time_of_its_audit_is_refused(
    bench: Bench, start_h: int | None, end_h: int | None, status: int
) -> None:
    times = {
        name: utcnow() + datetime.timedelta(hours=hours)
        for name, hours in (("start_time", start_h), ("end_time", end_h))
        if hours is not None
    }
    audit = bench.audit(audit_type="EVENT", **times)
    bench.call("POST", f"/v1/webhooks/{audit.uuid}", {}, status=status)


@pytest.mark.parametrize("state", ["CANCELLED", "SUSPENDED"])
def test_an_event_audit_that_is_not_ready_is_400(bench: Bench, state: str) -> None:
    audit = bench.audit(audit_type="EVENT", state=state)
    assert state in bench.fails(f"/v1/webhooks/{audit.uuid}", 400, "POST", body={})
    assert bench.told() == []


def test_only_known_event_audits_have_webhooks(bench: Bench) -> None:
    audit = bench.audit()
    assert "ONESHOT" in bench.fails(f"/v1/webhooks/{audit.uuid}", 400, "POST", body={})
    assert bench.fails(f"/v1/webhooks/{UUID}", 404, "POST", body={})
    assert bench.fails("/v1/webhooks/nothing", 404, "POST", body={})
    assert bench.fails(f"/v1/webhooks/{audit.uuid}", 400, "POST", body=b"{")


def test_with_the_bus_down_requests_are_kept_for_later(
    without_bus: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    body = {"audit_type": "ONESHOT", "goal": "dummy", "name": "kept"}
    assert without_bus.post("/v1/audits", body)["state"] == "PENDING"
    assert without_bus.get("/v1/audits/kept")["state"] == "PENDING"
    plan = without_bus.plan()
    without_bus.call("POST", f"/v1/action_plans/{plan.uuid}/start", {}, status=200)
    assert without_bus.get(f"/v1/action_plans/{plan.uuid}")["state"] == "PENDING"
    audit = without_bus.audit(audit_type="EVENT")
    without_bus.call("POST", f"/v1/webhooks/{audit.uuid}", {}, status=202)
    assert without_bus.row(models.Audit, audit.uuid).next_run_time is not None
    assert caplog.text.count("picked up later") == 3


def test_with_the_bus_down_what_cannot_be_kept_is_503(without_bus: Bench) -> None:
    assert without_bus.fails("/v1/strategies/dummy/state", 503)
