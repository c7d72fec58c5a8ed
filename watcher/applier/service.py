# SPDX-License-Identifier: Apache-2.0
"""The applier: takes action plans that are to run, so many at a time, and runs them.

A message is a doorbell: the truth is in the database. Whoever rings, and every few seconds in case
nobody did, the applier looks for PENDING plans while it has a worker free.
"""

import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Lock, Thread
from time import monotonic
from typing import Any

from oslo_config import cfg
from sqlalchemy import select

from watcher import plugins
from watcher.applier.limits import Limits
from watcher.applier.plans import Engine, PlanRun, claim
from watcher.applier.recovery import recover
from watcher.applier.steps import Wires
from watcher.clients.session import Clients
from watcher.config import Group
from watcher.core.errors import Conflict, Invalid, WatcherError
from watcher.db import store
from watcher.db.engine import Database
from watcher.db.heartbeat import Heartbeat
from watcher.db.models import ActionDescription, ActionPlan
from watcher.messaging.notifications import Announcer
from watcher.messaging.transport import Bus

LOG = logging.getLogger(__name__)

NAME = "watcher-applier"
LOOK_S = 2.0
"""Seconds between looks for plans whose message was lost and for plans to be cancelled."""
TRIES = 5

OPTIONS = Group(
    "watcher_applier",
    "The applier",
    [
        cfg.IntOpt("workers", default=1, min=1, help="Action plans run in parallel."),
        cfg.StrOpt(
            "workflow_engine", default="taskflow", help="Plug-in that runs the actions of a plan."
        ),
        cfg.IntOpt(
            "parallel_total",
            default=6,
            min=1,
            help="Actions that run side by side, in all plans of this applier together.",
        ),
        cfg.IntOpt(
            "parallel_per_node",
            default=2,
            min=1,
            help="Actions that move something away from one host side by side; as many may move"
            " something to one host.",
        ),
        cfg.DictOpt(
            "parallelization",
            default={},
            deprecated_group="watcher_planners.weight",
            help="type:number, ... How many actions of a type run side by side. A type that is not"
            " named has no limit of its own.",
        ),
        cfg.BoolOpt(
            "abort_on_cancel",
            default=False,
            help="Whether the cancel of a plan breaks off its running live migrations too, instead"
            " of letting them finish.",
        ),
        cfg.IntOpt(
            "shutdown_timeout",
            default=45,
            min=0,
            help="Seconds that a stopping applier waits for actions that run. What is not over"
            " then is cancelled in the database at the next start.",
        ),
    ],
)


