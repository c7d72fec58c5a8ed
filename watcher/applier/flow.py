# SPDX-License-Identifier: Apache-2.0
"""A plan as a taskflow graph: one task type, the parents of an action as its dependencies.

taskflow decides what is ready, the limits decide when it starts. What taskflow hands out waits in
the queue of the limits and takes a thread only when it may run, so that an action held back by a
busy host does not hold back another one. Persistence and reverts of taskflow are not used: the
database is Watcher's own, and an action undoes itself.

taskflow 6.5 compiles a graph in quadratic time (measured: 1,000 actions 1 s, 3,000 actions 10 s).
"""

import itertools
import os
from collections.abc import Callable, Hashable, Sequence
from concurrent import futures
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


class Step(task.Task):
    """One action; taskflow hands it over when all its parents are over."""

    def __init__(
        self, action: Action, need: Need, place: tuple[int, int], run: Callable[[Action], None]
    ) -> None:
        super().__init__(name=action.uuid, provides=action.uuid, requires=action.parents)
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
        plan = graph_flow.Flow("action plan")
        number = next(self._numbers)
        own: dict[Hashable, int] = {("plan", number): self._max_workers}
        steps = []
        for position, one in enumerate(actions):
            need = self._limits.need(one.action_type, one.input_parameters) | own
            steps.append(Step(one, need, (number, position), run))
        plan.add(*steps, resolve_existing=False)
        with futures.ThreadPoolExecutor(self._max_workers, "action") as threads:
            engines.load(plan, engine="parallel", executor=Admission(self._limits, threads)).run()
