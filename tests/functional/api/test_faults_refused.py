# SPDX-License-Identifier: Apache-2.0
"""Requests that the upstream API answers with 500 (faults A): each is refused, and nothing changes.

The numbers are those of the list of faults. What is accepted instead is in test_faults_answered.
"""

from typing import Any

import pytest

from tests.functional.api.bench import Bench, add, remove, replace
from tests.functional.api.rows import ABSENT, LONG, Row, refused, table, things

AUDIT = {"audit_type": "ONESHOT", "goal": "dummy"}
CONTINUOUS = {"audit_type": "CONTINUOUS", "goal": "dummy", "interval": "60"}
TEMPLATE = {"name": "new", "goal": "dummy"}
LONE = b'{"name": "\\ud800", "audit_type": "ONESHOT", "goal": "dummy"}'


@pytest.fixture(scope="module")
def named(shared: Bench) -> dict[str, str]:
    return things(shared)


RELATIONS = {
    "strategies": ("goal",),
    "audit_templates": ("goal", "strategy"),
    "audits": ("goal", "strategy"),
    "action_plans": ("audit", "strategy", "indicators"),
    "actions": ("action_plan",),
}


def audit(number: str, says: str = "", *, status: int = 400, **fields: Any) -> Row:
    return Row(number, "POST /v1/audits", status, {**AUDIT, **fields}, says=says)


def continuous(number: str, says: str = "", **fields: Any) -> Row:
    return Row(number, "POST /v1/audits", 400, {**CONTINUOUS, **fields}, says=says)


def made(number: str, says: str = "", *, status: int = 400, **fields: Any) -> Row:
    return Row(number, "POST /v1/audit_templates", status, {**TEMPLATE, **fields}, says=says)


def patch(number: str, path: str, *operations: Any, status: int = 400, says: str = "") -> Row:
    return Row(number, f"PATCH /v1/{path}", status, list(operations), says=says)


@table(
    *(
        Row("A1.1", f"GET /v1/{name}?sort_key={key}", 400, says="cannot be sorted")
        for name, keys in RELATIONS.items()
        for key in keys
    ),
    *(
        Row("A1.3", f"GET /v1/{name}/{LONG}", status)
        for name, status in (
            *(("goals", 404), ("strategies", 404), ("audit_templates", 404), ("audits", 404)),
            *(
                ("scoring_engines", 404),
                ("services", 404),
                ("action_plans", 400),
                ("actions", 400),
            ),
        )
    ),
    *(
        Row("A1.3", f"GET /v1/{name}?marker={LONG}", status)
        for name, status in (
            *(("goals", 404), ("strategies", 404), ("audit_templates", 400), ("audits", 400)),
            *(
                ("scoring_engines", 404),
                ("services", 404),
                ("action_plans", 400),
                ("actions", 400),
            ),
        )
    ),
    Row("A1.3", f"GET /v1/goals?limit=-{LONG}", 400),
    *(
        Row("A1.5", f"GET /v1/{path}", 406, headers={"Accept": "application/xml"})
        for path in ("goals", "goals/nobody", "audits?limit=x")
    ),
    *(Row("A1.5", f"GET /v1/{path}.xml", 406) for path in ("goals", "goals/dummy", "audits")),
    Row("A1.6", "POST /v1/audits", 400, LONE, says="surrogate"),
    Row("A1.6", "POST /v1/audit_templates", 400, LONE, says="surrogate"),
    Row(
        "A1.6", "PATCH /v1/audits/{audit}", 400, b'[{"op":"add","path":"/name","value":"\\udfff"}]'
    ),
)
def test_any_collection(shared: Bench, named: dict[str, str], row: Row) -> None:
    refused(shared, named, row)


@table(
    *(
        Row("A2.1", "POST /v1/audits", 400, body)
        for body in (b"[]", b"null", b"5", b'"x"', [AUDIT])
    ),
    *(continuous("A2.2", "interval", interval=text) for text in ("", "bad cron", "1.5", "@never")),
    audit("A2.2", "interval", interval=""),
    *(continuous("A2.3", "interval", interval=value) for value in (1.5, True, ["5"], {"a": 1}, 5)),
    *(
        continuous("A2.4", name, **{name: value})
        for name in ("start_time", "end_time")
        for value in (5, ["2030-01-01"], True, {}, "tomorrow", "")
    ),
    continuous("A2.5", "start_time", start_time="0001-01-01T00:00:00+14:00"),
    continuous("A2.5", "start_time", start_time="9999-12-31T23:59:59-12:00"),
    continuous("A2.5", "end_time", end_time="9999-12-31T23:59:59-12:00"),
    audit("A2.7", "nobody", status=404, goal="nobody", name="named"),
    audit("A2.7", "nobody", status=404, goal="nobody"),
    audit("A2.8", "9999", status=404, goal="9999", name="named"),
    continuous("A2.10", "36 characters", interval="0,5,10,15,20,25,30,35,40,45,50,55 * * * *"),
)
def test_a_new_audit(shared: Bench, named: dict[str, str], row: Row) -> None:
    refused(shared, named, row)


