# SPDX-License-Identifier: Apache-2.0
"""The graph: order, streaming, and how many at a time."""

import threading
from collections.abc import Callable, Sequence

import pytest
from oslo_config import cfg
from taskflow.exceptions import WrappedFailure

from watcher.applier import flow
from watcher.applier.limits import Limits
from watcher.db.models import Action

WAIT_S = 10


@pytest.fixture(autouse=True, params=["taskflow", "graphlib"])
def sorter(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Small plans are taskflow's, large ones graphlib's; all that holds, holds for both."""
    if request.param == "graphlib":
        monkeypatch.setattr(flow, "LARGE", -1)
    return str(request.param)


def engine(limits: Limits | None = None, max_workers: int = 8) -> flow.TaskflowEngine:
    conf = cfg.ConfigOpts()
    flow.OPTIONS.register(conf)
    conf.set_override("max_workers", max_workers, flow.OPTIONS.name)
    return flow.TaskflowEngine(conf, limits or Limits(100, 100, {}))


def action(name: str, *parents: str, **parameters: str) -> Action:
    return Action(
        uuid=name,
        action_type="migrate",
        input_parameters=parameters,
        parents=list(parents),
        state="SUCCEEDED",
    )


def order(actions: Sequence[Action]) -> list[str]:
    """In which order they were run."""
    ran: list[str] = []
    engine().run(actions, lambda one: ran.append(one.uuid))
    return ran


def test_no_actions_are_no_work() -> None:
    assert order([]) == []


def test_parents_come_first() -> None:
    plan = [action("a"), action("b", "a"), action("c", "a"), action("d", "b", "c")]
    ran = order(plan)
    assert (ran[0], set(ran[1:3]), ran[3]) == ("a", {"b", "c"}, "d")


def test_there_are_no_barriers() -> None:
    """The child of a quick action runs while a slow stranger still runs."""
    child_ran = threading.Event()

    def run(one: Action) -> None:
        if one.uuid == "slow":
            assert child_ran.wait(WAIT_S)
        if one.uuid == "child":
            child_ran.set()

    engine().run([action("slow"), action("quick"), action("child", "quick")], run)
    assert child_ran.is_set()


def crowd(limits: Limits, plan: Sequence[Action], key: Callable[[Action], object]) -> int:
    """The most that ran side by side of one key."""
    lock, running, most = threading.Lock(), {}, 0  # type: ignore[var-annotated]
    pause = threading.Event()

    def run(one: Action) -> None:
        nonlocal most
        with lock:
            running[key(one)] = running.get(key(one), 0) + 1
            most = max(most, running[key(one)])
        pause.wait(0.01)
        with lock:
            running[key(one)] -= 1

    engine(limits, max_workers=20).run(plan, run)
    return most


@pytest.mark.parametrize("total", [1, 3])
def test_no_more_run_than_the_total(total: int) -> None:
    plan = [action(str(number)) for number in range(12)]
    assert crowd(Limits(total, 100, {}), plan, lambda one: None) == total


def test_no_more_leave_a_host_than_its_limit() -> None:
    plan = [action(str(number), source_node=f"h{number % 2}") for number in range(12)]
    limits = Limits(100, 2, {})
    assert crowd(limits, plan, lambda one: one.input_parameters["source_node"]) == 2


def test_a_busy_host_does_not_take_the_threads_of_another() -> None:
    """With two threads and one action per host, ten waiting for host a do not stop one of b."""
    b_ran = threading.Event()

    def run(one: Action) -> None:
        if one.uuid == "a0":
            assert b_ran.wait(WAIT_S)
        if one.uuid == "b":
            b_ran.set()

    plan = [action(f"a{number}", source_node="a") for number in range(10)]
    engine(Limits(100, 1, {}), max_workers=2).run([*plan, action("b", source_node="b")], run)
    assert b_ran.is_set()


def test_max_workers_bounds_one_plan() -> None:
    lock, running, most = threading.Lock(), 0, 0

    def run(one: Action) -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        threading.Event().wait(0.01)
        with lock:
            running -= 1

    engine(max_workers=3).run([action(str(number)) for number in range(9)], run)
    assert most == 3


def test_an_error_of_the_caller_comes_out() -> None:
    def run(one: Action) -> None:
        raise ZeroDivisionError

    with pytest.raises((ZeroDivisionError, WrappedFailure)):
        engine().run([action("a")], run)
