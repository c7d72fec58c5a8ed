# SPDX-License-Identifier: Apache-2.0
"""Audit templates over HTTP (contract rest-api 14)."""

from typing import Any

import pytest

from tests.functional.api.bench import Bench, add, remove, replace
from watcher.db import models

URL = "/v1/audit_templates"
COMPUTE = [{"compute": [{"availability_zones": [{"name": "AZ1"}]}]}]
STAMPS = {"created_at", "updated_at", "deleted_at"}


def made(bench: Bench, **values: Any) -> Any:
    return bench.post(URL, {"name": "t", "goal": "dummy", **values}, version="1.7")


def test_what_is_created_is_what_is_shown(bench: Bench) -> None:
    body = {
        "name": "tëmplate ☃",
        "description": "für alle 🎉",
        "goal": "dummy",
        "strategy": None,
        "scope": [],
    }
    answer = bench.call("POST", URL, body, status=201)
    created = answer.json
    assert created == bench.get(f"{URL}/{created['uuid']}")
    assert answer.headers["Location"] == f"http://localhost{URL}/{created['uuid']}"
    assert set(created) == {
        *("uuid", "name", "description", "goal_uuid", "goal_name", "strategy_uuid"),
        *("strategy_name", "scope", "links", *STAMPS),
    }
    assert {key: created[key] for key in ("name", "description", "scope")} == {
        "name": "tëmplate ☃",
        "description": "für alle 🎉",
        "scope": [],
    }
    assert created["goal_name"] == "dummy"
    assert created["strategy_uuid"] is None
    assert created["updated_at"] is None


def test_a_plain_list_leaves_out_description_and_times(bench: Bench) -> None:
    made(bench)
    (brief,) = bench.get(URL, version="1.7")["audit_templates"]
    assert set(brief) == {
        *("uuid", "name", "goal_uuid", "goal_name", "strategy_uuid", "strategy_name"),
        *("scope", "links"),
    }


def test_goal_and_strategy_are_given_by_uuid_or_name(bench: Bench) -> None:
    goal, strategy = bench.get("/v1/goals/dummy"), bench.get("/v1/strategies/dummy")
    one = made(bench, goal=goal["uuid"], strategy=strategy["uuid"])
    two = made(bench, name="u", goal="DUMMY", strategy="Dummy")
    for template in (one, two):
        assert template["goal_uuid"] == goal["uuid"]
        assert template["strategy_name"] == "dummy"


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": None}, {"name": ""}, {"name": 5}, {"name": "x" * 64}, {"name": "detail"},
        {"goal": None}, {"goal": "nothing"}, {"goal": ""}, {"goal": 5}, {"goal": ["dummy"]},
        {"strategy": "nothing"}, {"strategy": ""}, {"strategy": "basic"}, {"strategy": {}},
        {"description": "x" * 256}, {"description": 5},
        {"uuid": "x"}, {"foo": 1}, {"goal_uuid": "x"}, {"state": "x"},
        {"scope": "x"}, {"scope": 5}, {"scope": [5]}, {"scope": [{}]}, {"scope": [[]]},
        {"scope": ["compute"]}, {"scope": {"compute": []}}, {"scope": [{"compute": {}}]},
        {"scope": [{"compute": None}]}, {"scope": [{"bogus": 1}]},
        {"scope": [{"compute": [{"host_aggregates": [{"id": "x"}]}]}]},
        {"scope": [{"compute": [{"host_aggregates": [{"id": 1, "name": "b"}]}]}]},
        {"scope": [{"compute": [{"availability_zones": [{"name": "*"}, {"name": "b"}]}]}]},
        {"scope": [{"compute": [{"exclude": [{"bogus": []}]}]}]},
        {"default_parameters": []}, {"default_parameters": "x"},
        {"default_parameters": {"para1": 5.0}},
        {"strategy": "dummy", "default_parameters": {"bogus": 1}},
        {"strategy": "dummy", "default_parameters": {"para1": 99}},
    ],
)  # fmt: skip
def test_a_wrong_template_is_400_and_leaves_nothing(bench: Bench, wrong: dict[str, Any]) -> None:
    body = {"name": "t", "goal": "dummy", **wrong}
    assert bench.post(URL, body, status=400, version="1.7")
    assert bench.get(URL)["audit_templates"] == []


@pytest.mark.parametrize("missing", ["name", "goal"])
def test_name_and_goal_are_needed(bench: Bench, missing: str) -> None:
    body = {"name": "t", "goal": "dummy"}
    del body[missing]
    assert missing in bench.post(URL, body, status=400)


