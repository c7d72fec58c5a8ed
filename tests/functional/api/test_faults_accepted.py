# SPDX-License-Identifier: Apache-2.0
"""What the upstream API lets through although it is wrong, or does differently without a word.

Faults B; the numbers are those of the list of faults. First what is refused, then what is done.
"""

from collections.abc import Callable
from typing import Any

import pytest

from tests.functional.api import documented
from tests.functional.api.bench import Bench, add, remove, replace
from tests.functional.api.rows import ABSENT, Row, everything, refused, table, things
from tests.functional.api.test_faults_refused import audit, continuous, made, patch


@pytest.fixture(scope="module")
def named(shared: Bench) -> dict[str, str]:
    return things(shared)


@table(
    audit("B1.1", "nobody", status=404, strategy="nobody", name="named"),
    audit("B1.1", "nobody", status=404, strategy="nobody"),
    audit("B1.2", "does not serve", strategy="basic"),
    audit("B1.2", "dummy_with_resize", strategy="basic"),
    audit("B1.3", status=404, goal="1"),
    audit("B1.3", status=404, strategy="1"),
    *(continuous("B1.4", "interval", interval=text) for text in ("0", "-5", "9" * 23, "1e3", "٣")),
    continuous("B1.5", "later", start_time="2040-01-02", end_time="2040-01-01"),
    continuous("B1.5", "later", start_time="2040-01-01", end_time="2040-01-01"),
    Row("B1.7", "POST /v1/audits", 400, b'{"audit_type": "ONESHOT", "goal": "dummy",'
        b' "strategy": "dummy", "parameters": {"para1": NaN}}', says="NaN"),
    Row("B1.7", "POST /v1/audits", 400, b'{"audit_type": "ONESHOT", "goal": "dummy",'
        b' "strategy": "dummy", "parameters": {"para1": -Infinity}}'),
    audit("B1.8", "name", name=""),
    audit("B1.9", "detail", name="detail"),
    patch("B1.10", "audits/{continuous}", replace("/interval", None), says="interval"),
    patch("B1.10", "audits/{continuous}", remove("/interval"), says="interval"),
    patch("B1.13", "audits/{done}", add("/state", "PENDING"), says="State transition not allowed"),
    patch("B1.13", "audits/{done}", add("/state", "TIRED"), says="State transition not allowed"),
    patch("B1.15", "audits/{audit}", replace("/audit_type", "X"), says="/audit_type"),
    *(
        patch("B1.15", "audits/{audit}", replace(f"/{name}", value), says=f"/{name}")
        for name, value in (
            *(("hostname", "h"), ("scope", []), ("goal_id", 1), ("strategy_id", 1)),
            *(("next_run_time", None), ("status_message", "x"), ("template_uuid", ABSENT)),
        )
    ),
    patch("B1.15", "audits/{done}", replace("/parameters", {"bogus": 1}), says="bogus"),
    patch("B1.15", "audits/{done}", replace("/parameters", {"para1": 99}), says="para1"),
    patch("B1.16", "audits/{audit}", replace("/goal", "dummy"), says="/goal"),
    patch("B1.16", "audits/{audit}", replace("/strategy", "dummy"), says="/strategy"),
    *(
        patch("B1.18", "audits/{continuous}", replace("/interval", text), says="interval")
        for text in ("garbage", "", "0", "-1", "61 * * * *")
    ),
)  # fmt: skip
def test_audits(shared: Bench, named: dict[str, str], row: Row) -> None:
    refused(shared, named, row)


KNOWN = "audit_templates/{template}"


