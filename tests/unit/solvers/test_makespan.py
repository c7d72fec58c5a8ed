# SPDX-License-Identifier: Apache-2.0
"""How long a plan takes under limits."""

import pytest

from tests.worlds import uuid, world
from watcher.core.plan import Plan
from watcher.core.solution import migrate, nop
from watcher.solvers.makespan import Job, makespan, memory_makespan_gib

ALL = (("total", ""),)


def test_nothing_takes_no_time() -> None:
    assert makespan((), {"total": 2}) == 0.0


def test_without_limits_the_longest_chain_decides() -> None:
    jobs = [Job(2.0), Job(3.0, (0,)), Job(4.0)]
    assert makespan(jobs, {}) == 5.0


@pytest.mark.parametrize(("total", "time"), [(1, 9.0), (2, 6.0), (3, 5.0), (0, 5.0)])
def test_so_many_run_side_by_side(total: int, time: float) -> None:
    jobs = [Job(2.0, (), ALL), Job(3.0, (0,), ALL), Job(4.0, (), ALL)]
    assert makespan(jobs, {"total": total}) == time


def test_limits_are_of_each_host_by_itself() -> None:
    jobs = [Job(1.0, (), (("source", name),)) for name in ("c1", "c1", "c2")]
    assert makespan(jobs, {"source": 1}) == 2.0


def test_of_a_plan_the_memory_of_its_migrations_is_what_takes_time() -> None:
    built = world().host("c1").runs("a", memory_mb=2048).runs("b", memory_mb=1024)
    cluster = built.host("c2").cluster()
    moves = [migrate(uuid(name), "c1", "c2") for name in "ab"]
    lost = migrate(uuid("gone"), "c1")
    plan = Plan((nop("x"), *moves, lost), ((), (0,), (), ()))
    assert memory_makespan_gib(plan, cluster, {}) == 2.0
    assert memory_makespan_gib(plan, cluster, {"source": 1}) == 3.0
    assert memory_makespan_gib(plan, cluster, {"total": 1}) == 3.0