def test_a_strategy_of_another_goal_is_refused_with_the_choices(bench: Bench) -> None:
    text = bench.post(URL, {"name": "t", "goal": "dummy", "strategy": "basic"}, status=400)
    assert "its strategies are: dummy, dummy_with_resize" in text


@pytest.mark.parametrize(
    ("scope", "stored"),
    [
        (None, []),
        ({}, []),
        (COMPUTE, COMPUTE),
        ([{"availability_zones": [{"name": "AZ1"}]}], COMPUTE),
        ([{"storage": [{"volume_types": [{"name": "lvm"}]}]}],) * 2,
        ([{"storage": []}, {"compute": []}],) * 2,
        ([{"baremetal": [{"exclude": [{"ironic_nodes": [{"uuid": "x"}]}]}]}],) * 2,
    ],
)
def test_a_scope_is_stored_in_one_form(bench: Bench, scope: Any, stored: Any) -> None:
    assert made(bench, scope=scope)["scope"] == stored


def test_a_taken_name_is_409_until_its_holder_is_deleted(bench: Bench) -> None:
    first = made(bench)
    assert bench.post(URL, {"name": "t", "goal": "dummy"}, status=409)
    answer = bench.call(
        "DELETE", f"{URL}/{first['uuid']}", status=204, Content_Type="application/octet-stream"
    )
    assert answer.body == b""
    assert "Content-Type" not in answer.headers
    assert bench.fails(f"{URL}/{first['uuid']}", 404)
    assert made(bench)["uuid"] != first["uuid"]


def test_default_parameters_belong_to_version_1_7(bench: Bench) -> None:
    body = {"name": "t", "goal": "dummy", "strategy": "dummy"}
    full = {**body, "default_parameters": {"para1": 5.0}}
    assert "1.7" in bench.post(URL, full, status=406, version="1.6")
    for number, empty in enumerate((None, {})):
        bench.post(URL, {**body, "name": f"t{number}", "default_parameters": empty}, version="1.6")
    made = bench.post(URL, full, version="1.7")
    assert made["default_parameters"] == {"para1": 5.0}
    assert "default_parameters" not in bench.get(f"{URL}/t", version="1.6")
    assert bench.get(f"{URL}/t", version="1.7")["default_parameters"] == {"para1": 5.0}


def test_required_parameters_may_be_left_to_the_audit(bench: Bench) -> None:
    made(
        bench,
        goal="cluster_maintaining",
        strategy="host_maintenance",
        default_parameters={"disable_live_migration": True},
    )


def test_one_patch_changes_name_goal_and_strategy_in_any_order(bench: Bench) -> None:
    made(bench, strategy="dummy")
    changed = bench.patch(
        f"{URL}/t",
        replace("/strategy", "basic"),
        replace("/name", "u"),
        replace("/description", "new"),
        replace("/goal", "server_consolidation"),
    )
    expected = {"name": "u", "description": "new", "strategy_name": "basic"}
    assert {key: changed[key] for key in expected} == expected
    assert changed["goal_name"] == "server_consolidation"
    assert changed == bench.get(f"{URL}/u")
    assert changed["updated_at"] is not None


def test_what_is_removed_becomes_null_or_empty(bench: Bench) -> None:
    made(bench, strategy="dummy", description="x", scope=COMPUTE, default_parameters={"para1": 2})
    changed = bench.patch(
        f"{URL}/t",
        *(remove("/description"), remove("/strategy"), remove("/scope")),
        remove("/default_parameters"),
        version="1.7",
    )
    assert changed["description"] is None
    assert changed["strategy_uuid"] is None
    assert changed["scope"] == []
    assert changed["default_parameters"] == {}


def test_add_on_an_attribute_that_is_there_replaces_it(bench: Bench) -> None:
    made(bench, description="x")
    assert bench.patch(f"{URL}/t", add("/description", "y"))["description"] == "y"


def test_paths_lead_into_scope_and_parameters(bench: Bench) -> None:
    made(bench, strategy="dummy", default_parameters={"para1": 2}, scope=COMPUTE)
    changed = bench.patch(
        f"{URL}/t",
        add("/default_parameters/para2", "x"),
        add("/scope/-", {"storage": []}),
        version="1.7",
    )
    assert changed["default_parameters"] == {"para1": 2, "para2": "x"}
    assert changed["scope"] == [*COMPUTE, {"storage": []}]