@table(
    patch("B2.1", KNOWN, replace("/strategy", "basic"), says="does not serve"),
    patch(
        "B2.1",
        KNOWN,
        replace("/goal", "server_consolidation"),
        add("/strategy", "dummy"),
        says="basic",
    ),
    patch("B2.2", KNOWN, replace("/scope", [{"bogus": 1}]), says="scope"),
    patch("B2.2", KNOWN, add("/scope/-", {"bogus": 1}), says="scope"),
    patch("B2.3", KNOWN, replace("/goal", None), says="goal"),
    patch("B2.3", KNOWN, remove("/goal"), says="goal"),
    patch("B2.3", KNOWN, replace("/goal_id", 1), says="/goal_id"),
    patch("B2.3", KNOWN, replace("/strategy_id", 1), says="/strategy_id"),
    made("B2.4", "name", name=""),
    patch("B2.4", KNOWN, replace("/name", ""), says="name"),
    *(
        made("B2.6", "scope", scope=[{"compute": [rule]}])
        for rule in (
            {"host_aggregates": [5, "x", {}]},
            {"availability_zones": [{}]},
            {},
            {"host_aggregates": [{"id": "*"}, {"id": 1}]},
        )
    ),
    made("B2.7", "scope", scope=[{"storage": [{"exclude": [{"bogus": []}]}]}]),
    made("B2.7", "scope", scope=[{"storage": [{"bogus": []}]}]),
    made("B2.8", "its strategies are: dummy, dummy_with_resize", strategy="basic"),
    patch("B3.1", "action_plans/{plan}", *(
        replace("/state", "CANCELLED"), replace("/global_efficacy", [])), says="/global_efficacy"),
    *(
        patch("B3.1", "action_plans/{plan}", replace("/state", "CANCELLED"), add(f"/{name}", 1))
        for name in ("hostname", "strategy_id", "audit_id", "status_message", "uuid")
    ),
    patch("B3.7", "action_plans/{plan}", says="State transition not allowed"),
    Row("B4.5", "GET /v1/audits?goal=dummy&goal=dummy", 400, says="more than once"),
    Row("B4.5", "GET /v1/actions?limit=1&limit=1", 400, says="more than once"),
    Row("B4.7", "GET /v1/services?sort_key=status", 400, says="cannot be sorted"),
)  # fmt: skip
def test_templates_plans_and_lists(shared: Bench, named: dict[str, str], row: Row) -> None:
    refused(shared, named, row)


def test_b1_5_a_start_in_the_past_is_now(bench: Bench) -> None:
    body = {"audit_type": "CONTINUOUS", "goal": "dummy", "interval": "60"}
    past = {"start_time": "2001-01-01T00:00:00Z"}
    made = bench.post("/v1/audits", {**body, **past}, version="1.1")
    assert made["next_run_time"] > "2026"


def test_b1_8_a_long_name_is_cut(bench: Bench) -> None:
    body = {"audit_type": "ONESHOT", "goal": "dummy", "name": "x" * 64}
    assert bench.post("/v1/audits", body)["name"] == "x" * 63
    assert "x" * 63 in bench.post("/v1/audits", body, 409)


@pytest.mark.parametrize("name", [ABSENT, "123", "a/b", "x.json"])
def test_b1_9_a_name_that_looks_like_something_else_is_a_name(bench: Bench, name: str) -> None:
    made = bench.post("/v1/audits", {"audit_type": "EVENT", "goal": "dummy", "name": name})
    assert bench.get(f"/v1/audits/{made['uuid']}")["name"] == name
    if name in (ABSENT, "123"):
        assert bench.get(f"/v1/audits/{name}")["uuid"] == made["uuid"]


def test_b1_11_an_audit_remembers_its_template(bench: Bench) -> None:
    template = bench.post("/v1/audit_templates", {"name": "t", "goal": "dummy"})["uuid"]
    body = {"audit_type": "ONESHOT", "audit_template_uuid": template}
    made = bench.post("/v1/audits", body)["uuid"]
    bench.audit()
    (found,) = bench.get(f"/v1/audits?audit_template={template}")["audits"]
    assert found["uuid"] == made


def test_b1_12_why_an_audit_was_cancelled_is_told(bench: Bench) -> None:
    path = f"/v1/audits/{bench.audit(state='ONGOING').uuid}"
    shown = bench.patch(path, replace("/state", "CANCELLED"), version="1.5")
    assert shown["status_message"] == "Cancelled by user."


def test_b1_14_the_state_deleted_deletes(bench: Bench) -> None:
    path = f"/v1/audits/{bench.audit(name='gone', state='FAILED').uuid}"
    assert bench.patch(path, replace("/state", "DELETED"))["state"] == "DELETED"
    assert bench.fails(path, 404)
    bench.post("/v1/audits", {"audit_type": "EVENT", "goal": "dummy", "name": "gone"})


