# SPDX-License-Identifier: Apache-2.0
"""Where the upstream API's protocol is awkward (faults C), and what ours does there.

The numbers are those of the list of faults; each has a test.
"""

import pathlib
import time
from typing import Any

import pytest
import webtest
from oslo_config import cfg

from tests.functional.api.bench import Bench, replace
from tests.functional.api.rows import Row, answered, refused, send, table, things
from tests.functional.api.test_faults_refused import TEMPLATE, audit, continuous, made, patch
from tests.functional.api.test_protocol import RANGE
from watcher import config
from watcher.api import policies
from watcher.api.app import make_app
from watcher.db import models

ORIGIN = "https://dashboard.example"


@pytest.fixture(scope="module")
def named(shared: Bench) -> dict[str, str]:
    return {**things(shared), "goal": shared.get("/v1/goals/dummy")["uuid"]}


def get(number: str, path: str, status: int, **shows: Any) -> Row:
    return Row(number, f"GET {path}", status, shows=shows)


@table(
    # What the framework refuses, and not a function of ours.
    get("C1", "/v1/nothing", 404),
    get("C1", "/v1/goals/dummy/detail", 404),
    get("C1", "/v1/goals/%ff", 400),
    Row("C1", "POST /v1/audits", 400, b"{"),
    Row("C1", "POST /v1/audits", 413, b'"' + b"y" * 200_000 + b'"'),
    Row("C1", "POST /v1/audits", 415, b"x", headers={"Content_Type": "text/plain"}),
    Row("C1", "GET /v1/goals", 406, headers={"Accept": "text/html"}),
    Row("C4", "GET /v1/goals", 406, None, "garbage", "garbage"),
    Row("C4", "GET /v1/goals", 406, None, "1.x", "1.x"),
    get("C7", "/v2/goals", 404),
    get("C7", "/v2", 404),
    audit("C16", "nobody could not be found", status=404, goal="nobody"),
    audit("C16", "nobody could not be found", status=404, strategy="nobody"),
    made("C16", "nobody could not be found", goal="nobody"),
    made("C16", "nobody could not be found", strategy="nobody"),
    *(get("C19", f"/v1/{path}.xml", 406) for path in ("goals", "goals/dummy", "audits/detail")),
    Row("C19", "POST /v1/audits", 415, b"<audit/>", headers={"Content_Type": "application/xml"}),
    patch("C20", "audits/{audit}", replace("/type", "EVENT"), says="/type"),
    patch("C20", "audits/{audit}", replace("/audit_template_uuid", "x"), says="/audit_template"),
    *(
        Row("C21", f"{method} /v1/{path}", 405, {}, says="is not possible here")
        for method in ("PUT", "POST")
        for path in ("goals/dummy", "audits/{audit}", "action_plans/{plan}", "actions/{action}")
    ),
)
def test_refused_in_the_form_of_all_errors(shared: Bench, named: dict[str, str], row: Row) -> None:
    refused(shared, named, row)


@table(
    get("C7", "/goals/{goal}", 200, name="dummy"),
    get("C7", "/audits/{audit}", 200, name="taken"),
    get("C8", "/v1/goals/detail/", 200),
    get("C8", "/v1/audits/detail/?limit=1", 200),
    *(
        Row("C9", f"HEAD {path}", 200)
        for path in ("/", "/v1", "/v1/goals", "/v1/audits/detail", "/v1/audits/{audit}")
    ),
    Row("C13", "POST /v1/webhooks/{event}", 202, {}, None),
    Row("C13", "POST /v1/audits", 201, {"audit_type": "EVENT", "goal": "dummy"}, "1.0"),
    audit("C13", status=201, force=True)._replace(version="1.0", shows={"force": True}),
    patch("C13", "audits/{continuous}", replace("/end_time", "2040-01-01"), status=200)._replace(
        version="1.0"
    ),
    Row("C14", "POST /v1/webhooks/{event}", 202),
    Row("C14", "POST /v1/webhooks/{event}", 202, b""),
    patch("C15", "audits/{audit}", replace("/name", "patched"), status=200)._replace(
        headers={"Content_Type": "application/json-patch+json"}, shows={"name": "patched"}
    ),
    *(
        get("C16", f"/v1/{name}?{kind}=nobody", 200, **{name: []})
        for name in ("audits", "audit_templates")
        for kind in ("goal", "strategy")
    ),
    *(
        Row("C17", "POST /v1/audits", 201, {"audit_type": "ONESHOT", "audit_template_uuid": ident})
        for ident in ("template", "{template}")
    ),
)
def test_answered(shared: Bench, named: dict[str, str], row: Row) -> None:
    if isinstance(row.body, dict):
        filled = {name: fill(value, named) for name, value in row.body.items()}
        row = row._replace(body=filled)
    answered(shared, named, row)