def test_an_empty_patch_changes_nothing(bench: Bench) -> None:
    before = made(bench)
    assert bench.patch(f"{URL}/t", version="1.7") == before


@pytest.mark.parametrize(
    ("operation", "status"),
    [
        (replace("/name", None), 400), (remove("/name"), 400), (replace("/name", ""), 400),
        (replace("/name", "x" * 64), 400), (replace("/name", "other"), 409),
        (replace("/goal", None), 400), (remove("/goal"), 400), (replace("/goal", "nope"), 400),
        (replace("/goal", "server_consolidation"), 409), (replace("/strategy", "nope"), 400),
        (replace("/strategy", "dummy_with_resize"), 409), (remove("/strategy"), 409),
        (replace("/goal", "dummy"), 200), (replace("/strategy", "DUMMY"), 200),
        (replace("/goal_id", 1), 400), (replace("/strategy_id", 1), 400), (remove("/x"), 400),
        (replace("/uuid", "x"), 400), (replace("/created_at", None), 400), (add("/x", 1), 400),
        (replace("/goal_uuid", "x"), 400), (replace("/links", []), 400), (add("/id", 1), 400),
        (replace("/scope", "[]"), 400), (replace("/scope", [{"bogus": 1}]), 400),
        (add("/scope/-", {"bogus": 1}), 400), (remove("/scope/7"), 400),
        (replace("/default_parameters", "x"), 400), (replace("/default_parameters", []), 400),
        (add("/default_parameters/bogus", 1), 400), (replace("/description", "x" * 256), 400),
        (replace("/description/x", 1), 400), ({"op": "replace", "path": "/name"}, 400),
        ({"op": "test", "path": "/name", "value": "t"}, 400), (replace("name", "x"), 400),
        ({"op": "move", "path": "/name", "from": "/description"}, 400), (replace("", 1), 400),
        (replace("/name/", "x"), 400), (replace("/na~1me", "x"), 400), (replace("/na me", 1), 400),
        ({"op": "remove", "path": "/description", "from": "/x"}, 400), (5, 400), ("x", 400),
        ([], 400), ({}, 400), ({"op": [], "path": "/name", "value": 1}, 400), (None, 400),
    ],
)  # fmt: skip
def test_a_patch_is_applied_as_a_whole_or_not(bench: Bench, operation: Any, status: int) -> None:
    made(bench, name="other")
    before = made(bench, strategy="dummy", default_parameters={"para1": 2})
    bench.patch(
        f"{URL}/t", replace("/description", "new"), operation, status=status, version="1.7"
    )
    after = bench.get(f"{URL}/t", version="1.7")
    assert after["description"] == ("new" if status == 200 else None)
    if status != 200:
        assert after == before


@pytest.mark.parametrize("body", [{"op": "remove", "path": "/scope"}, "x", 5, None, True])
def test_a_patch_is_a_list(bench: Bench, body: Any) -> None:
    made(bench)
    bench.call("PATCH", f"{URL}/t", b"null" if body is None else body, status=400)


def test_the_pair_is_judged_after_the_patch(bench: Bench) -> None:
    made(bench, strategy="dummy")
    assert bench.patch(f"{URL}/t", replace("/goal", "server_consolidation"), status=400)
    assert bench.patch(f"{URL}/t", replace("/strategy", "basic"), status=400)


def test_new_default_parameters_free_goal_and_strategy(bench: Bench) -> None:
    made(bench, strategy="dummy", default_parameters={"para1": 2})
    changed = bench.patch(
        f"{URL}/t",
        replace("/goal", "cluster_maintaining"),
        replace("/strategy", "host_maintenance"),
        replace("/default_parameters", {"maintenance_node": "c1"}),
        version="1.7",
    )
    assert changed["default_parameters"] == {"maintenance_node": "c1"}


def test_patching_default_parameters_needs_1_7(bench: Bench) -> None:
    made(bench, strategy="dummy")
    bench.patch(f"{URL}/t", replace("/default_parameters", {}), status=406, version="1.6")


def test_a_template_whose_goal_is_gone_says_so(bench: Bench) -> None:
    template = made(bench)
    goal = bench.row(models.Goal, "dummy")
    bench.set(goal, deleted=goal.id)
    shown = bench.get(f"{URL}/t")
    assert shown["goal_uuid"] is None
    assert shown["goal_name"] is None
    for extra in ({}, {"name": "a"}):
        body = {"audit_type": "ONESHOT", "audit_template_uuid": template["uuid"], **extra}
        assert "no longer installed" in bench.post("/v1/audits", body, status=400)
