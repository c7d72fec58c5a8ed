# SPDX-License-Identifier: Apache-2.0
"""What all paths share: roots, versions, errors, headers, bodies (contract rest-api 1 to 6)."""

import json
import re
from collections.abc import Callable

import pytest

from tests.functional.api.bench import Bench, fault
from watcher.api import microversions
from watcher.db import models

LATEST = str(microversions.LATEST)
RANGE = {"OpenStack-API-Minimum-Version": "1.0", "OpenStack-API-Maximum-Version": LATEST}
UUID = "6a0a707c-45ef-4758-b533-e55adddba8ce"


def test_the_root_document_names_the_range_of_versions(bench: Bench) -> None:
    document = bench.get("/")
    version = {
        "id": "v1",
        "status": "CURRENT",
        "min_version": "1.0",
        "max_version": LATEST,
        "links": [{"href": "http://localhost/v1/", "rel": "self"}],
    }
    assert document["name"] == "OpenStack Watcher API"
    assert document["versions"] == [version]
    assert document["default_version"] == version


def test_the_root_document_ignores_an_impossible_version_and_carries_none(bench: Bench) -> None:
    answer = bench.call("GET", "/", version="9.9", status=200)
    assert not {name for name in answer.headers if name.startswith("OpenStack-API")}
    assert answer.headers["x-openstack-request-id"].startswith("req-")


@pytest.mark.parametrize(
    ("version", "missing"),
    [("1.0", {"data_model", "webhooks"}), ("1.3", {"webhooks"}), ("1.4", set()), ("1.7", set())],
)
def test_the_v1_document_names_what_its_version_knows(
    bench: Bench, version: str, missing: set[str]
) -> None:
    families = {
        *("audit_templates", "audits", "actions", "action_plans", "scoring_engines", "services"),
        *("goals", "strategies", "data_model", "webhooks"),
    }
    for path in ("/v1", "/v1/"):
        document = bench.get(path, version=version)
        assert set(document) == {"id", "media_types", "links"} | families - missing
        assert document["audits"] == [
            {"href": "http://localhost/v1/audits/", "rel": "self"},
            {"href": "http://localhost/audits/", "rel": "bookmark"},
        ]


@pytest.mark.parametrize(
    ("header", "used"),
    [
        (None, "1.0"),
        ("", "1.0"),
        ("compute 2.1", "1.0"),
        ("1.4", "1.0"),
        ("infra-optim latest", LATEST),
        ("infra-optim LATEST", LATEST),
        ("infra-optim 1", "1.0"),
        ("infra-optim 1.0", "1.0"),
        ("INFRA-OPTIM 1.5", "1.5"),
        ("  infra-optim   1.7 ", "1.7"),
        ("infra-optim 1.2, infra-optim 1.4", "1.4"),
        ("compute 2.79, infra-optim 1.3, volume 3.0", "1.3"),
    ],
)
def test_the_header_chooses_the_version(bench: Bench, header: str | None, used: str) -> None:
    headers = {} if header is None else {"OpenStack_API_Version": header}
    answer = bench.call("GET", "/v1/goals", status=200, **headers)
    assert answer.headers["OpenStack-API-Version"] == f"infra-optim {used}"
    assert answer.headers["Vary"] == "OpenStack-API-Version"
    assert {name: answer.headers[name] for name in RANGE} == RANGE


@pytest.mark.parametrize(
    "asked", ["1.77", "1.99", "0.9", "2.0", "2", "1.-1", "-1.0", "1.2.3", "abc", "1.x", "1.", "٢"]
)
def test_an_impossible_version_is_406_with_the_range(bench: Bench, asked: str) -> None:
    answer = bench.call(
        "GET", "/v1/goals", status=406, OpenStack_API_Version=f"infra-optim {asked}"
    )
    assert {name: answer.headers[name] for name in RANGE} == RANGE
    assert "OpenStack-API-Version" not in answer.headers
    assert answer.headers["Vary"] == "OpenStack-API-Version"
    assert f"1.0 to {LATEST}" in fault(answer)


def test_an_error_is_json_inside_json_with_a_request_id(bench: Bench) -> None:
    answer = bench.call("GET", f"/v1/goals/{UUID}", status=404)
    assert answer.headers["Content-Type"] == "application/json"
    assert re.fullmatch(r"req-[0-9a-f-]{36}", answer.headers["x-openstack-request-id"])
    assert json.loads(answer.json["error_message"]) == {
        "debuginfo": None,
        "faultcode": "Client",
        "faultstring": f"Goal {UUID} could not be found",
    }
    assert answer.headers["OpenStack-API-Version"] == "infra-optim 1.0"


