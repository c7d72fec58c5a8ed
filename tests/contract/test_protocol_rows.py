# SPDX-License-Identifier: Apache-2.0
"""Rows of the contract that hold for every resource (rest-api 2 to 11); the numbers are its."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.functional.api.bench import Bench, add, remove, replace
from tests.functional.api.rows import ABSENT, Row, answered, refused, table, things
from watcher.api import microversions
from watcher.api.root import FAMILIES
from watcher.api.views import Resource

LATEST = str(microversions.LATEST)
"""Ours: the contract knows 1.0 to 1.7."""

AUDIT = {"audit_type": "ONESHOT", "goal": "dummy"}
TEMPLATE = {"name": "new", "goal": "dummy"}
VERSION = "OpenStack_API_Version"


@pytest.fixture(scope="module")
def named(shared: Bench) -> dict[str, str]:
    return things(shared)


def asked(word: str, used: str | None) -> Row:
    """A version header and the version it gets, None for 406."""
    return Row("2.1", "GET /v1/goals", 200 if used else 406, None, None, used or "",
               {VERSION: word})  # fmt: skip


@table(
    *(
        asked(word, "1.0")
        for word in ("", "compute 2.1", "1.4", "infra-optim 1", "infra-optim 1.0")
    ),
    *(asked(f"infra-optim {word}", LATEST) for word in ("latest", "LATEST", "Latest")),
    *(asked(f"infra-optim 1.{minor}", f"1.{minor}") for minor in range(8)),
    asked("INFRA-OPTIM 1.3", "1.3"),
    asked("compute 2.1, infra-optim 1.2, infra-optim 1.6", "1.6"),
    asked("  infra-optim   1.2  ", "1.2"),
    *(
        asked(f"infra-optim {word}", None)
        for word in ("1.77", "1.99", "0.9", "2.0", "-1.0", "1.-1", "2", "1.2.3", "abc", "1.x")
    ),
)
def test_version_header(shared: Bench, row: Row) -> None:
    answer = shared.call("GET", "/v1/goals", status=row.status, **row.headers)
    used = answer.headers.get("OpenStack-API-Version", "infra-optim ")
    assert used == f"infra-optim {row.says}"
    assert answer.headers["OpenStack-API-Minimum-Version"] == "1.0"
    assert answer.headers["OpenStack-API-Maximum-Version"] == LATEST


def test_2_1_an_old_style_header_is_not_looked_at(shared: Bench) -> None:
    answer = shared.call("GET", "/v1/goals", X_OpenStack_Watcher_API_Version="1.5")
    assert answer.headers["OpenStack-API-Version"] == "infra-optim 1.0"


TIMES = {"audit_type": "CONTINUOUS", "goal": "dummy", "interval": "60"}
DEFAULTS = {"default_parameters": {"para1": 2.0}, "strategy": "dummy"}


@table(
    *(
        Row("2.3", "POST /v1/audits", 406, {**TIMES, name: "2040-01-01"}, "1.0", "1.1")
        for name in ("start_time", "end_time")
    ),
    *(Row("2.3", "GET /v1/data_model", 406, None, f"1.{minor}", "1.3") for minor in range(3)),
    *(
        Row("2.3", "PATCH /v1/actions/{action}", 400, [replace("/state", "SKIPPED")], f"1.{minor}")
        for minor in range(5)
    ),
    Row("2.3", "POST /v1/audit_templates", 406, {**TEMPLATE, **DEFAULTS}, "1.6", "1.7"),
    Row("2.3", "PATCH /v1/audit_templates/{template}", 406,
        [add("/default_parameters", {"para1": 2.0})], "1.6", "1.7"),
)  # fmt: skip
def test_what_an_older_version_does_not_take(
    shared: Bench, named: dict[str, str], row: Row
) -> None:
    refused(shared, named, row)


@table(
    Row("2.3", "POST /v1/audits", 201, {**AUDIT, "force": True}, "1.0", shows={"force": True}),
    Row("2.3", "POST /v1/audits", 201, {"audit_type": "EVENT", "goal": "dummy"}, "1.0"),
    Row("2.3", "POST /v1/webhooks/{event}", 202, {}, None),
    Row("2.3", "PATCH /v1/audits/{continuous}", 200, [add("/end_time", "2040-01-01")], "1.0"),
    *(
        Row("2.3", "POST /v1/audit_templates", 201, {"name": f"d{empty}", "goal": "dummy",
            "default_parameters": empty}, "1.6")
        for empty in ({}, None)
    ),
)  # fmt: skip
def test_what_an_older_version_takes(shared: Bench, named: dict[str, str], row: Row) -> None:
    answered(shared, named, row)


@table(
    *(
        Row("4.5", f"POST /v1/{collection}", 400, raw)
        for collection in ("audits", "audit_templates")
        for raw in (b"", b"{", b"[]", b"null", b"5", b'"x"', b"\xff", b"{'a': 1}")
    ),
    *(Row("4.5", "PATCH /v1/audits/{audit}", 400, raw) for raw in (b"", b"{", b"{}", b"\xff")),
    *(
        Row("4.5", "POST /v1/audits", 400, {**AUDIT, name: value}, says=name)
        for name, value in (
            *(("uuid", ABSENT), ("foo", 1), ("state", "INVALID"), ("state", "PENDING")),
            *(("hostname", "h"), ("scope", []), ("goal_uuid", ABSENT), ("goal", 5), ("name", 5)),
            *(("parameters", []), ("parameters", "x"), ("force", {}), ("strategy", [])),
        )
    ),
    *(
        Row("4.5", "POST /v1/audit_templates", 400, {**TEMPLATE, name: value}, says=name)
        for name, value in (("uuid", ABSENT), ("goal_uuid", ABSENT), ("foo", 1), ("name", 5),
                            ("goal", 5), ("description", 5), ("default_parameters", "x"))
    ),
    *(
        Row("4.5", f"GET /v1/{path}?foo=1", 400, says="foo")
        for path in (
            *("goals", "goals/detail", "goals/dummy", "strategies", "strategies/dummy/state"),
            *("audit_templates/detail", "audit_templates/{template}", "audits", "audits/{audit}"),
            *("action_plans", "action_plans/{plan}", "actions/detail", "actions/{action}"),
            *("scoring_engines", "services", "data_model"),
        )
    ),
    Row("4.5", "POST /v1/action_plans/{plan}/start", 400, {"a": 1}, says="a"),
    Row("4.5", "POST /v1/action_plans/{plan}/start?a=1", 400, {}, says="a"),
    Row("4.5", "GET /v1/audits?goal=a&goal=b", 400, says="goal"),
    *(
        Row("5", "POST /v1/audits", 415, AUDIT, headers={"Content_Type": kind})
        for kind in ("text/plain", "application/xml", "application/x-www-form-urlencoded")
    ),
    *(Row("5", "GET /v1/goals", 406, headers={"Accept": kind}) for kind in (
        "application/xml", "text/html", "image/png")),
    *(Row("7.2", f"GET /v1/audits?{query}", 400) for query in (
        *("limit=0", "limit=-1", "limit=abc", "limit=", "limit=1.5", "sort_dir=up", "sort_dir="),
        *("sort_key=nothing", "sort_key=", "marker=abc", "marker="))),
    *(
        Row("7.2", f"GET /v1/{name}?marker=abc", status)
        for name, status in (("audit_templates", 400), ("action_plans", 400), ("actions", 400),
                             ("services", 400), ("goals", 404), ("strategies", 404),
                             ("scoring_engines", 404))
    ),
    *(
        Row("7.2", f"GET /v1/{name}?marker={ABSENT}", 404)
        for name in ("goals", "strategies", "audit_templates", "audits", "action_plans", "actions",
                     "scoring_engines")
    ),
    *(Row("7.4", f"GET /v1/{path}", 400) for path in (
        "action_plans?audit_uuid=x", "actions?action_plan_uuid=x", "actions?audit_uuid=x",
        "actions?audit_uuid={audit}&action_plan_uuid={plan}", "goals?goal=dummy",
        "services?name=x", "audits?state=PENDING")),
    *(Row("7.5", f"GET /v1/{path}/detail", 404) for path in (
        "goals/dummy", "audits/{audit}", "action_plans/{plan}", "services/1")),
    *(
        Row("8", f"GET /v1/{path}", status)
        for path, status in (
            ("goals/1", 404), ("strategies/1", 404), ("audits/1", 404), ("audit_templates/1", 404),
            ("scoring_engines/1", 404), ("action_plans/1", 400), ("actions/nop", 400),
            ("action_plans/{absent}", 404), ("actions/{absent}", 404), ("audits/nobody", 404),
            ("goals/{absent}", 404), ("services/77", 404), ("services/nobody", 404),
        )
    ),
    *(Row("11", "PATCH /v1/audits/{audit}", 400, body) for body in (
        {"op": "remove"}, [5], ["x"], [[]], [{}], [{"op": "add"}],
        *([{**replace("/name", "x"), "op": word}] for word in ("test", "move", "copy", "ADD", 5)),
        *([replace(path, "x")] for path in (
            "name", "", "/", "/name/", "/na me", "/na~1me", "//name", "/nothing", 5)),
        [{"op": "replace", "path": "/name"}], [{"op": "add", "path": "/name"}],
        [{**replace("/name", "x"), "from": "/state"}], [{**replace("/name", "x"), "more": 1}],
        *([replace(f"/{name}", None)] for name in (
            "created_at", "updated_at", "deleted_at", "id", "uuid", "links")),
        [remove("/parameters/nothing")], [replace("/parameters/nothing/more", 1)])),
    Row("11", "PATCH /v1/action_plans/{plan}", 400, []),
)  # fmt: skip
def test_refused(shared: Bench, named: dict[str, str], row: Row) -> None:
    refused(shared, named, row)


@table(
    *(Row("5", "GET /v1/goals", 200, headers={"Accept": kind}) for kind in (
        "*/*", "application/json", "application/json;q=0.5, text/html")),
    *(
        Row("5", "PATCH /v1/audits/{audit}", 200, [], headers={"Content_Type": kind})
        for kind in ("application/json", "application/json; charset=utf-8",
                     "application/json-patch+json")
    ),
    Row("5", "GET /v1/audits/{audit}", 200, headers={"Content_Type": "application/json"}),
    *(Row("7.2", f"GET /v1/goals?{query}", 200) for query in (
        "limit=1", "limit=1000000", "sort_dir=desc", "sort_key=name&sort_dir=asc")),
    *(
        Row("7.3", f"GET /v1/{resource.collection}{form}?sort_key={key}&sort_dir={direction}", 200)
        for module, _ in FAMILIES.values()
        for resource in vars(module).values()
        if isinstance(resource, Resource)
        for key in sorted(resource.sort_keys)
        for form, direction in (("", "asc"), ("/detail", "desc"))
    ),
    *(
        Row("7.4", f"GET /v1/{path}", 200, shows={path.partition("?")[0].partition("/")[0]: []})
        for path in (
            "strategies?goal=nobody", "strategies/detail?goal=nobody",
            "audit_templates?goal=nobody", "audit_templates/detail?strategy=nobody",
            "audits?goal=nobody", "audits/detail?strategy=nobody", "audits?audit_template=nobody",
            "action_plans?audit_uuid={absent}", "action_plans/detail?strategy=nobody",
            "actions?action_plan_uuid={absent}", "actions/detail?audit_uuid={absent}",
            "audit_templates?name=nobody",
        )
    ),
    *(Row("8", f"GET /v1/{path}", 200) for path in (
        "goals/DUMMY", "strategies/Dummy", "audits/done", "audit_templates/template",
        "scoring_engines/dummy_scorer")),
    *(Row("11", f"PATCH /v1/{path}", 200, []) for path in (
        "audits/{audit}", "audits/done", "audit_templates/{template}", "actions/{action}")),
)  # fmt: skip
def test_answered(shared: Bench, named: dict[str, str], row: Row) -> None:
    answered(shared, named, row)


def test_5_a_delete_may_have_any_content_type(bench: Bench) -> None:
    path = f"/v1/audits/{bench.audit(state='FAILED').uuid}"
    bench.call("DELETE", path, status=204, Content_Type="application/octet-stream")


ORIGIN = "https://dashboard.example"


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/audits", "/v1/nothing", "/healthcheck"])
def test_3_5_a_preflight_needs_no_token_and_may_ask_for_a_version(
    option: Callable[..., None], make_bench: Callable[[], Bench], path: str
) -> None:
    option("allowed_origin", [ORIGIN], "cors")
    asked_for: dict[str, Any] = {
        "Origin": ORIGIN,
        "Access_Control_Request_Method": "PATCH",
        "Access_Control_Request_Headers": "X-Auth-Token, OpenStack-API-Version",
    }
    bench = make_bench()
    answer = bench.call("OPTIONS", path, status=200, **asked_for)
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    allowed = answer.headers["Access-Control-Allow-Headers"]
    assert "OpenStack-API-Version" in allowed
    answer = bench.call("GET", "/v1/goals/nobody", status=404, Origin=ORIGIN)
    exposed = answer.headers["Access-Control-Expose-Headers"]
    assert "OpenStack-API-Maximum-Version" in exposed
    stranger = bench.call("GET", "/v1/goals", status=200, Origin="https://evil.example")
    assert "Access-Control-Allow-Origin" not in stranger.headers