BAD_RULES: tuple[Any, ...] = (
    *({"bogus": 1}, {"host_aggregates": 5}, {"host_aggregates": [{"id": "x"}]}),
    *({"host_aggregates": [{"id": 1, "name": "b"}]}, {"availability_zones": [{"name": 5}]}),
    *({"exclude": [{"bogus": []}]}, {"exclude": {}}, {"exclude": [{"instances": [{"id": "1"}]}]}),
    {"exclude": [{"compute_nodes": ["n"]}]},
)
BAD_SCOPES: tuple[Any, ...] = (
    *("x", 5, [5], [{}], [[]], ["compute"], {"compute": []}, [{"compute": {}}]),
    *([{"compute": None}], [{"compute": [5]}], [{"bogus": []}], True, "[]"),
)


@table(
    *(
        Row("A3.1", "POST /v1/audit_templates", 400, body)
        for body in (b"[]", b"null", b"5", b'"x"', [TEMPLATE])
    ),
    *(made("A3.2", "scope", scope=[{"compute": [rule]}]) for rule in BAD_RULES),
    *(made("A3.2", "scope", scope=[rule]) for rule in BAD_RULES),
    *(made("A3.3", "scope", scope=scope) for scope in BAD_SCOPES),
    made("A3.6", "strategy", strategy=""),
    made("A3.7", "name", name=None),
    made("A3.8", "name", name="x" * 64),
    made("A3.8", "description", description="x" * 256),
    made("A3.9", "taken", status=409, name="taken"),
)
def test_a_new_template(shared: Bench, named: dict[str, str], row: Row) -> None:
    refused(shared, named, row)


NO_PATCHES = ([5], ["x"], [[]], 5, "x", {}, b"null")


@table(
    *(Row("A4.1", "PATCH /v1/audits/{audit}", 400, body) for body in NO_PATCHES),
    patch("A4.2", "audits/{audit}", remove("/state"), says="State transition not allowed"),
    patch("A4.3", "audits/{audit}", replace("/name", "done"), status=409, says="done"),
    patch("A4.4", "audits/{audit}", replace("/name", None), says="name"),
    patch("A4.4", "audits/{audit}", remove("/name"), says="name"),
    patch("A4.4", "audits/{audit}", replace("/audit_type", None), says="/audit_type"),
    patch("A4.4", "audits/{audit}", replace("/auto_trigger", None), says="auto_trigger"),
    patch("A4.4", "audits/{audit}", remove("/auto_trigger"), says="auto_trigger"),
    *(
        patch("A4.5", "audits/{continuous}", replace(f"/{name}", value), says=name)
        for name in ("start_time", "end_time")
        for value in ("garbage", 5, [], True, "9999-12-31T23:59:59-12:00")
    ),
    patch("A4.6", "audits/{audit}", replace("/scope", "[]"), says="/scope"),
    patch("A4.6", "audits/{audit}", replace("/scope", "__import__('os')"), says="/scope"),
    patch("A4.7", "audits/{continuous}", replace("/interval", "1,2 " * 12), says="36 characters"),
)
def test_a_changed_audit(shared: Bench, named: dict[str, str], row: Row) -> None:
    refused(shared, named, row)


@table(
    *(Row("A5.1", "PATCH /v1/audit_templates/{template}", 400, body) for body in NO_PATCHES),
    patch(
        "A5.2", "audit_templates/{template}", replace("/name", "taken"), status=409, says="taken"
    ),
    patch("A5.2", "audit_templates/{template}", replace("/name", None), says="name"),
    patch("A5.2", "audit_templates/{template}", remove("/name"), says="name"),
    patch("A5.3", "audit_templates/{template}", replace("/scope", "[]"), says="scope"),
    patch(
        "A5.4", "audit_templates/{template}", replace("/default_parameters", "{}"), says="object"
    ),
    patch("A5.4", "audit_templates/{template}", replace("/default_parameters", []), says="object"),
    patch("A5.5", "audit_templates/{template}", replace("/name", "x" * 64), says="63"),
    patch("A5.5", "audit_templates/{template}", replace("/description", "x" * 256), says="255"),
)
def test_a_changed_template(shared: Bench, named: dict[str, str], row: Row) -> None:
    refused(shared, named, row)


@table(
    *(
        patch("A6.1", f"{path}", replace("/state", value))
        for path in ("action_plans/{plan}", "actions/{action}")
        for value in (5, [], {}, True, None)
    ),
    Row("A6.2", "POST /v1/action_plans/{plan}/start", 400, {"foo": 1}, says="foo"),
    Row("A6.2", "POST /v1/action_plans/{plan}/start?x=1", 400, {}, says="x"),
    patch(
        "A6.3",
        "actions/{action}",
        replace("/state", "SKIPPED"),
        add("/status_message", "x" * 224),
        says="at most 223",
    ),
    Row("A6.5", f"GET /v1/services/{ABSENT}", 404),
    Row("A6.8", "GET /v1/data_model?audit_uuid={absent}", 400, says="audit_uuid"),
    Row("A6.8", "GET /v1/data_model?audit_uuid=x", 400, says="audit_uuid"),
)
def test_plans_actions_services_and_the_model(
    shared: Bench, named: dict[str, str], row: Row
) -> None:
    refused(shared, named, row)
