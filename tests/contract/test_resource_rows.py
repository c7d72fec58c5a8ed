# SPDX-License-Identifier: Apache-2.0
"""Rows of the contract's tables about one resource (rest-api 14 to 22); the numbers are its."""

from typing import Any

import pytest

from tests.functional.api.bench import Bench, add, remove, replace
from tests.functional.api.rows import ABSENT, Row, answered, refused, table, things

AUDIT = {"audit_type": "ONESHOT", "goal": "dummy"}
CONTINUOUS = {"audit_type": "CONTINUOUS", "goal": "dummy", "interval": "60"}
TEMPLATE = "audit_templates/{template}"


@pytest.fixture(scope="module")
def named(shared: Bench) -> dict[str, str]:
    found = things(shared)
    body = {"name": "full", "goal": "dummy", "strategy": "dummy", "description": "words"}
    more = {"scope": [{"compute": []}], "default_parameters": {"para1": 2.0}}
    full = shared.post("/v1/audit_templates", {**body, **more}, version="1.7")
    return {**found, "full": full["uuid"]}


def template(status: int, says: str = "", version: str = "1.7", **fields: Any) -> Row:
    body = {"name": "new", "goal": "dummy", **fields}
    body = {name: value for name, value in body.items() if value is not ...}
    return Row("14.2", "POST /v1/audit_templates", status, body, version, says)


def audit(status: int, says: str = "", body: Any = AUDIT, **fields: Any) -> Row:
    full = {name: value for name, value in {**body, **fields}.items() if value is not ...}
    return Row("15.2", "POST /v1/audits", status, full, "1.7", says)


def patch(number: str, status: int, path: str, *operations: Any, says: str = "") -> Row:
    return Row(number, f"PATCH /v1/{path}", status, list(operations), says=says)


CRONS = ("*/5 * * * *", "@daily", "0 0 * * * 5", "60")