def fill(value: Any, named: dict[str, str]) -> Any:
    return value.format(**named) if isinstance(value, str) else value


@pytest.mark.parametrize("word", ["2", "1.2.3", "1.77", "garbage"])
def test_c2_an_impossible_version_is_answered_with_the_range(
    shared: Bench, named: dict[str, str], word: str
) -> None:
    answer = send(shared, named, Row("C2", "GET /v1/goals", 406, None, word))
    assert {name: answer.headers[name] for name in RANGE} == RANGE


@pytest.mark.parametrize("path", ["/v1/goals", "/v1/goals.xml", "/v1/nothing", "/v2/detail/"])
def test_c3_and_c8_no_text_has_a_place_that_was_not_filled(shared: Bench, path: str) -> None:
    answer = shared.call("GET", path, Accept="application/xml")
    assert answer.status_int in (404, 406)
    assert not [mark for mark in ("${", "%(", "%s", "{0", "{name") if mark in answer.text]


CONF = f"""
[keystone_authtoken]
www_authenticate_uri = http://127.0.0.1:1
auth_type = password
auth_url = http://127.0.0.1:1
username = watcher
password = secret
project_name = service
user_domain_id = default
project_domain_id = default
http_request_max_retries = 0
[cors]
allowed_origin = {ORIGIN}
"""


@pytest.fixture
def guarded(bench: Bench, tmp_path: pathlib.Path) -> Bench:
    """The API behind keystonemiddleware, for a Keystone that does not answer."""
    conf = cfg.ConfigOpts()
    config.register(conf)
    (tmp_path / "watcher.conf").write_text(CONF)
    conf(["--config-file", str(tmp_path / "watcher.conf")])
    app = webtest.TestApp(make_app(conf, bench.database, bench.bus))
    return Bench(app, bench.database, bench.listener, bench.bus)


def test_c5_an_error_of_the_token_layer_has_a_request_id_and_cors(guarded: Bench) -> None:
    missing = guarded.call("GET", "/v1/goals", status=401, Origin=ORIGIN)
    unknown = guarded.call("GET", "/v1/goals", status=503, Origin=ORIGIN, X_Auth_Token="x")
    for answer in (missing, unknown):
        assert answer.headers["x-openstack-request-id"].startswith("req-")
        assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
        assert answer.headers["Content-Type"] == "application/json"


def test_c6_item_links_and_next_have_no_prefix_and_locations_have(shared: Bench) -> None:
    below = {"SCRIPT_NAME": "/infra-optim"}
    page = shared.app.get("/v1/goals?limit=1", extra_environ=below).json
    hrefs = [page["next"], *(link["href"] for link in page["goals"][0]["links"])]
    assert not any("infra-optim" in href for href in hrefs)
    root = shared.app.get("/", extra_environ=below).json
    assert root["versions"][0]["links"][0]["href"] == "http://localhost/infra-optim/v1/"


def test_c10_the_document_names_goals_and_strategies(shared: Bench) -> None:
    assert {"goals", "strategies"} <= shared.get("/v1").keys()


def test_c11_stamps_have_an_offset_and_times_of_a_schedule_none(bench: Bench) -> None:
    row = continuous("C11", start_time="2040-01-01T00:00:00+00:00")
    shown = bench.post("/v1/audits", row.body, version="1.7")
    assert shown["created_at"].endswith("+00:00")
    assert shown["start_time"] == "2040-01-01T00:00:00"
    assert "+" not in shown["next_run_time"]
    service = bench.put(models.Service(name="watcher-applier", host="h"))
    bench.set(service, last_seen_up=bench.row(models.Audit, shown["uuid"]).created_at)
    assert "+" not in bench.get(f"/v1/services/{service.id}")["last_seen_up"]


def test_c12_a_time_without_offset_is_in_the_zone_of_the_server(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Asia/Kolkata")  # +05:30
    time.tzset()
    try:
        row = continuous("C12", start_time="2040-01-01T00:00:00")
        shown = bench.post("/v1/audits", row.body, version="1.7")
    finally:
        monkeypatch.undo()
        time.tzset()
    assert shown["start_time"] == "2039-12-31T18:30:00"


def test_c17_a_template_that_is_not_there_is_named(bench: Bench) -> None:
    asked = {"audit_type": "ONESHOT", "audit_template_uuid": "nobody"}
    assert "nobody could not be found" in bench.post("/v1/audits", asked, 400)


def test_c18_the_policy_that_the_dashboard_names_is_there(bench: Bench) -> None:
    assert "show_password" in {rule.name for rule in policies.list_rules()}
    assert bench.post("/v1/audit_templates", TEMPLATE)["name"] == "new"
