# SPDX-License-Identifier: Apache-2.0
"""Faults A of the upstream API where the better answer is not a refusal, or needs more than one
request to be seen. The numbers in the names are those of the list of faults.
"""

import datetime
import functools
import threading
import time
from collections import Counter
from typing import Any
from urllib.parse import quote

import pytest

from tests.functional.api.bench import NODE, STATE, Bench, replace
from tests.functional.api.test_races import THREADS, at_once
from watcher.core.errors import ServiceDown, StaleCluster
from watcher.db import models, store
from watcher.db.models import Service

EMOJI = "🎉 ünïcödé"
RELATED = (
    *(("audits", key) for key in ("strategy_name", "strategy_uuid", "goal_name", "goal_uuid")),
    *(("audit_templates", key) for key in ("strategy_name", "strategy_uuid")),
)


@pytest.mark.parametrize("direction", ["asc", "desc"])
@pytest.mark.parametrize(("collection", "key"), RELATED)
def test_a1_2_nulls_sort_together_and_across_pages(
    bench: Bench, collection: str, key: str, direction: str
) -> None:
    for number, strategy in enumerate(("dummy", None, "dummy_with_resize", None, "dummy")):
        body = {"name": f"n{number}", "goal": "dummy", "strategy": strategy}
        kind = {"audit_type": "ONESHOT"} if collection == "audits" else {}
        bench.post(f"/v1/{collection}", {**body, **kind})
    found: list[str] = []
    path = f"/v1/{collection}?sort_key={key}&sort_dir={direction}&limit=2"
    while path:
        page = bench.get(path)
        found += [item[key] or "" for item in page[collection]]
        path = page.get("next", "").removeprefix("http://localhost")
    assert found == sorted(found, reverse=direction == "desc")
    assert len(found) == 5


@pytest.mark.parametrize("key", ["audit_uuid", "strategy_uuid", "strategy_name"])
def test_a1_2_plans_sort_by_what_they_belong_to(bench: Bench, key: str) -> None:
    plans = [bench.plan() for _ in range(3)]
    bench.set(plans[1], strategy_id=None)
    with bench.database.writing() as session:
        store.delete(session, store.get(session, models.Audit, bench_audit(bench, plans[0])))
    found = [
        plan[key] or "" for plan in bench.get(f"/v1/action_plans?sort_key={key}")["action_plans"]
    ]
    assert found == sorted(found)
    assert len(found) == 3


def bench_audit(bench: Bench, plan: Any) -> str:
    return str(bench.get(f"/v1/action_plans/{plan.uuid}")["audit_uuid"])


def test_a1_4_of_rows_with_one_name_the_live_one_is_shown_else_the_newest(bench: Bench) -> None:
    made = []
    for _ in range(2):
        made.append(bench.post("/v1/audit_templates", {"name": "t", "goal": "dummy"})["uuid"])
        bench.call("DELETE", "/v1/audit_templates/t", status=204)
    deleted = bench.get("/v1/audit_templates/t", X_Show_Deleted="1")
    assert deleted["uuid"] == made[-1]
    live = bench.post("/v1/audit_templates", {"name": "t", "goal": "dummy"})["uuid"]
    assert bench.get("/v1/audit_templates/t", X_Show_Deleted="1")["uuid"] == live


def test_a1_7_characters_beyond_three_bytes_are_kept(bench: Bench) -> None:
    body = {"name": EMOJI, "goal": "dummy", "description": EMOJI}
    made = bench.post("/v1/audit_templates", body)
    assert bench.get(f"/v1/audit_templates/{quote(EMOJI)}")["uuid"] == made["uuid"]
    assert made["description"] == EMOJI


def test_a2_6_no_auto_trigger_is_none(bench: Bench) -> None:
    body = {"audit_type": "ONESHOT", "goal": "dummy", "auto_trigger": None, "force": None}
    made = bench.post("/v1/audits", body)
    assert (made["auto_trigger"], made["force"]) == (False, False)


@pytest.mark.parametrize("name", ["named", None])
def test_a2_9_a_template_without_its_goal_cannot_be_used(bench: Bench, name: str | None) -> None:
    template = bench.post("/v1/audit_templates", {"name": "t", "goal": "cluster_maintaining"})
    with bench.database.writing() as session:
        store.delete(session, store.get(session, models.Goal, "cluster_maintaining"))
    shown = bench.get("/v1/audit_templates/t")
    assert (shown["goal_uuid"], shown["goal_name"]) == (None, None)
    body = {"audit_type": "ONESHOT", "audit_template_uuid": template["uuid"], "name": name}
    assert "no longer installed" in bench.post("/v1/audits", body, 400)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/audits", {"audit_type": "ONESHOT", "goal": "dummy"}),
        ("/v1/audit_templates", {"goal": "dummy"}),
    ],
    ids=["a2_11", "a3_9"],
)
def test_of_many_creates_of_one_name_one_wins(bench: Bench, path: str, body: Any) -> None:
    found = at_once(bench, *[("POST", path, {**body, "name": "one"})] * THREADS)
    assert Counter(found) == {201: 1, 409: THREADS - 1}