@table(
    template(400, "name", name=...), template(400, "goal", goal=...),
    template(409, "taken", name="taken"), template(400, "nobody", goal="nobody"),
    template(400, "nobody", strategy="nobody"), template(400, "dummy_with_resize", strategy="basic"),
    template(400, "strategy", strategy=""), template(400, "name", name=None),
    template(400, "goal", goal=None), template(400, "goal", goal=""),
    template(400, "strategy", default_parameters={"para1": 2.0}),
    template(400, "bogus", strategy="dummy", default_parameters={"bogus": 2.0}),
    template(400, "para1", strategy="dummy", default_parameters={"para1": 99}),
    template(406, "1.7", "1.6", strategy="dummy", default_parameters={"para1": 2.0}),
    patch("14.3", 409, TEMPLATE, replace("/name", "taken"), says="taken"),
    *(patch("14.3", 400, TEMPLATE, one) for one in (
        replace("/name", None), remove("/name"), replace("/goal", None), remove("/goal"),
        replace("/goal", "nobody"), replace("/strategy", "nobody"), replace("/scope", "x"),
        replace("/scope", [{"bogus": []}]), add("/scope/-", 5), replace("/goal_id", 1),
        replace("/strategy_id", 1), add("/default_parameters", {"para1": 2.0}),
        replace("/default_parameters", "x"), replace("/default_parameters", []),
        replace("/goal_uuid", ABSENT), replace("/strategy_name", "dummy"))),
    patch("14.3", 409, "audit_templates/{full}", replace("/strategy", "dummy_with_resize")),
    patch("14.3", 409, "audit_templates/{full}", remove("/strategy"), says="default_parameters"),
    patch("14.3", 404, "audit_templates/1", replace("/name", "x")),
    audit(400, "audit_type", audit_type=...), audit(400, "audit_type", audit_type="oneshot"),
    audit(400, "audit_type", audit_type=""), audit(400, "goal", goal=...),
    audit(400, "audit_template_uuid", audit_template_uuid="INVALID", goal=...),
    audit(400, "audit_template_uuid", audit_template_uuid=ABSENT, goal=...),
    audit(400, "one of them", audit_template_uuid=ABSENT), audit(404, "nobody", goal="nobody"),
    audit(404, "nobody", strategy="nobody"), audit(400, "does not serve", strategy="basic"),
    audit(409, "taken", name="taken"), audit(400, "interval", interval="60"),
    audit(400, "interval", CONTINUOUS, interval=...), audit(400, "interval", CONTINUOUS, interval=60),
    audit(400, "interval", CONTINUOUS, interval=None), audit(400, "interval", CONTINUOUS, interval="0"),
    audit(400, "start_time", start_time="2040-01-01"), audit(400, "end_time", end_time="2040-01-01"),
    audit(400, "end_time", CONTINUOUS, start_time="2040-01-02", end_time="2040-01-01"),
    audit(400, "parameters", parameters={"para1": 2.0}),
    audit(400, "bogus", strategy="dummy", parameters={"bogus": 2.0}),
    audit(400, "para1", strategy="dummy", parameters={"para1": "x"}),
    audit(400, "needs parameters", goal="cluster_maintaining"),
    *(audit(400, name, **{name: "x"}) for name in ("state", "hostname", "scope", "uuid")),
    *(patch("15.5", 400, "audits/{continuous}", one) for one in (
        replace("/state", None), remove("/state"), replace("/name", None), remove("/name"),
        replace("/interval", 5), replace("/interval", "garbage"), remove("/interval"),
        replace("/start_time", "garbage"), replace("/end_time", 5), replace("/auto_trigger", None),
        replace("/force", "maybe"), replace("/parameters", {"a": 1}), replace("/audit_type", "EVENT"),
        replace("/scope", []), replace("/hostname", "h"), replace("/goal_id", 1),
        replace("/strategy_id", 1), replace("/goal", "dummy"), replace("/strategy", "dummy"),
        replace("/next_run_time", "2040-01-01"), replace("/status_message", "x"),
        replace("/uuid", ABSENT), replace("/id", 1), replace("/links", []),
        replace("/created_at", None), replace("/type", "EVENT"),
        replace("/audit_template_uuid", ABSENT))),
    patch("15.5", 409, "audits/{continuous}", replace("/name", "taken"), says="taken"),
    *(patch("16.2", 400, "action_plans/{plan}", one) for one in (
        replace("/status_message", "x"), replace("/uuid", ABSENT), replace("/links", []),
        replace("/created_at", None), replace("/nothing", 1), replace("/hostname", "h"),
        replace("/global_efficacy", []), replace("/state", "RECOMMENDED"))),
    Row("16.2", "GET /v1/action_plans/name", 400), Row("16.2", "GET /v1/action_plans/{absent}", 404),
    *(patch("17.2", 400, "actions/{action}", *many) for many in (
        [replace("/action_type", "x")], [replace("/parents", [])], [remove("/state")],
        [remove("/status_message")], [replace("/state", "nothing")], [replace("/state", 5)],
        [replace("/state", [])], [replace("/status_message", 5)])),
    *(patch("17.2", 409, "actions/{action}", replace("/state", to)) for to in (
        "ONGOING", "SUCCEEDED", "FAILED", "CANCELLED", "DELETED", "CANCELLING")),
    patch("17.2", 409, "actions/{action}", replace("/status_message", "why")),
    patch("17.2", 404, "actions/{absent}", replace("/state", "SKIPPED")),
    patch("17.2", 400, "actions/nop", replace("/state", "SKIPPED")),
    *(Row("20", f"GET /v1/data_model?{query}", status) for query, status in (
        ("data_model_type=storage", 404), ("data_model_type=baremetal", 404),
        ("data_model_type=", 404), ("audit_uuid=x", 400), ("audit_uuid={absent}", 400),
        ("foo=1", 400))),
    Row("21", "POST /v1/webhooks/{absent}", 404, {}), Row("21", "POST /v1/webhooks/{audit}", 400, {}),
    Row("21", "POST /v1/webhooks/{continuous}", 400, {}), Row("21", "POST /v1/webhooks/{event}",
        400, b"{"), Row("21", "GET /v1/webhooks/{event}", 405),
    *(Row("22", "POST /v1/audit_templates", 400, {"name": "s", "goal": "dummy", "scope": scope},
        says="scope") for scope in (
        [{"compute": [{"host_aggregates": [{"id": "*"}, {"id": 1}]}]}],
        [{"compute": [{"availability_zones": [{"name": "*"}, {"name": "a"}]}]}],
        [{"compute": [], "storage": []}], [{"network": []}])),
)  # fmt: skip
def test_refused(shared: Bench, named: dict[str, str], row: Row) -> None:
    refused(shared, named, row)


