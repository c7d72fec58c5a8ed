# SPDX-License-Identifier: Apache-2.0
"""Who may do what, and that policy comes before look-up (contract rest-api 3.2 and 3.3)."""

import pathlib
from collections.abc import Callable

import pytest

from tests.functional.api.bench import Bench
from watcher.api.root import operations

UUID = "6a0a707c-45ef-4758-b533-e55adddba8ce"
EVERY = [
    (op.method, "/v1/" + "/".join(UUID if part[0] == "{" else part for part in op.path), op.rule)
    for op in operations()
]


@pytest.mark.parametrize(("method", "path", "rule"), EVERY)
@pytest.mark.parametrize("roles", ["", "reader", "member", "service", "administrators"])
def test_who_is_no_administrator_is_told_the_rule_and_nothing_else(
    bench: Bench, method: str, path: str, rule: str, roles: str
) -> None:
    if rule == "webhook:trigger" and roles == "service":
        bench.call(method, path, status=404, X_Roles=roles)
        return
    body = None if method == "GET" else b"{"
    assert rule in bench.fails(f"{path}?nonsense=1", 403, method, body=body, X_Roles=roles)


@pytest.mark.parametrize("roles", ["admin", "Admin", "administrator", "reader,admin"])
def test_an_administrator_may(bench: Bench, roles: str) -> None:
    bench.call("GET", "/v1/goals", status=200, X_Roles=roles)


@pytest.mark.parametrize("roles", ["admin", "administrator", "service"])
def test_an_alarm_service_may_trigger(bench: Bench, roles: str) -> None:
    audit = bench.audit(audit_type="EVENT")
    bench.call("POST", f"/v1/webhooks/{audit.uuid}", {}, status=202, X_Roles=roles)


def test_open_webhooks_ask_nobody(
    option: Callable[..., None], make_bench: Callable[[], Bench]
) -> None:
    option("enable_webhooks_auth", False, "api")
    bench = make_bench()
    audit = bench.audit(audit_type="EVENT")
    bench.call("POST", f"/v1/webhooks/{audit.uuid}", {}, status=202, X_Roles="")


def test_any_caller_reads_the_documents(bench: Bench) -> None:
    for path in ("/", "/v1"):
        bench.call("GET", path, status=200, X_Roles="")


def test_a_policy_file_overrides_the_defaults(
    option: Callable[..., None], make_bench: Callable[[], Bench], tmp_path: pathlib.Path
) -> None:
    rules = tmp_path / "policy.yaml"
    rules.write_text('"goal:get_all": "role:reader"\n"audit:get_all": "role:reader"\n')
    option("policy_file", str(rules), "oslo_policy")
    bench = make_bench()
    audit = bench.audit(state="FAILED")
    bench.call("DELETE", f"/v1/audits/{audit.uuid}", status=204)
    bench.call("GET", "/v1/goals", status=200, X_Roles="reader")
    bench.call("GET", "/v1/goals", status=403, X_Roles="admin")
    assert bench.fails("/v1/goals/dummy", 403, X_Roles="reader")
    hidden = bench.get("/v1/audits", X_Roles="reader", X_Show_Deleted="true")["audits"]
    assert hidden == []
