# SPDX-License-Identifier: Apache-2.0
"""A plan as a taskflow graph: one task type, the parents of an action as its dependencies.

taskflow decides what is ready, the limits decide when it starts. What taskflow hands out waits in
the queue of the limits and takes a thread only when it may run, so that an action held back by a
busy host does not hold back another one. Persistence and reverts of taskflow are not used: the
database is Watcher's own, and an action undoes itself.

taskflow 6.5 compiles and runs a graph in quadratic time (measured: 1,000 actions 3 s, 3,000
actions 25 s of CPU), so a plan of more than ``LARGE`` actions is sorted by the standard library's
graphlib instead, under the same limits and with the same threads.
"""

import itertools
import os
from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent import futures
from functools import partial
from graphlib import TopologicalSorter
from queue import SimpleQueue
from typing import Any

from oslo_config import cfg
from taskflow import engines, task
from taskflow.patterns import graph_flow

from watcher.applier.limits import Limits, Need
from watcher.config import Group
from watcher.db.models import Action

OPTIONS = Group(
    "watcher_workflow_engines.taskflow",
    "How the actions of a plan are run",
    [
        cfg.IntOpt(
            "max_workers",
            default=max(6, os.cpu_count() or 1),
            min=1,
            sample_default="<number of CPUs, at least 6>",
            help="Threads per action plan. They wait for the cloud most of the time.",
        ),
    ],
)


LARGE = 200
"""Actions up to which a plan is taskflow's."""


class Step(task.Task):
    """One action; taskflow hands it over when all its parents are over."""

    def __init__(
        self,
        action: Action,
        parents: Sequence[str],
        need: Need,
        place: tuple[int, int],
        run: Callable[[Action], None],
    ) -> None:
        super().__init__(name=action.uuid, provides=action.uuid, requires=parents)
        self.need = need
        self.place = place
        self._action = action
        self._run = run

    def execute(self, **parents: Any) -> str:
        """Run it; what became of it is in the database."""
        del parents
        self._run(self._action)
        return self._action.state


class Admission(futures.Executor):
    """Gives a task a thread when the limits have room for it."""

    def __init__(self, limits: Limits, threads: futures.ThreadPoolExecutor) -> None:
        self._limits = limits
        self._threads = threads

    def submit(  # type: ignore[override]
        self, work: Callable[..., Any], step: Step, /, *args: Any, **kwargs: Any
    ) -> "futures.Future[Any]":
        """Queue a step; ``work`` is taskflow's own function that executes it."""
        outcome: futures.Future[Any] = futures.Future()

        def run() -> None:
            try:
                outcome.set_result(work(step, *args, **kwargs))
            except BaseException as error:
                outcome.set_exception(error)
                raise
            finally:
                self._limits.release(step.need)

        self._limits.when_free(step.need, lambda: self._threads.submit(run), step.place)
        return outcome


class TaskflowEngine:
    """Runs the actions of one plan after another, each plan on threads of its own."""

    def __init__(self, conf: cfg.ConfigOpts, limits: Limits) -> None:
        self._max_workers: int = OPTIONS.of(conf).max_workers
        self._limits = limits
        self._numbers = itertools.count()

    def run(self, actions: Sequence[Action], run: Callable[[Action], None]) -> None:
        """Call ``run`` for each action after it was called for its parents; returns at the end.

        Raises what ``run`` raised; then no further action is begun.
        """
        number = next(self._numbers)
        own: dict[Hashable, int] = {("plan", number): self._max_workers}
        needs = [self._limits.need(one.action_type, one.input_parameters) | own for one in actions]
        inside = {one.uuid for one in actions}
        parents = [[uuid for uuid in one.parents if uuid in inside] for one in actions]
        with futures.ThreadPoolExecutor(self._max_workers, "action") as threads:
            if len(actions) > LARGE:
                jobs = {
                    one.uuid: (partial(run, one), need, (number, position))
                    for position, (one, need) in enumerate(zip(actions, needs, strict=True))
                }
                self._sort(jobs, dict(zip(jobs, parents, strict=True)), threads)
                return
            plan = graph_flow.Flow("action plan")
            steps = [
                Step(one, above, need, (number, position), run)
                for position, (one, above, need) in enumerate(
                    zip(actions, parents, needs, strict=True)
                )
            ]
            plan.add(*steps, resolve_existing=False)
            engines.load(plan, engine="parallel", executor=Admission(self._limits, threads)).run()

    def _sort(
        self,
        jobs: Mapping[str, tuple[Callable[[], None], Need, tuple[int, int]]],
        parents: Mapping[str, Sequence[str]],
        threads: futures.ThreadPoolExecutor,
    ) -> None:
        """Run jobs after those they wait for; see ``run``."""
        sorter = TopologicalSorter(parents)
        sorter.prepare()
        over: SimpleQueue[tuple[str, BaseException | None]] = SimpleQueue()
        failed: list[BaseException] = []

        def work(uuid: str) -> None:
            job, need, _ = jobs[uuid]
            error: BaseException | None = None
            try:
                if not failed:
                    job()
            except BaseException as raised:  # noqa: BLE001 - it is raised again by run()
                error = raised
            finally:
                self._limits.release(need)
                over.put((uuid, error))

        running = 0
        while sorter.is_active() and (running or not failed):
            for uuid in () if failed else sorter.get_ready():
                _, need, place = jobs[uuid]
                running += 1
                self._limits.when_free(need, partial(threads.submit, work, uuid), place)
            uuid, error = over.get()
            running -= 1
            failed += [error] if error else []
            sorter.done(uuid)
        if failed:
            raise failed[0]