@pytest.mark.parametrize("operation", [add, replace])
def test_b1_17_every_time_of_a_patch_is_converted(
    bench: Bench, operation: Callable[..., Any]
) -> None:
    audit = bench.audit(audit_type="CONTINUOUS", interval="60", state="ONGOING")
    shown = bench.patch(
        f"/v1/audits/{audit.uuid}",
        operation("/start_time", "2040-01-01T02:00:00+02:00"),
        operation("/end_time", "2041-01-01 02:00:00+02:00"),
        operation("/name", "renamed"),
        version="1.1",
    )
    assert (shown["start_time"], shown["end_time"], shown["name"]) == (
        *("2040-01-01T00:00:00", "2041-01-01T00:00:00", "renamed"),
    )


def test_b1_19_force_can_be_patched_at_1_0(bench: Bench) -> None:
    path = f"/v1/audits/{bench.audit().uuid}"
    assert bench.patch(path, replace("/force", True), version="1.0")["force"] is True


def test_b1_20_the_interval_of_a_finished_oneshot_audit_can_be_set(bench: Bench) -> None:
    path = f"/v1/audits/{bench.audit(state='SUCCEEDED').uuid}"
    assert bench.patch(path, add("/interval", "2"))["interval"] == "2"


def test_b2_5_an_empty_object_as_scope_is_no_scope(bench: Bench) -> None:
    body = {"name": "t", "goal": "dummy", "scope": {}}
    assert bench.post("/v1/audit_templates", body)["scope"] == []


@pytest.mark.parametrize("header", ["1", "true"])
def test_b2_9_what_is_deleted_cannot_be_patched(bench: Bench, header: str) -> None:
    made = bench.post("/v1/audit_templates", {"name": "t", "goal": "dummy"})
    path = f"/v1/audit_templates/{made['uuid']}"
    bench.call("DELETE", path, status=204)
    assert bench.patch(path, replace("/name", "u"), status=404, X_Show_Deleted=header)


def test_b2_10_default_parameters_may_leave_required_ones_open(bench: Bench) -> None:
    body = {"name": "t", "goal": "cluster_maintaining", "strategy": "host_maintenance"}
    defaults = {"default_parameters": {"disable_live_migration": True}}
    template = bench.post("/v1/audit_templates", {**body, **defaults}, version="1.7")
    audit = {"audit_type": "ONESHOT", "audit_template_uuid": template["uuid"]}
    assert "maintenance_node" in bench.post("/v1/audits", audit, 400)
    node = {"parameters": {"maintenance_node": "n1"}}
    assert bench.post("/v1/audits", {**audit, **node})["parameters"] == {
        "maintenance_node": "n1", "disable_live_migration": True, "backup_node": None,
    }  # fmt: skip


def test_b2_11_the_same_goal_and_strategy_again_are_no_change(bench: Bench) -> None:
    body = {"name": "t", "goal": "dummy", "strategy": "dummy"}
    defaults = {"default_parameters": {"para1": 4.0}}
    path = f"/v1/audit_templates/{bench.post('/v1/audit_templates', {**body, **defaults}, version='1.7')['uuid']}"
    again = (replace("/goal", "dummy"), replace("/strategy", "dummy"))
    assert bench.patch(path, *again, version="1.7")["default_parameters"] == {"para1": 4.0}
    other = replace("/strategy", "dummy_with_resize")
    assert bench.patch(path, other, status=409)


def test_b3_2_cancelling_a_plan_leaves_skipped_actions(bench: Bench) -> None:
    plan = bench.plan()
    bench.set(bench.actions(plan)[0], state="SKIPPED")
    bench.patch(f"/v1/action_plans/{plan.uuid}", replace("/state", "CANCELLED"))
    assert [one.state for one in bench.actions(plan)] == ["SKIPPED", "CANCELLED", "CANCELLED"]