def test_the_answer_carries_a_request_id_of_its_own(bench: Bench) -> None:
    sent = f"req-{UUID}"
    answer = bench.call("GET", "/v1/goals", X_Openstack_Request_Id=sent)
    assert answer.headers["x-openstack-request-id"] != sent


@pytest.mark.parametrize(
    "path",
    [
        *("/v1/goals", "/v1/goals/", "/goals", "/goals/", "/v1/goals.json", "/v1/goals?limit=5"),
        *("/v1/goals/?limit=5", "/v1/goals/detail", "/v1/goals/detail/", "/goals/detail?limit=5"),
    ],
)
def test_a_list_is_reached_with_or_without_slash_version_and_suffix(
    bench: Bench, path: str
) -> None:
    assert len(bench.get(path)["goals"]) == 3


@pytest.mark.parametrize(
    "path",
    [
        *("/v2", "/v2/goals", "/v1/nothing", "/nothing", "/v1/goals/dummy/detail", "/v1//goals"),
        *("/v1/goals//", "/v1/v1", "/v1/v1/goals", "/v1/webhooks", "/v1/goals/dummy/state"),
        *("/v1/../v1/goals", "/v1/goals/{}", "/v1/audits/{audit}", "//v1/goals"),
        *("/v1/goals/None", "/v1/goals/" + "x" * 300, "/v1/goals/" + "9" * 40, "/v1/goals/-1"),
        *("/v1/services/" + "9" * 40, "/v1/services/0", f"/v1/services/{UUID}", "/v1/goals/1"),
    ],
)
def test_a_path_nobody_has_is_404(bench: Bench, path: str) -> None:
    assert bench.fails(path, 404)


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("POST", "/v1/goals", "GET, HEAD"),
        ("PUT", "/v1/goals/dummy", "GET, HEAD"),
        ("DELETE", "/v1/strategies/dummy", "GET, HEAD"),
        ("PATCH", "/v1/strategies/dummy/state", "GET, HEAD"),
        ("PATCH", "/v1/audits", "GET, HEAD, POST"),
        ("POST", "/v1/audits/detail", "GET, HEAD"),
        ("PUT", f"/v1/audits/{UUID}", "DELETE, GET, HEAD, PATCH"),
        ("POST", f"/v1/audits/{UUID}", "DELETE, GET, HEAD, PATCH"),
        ("POST", "/v1/action_plans", "GET, HEAD"),
        ("GET", f"/v1/action_plans/{UUID}/start", "POST"),
        ("DELETE", f"/v1/actions/{UUID}", "GET, HEAD, PATCH"),
        ("POST", "/v1/actions", "GET, HEAD"),
        ("POST", "/v1/data_model", "GET, HEAD"),
        ("GET", f"/v1/webhooks/{UUID}", "POST"),
        ("POST", "/v1", "GET, HEAD"),
        ("POST", "/", "GET, HEAD"),
    ],
)
def test_a_method_a_path_has_not_is_405_naming_those_it_has(
    bench: Bench, method: str, path: str, allow: str
) -> None:
    answer = bench.call(method, path, status=405)
    assert answer.headers["Allow"] == allow
    assert fault(answer)


def test_head_is_answered_like_get_without_the_body(bench: Bench) -> None:
    answer = bench.call("HEAD", "/v1/goals", status=200)
    assert answer.body == b""
    assert answer.headers["OpenStack-API-Version"] == "infra-optim 1.0"


@pytest.mark.parametrize("path", ["/v1/goals/%ff", "/v1/goals?limit=%ff", "/v1/goals?%ff=1"])
def test_percent_encoding_that_is_no_utf_8_is_400(bench: Bench, path: str) -> None:
    assert bench.fails(path, 400)


def test_the_null_character_in_a_name_is_400(bench: Bench) -> None:
    assert bench.fails("/v1/goals/a%00b", 400)
    assert bench.fails("/v1/strategies?goal=a%00b", 400)


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        *(("application/json", 200), ("*/*", 200), ("application/*", 200)),
        ("text/html, application/json;q=0.5", 200),
        *(("text/html", 406), ("application/xml", 406)),
    ],
)
def test_only_json_can_be_had(bench: Bench, accept: str, status: int) -> None:
    answer = bench.call("GET", "/v1/goals", status=status, Accept=accept)
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["OpenStack-API-Maximum-Version"] == LATEST


