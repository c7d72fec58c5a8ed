# SPDX-License-Identifier: Apache-2.0
"""The OpenAPI document: valid, complete, of one version each, and as the service answers.

That answers are as it says is checked on every request of every test here, by ``documented``.
"""

import json
from typing import Any

import pytest
import webtest
from openapi_spec_validator import OpenAPIV31SpecValidator

from tests.functional.api import documented
from tests.functional.api.bench import NODE, SERVER, Bench
from watcher.api import microversions, root
from watcher.api.policies import list_rules

VERSIONS = [str(version) for version in microversions.VERSIONS]
CREATE = "/v1/audits", "post"


def document(version: str) -> dict[str, Any]:
    return root.description(microversions.VERSIONS[VERSIONS.index(version)])


def operations(version: str) -> dict[tuple[str, str], Any]:
    return {
        (path, method): operation
        for path, methods in document(version)["paths"].items()
        for method, operation in methods.items()
    }


@pytest.mark.parametrize("version", VERSIONS)
def test_the_document_is_valid_openapi_3_1(version: str) -> None:
    OpenAPIV31SpecValidator(document(version)).validate()


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("path", ["/v1/openapi.json", "/v1/openapi", "/openapi.json"])
def test_the_document_of_the_version_asked_for_is_served(
    bench: Bench, path: str, version: str
) -> None:
    served = bench.get(path, version=version, X_Roles="")
    assert served.pop("servers") == [{"url": "http://localhost"}]
    assert served == document(version)
    assert served["info"]["version"] == version


def test_below_a_prefix_the_document_names_it(bench: Bench) -> None:
    served = bench.app.get("/v1/openapi.json", extra_environ={"SCRIPT_NAME": "/infra-optim"}).json
    assert served["servers"] == [{"url": "http://localhost/infra-optim"}]


def test_every_operation_is_there_with_its_rule_and_every_rule_has_one() -> None:
    found = {
        (method.upper(), path): operation.get("x-openstack-policy")
        for (path, method), operation in operations(VERSIONS[-1]).items()
    }
    public = {("GET", path): None for path in ("/", "/v1", "/v1/openapi.json")}
    served = {(one.method, f"/v1/{'/'.join(one.path)}"): one.rule for one in root.operations()}
    assert found == {**public, **served}
    base = {"admin_api", "admin_or_service_api", "show_password"}
    assert {rule.name for rule in list_rules()} - base == set(served.values())


@pytest.mark.parametrize(
    ("path", "method", "since"),
    [
        ("/v1/data_model", "get", "1.3"),
        ("/v1/actions/{action}", "patch", "1.5"),
        ("/v1/webhooks/{audit}", "post", "1.0"),
        *((*CREATE, "1.0"),),
    ],
)
def test_an_operation_is_in_the_documents_from_its_version_on(
    path: str, method: str, since: str
) -> None:
    known = [version for version in VERSIONS if (path, method) in operations(version)]
    assert known == VERSIONS[VERSIONS.index(since) :]


@pytest.mark.parametrize(
    ("schema", "name", "since"),
    [
        ("Audit", "start_time", "1.1"),
        ("Audit", "end_time", "1.1"),
        ("Audit", "force", "1.0"),
        ("Audit", "status_message", "1.5"),
        ("ActionPlan", "status_message", "1.5"),
        ("Action", "status_message", "1.5"),
        ("AuditTemplate", "default_parameters", "1.7"),
        ("AuditCreateRequest", "start_time", "1.1"),
        ("AuditCreateRequest", "end_time", "1.1"),
        ("AuditTemplateCreateRequest", "default_parameters", "1.7"),
    ],
)
def test_an_attribute_is_in_the_schemas_from_its_version_on(
    schema: str, name: str, since: str
) -> None:
    known = [
        version
        for version in VERSIONS
        if name in document(version)["components"]["schemas"][schema]["properties"]
    ]
    assert known == VERSIONS[VERSIONS.index(since) :]


def test_every_object_shown_is_closed() -> None:
    for schema in document(VERSIONS[-1])["components"]["schemas"].values():
        if schema.get("type") == "object":
            assert schema["additionalProperties"] is False


@pytest.mark.parametrize(
    "change",
    [
        {"status": 409},
        {"headers": {"Vary": None}},
        {"headers": {"x-openstack-request-id": "req-1"}},
        {"headers": {"OpenStack-API-Maximum-Version": "9.9"}},
        {"headers": {"Content-Type": "text/plain"}},
        {"body": {"more": 1}},
        {"body": {"state": "TIRED"}},
        {"body": {"uuid": "1"}},
        {"body": {"created_at": "2030-01-01"}},
        {"body": {"links": []}},
        {"body": {"name": None}},
    ],
)
def test_the_check_of_answers_finds_what_differs(bench: Bench, change: dict[str, Any]) -> None:
    """A checker that lets everything pass would prove nothing."""
    audit = bench.audit()
    path = f"/v1/audits/{audit.uuid}"
    answer = bench.call("GET", path)
    documented.check(answer, "GET", path)
    body = {**answer.json, **change.get("body", {})}
    answer.status_int = change.get("status", 200)
    for name, value in change.get("headers", {}).items():
        answer.headers.pop(name, None)
        answer.headers.update({name: value} if value else {})
    answer.body = json.dumps(body).encode()
    with pytest.raises(AssertionError):
        documented.check(answer, "GET", path)


def test_the_check_of_answers_knows_the_rows_of_each_version(bench: Bench) -> None:
    bench.listener.answers["get_data_model_info"] = [{**NODE, **SERVER}]
    answer: webtest.TestResponse = bench.call("GET", "/v1/data_model", version="1.6")
    answer.headers[microversions.HEADER] = "infra-optim 1.5"
    with pytest.raises(AssertionError, match="data_model"):
        documented.check(answer, "GET", "/v1/data_model")