@pytest.mark.parametrize("operations", [[], [replace("/state", "PENDING")]])
def test_b3_3_a_patch_that_changes_nothing_says_nothing(bench: Bench, operations: Any) -> None:
    action = bench.actions(bench.plan())[0]
    shown = bench.patch(f"/v1/actions/{action.uuid}", *operations, version="1.5")
    assert (shown["state"], shown["status_message"]) == ("PENDING", None)


@pytest.mark.parametrize("reason", [None, ""])
def test_b3_4_no_reason_leaves_no_trace(bench: Bench, reason: Any) -> None:
    path = f"/v1/actions/{bench.actions(bench.plan())[0].uuid}"
    skip = (replace("/state", "SKIPPED"), replace("/status_message", reason))
    assert bench.patch(path, *skip, version="1.5")["status_message"] == "Action skipped by user."


def test_b3_5_plans_of_a_deleted_audit_show_it_and_are_found_by_it(bench: Bench) -> None:
    audit = bench.audit(state="SUCCEEDED")
    plan = bench.plan(audit)
    bench.call("DELETE", f"/v1/audits/{audit.uuid}", status=204)
    for path in ("action_plans", "action_plans/detail"):
        (found,) = bench.get(f"/v1/{path}?audit_uuid={audit.uuid}")["action_plans"]
        assert (found["uuid"], found["audit_uuid"]) == (plan.uuid, audit.uuid)
    assert len(bench.get(f"/v1/actions?audit_uuid={audit.uuid}")["actions"]) == 3


@pytest.mark.parametrize("version", ["1.0", "1.4"])
def test_b3_6_skipping_below_1_5_is_400(bench: Bench, version: str) -> None:
    path = f"/v1/actions/{bench.actions(bench.plan())[0].uuid}"
    words = bench.patch(path, replace("/state", "SKIPPED"), status=400, version=version)
    assert "1.5 or higher" in words


FILTERED = (
    ("audits", "goal=dummy"), ("audits", "strategy=dummy"), ("audits/detail", "goal=dummy"),
    ("audit_templates", "goal=dummy"), ("audit_templates/detail", "strategy=dummy"),
    ("strategies", "goal=dummy"), ("action_plans", "strategy=dummy"),
)  # fmt: skip


@pytest.mark.parametrize(("path", "query"), FILTERED)
def test_b4_1_and_b4_2_next_carries_filters_and_ends_on_a_full_page(
    bench: Bench, path: str, query: str
) -> None:
    for number in range(2):
        for goal, strategy in (("dummy", "dummy"), ("server_consolidation", "basic")):
            body = {"name": f"{goal}{number}", "goal": goal, "strategy": strategy}
            bench.post("/v1/audit_templates", body)
            bench.post("/v1/audits", {**body, "audit_type": "EVENT"})
        bench.plan(bench.audit("server_consolidation", "basic"))
    collection = path.partition("/")[0]
    everything_once = bench.get(f"/v1/{path}?{query}")[collection]
    assert len(everything_once) == 2
    first = bench.get(f"/v1/{path}?{query}&limit=1")
    last = bench.get(first["next"].removeprefix("http://localhost"))
    assert "next" not in last
    assert first[collection] + last[collection] == everything_once


@pytest.mark.parametrize("key", ["goal_name", "goal_uuid", "strategy_name", "strategy_uuid"])
def test_b4_3_related_names_sort_over_all_pages(bench: Bench, key: str) -> None:
    for number in range(6):
        goal, strategy = (("dummy", "dummy"), ("server_consolidation", "basic"))[number % 2]
        body = {"name": f"n{number}", "goal": goal, "strategy": strategy, "audit_type": "EVENT"}
        bench.post("/v1/audits", body)
    found, path = [], f"/v1/audits?sort_key={key}&limit=4"
    while path:
        page = bench.get(path)
        found += [item[key] for item in page["audits"]]
        path = page.get("next", "").removeprefix("http://localhost")
    assert found == sorted(found)
    assert len(found) == 6


@pytest.mark.parametrize("path", ["audits", "audits/detail", "audit_templates"])
def test_b4_4_filters_are_joined_by_and(bench: Bench, path: str) -> None:
    for number, strategy in enumerate(("dummy", "dummy_with_resize", None)):
        body = {"name": f"n{number}", "goal": "dummy", "strategy": strategy}
        bench.post("/v1/audit_templates", body)
        bench.post("/v1/audits", {**body, "audit_type": "EVENT"})
    found = bench.get(f"/v1/{path}?goal=dummy&strategy=dummy")[path.partition("/")[0]]
    assert [one["name"] for one in found] == ["n0"]


