# SPDX-License-Identifier: Apache-2.0
"""Many clients at once: one wins, the others are told so, nothing is half done."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.functional.api.bench import Bench, replace
from watcher.core import states

THREADS = 8


def at_once(bench: Bench, *requests: tuple[str, str, Any]) -> list[int]:
    """The statuses of requests sent together, each by a client of its own."""

    def send(request: tuple[str, str, Any]) -> int:
        method, path, body = request
        return bench.call(method, path, body, version="1.7").status_int

    with ThreadPoolExecutor(len(requests)) as pool:
        return list(pool.map(send, requests))


def test_one_of_many_creates_gets_a_name(bench: Bench) -> None:
    audit = {"name": "a", "audit_type": "ONESHOT", "goal": "dummy"}
    template = {"name": "t", "goal": "dummy"}
    for path, body in (("/v1/audits", audit), ("/v1/audit_templates", template)):
        found = at_once(bench, *[("POST", path, body)] * THREADS)
        assert Counter(found) == {201: 1, 409: THREADS - 1}
        (only,) = bench.get(path)[path.removeprefix("/v1/")]
        assert only["name"] == body["name"]
    assert len(bench.told()) == 1


def test_a_plan_started_many_times_is_launched_once(bench: Bench) -> None:
    plan = bench.plan()
    start = ("POST", f"/v1/action_plans/{plan.uuid}/start", {})
    found = Counter(at_once(bench, *[start] * THREADS))
    assert found[200] == 1
    assert set(found) <= {200, 400, 409}
    assert bench.told() == [("launch_action_plan", plan.uuid)]


def test_start_and_cancel_and_delete_leave_one_of_their_ends(bench: Bench) -> None:
    for _ in range(5):
        plan = bench.plan()
        path = f"/v1/action_plans/{plan.uuid}"
        found = at_once(
            bench,
            ("POST", f"{path}/start", {}),
            ("PATCH", path, [replace("/state", "CANCELLED")]),
            ("DELETE", path, None),
        )
        assert set(found) <= {200, 204, 400, 404, 409}
        row = bench.row(type(plan), plan.uuid, deleted=True)
        assert row.state in {"PENDING", "CANCELLED", "DELETED"}
        assert (row.deleted != 0) == (row.state == "DELETED")
        ends = {"PENDING": {"PENDING"}, "CANCELLED": {"CANCELLED"}, "DELETED": set()}
        assert {action.state for action in bench.actions(row)} == ends[row.state]


def test_an_audit_moves_along_its_lifecycle_whoever_pushes(bench: Bench) -> None:
    audit = bench.audit(state="ONGOING")
    ends = ("SUCCEEDED", "FAILED", "CANCELLED", "SUSPENDED")
    path = f"/v1/audits/{audit.uuid}"
    found = at_once(bench, *[("PATCH", path, [replace("/state", end)]) for end in ends])
    assert found.count(200) == 1
    assert set(found) <= {200, 400, 409}
    assert bench.get(path)["state"] == ends[found.index(200)]
    assert bench.get(path)["state"] in states.AUDIT.moves["ONGOING"]


def test_readers_are_not_held_up_by_writers(make_bench: Callable[[], Bench]) -> None:
    bench = make_bench()
    body = {"audit_type": "EVENT", "goal": "dummy"}
    mixed = [("POST", "/v1/audits", body), ("GET", "/v1/audits/detail", None)] * THREADS
    assert set(at_once(bench, *mixed)) == {200, 201}