class ApplierService:
    """Daemon 3. ``start`` returns when it serves; ``stop`` and ``wait`` end it in order."""

    def __init__(
        self,
        conf: cfg.ConfigOpts,
        database: Database,
        bus: Bus,
        announcer: Announcer,
        clients: Clients,
    ) -> None:
        settings = conf.watcher_applier
        self._host: str = conf.host
        self._database = database
        self._wires = Wires(database, announcer, clients, settings.abort_on_cancel)
        self._engine = _engine(conf)
        self._workers: int = settings.workers
        self._pool = ThreadPoolExecutor(settings.workers, "plan")
        self._shutdown_timeout_s: float = settings.shutdown_timeout
        self._server = bus.serve(settings.conductor_topic, self._host, Endpoint(self))
        self._heartbeat = Heartbeat(conf, database, NAME)
        self._lock = Lock()
        self._running: dict[str, PlanRun] = {}
        self._callers: dict[str, Mapping[str, Any]] = {}
        self._bell = Event()
        self._stopping = Event()
        self._looker = Thread(target=self._look, name="due-plans", daemon=True)

    def start(self) -> None:
        """Cancel what a former life left behind, say what actions there are, then serve."""
        left = recover(self._database, self._host)
        if left:
            LOG.warning("%d action plans were cancelled: they ran when %s stopped", left, NAME)
        describe(self._database)
        self._heartbeat.start()
        self._server.start()
        self._looker.start()
        LOG.info("%s is ready on %s", NAME, self._host)

    def stop(self) -> None:
        """Take no more plans and begin no more actions; those that run go on."""
        self._stopping.set()
        self._bell.set()
        self._server.stop()
        for run in self._runs():
            run.drain()

    def wait(self) -> None:
        """Until the running actions are over, or ``shutdown_timeout`` is."""
        self._server.wait()
        until_s = monotonic() + self._shutdown_timeout_s
        self._looker.join(self._shutdown_timeout_s)
        while self._runs() and monotonic() < until_s:
            self._bell.wait(max(0.0, until_s - monotonic()))
            self._bell.clear()
        for run in self._runs():
            LOG.warning("action plan %s is left as it is: its actions take too long", run.uuid)
            run.halt()
        self._looker.join()  # it may have waited, within a run, for what the halt has broken off
        for run in self._runs():  # one that was claimed meanwhile
            run.halt()
        self._pool.shutdown()
        self._heartbeat.stop()

    def ring(self, uuid: str, caller: Mapping[str, Any]) -> None:
        """There is a plan to run, says a message; it may come late, twice, or never."""
        with self._lock:
            self._callers[uuid] = caller
        self._bell.set()

    def _runs(self) -> list[PlanRun]:
        with self._lock:
            return list(self._running.values())

    def _look(self) -> None:
        lost = False
        while not self._stopping.is_set():
            self._bell.clear()
            try:
                self._cancel()
                self._take()
                lost = False
            except WatcherError as error:
                if not lost:
                    LOG.warning("looking for action plans: %s", error)
                lost = True
            except Exception:  # the edge: the loop must outlive whatever the database raises
                LOG.exception("looking for action plans")
            self._bell.wait(LOOK_S)

    def _take(self) -> None:
        """Claim PENDING plans, oldest first, while there are workers for them."""
        free = self._workers - len(self._runs())
        if free <= 0:
            return
        with self._database.reading() as session:
            due, _ = store.page(session, ActionPlan, ActionPlan.state == "PENDING", limit=free)
        with self._lock:
            callers = {waiting.uuid: self._callers.pop(waiting.uuid, {}) for waiting in due}
            if not due:
                self._callers.clear()  # of plans that others run
        for uuid, caller in callers.items():
            if not self._stopping.is_set():
                self._claim(uuid, caller)

    def _claim(self, uuid: str, caller: Mapping[str, Any]) -> None:
        plan = claim(self._database, uuid, self._host)
        if plan is not None:
            run = PlanRun(self._wires, self._engine, plan, caller)
            with self._lock:
                self._running[uuid] = run
            self._pool.submit(self._run, run)

    def _run(self, run: PlanRun) -> None:
        if self._stopping.is_set():
            run.drain()
        try:
            run.run()
        finally:
            with self._lock:
                del self._running[run.uuid]
            self._bell.set()

    def _cancel(self) -> None:
        """Tell running plans what the operator has done to them."""
        runs = {run.uuid: run for run in self._runs()}
        if not runs:
            return
        cancelling = (ActionPlan.uuid.in_(runs), ActionPlan.state == "CANCELLING")
        with self._database.reading() as session:
            found = session.scalars(select(ActionPlan.uuid).where(*cancelling)).all()
        for uuid in found:
            runs[uuid].cancel()


class Endpoint:
    """What may be called over the bus."""

    def __init__(self, service: ApplierService) -> None:
        self._service = service

    def launch_action_plan(self, ctxt: Mapping[str, Any], uuid: str) -> None:
        """Run a plan; returns at once."""
        self._service.ring(uuid, ctxt)


def _engine(conf: cfg.ConfigOpts) -> Engine:
    settings = conf.watcher_applier
    known = plugins.load(plugins.WORKFLOW_ENGINES)
    factory = known.get(settings.workflow_engine)
    if factory is None:
        raise Invalid(
            f"[watcher_applier] workflow_engine is {settings.workflow_engine!r}; there is"
            f" {', '.join(known)}"
        )
    return factory(conf, _limits(settings))


def _limits(settings: Any) -> Limits:
    try:
        by_type = {name: int(most) for name, most in settings.parallelization.items()}
    except ValueError as error:
        raise Invalid(f"[watcher_applier] parallelization: {error}") from error
    if any(most < 1 for most in by_type.values()):
        raise Invalid("[watcher_applier] parallelization: a number below 1 would run nothing")
    return Limits(settings.parallel_total, settings.parallel_per_node, by_type)


def describe(database: Database) -> None:
    """Bring the descriptions of the action types, which the API shows, in line with plugins.

    Raises Conflict when other appliers, which start at the same time, are faster each time.
    """
    for _ in range(TRIES - 1):
        try:
            return _describe(database)
        except Conflict as error:
            LOG.info("another applier describes the actions as well: %s", error)
    return _describe(database)


def _describe(database: Database) -> None:
    with database.writing() as session:
        rows = {row.action_type: row for row in store.every(session, ActionDescription)}
        for name, handler in plugins.actions().items():
            if name in rows:
                store.change(session, rows[name], description=handler.description)
            else:
                row = ActionDescription(action_type=name, description=handler.description)
                store.add(session, row)