@pytest.mark.parametrize("version", ["1.0", "1.2"])
def test_b4_6_the_brief_list_tells_the_true_force(bench: Bench, version: str) -> None:
    bench.audit(force=True)
    (found,) = bench.get("/v1/audits", version=version)["audits"]
    assert found["force"] is True


@pytest.mark.parametrize("path", ["{audit}", ABSENT])
def test_b5_1_who_may_not_is_told_nothing_of_what_exists(
    shared: Bench, named: dict[str, str], path: str
) -> None:
    for method, body in (("GET", None), ("PATCH", []), ("DELETE", None)):
        where = f"/v1/audits/{path.format(**named)}"
        words = shared.fails(where, 403, method, body=body, X_Roles="reader")
        assert words.startswith("policy does not allow audit:")


@pytest.mark.parametrize(
    ("value", "roles", "seen"),
    [
        *(("true", "admin", 1), ("1", "admin", 1), ("yes", "admin", 1), ("False", "admin", 0)),
        *(("0", "admin", 0), ("", "admin", 0), ("nonsense", "admin", 0)),
    ],
)
def test_b5_2_deleted_rows_are_shown_by_a_true_word(
    bench: Bench, value: str, roles: str, seen: int
) -> None:
    bench.call("DELETE", f"/v1/audits/{bench.audit(state='FAILED').uuid}", status=204)
    found = bench.get("/v1/audits/detail", X_Show_Deleted=value, X_Roles=roles)["audits"]
    assert len(found) == seen
    assert all(one["deleted_at"] for one in found)


@pytest.mark.parametrize("text", ["[].__class__", "__import__('os').getcwd()", "(1,2)"])
def test_b5_4_texts_are_never_evaluated(shared: Bench, named: dict[str, str], text: str) -> None:
    before = everything(shared)
    for path in ("audits/{audit}", "audit_templates/{template}"):
        patch_of = replace("/scope", text)
        assert shared.patch(f"/v1/{path}".format(**named), patch_of, status=400)
    assert everything(shared) == before


@pytest.mark.parametrize(("roles", "status"), [("service", 202), ("admin", 202), ("member", 403)])
def test_b5_5_a_webhook_has_a_policy(
    shared: Bench, named: dict[str, str], roles: str, status: int
) -> None:
    path = f"/v1/webhooks/{named['event']}"
    shared.call("POST", path, {}, status=status, X_Roles=roles)


def test_b5_6_the_list_of_resources_needs_no_role(shared: Bench) -> None:
    assert shared.get("/v1", X_Roles="")["id"] == "v1"


@pytest.mark.parametrize("path", ["/v1/audits", "/v1/audit_templates", "/v1/webhooks/x"])
def test_b5_7_a_body_has_a_largest_size(shared: Bench, path: str) -> None:
    assert shared.fails(path, 413, "POST", body=b" " * 114_689)
    assert shared.fails(path, 400 if "hook" not in path else 404, "POST", body=b" " * 114_688)


@pytest.mark.parametrize(
    "text",
    [
        *("SELECT audits.id FROM audits", "Traceback (most recent", "<A object at 0x7f12>"),
        *("sqlite3.IntegrityError", '  File "/usr/lib/x.py", line 3'),
    ],
)
def test_b5_3_sql_and_python_would_be_found_in_an_answer(text: str) -> None:
    """Every answer of all these tests is searched for them, by ``documented.check``."""
    assert documented.HIDDEN.search(text)


@pytest.mark.parametrize("fields", [{"interval": "60"}, {"start_time": "2040-01-01"}])
def test_b1_6_an_event_audit_takes_an_interval_and_times(bench: Bench, fields: Any) -> None:
    body = {"audit_type": "EVENT", "goal": "dummy", **fields}
    made = bench.post("/v1/audits", body, version="1.1")
    assert (made["state"], made["next_run_time"]) == ("PENDING", None)
