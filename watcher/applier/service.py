# SPDX-License-Identifier: Apache-2.0
"""The applier: takes action plans that are to run, so many at a time, and runs them.

A message is a doorbell: the truth is in the database. Whoever rings, and every few seconds in case
nobody did, the applier looks for PENDING plans while it has a worker free.
"""

import logging
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Lock, Thread
from time import monotonic
from typing import Any

from oslo_config import cfg
from sqlalchemy import select

from watcher import context, plugins
from watcher.applier.admission import gate
from watcher.applier.limits import Limits
from watcher.applier.plans import Engine, PlanRun, claim, take_over
from watcher.applier.recovery import Orphans
from watcher.applier.wires import Wires
from watcher.clients.session import Clients
from watcher.config import Group
from watcher.core.errors import Conflict, Invalid, LostRace, WatcherError
from watcher.core.states import CONTINUE, ROLLBACK, STOP
from watcher.db import store
from watcher.db.engine import Database
from watcher.db.heartbeat import Heartbeat, Silence
from watcher.db.models import ActionDescription, ActionPlan
from watcher.messaging.notifications import Announcer
from watcher.messaging.transport import Bus
from watcher.telemetry import gauges
from watcher.telemetry.gauges import Reading
from watcher.telemetry.pulse import Pulse

LOG = logging.getLogger(__name__)

NAME = "watcher-applier"
LOOK_S = 2.0
"""Seconds between looks for plans whose message was lost and for plans to be cancelled."""
ROUND_S = 120.0
"""A look takes longer than this only when it hangs; a database is waited for at most half."""
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
            help="Actions that run side by side, in all plans of all appliers together.",
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
            " then is taken up again at the next start, or by another applier.",
        ),
        cfg.StrOpt(
            "on_failure",
            default=CONTINUE,
            choices=[
                (CONTINUE, "What does not wait for the failed action goes on."),
                (STOP, "Nothing more is begun."),
                (ROLLBACK, "Nothing more is begun, and all that was done is taken back."),
            ],
            help="What becomes of a plan when one of its actions fails, unless its audit says.",
        ),
        cfg.BoolOpt(
            "rollback_when_actionplan_failed",
            default=False,
            deprecated_for_removal=True,
            deprecated_reason="on_failure = rollback says the same.",
            help="Roll a failed plan back where on_failure is continue.",
        ),
        cfg.IntOpt(
            "patience",
            default=300,
            min=0,
            help="Seconds that a cloud that does not answer is asked again whether an action can"
            " be begun, or what became of one, before the action fails.",
        ),
        cfg.IntOpt(
            "max_stale_percent",
            default=50,
            min=0,
            max=100,
            help="A plan is not begun when more than so many percent of its migrations have lost"
            " their instance, source or destination since it was made.",
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
        self._limits = limits = _limits(settings)
        self._pulse = Pulse("due-plans", ROUND_S)
        self._wires = _wires(settings, database, announcer, clients, limits)
        self._engine = _engine(conf, limits)
        self._orphans = Orphans(
            database, self._host, Silence(NAME), conf.service_down_time, 2 * LOOK_S
        )
        self._workers: int = settings.workers
        self._pool = ThreadPoolExecutor(settings.workers, "plan")
        self._shutdown_timeout_s: float = settings.shutdown_timeout
        self._server = bus.serve(settings.conductor_topic, self._host, Endpoint(self))
        self._heartbeat = Heartbeat(conf, database, NAME, announcer.service)
        self._lock = Lock()
        self._running: dict[str, PlanRun] = {}
        self._callers: dict[str, Mapping[str, Any]] = {}
        self._bell = Event()
        self._stopping = Event()
        self._looker = Thread(target=self._look, name="due-plans", daemon=True)

    def start(self) -> None:
        """Say what actions there are, then serve; what a former life left is taken up first."""
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
            with context.named(run.uuid):
                LOG.warning("action plan %s is left as it is: its actions take too long", run.uuid)
            run.halt()
        self._looker.join()  # it may have waited, within a run, for what the halt has broken off
        for run in self._runs():  # one that was claimed meanwhile
            run.halt()
        self._pool.shutdown()
        self._heartbeat.stop()

    @property
    def pulses(self) -> Iterator[Pulse]:
        """The loops that must go round."""
        yield from (self._heartbeat.pulse, self._pulse)

    def readings(self) -> Iterator[Reading]:
        """What is to be seen of it now."""
        plans, (running, waiting, most) = len(self._runs()), self._limits.state()
        yield gauges.THREADS(self._workers, "action_plans")
        yield gauges.BUSY(plans, "action_plans")
        yield gauges.QUEUED(0, "action_plans")  # what waits stays PENDING in the database
        yield gauges.THREADS(most, "actions")
        yield gauges.BUSY(running, "actions")
        yield gauges.QUEUED(waiting, "actions")

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
            self._pulse.beat()
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
        """Take over orphaned plans, then claim PENDING ones, while there are workers for them."""
        orphans = self._orphans.look([run.uuid for run in self._runs()])
        for uuid in orphans[: max(0, self._workers - len(self._runs()))]:
            with context.about(uuid) as known:
                plan = take_over(self._database, uuid, self._host)
                self._enter(plan, known.to_dict(), resumed=True)
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
                with context.about(uuid, caller) as known:
                    self._enter(claim(self._database, uuid, self._host), known.to_dict())

    def _enter(
        self, plan: ActionPlan | None, caller: Mapping[str, Any], *, resumed: bool = False
    ) -> None:
        if plan is None or self._stopping.is_set():
            return
        run = PlanRun(self._wires, self._engine, plan, caller, resumed=resumed)
        with self._lock:
            self._running[run.uuid] = run
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
            try:
                runs[uuid].cancel()
            except LostRace as error:  # it is cancelled where it is run now
                LOG.info("%s", error)


class Endpoint:
    """What may be called over the bus."""

    def __init__(self, service: ApplierService) -> None:
        self._service = service

    def launch_action_plan(self, ctxt: Mapping[str, Any], uuid: str) -> None:
        """Run a plan; returns at once."""
        self._service.ring(uuid, ctxt)


def _wires(
    settings: Any, database: Database, announcer: Announcer, clients: Clients, limits: Limits
) -> Wires:
    rolls = settings.rollback_when_actionplan_failed and settings.on_failure == CONTINUE
    return Wires(
        database,
        announcer,
        clients,
        gate(limits),
        abort_on_cancel=settings.abort_on_cancel,
        on_failure=ROLLBACK if rolls else settings.on_failure,
        patience_s=settings.patience,
        stale_percent=settings.max_stale_percent,
    )


def _engine(conf: cfg.ConfigOpts, limits: Limits) -> Engine:
    settings = conf.watcher_applier
    known = plugins.load(plugins.WORKFLOW_ENGINES)
    factory = known.get(settings.workflow_engine)
    if factory is None:
        raise Invalid(
            f"[watcher_applier] workflow_engine is {settings.workflow_engine!r}; there is"
            f" {', '.join(known)}"
        )
    return factory(conf, limits)


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
