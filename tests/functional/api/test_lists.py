# SPDX-License-Identifier: Apache-2.0
"""Pages, sorting and filters (contract rest-api 7)."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.functional.api.bench import Bench
from watcher.api.root import FAMILIES
from watcher.api.views import Resource
from watcher.db import models, store

UUID = "6a0a707c-45ef-4758-b533-e55adddba8ce"
RESOURCES = {
    found.collection: found
    for module, _ in FAMILIES.values()
    for found in vars(module).values()
    if isinstance(found, Resource)
}
KEYS = {
    "goals": "id uuid name display_name",
    "strategies": "id uuid name display_name goal_id goal_uuid goal_name",
    "audit_templates": "id uuid name description goal_id strategy_id goal_uuid goal_name"
    " strategy_uuid strategy_name",
    "audits": "id uuid name audit_type state interval goal_id strategy_id auto_trigger"
    " next_run_time hostname start_time end_time force status_message goal_uuid goal_name"
    " strategy_uuid strategy_name",
    "action_plans": "id uuid audit_id strategy_id state hostname status_message audit_uuid"
    " strategy_uuid strategy_name",
    "actions": "id uuid action_plan_id action_type state status_message action_plan_uuid",
    "scoring_engines": "id uuid name description metainfo",
    "services": "id name host last_seen_up",
}


def filled(bench: Bench) -> None:
    """Two or more rows of everything, with nulls among the sorted values."""
    for number in range(2):
        bench.plan(hostname=None if number else "h")
        bench.audit("server_consolidation", None, interval="5" if number else None)
        bench.put(models.Service(name=f"watcher-{number}", host="h"))
        body = {"name": f"t{number}", "goal": "dummy", "strategy": "dummy" if number else None}
        bench.post("/v1/audit_templates", body)
    bench.put(models.ScoringEngine(name="second"))


def pages(
    bench: Bench, path: str, collection: str, version: str = "1.7", **headers: str
) -> list[list[Any]]:
    """All pages of a list, by following ``next``."""
    found = []
    while True:
        page = bench.get(path, version=version, **headers)
        found.append(page[collection])
        if "next" not in page:
            return found
        assert page["next"].startswith("http://localhost/v1/")
        path = page["next"].removeprefix("http://localhost")
        assert len(found) < 50


def check_sorting(bench: Bench, collection: str, key: str, direction: str) -> None:
    """Pages of one row, put together, are all rows, in order, nulls at the small end."""
    ident = RESOURCES[collection].ident
    everything = bench.get(f"/v1/{collection}")[collection]
    start = f"/v1/{collection}?limit=1&sort_key={key}&sort_dir={direction}"
    paged = [item for page in pages(bench, start, collection) for item in page]
    assert sorted(item[ident] for item in paged) == sorted(item[ident] for item in everything)
    values = [item[key] for item in paged if key in item]
    known = [value for value in values if value is not None]
    assert known == sorted(known, reverse=direction == "desc")
    nulls = [None] * values.count(None)
    assert values == (nulls + known if direction == "asc" else known + nulls)


@pytest.mark.parametrize("collection", KEYS)
def test_every_documented_key_sorts_and_pages_without_gap_or_repeat(
    bench: Bench, collection: str
) -> None:
    filled(bench)
    for key in (*KEYS[collection].split(), "created_at", "updated_at", "deleted_at"):
        for direction in ("asc", "desc"):
            check_sorting(bench, collection, key, direction)


@pytest.mark.parametrize(
    "wrong",
    [
        *("goals?sort_key=goal", "strategies?sort_key=goal", "audit_templates?sort_key=strategy"),
        *("audits?sort_key=strategy", "action_plans?sort_key=audit", "actions?sort_key=parents"),
        *("actions?sort_key=action_plan", "services?sort_key=status", "audits?sort_key=scope"),
        *("goals?sort_key=", "goals?sort_key=nothing", "goals?sort_dir=up", "goals?sort_dir="),
        *("goals?limit=0", "goals?limit=-1", "goals?limit=abc", "goals?limit=", "goals?limit=1.5"),
        *("goals?limit=%D9%A2", "audits?marker=dummy", "audit_templates?marker=x"),
        *("action_plans?marker=1", "actions?marker=", "services?marker=abc", "goals?limit=+1"),
    ],
)
def test_a_wrong_page_argument_is_400(bench: Bench, wrong: str) -> None:
    assert bench.fails(f"/v1/{wrong}", 400)


@pytest.mark.parametrize(
    "unknown",
    [
        *(f"goals?marker={UUID}", "goals?marker=nothing", "strategies?marker=x y"),
        *(f"audits?marker={UUID}", "services?marker=99", "services?marker=" + "9" * 30),
        "scoring_engines?marker=nothing",
    ],
)
def test_an_unknown_marker_is_404(bench: Bench, unknown: str) -> None:
    assert bench.fails(f"/v1/{unknown}", 404)


def test_a_full_last_page_has_no_next(bench: Bench) -> None:
    assert "next" in bench.get("/v1/goals?limit=2")
    assert "next" not in bench.get("/v1/goals?limit=3")


def test_the_last_item_of_a_page_is_in_its_next(bench: Bench) -> None:
    page = bench.get("/v1/goals/detail?limit=2")
    assert page["goals"][-1]["uuid"] in page["next"]
    assert page["next"].startswith("http://localhost/v1/goals/detail?")


def test_next_keeps_the_filters(bench: Bench) -> None:
    for number in range(5):
        bench.audit("dummy" if number % 2 else "server_consolidation", None)
    found = pages(bench, "/v1/audits?goal=server_consolidation&limit=1", "audits")
    assert [len(page) for page in found] == [1, 1, 1]
    assert {item["goal_name"] for page in found for item in page} == {"server_consolidation"}


def test_max_limit_caps_what_is_asked_and_what_is_not(
    option: Callable[..., None], make_bench: Callable[[], Bench]
) -> None:
    option("max_limit", 2, "api")
    bench = make_bench()
    for path in ("/v1/goals", "/v1/goals?limit=1000"):
        page = bench.get(path)
        assert len(page["goals"]) == 2
        assert "limit=2" in page["next"]


@pytest.mark.parametrize("limit", ["", "?limit=" + "9" * 30])
def test_a_max_limit_of_0_is_no_limit(
    option: Callable[..., None], make_bench: Callable[[], Bench], limit: str
) -> None:
    option("max_limit", 0, "api")
    assert len(make_bench().get(f"/v1/goals{limit}")["goals"]) == 3


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("goal=dummy", ["a", "b"]),
        ("goal=DUMMY", ["a", "b"]),
        ("strategy=dummy", ["a"]),
        ("goal=dummy&strategy=dummy", ["a"]),
        ("goal=server_consolidation&strategy=dummy", []),
        ("goal=nothing", []),
        ("goal=" + "x" * 300, []),
        (f"strategy={UUID}", []),
    ],
)
@pytest.mark.parametrize("collection", ["audits", "audit_templates"])
def test_filters_are_joined_by_and(
    bench: Bench, collection: str, query: str, names: list[str]
) -> None:
    for name, goal, strategy in (
        ("a", "dummy", "dummy"),
        ("b", "dummy", None),
        ("c", "server_consolidation", "basic"),
    ):
        body = {"name": name, "goal": goal, "strategy": strategy}
        extra = {"audit_type": "EVENT"} if collection == "audits" else {}
        bench.post(f"/v1/{collection}", {**body, **extra})
    for form in ("", "/detail"):
        found = bench.get(f"/v1/{collection}{form}?{query}")[collection]
        assert [item["name"] for item in found] == names


def test_a_goal_filter_takes_a_uuid_too(bench: Bench) -> None:
    uuid = bench.get("/v1/goals/dummy")["uuid"]
    found = bench.get(f"/v1/strategies?goal={uuid}")["strategies"]
    assert [item["name"] for item in found] == ["dummy", "dummy_with_resize"]
    assert (
        bench.get(f"/v1/strategies/detail?goal={uuid.upper()}")["strategies"][0]["name"] == "dummy"
    )


def test_templates_are_found_by_name_and_audits_by_their_template(bench: Bench) -> None:
    made = bench.post("/v1/audit_templates", {"name": "t", "goal": "dummy"})
    bench.post("/v1/audit_templates", {"name": "other", "goal": "dummy"})
    found = bench.get("/v1/audit_templates/detail?name=t")["audit_templates"]
    assert [item["uuid"] for item in found] == [made["uuid"]]
    audit = bench.post("/v1/audits", {"audit_type": "EVENT", "audit_template_uuid": made["uuid"]})
    bench.post("/v1/audits", {"audit_type": "EVENT", "goal": "dummy"})
    found = bench.get(f"/v1/audits/detail?audit_template={made['uuid']}")["audits"]
    assert [item["uuid"] for item in found] == [audit["uuid"]]


def test_deleted_rows_are_shown_to_an_administrator_who_asks(bench: Bench) -> None:
    audit = bench.audit(state="FAILED")
    bench.call("DELETE", f"/v1/audits/{audit.uuid}", status=204)
    assert bench.get("/v1/audits")["audits"] == []
    (shown,) = bench.get("/v1/audits/detail", X_Show_Deleted="true")["audits"]
    assert shown["state"] == "DELETED"
    assert shown["deleted_at"] is not None
    bench.get(f"/v1/audits/{audit.uuid}", X_Show_Deleted="1")
    assert bench.fails(f"/v1/audits/{audit.uuid}", 404, X_Show_Deleted="False")
    bench.call("PATCH", f"/v1/audits/{audit.uuid}", [], status=404, X_Show_Deleted="true")


@pytest.mark.parametrize("direction", ["asc", "desc"])
def test_of_one_name_the_live_row_and_the_deleted_ones_are_paged_by_age(
    bench: Bench, direction: str
) -> None:
    made = []
    for name in ("b", "a", "b", "c", "b"):
        body = {"name": name, "goal": "dummy"}
        made.append((name, bench.post("/v1/audit_templates", body)["uuid"]))
        if name == "b" and len(made) < 5:
            bench.call("DELETE", "/v1/audit_templates/b", status=204)
    path = f"/v1/audit_templates?limit=1&sort_key=name&sort_dir={direction}"
    paged = pages(bench, path, "audit_templates", X_Show_Deleted="1")
    found = [item["uuid"] for page in paged for item in page]
    order = [made[number][1] for number in (1, 4, 0, 2, 3)]
    assert found == (order if direction == "asc" else order[::-1])


@pytest.mark.parametrize("direction", ["asc", "desc"])
def test_goals_of_one_name_are_one_value_to_sort_by(bench: Bench, direction: str) -> None:
    names = ["n0", "n1", "n2", "n3", "same", "same", "same", "z"]
    for number, name in enumerate(names):
        goal = bench.put(models.Goal(name=name, display_name=name))
        bench.post("/v1/audit_templates", {"name": f"t{number}", "goal": goal.uuid})
        if number < len(names) - 2:  # the last of the same names lives
            with bench.database.writing() as session:
                store.delete(session, store.get(session, models.Goal, goal.uuid))
    path = f"/v1/audit_templates?limit=2&sort_key=goal_name&sort_dir={direction}"
    found = [item["name"] for page in pages(bench, path, "audit_templates") for item in page]
    expected = [f"t{number}" for number in range(len(names))]
    assert found == (expected if direction == "asc" else expected[::-1])