BOTH_SIDES = [
    {"compute": [{"host_aggregates": [{"id": 1}], "exclude": [{"host_aggregates": [{"id": 2}]}]}]}
]
NULLS = {"strategy": None, "interval": None, "parameters": None, "name": None}


@table(
    template(201, name="t1", description=None, strategy=None, scope=None, default_parameters=None),
    template(201, name="t2", strategy="dummy", default_parameters={"para1": 2.0}),
    template(201, name="t3", scope={}),
    patch("14.3", 200, TEMPLATE, replace("/description", "x")),
    patch("14.3", 200, TEMPLATE, remove("/description")),
    patch("14.3", 200, TEMPLATE, replace("/goal", "server_consolidation"), add("/strategy", "basic")),
    patch("14.3", 200, TEMPLATE, remove("/strategy"), remove("/scope"), remove("/default_parameters")),
    patch("14.3", 200, "audit_templates/template", replace("/goal", "DUMMY")),
    patch("14.3", 200, "audit_templates/{full}", replace("/default_parameters/para1", 3.0)),
    audit(201, **NULLS, start_time=None, end_time=None, force=None), audit(201, strategy=""),
    audit(201, audit_template_uuid="full", goal=...), audit(201, name="x" * 70),
    audit(201, auto_trigger="yes", force=True),
    audit(201, strategy="dummy", parameters={"para1": 2.0}),
    *(audit(201, "", CONTINUOUS, interval=text) for text in CRONS),
    audit(201, "", CONTINUOUS, start_time="2040-01-01", end_time="2040-01-02T00:00:00+02:00"),
    audit(201, audit_type="EVENT"), audit(201, audit_type="EVENT", interval="60"),
    patch("15.5", 200, "audits/{done}", add("/interval", "2")),
    patch("15.5", 200, "audits/{done}", replace("/end_time", "2040-01-01 00:00")),
    patch("15.5", 200, "audits/{continuous}", replace("/interval", "*/2 * * * *")),
    patch("15.5", 200, "audits/{continuous}", replace("/interval", "*/5 * * * *")),
    patch("15.5", 200, "audits/{continuous}", replace("/force", True), add("/auto_trigger", False)),
    patch("15.5", 200, "audits/{done}", add("/parameters/para1", 2.5)),
    patch("17.2", 200, "actions/{action}"),
    patch("17.2", 200, "actions/{action}", replace("/state", "SKIPPED"), add("/status_message", "R")),
    patch("17.2", 200, "actions/{action}", replace("/state", "SKIPPED")),
    patch("17.2", 200, "actions/{action}", replace("/status_message", "other")),
    *(Row("21", "POST /v1/webhooks/{event}", 202, body) for body in (
        {}, [], "x", b"null", b"", {"alarm_id": "1"})),
    Row("21", "POST /v1/webhooks/event", 202, {}),
    *(Row("22", "POST /v1/audit_templates", 201, {"name": f"s{number}", "goal": "dummy",
        "scope": scope}, shows={"scope": stored}) for number, (scope, stored) in enumerate((
        ([], []), (None, []), ({}, []),
        ([{"host_aggregates": [{"id": 1}]}], [{"compute": [{"host_aggregates": [{"id": 1}]}]}]),
        ([{"storage": []}, {"compute": []}], [{"storage": []}, {"compute": []}]),
        # Upstream refuses aggregates on both sides; here what is excluded is out, whatever else.
        (BOTH_SIDES, BOTH_SIDES),
        ([{"compute": [{"host_aggregates": [{"name": "a"}], "availability_zones": [{"name": "b"}]}]}],
         [{"compute": [{"host_aggregates": [{"name": "a"}], "availability_zones": [{"name": "b"}]}]}]),
    ))),
)  # fmt: skip
def test_answered(shared: Bench, named: dict[str, str], row: Row) -> None:
    answered(shared, named, row)


