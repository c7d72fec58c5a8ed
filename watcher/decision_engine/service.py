# SPDX-License-Identifier: Apache-2.0
"""The decision engine: RPC endpoint, audit workers, the snapshot keeper, and what is due."""

import logging
import threading
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from oslo_config import cfg, types

from watcher import config, context
from watcher.clients.session import Clients
from watcher.core.errors import WatcherError
from watcher.datasources.choice import DataSources
from watcher.db.engine import Database
from watcher.db.heartbeat import Heartbeat
from watcher.decision_engine import snapshots, sync
from watcher.decision_engine.audits import Runner
from watcher.decision_engine.due import DueLoop
from watcher.decision_engine.questions import Questions
from watcher.messaging.notifications import Announcer
from watcher.messaging.packing import pack
from watcher.messaging.rpc import Applier, expected
from watcher.messaging.transport import Bus
from watcher.telemetry import gauges
from watcher.telemetry.gauges import Reading
from watcher.telemetry.pulse import Pulse

LOG = logging.getLogger(__name__)

NAME = "watcher-decision-engine"

Context = Mapping[str, Any]

OPTIONS = (
    config.Group(
        "watcher_decision_engine",
        "The decision engine",
        [
            cfg.IntOpt(
                "max_audit_workers", default=2, min=1, help="Audits that run at the same time."
            ),
            cfg.IntOpt(
                "max_general_workers",
                default=4,
                min=1,
                help="Threads that read the cloud at the same time.",
            ),
            cfg.IntOpt(
                "action_plan_expiry",
                default=24,
                min=0,
                mutable=True,
                help="Hours after which a RECOMMENDED action plan becomes SUPERSEDED; 0 = never.",
            ),
            cfg.IntOpt(
                "check_periodic_interval",
                default=1800,
                min=1,
                mutable=True,
                help="Seconds between looks for expired action plans.",
            ),
            cfg.IntOpt(
                "continuous_audit_interval",
                default=10,
                min=1,
                mutable=True,
                help="Seconds between looks for audits that are due or whose message was lost.",
            ),
            cfg.FloatOpt(
                "cool_down",
                default=1800.0,
                min=0.0,
                mutable=True,
                help="Seconds for which CONTINUOUS and EVENT audits leave an instance alone that"
                " Watcher has migrated; an audit's parameter of this name goes first.",
            ),
            cfg.Opt(
                "minimum_gain",
                type=types.Dict(types.Float(min=0.0)),
                default={},
                mutable=True,
                help="What a plan of a CONTINUOUS or EVENT audit must bring for each of its"
                " migrations, as goal:gain: hosts released for server_consolidation, percentage"
                " points of the standard deviation for workload_balancing. An audit's parameter of"
                " this name goes first.",
            ),
        ],
    ),
    *snapshots.OPTIONS,
)


class DecisionEngineService:
    """Daemon 2. ``start`` returns when it serves; ``stop`` and ``wait`` end it in order."""

    def __init__(
        self,
        conf: cfg.ConfigOpts,
        database: Database,
        bus: Bus,
        announcer: Announcer,
        clients: Clients,
    ) -> None:
        self._conf = conf
        self._database = database
        self._host = conf.host
        self._settings = conf.watcher_decision_engine
        self._stopped = threading.Event()
        self._claimed: set[str] = set()
        self._claiming = threading.Lock()
        self._snapshots = snapshots.Snapshots.configured(clients, conf)
        self._sources = sources = DataSources(conf)
        applier = Applier(bus)
        self._runner = Runner(
            conf, database, announcer, applier, self._snapshots, sources, conf.host, self._stopped
        )
        self._questions = Questions(database, self._snapshots, sources)
        self._workers = ThreadPoolExecutor(self._settings.max_audit_workers, "audit")
        self._server = bus.serve(self._settings.conductor_topic, self._host, Endpoint(self))
        self._heartbeat = Heartbeat(conf, database, NAME, announcer.service)
        self._due = DueLoop(conf, database, self._stopped, NAME, self._host, self._found)

    def start(self) -> None:
        """Bring the tables in line, then serve."""
        sync.sync(self._database)
        self._snapshots.start(self._conf)
        self._heartbeat.start()
        self._server.start()
        self._due.start()
        LOG.info("%s is ready on %s", NAME, self._host)

    def stop(self) -> None:
        """Take no more work; audits that run go on to their end."""
        self._stopped.set()
        self._server.stop()
        self._snapshots.stop()

    def wait(self) -> None:
        """Until the audits that were running have ended."""
        self._server.wait()
        self._workers.shutdown(wait=True, cancel_futures=True)
        self._heartbeat.stop()

    @property
    def pulses(self) -> Iterator[Pulse]:
        """The loops that must go round."""
        yield from (self._heartbeat.pulse, self._due.pulse)
        yield from self._snapshots.pulses

    def readings(self) -> Iterator[Reading]:
        """What is to be seen of it now."""
        threads, claimed = self._settings.max_audit_workers, len(self._claimed)
        yield gauges.THREADS(threads, "audits")
        yield gauges.BUSY(min(claimed, threads), "audits")
        yield gauges.QUEUED(max(0, claimed - threads), "audits")
        yield from self._snapshots.readings()
        yield from self._sources.readings()

    @property
    def questions(self) -> Questions:
        """What can be asked without running an audit."""
        return self._questions

    def trigger(
        self, uuid: str, origin: Mapping[str, Any] | None = None, owners: Collection[str] = ()
    ) -> None:
        """Have a worker run an audit, unless one of this engine has it already.

        What one of the ``owners`` was running is taken over.
        """
        with self._claiming:
            if uuid in self._claimed:
                return
            self._claimed.add(uuid)
        try:
            self._workers.submit(self._run, uuid, origin, owners)
        except RuntimeError:  # stopping: the audit waits for the next engine
            with context.named(uuid):
                LOG.info("audit %s is left for another decision engine", uuid)
            self._claimed.discard(uuid)

    def _found(self, uuid: str, dead: Collection[str]) -> None:
        self.trigger(uuid, owners=dead)

    def _run(self, uuid: str, origin: Mapping[str, Any] | None, owners: Collection[str]) -> None:
        with context.about(uuid, origin) as known:
            try:
                self._runner.run(known, uuid, owners)
            except WatcherError as error:
                LOG.warning("audit %s is left as it is: %s", uuid, error)
            except Exception:  # the edge: a worker thread must not lose the error
                LOG.exception("audit %s could not be run", uuid)
            finally:
                with self._claiming:
                    self._claimed.discard(uuid)


class Endpoint:
    """What may be called over the bus; plain values in, plain values out."""

    def __init__(self, service: DecisionEngineService) -> None:
        self._service = service

    def trigger_audit(self, ctxt: Context, uuid: str) -> None:
        """Run an audit; returns at once."""
        self._service.trigger(uuid, ctxt)

    @expected
    def get_strategy_info(self, ctxt: Context, name: str) -> list[dict[str, Any]]:
        """What a strategy needs and whether it is there."""
        with context.about(None, ctxt):
            return self._service.questions.strategy_info(name)

    @expected
    def get_data_model_info(
        self,
        ctxt: Context,
        data_model_type: str,
        audit_uuid: str | None,
    ) -> str:
        """The cluster as flat rows, and how old they are, packed."""
        questions = self._service.questions
        with context.about(audit_uuid, ctxt):
            rows = questions.data_model(data_model_type, audit_uuid)
        return pack({"context": rows, "model": questions.model_state(data_model_type)})
