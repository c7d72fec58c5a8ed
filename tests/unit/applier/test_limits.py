# SPDX-License-Identifier: Apache-2.0
"""Limits by values: what starts, what waits, what starts when something is over."""

import functools
from typing import Any

from watcher.applier.limits import TOTAL, Limits


class Queue:
    """Actions by name, started by limits."""

    def __init__(self, total: int = 100, per_node: int = 100, **by_type: int) -> None:
        self.limits = Limits(total, per_node, by_type)
        self.needs: dict[str, dict[Any, int]] = {}
        self.started: list[str] = []

    def ask(self, name: str, kind: str = "migrate", **parameters: str) -> None:
        self.needs[name] = self.limits.need(kind, parameters)
        self.limits.when_free(self.needs[name], lambda: self.started.append(name))

    def end(self, name: str) -> None:
        self.limits.release(self.needs[name])


def test_the_total_is_kept_and_the_first_to_wait_goes_first() -> None:
    queue = Queue(total=2)
    for name in "abcd":
        queue.ask(name, resource_id=name)
    assert queue.started == ["a", "b"]
    queue.end("b")
    assert queue.started == ["a", "b", "c"]
    assert queue.limits.running(TOTAL) == 2


def test_a_busy_source_host_holds_back_only_its_own() -> None:
    queue = Queue(per_node=1)
    queue.ask("a1", source_node="a", destination_node="x")
    queue.ask("a2", source_node="a", destination_node="y")
    queue.ask("b1", source_node="b", destination_node="z")
    assert queue.started == ["a1", "b1"]
    queue.end("a1")
    assert queue.started == ["a1", "b1", "a2"]


def test_a_busy_destination_host_holds_back_only_its_own() -> None:
    queue = Queue(per_node=1)
    queue.ask("1", source_node="a", destination_node="x")
    queue.ask("2", source_node="b", destination_node="x")
    queue.ask("3", source_node="x", destination_node="b")
    assert queue.started == ["1", "3"]


def test_a_type_has_a_limit_of_its_own() -> None:
    queue = Queue(sleep=1)
    for name in ("s1", "s2"):
        queue.ask(name, "sleep")
    queue.ask("n", "nop")
    assert queue.started == ["s1", "n"]


def test_two_actions_on_one_resource_never_run_side_by_side() -> None:
    queue = Queue()
    queue.ask("live", resource_id="vm", source_node="a", destination_node="b")
    queue.ask("cold", resource_id="vm", source_node="a", destination_node="c")
    assert queue.started == ["live"]
    queue.end("live")
    assert queue.started == ["live", "cold"]


def test_a_host_service_is_one_resource_by_whatever_id_it_is_named() -> None:
    queue = Queue()
    kind = "change_nova_service_state"
    queue.ask("off", kind, resource_id="uuid-of-c1", resource_name="c1", state="disabled")
    queue.ask("on", kind, resource_id="c1", resource_name="c1", state="enabled")
    assert queue.started == ["off"]


def test_a_move_without_destination_counts_towards_its_source_only() -> None:
    need = Limits(6, 2, {}).need("migrate", {"source_node": "a", "destination_node": None})
    assert need == {TOTAL: 6, ("source_node", "a"): 2}


def test_what_is_over_leaves_no_trace() -> None:
    queue = Queue()
    queue.ask("a", resource_id="vm", source_node="s")
    queue.end("a")
    assert all(queue.limits.running(key) == 0 for key in queue.needs["a"])


def test_what_waits_goes_in_the_order_of_the_plans_whenever_it_came() -> None:
    queue = Queue(total=1)
    queue.ask("first")
    for name, place in {"d": (1, 0), "c": (0, 9), "b": (0, 2)}.items():
        queue.needs[name] = queue.limits.need("nop", {})
        queue.limits.when_free(
            queue.needs[name], functools.partial(queue.started.append, name), place
        )
    for name in ("first", "b", "c"):
        queue.end(name)
    assert queue.started == ["first", "b", "c", "d"]


def test_what_runs_elsewhere_counts_too() -> None:
    limits = Limits(3, 1, {"nop": 1})
    move = ("migrate", {"resource_id": "vm", "source_node": "a", "destination_node": "b"})
    assert limits.full(limits.need("nop", {}), [move]) == ""
    assert limits.full(limits.need("nop", {}), [("nop", {})]) == "type nop"
    away = {"resource_id": "other", "source_node": "a"}
    assert limits.full(limits.need("migrate", away), [move]) == "source_node a"
    same = {"resource_id": "vm", "source_node": "c"}
    assert limits.full(limits.need("migrate", same), [move]) == "resource instance:vm"
    assert limits.full(limits.need("sleep", {}), [move, move, ("nop", {})]) == "total"