@pytest.mark.parametrize("kind", ["ONESHOT", "EVENT"])
def test_a2_12_with_the_bus_down_a_new_audit_is_kept(without_bus: Bench, kind: str) -> None:
    made = without_bus.post("/v1/audits", {"audit_type": kind, "goal": "dummy"})
    assert without_bus.get(f"/v1/audits/{made['uuid']}")["state"] == "PENDING"


@pytest.mark.parametrize(
    "scope",
    [
        [{"storage": [{"availability_zones": [{"name": "z"}]}]}],
        [{"storage": []}, {"compute": []}],
        [{"storage": [{"volume_types": [{"name": "*"}]}]}],
    ],
    ids=["a3_4 only", "a3_4 first", "a3_4 types"],
)
def test_a_scope_may_be_about_storage(bench: Bench, scope: Any) -> None:
    assert (
        bench.post("/v1/audit_templates", {"name": "t", "goal": "dummy", "scope": scope})["scope"]
        == scope
    )


@pytest.mark.parametrize("first", [[], [{"compute": []}]], ids=["a3_5 alone", "a3_5 after"])
def test_a_scope_may_be_about_bare_metal(bench: Bench, first: Any) -> None:
    scope = [*first, {"baremetal": [{"exclude": [{"ironic_nodes": [{"uuid": "u"}]}]}]}]
    made = bench.post("/v1/audit_templates", {"name": "t", "goal": "dummy", "scope": scope})
    assert made["scope"] == scope


@pytest.mark.parametrize("name", ["start_time", "end_time"])
def test_a4_5_a_time_can_be_cleared(bench: Bench, name: str) -> None:
    body = {"audit_type": "CONTINUOUS", "goal": "dummy", "interval": "60"}
    made = bench.post("/v1/audits", {**body, name: "2040-01-01T00:00:00Z"}, version="1.1")
    path = f"/v1/audits/{made['uuid']}"
    assert made[name] == "2040-01-01T00:00:00"
    assert bench.patch(path, replace(f"/{name}", None), version="1.1")[name] is None


def test_a6_4_of_several_services_of_a_name_the_one_seen_last_is_shown(bench: Bench) -> None:
    for host, second in (("a", 1), ("b", 3), ("c", 2)):
        seen = f"2026-01-01T00:00:0{second}"
        bench.put(
            Service(
                name="watcher-applier",
                host=host,
                last_seen_up=datetime.datetime.fromisoformat(seen),
            )
        )
    assert bench.get("/v1/services/watcher-applier")["host"] == "b"


PATHS = ("/v1/strategies/dummy/state", "/v1/data_model")


@pytest.mark.parametrize("path", PATHS)
def test_a6_6_no_engine_is_503_within_the_timeout(bench: Bench, path: str) -> None:
    late = functools.partial(threading.Event().wait, 1.5)  # the bench waits for 1 s
    bench.listener.answers.update(get_strategy_info=late, get_data_model_info=late)
    begun = time.monotonic()
    words = bench.fails(path, 503, version="1.3")
    assert time.monotonic() - begun < 10
    assert "watcher.decision" not in words


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("error", [ZeroDivisionError("division by zero"), KeyError("password")])
def test_a6_7_what_fails_inside_the_engine_is_told_neutrally(
    bench: Bench, path: str, error: Exception
) -> None:
    bench.listener.answers.update(get_strategy_info=error, get_data_model_info=error)
    words = bench.fails(path, 503, version="1.3")
    for hidden in (str(error), type(error).__name__, "Traceback", "line "):
        assert hidden not in words


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("error", [ServiceDown("Nova does not answer"), StaleCluster("not read")])
def test_a6_7_what_the_engine_says_itself_is_passed_on(
    bench: Bench, path: str, error: Exception
) -> None:
    bench.listener.answers.update(get_strategy_info=error, get_data_model_info=error)
    assert str(error) in bench.fails(path, 503, version="1.3")


def test_a6_8_a_scope_that_names_what_is_not_there_is_no_error(bench: Bench) -> None:
    scope = [{"compute": [{"exclude": [{"compute_nodes": [{"name": "gone"}]}]}]}]
    audit = bench.audit(scope=scope)
    bench.listener.answers["get_data_model_info"] = [NODE]
    path = f"/v1/data_model?audit_uuid={audit.uuid}"
    assert bench.get(path, version="1.3") == {"context": [NODE]}
    bench.listener.answers["get_strategy_info"] = STATE


def test_a6_9_with_the_bus_down_plans_are_started_later(without_bus: Bench) -> None:
    first, second = without_bus.plan(), without_bus.plan()
    without_bus.post(f"/v1/action_plans/{first.uuid}/start", {}, 200)
    without_bus.patch(f"/v1/action_plans/{second.uuid}", replace("/state", "PENDING"))
    for plan in (first, second):
        assert without_bus.get(f"/v1/action_plans/{plan.uuid}")["state"] == "PENDING"


def test_a6_9_with_the_bus_down_an_alarm_is_kept(without_bus: Bench) -> None:
    audit = without_bus.audit(audit_type="EVENT")
    without_bus.call("POST", f"/v1/webhooks/{audit.uuid}", {}, status=202)
    assert without_bus.row(models.Audit, audit.uuid).next_run_time is not None
    assert without_bus.fails(PATHS[0], 503)