def test_a_get_with_a_content_type_and_no_body_is_fine(bench: Bench) -> None:
    bench.call("GET", "/v1/goals", status=200, Content_Type="application/json")


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        *(("application/json", 201), ("application/json; charset=utf-8", 201)),
        ("application/json-patch+json", 201),
        *(("text/plain", 415), ("application/x-www-form-urlencoded", 415), ("", 415)),
        ("multipart/form-data; boundary=x", 415),
    ],
)
def test_a_body_must_be_json_by_its_type(bench: Bench, kind: str, status: int) -> None:
    body = {"audit_type": "ONESHOT", "goal": "dummy"}
    bench.call("POST", "/v1/audits", body, status=status, Content_Type=kind)


@pytest.mark.parametrize(
    "raw",
    [
        *(b"", b"  ", b"{", b"[]", b"null", b"5", b'"x"', b'[{"goal": "dummy"}]', b"\xff\xfe"),
        *(b'{"goal": "\\ud800"}', b'{"goal": "\\u0000"}', b'{"goal": NaN}', b'{"goal": 1e999}'),
        *(b"[" * 100_000, b'{"goal":' * 5000 + b"1" + b"}" * 5000, b'{"x": ' + b"9" * 5000 + b"}"),
    ],
)
@pytest.mark.parametrize("path", ["/v1/audits", "/v1/audit_templates"])
def test_a_body_that_is_no_json_object_is_400(bench: Bench, path: str, raw: bytes) -> None:
    assert bench.fails(path, 400, "POST", body=raw)


def test_too_large_a_body_is_413_in_the_usual_form(bench: Bench) -> None:
    assert bench.fails("/v1/audits", 413, "POST", body=b'{"x": "' + b"y" * 200_000 + b'"}')


@pytest.mark.parametrize(
    "path",
    [
        *("/v1/goals?x=1", "/v1/goals/dummy?x=1", "/v1/goals?goal=dummy", "/v1/audits?state=X"),
        *("/v1/goals?limit=1&limit=2", "/v1/audits?goal=dummy&goal=dummy", "/v1/goals?=1"),
    ],
)
def test_an_unknown_or_repeated_query_argument_is_400(bench: Bench, path: str) -> None:
    assert bench.fails(path, 400)


def test_below_a_prefix_documents_show_it_and_items_do_not(bench: Bench) -> None:
    place = {"SCRIPT_NAME": "/infra-optim"}
    app = bench.app
    assert app.get("/", extra_environ=place).json["versions"][0]["links"][0]["href"] == (
        "http://localhost/infra-optim/v1/"
    )
    page = app.get("/v1/goals?limit=1", extra_environ=place).json
    assert page["next"].startswith("http://localhost/v1/goals?")
    assert page["goals"][0]["links"][0]["href"].startswith("http://localhost/v1/goals/")
    made = app.post_json(
        "/v1/audits", {"audit_type": "EVENT", "goal": "dummy"}, extra_environ=place
    )
    assert (
        made.headers["Location"] == f"http://localhost/infra-optim/v1/audits/{made.json['uuid']}"
    )


def test_the_health_check_needs_no_version(bench: Bench) -> None:
    assert bench.call("GET", "/healthcheck", version="9.9").status_int == 200


def test_what_nobody_foresaw_is_told_without_its_text(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.set(bench.row(models.Goal, "dummy"), efficacy_specification=[{"secret": "x"}])
    text = bench.fails("/v1/goals/dummy", 500)
    assert "secret" not in text
    assert "KeyError" in caplog.text


def test_behind_a_proxy_links_are_those_the_client_sees(
    bench: Bench, option: Callable[..., None]
) -> None:
    seen = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "cloud", "X-Forwarded-Prefix": "/w"}
    sent = {name.replace("-", "_"): value for name, value in seen.items()}
    assert bench.get("/", **sent)["versions"][0]["links"][0]["href"] == "http://localhost/v1/"
    option("enable_proxy_headers_parsing", True, "oslo_middleware")
    assert bench.get("/", **sent)["versions"][0]["links"][0]["href"] == "https://cloud/w/v1/"
    page = bench.get("/v1/goals?limit=1", **sent)
    assert page["next"].startswith("https://cloud/v1/goals?")
    assert page["goals"][0]["links"][0]["href"].startswith("https://cloud/v1/goals/")


def test_a_database_that_does_not_answer_is_503_without_its_text(bench: Bench) -> None:
    with bench.database.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE scoring_engines")
    text = bench.fails("/v1/scoring_engines", 503)
    assert "SELECT" not in text
    assert "scoring_engines" not in text


def test_a_column_that_is_not_there_is_a_mistake_and_not_an_absent_database(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    with bench.database.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE scoring_engines DROP COLUMN metainfo")
    text = bench.fails("/v1/scoring_engines", 500)
    assert "metainfo" not in text
    assert "metainfo" in caplog.text
