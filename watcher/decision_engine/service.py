# SPDX-License-Identifier: Apache-2.0
"""The decision engine: RPC endpoint, audit workers, the snapshot keeper, and what is due."""

import logging
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

from oslo_config import cfg
from oslo_utils import timeutils
from sqlalchemy import and_, or_

from watcher import config, context, plugins
from watcher.clients.session import Clients
from watcher.core.errors import LostRace, WatcherError
from watcher.datasources.choice import DataSources
from watcher.db import models, store
from watcher.db.engine import Database
from watcher.db.heartbeat import Heartbeat
from watcher.decision_engine import sync
from watcher.decision_engine.audits import Runner
from watcher.decision_engine.keeper import Keeper
from watcher.decision_engine.questions import Questions
from watcher.messaging.notifications import Announcer
from watcher.messaging.rpc import Applier, expected
from watcher.messaging.transport import Bus

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
        ],
    ),
    config.Group(
        "watcher_cluster_data_model_collectors.compute",
        "The snapshot of the compute hosts and instances",
        [
            cfg.IntOpt(
                "period",
                default=3600,
                min=1,
                help="Seconds between full readings in the background.",
            ),
            cfg.IntOpt(
                "max_age",
                default=0,
                min=0,
                help="Seconds that the snapshot an audit works on may be old; an older one is read"
                " anew before the audit. 0 reads the cloud for every audit.",
            ),
        ],
    ),
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
        period_s = conf["watcher_cluster_data_model_collectors.compute"].period
        self._keeper = Keeper(plugins.load(plugins.COLLECTORS)["compute"](clients, conf), period_s)
        sources = DataSources(conf)
        applier = Applier(bus)
        self._runner = Runner(
            conf, database, announcer, applier, self._keeper, sources, conf.host, self._stopped
        )
        self._questions = Questions(database, self._keeper, sources)
        self._workers = ThreadPoolExecutor(self._settings.max_audit_workers, "audit")
        self._server = bus.serve(self._settings.conductor_topic, self._host, Endpoint(self))
        self._heartbeat = Heartbeat(conf, database, NAME)
        self._due = threading.Thread(target=self._look_for_due, name="due-audits", daemon=True)

    def start(self) -> None:
        """Bring the tables in line, then serve."""
        sync.sync(self._database)
        self._keeper.start()
        self._heartbeat.start()
        self._server.start()
        self._due.start()
        LOG.info("%s is ready on %s", NAME, self._host)

    def stop(self) -> None:
        """Take no more work; audits that run go on to their end."""
        self._stopped.set()
        self._server.stop()
        self._keeper.stop()

    def wait(self) -> None:
        """Until the audits that were running have ended."""
        self._server.wait()
        self._workers.shutdown(wait=True, cancel_futures=True)
        self._heartbeat.stop()

    @property
    def questions(self) -> Questions:
        """What can be asked without running an audit."""
        return self._questions

    def trigger(self, uuid: str, origin: Mapping[str, Any] | None = None) -> None:
        """Have a worker run an audit, unless one of this engine has it already."""
        with self._claiming:
            if uuid in self._claimed:
                return
            self._claimed.add(uuid)
        try:
            self._workers.submit(self._run, uuid, origin)
        except RuntimeError:  # stopping: the audit stays PENDING for the next engine
            LOG.info("audit %s is left for another decision engine", uuid)
            self._claimed.discard(uuid)

    def _run(self, uuid: str, origin: Mapping[str, Any] | None) -> None:
        try:
            self._runner.run(context.for_job(uuid, origin), uuid)
        except WatcherError as error:
            LOG.warning("audit %s is left as it is: %s", uuid, error)
        except Exception:  # the edge: a worker thread must not lose the error
            LOG.exception("audit %s could not be run", uuid)
        finally:
            with self._claiming:
                self._claimed.discard(uuid)

    def _look_for_due(self) -> None:
        """Audits that wait and nobody runs are found here; expired plans are superseded."""
        expire_at = timeutils.utcnow()
        lost = False
        while not self._stopped.is_set():
            try:
                for uuid in self._waiting():
                    self.trigger(uuid)
                if timeutils.utcnow() >= expire_at:
                    self._supersede_expired()
                    interval_s = self._settings.check_periodic_interval
                    expire_at = timeutils.utcnow() + timedelta(seconds=interval_s)
                lost = False
            except WatcherError as error:
                if not lost:
                    LOG.warning("looking for due audits: %s", error)
                lost = True
            except Exception:  # the edge: the due loop must outlive a lost database
                LOG.exception("looking for due audits failed")
            self._stopped.wait(self._settings.continuous_audit_interval)

    def _waiting(self) -> list[str]:
        """Audits whose message was lost, and those that this host was running when it died."""
        audits = models.Audit
        lost = and_(audits.state == "PENDING", audits.audit_type == "ONESHOT")
        mine = or_(audits.hostname.is_(None), audits.hostname == self._host)
        left = and_(audits.state == "ONGOING", audits.audit_type != "CONTINUOUS", mine)
        with self._database.reading() as session:
            return [row.uuid for row in store.every(session, audits, or_(lost, left))]

    def _supersede_expired(self) -> None:
        hours = self._settings.action_plan_expiry
        if not hours:
            return
        plans = models.ActionPlan
        limit = timeutils.utcnow() - timedelta(hours=hours)
        with self._database.writing() as session:
            expired = store.every(
                session, plans, plans.state == "RECOMMENDED", plans.created_at < limit
            )
            for plan in expired:
                try:
                    message = f"Not started within {hours} hours."
                    store.transition(session, plan, "SUPERSEDED", message)
                except LostRace as error:
                    LOG.info("action plan %s is not superseded: %s", plan.uuid, error)


class Endpoint:
    """What may be called over the bus; plain values in, plain values out."""

    def __init__(self, service: DecisionEngineService) -> None:
        self._service = service

    def trigger_audit(self, ctxt: Context, uuid: str) -> None:
        """Run an audit; returns at once."""
        self._service.trigger(uuid, ctxt)

    @expected
    def get_strategy_info(self, ctxt: Context, name: str) -> list[dict[str, Any]]:  # noqa: ARG002
        """What a strategy needs and whether it is there."""
        return self._service.questions.strategy_info(name)

    @expected
    def get_data_model_info(
        self,
        ctxt: Context,  # noqa: ARG002
        data_model_type: str,
        audit_uuid: str | None,
    ) -> list[dict[str, Any]]:
        """The cluster as flat rows."""
        return self._service.questions.data_model(data_model_type, audit_uuid)