AUDIT_MOVES = """
PENDING    ONGOING CANCELLED
ONGOING    SUCCEEDED FAILED CANCELLED SUSPENDED
SUCCEEDED  DELETED
FAILED     DELETED
CANCELLED  DELETED
SUSPENDED  ONGOING DELETED
"""
PLAN_MOVES = """
RECOMMENDED  PENDING CANCELLED
PENDING      CANCELLED
ONGOING      CANCELLING
CANCELLING
SUCCEEDED
FAILED
SUPERSEDED
CANCELLED
"""
DELETABLE = {
    "15.4": {"SUCCEEDED", "FAILED", "CANCELLED", "SUSPENDED"},
    "16.2": {"RECOMMENDED", "SUCCEEDED", "FAILED", "SUPERSEDED", "CANCELLED"},
}


def moves(number: str, text: str) -> list[Any]:
    """Every pair of states with whether the operator may; text lists those that are allowed."""
    lines = {line.split()[0]: line.split()[1:] for line in text.strip().splitlines()}
    return [
        pytest.param(number, source, to, to in allowed, id=f"{number} {source} -> {to}")
        for source, allowed in lines.items()
        for to in (*lines, "DELETED")
    ]


def at(bench: Bench, number: str, state: str) -> str:
    if number == "15.4":
        return f"/v1/audits/{bench.audit(state=state).uuid}"
    return f"/v1/action_plans/{bench.plan(state=state, actions=1).uuid}"


@pytest.mark.parametrize(
    ("number", "source", "to", "may"), [*moves("15.4", AUDIT_MOVES), *moves("16.2", PLAN_MOVES)]
)
def test_a_move_by_patch(shared: Bench, number: str, source: str, to: str, may: bool) -> None:
    path = at(shared, number, source)
    if may:
        assert shared.patch(path, replace("/state", to))["state"] == to
    else:
        words = shared.patch(path, replace("/state", to), status=400)
        assert "State transition not allowed" in words
        assert shared.get(path)["state"] == source


@pytest.mark.parametrize(
    ("number", "source"),
    [
        *(("15.4", line.split()[0]) for line in AUDIT_MOVES.strip().splitlines()),
        *(("16.2", line.split()[0]) for line in PLAN_MOVES.strip().splitlines()),
    ],
)
def test_delete_and_start_by_state(shared: Bench, number: str, source: str) -> None:
    path = at(shared, number, source)
    if source in DELETABLE[number]:
        shared.call("DELETE", path, status=204)
        shared.call("GET", path, status=404)
    else:
        words = shared.fails(path, 400, "DELETE")
        assert words == f"Couldn't delete when state is '{source}'."
    if number == "16.2":
        path = f"{at(shared, number, source)}/start"
        if source == "RECOMMENDED":
            assert shared.post(path, {}, 200)["state"] == "PENDING"
        else:
            assert shared.post(path, {}, 400) == f"Couldn't start when state is '{source}'."


@pytest.mark.parametrize("state", ["CANCELLED", "SUSPENDED"])
def test_21_a_webhook_by_state(shared: Bench, state: str) -> None:
    audit = shared.audit(audit_type="EVENT", state=state)
    assert state in shared.fails(f"/v1/webhooks/{audit.uuid}", 400, "POST", body={})
