# SPDX-License-Identifier: Apache-2.0
"""Plans at work whose applier is no more: they are taken over and finished, not cancelled."""

from collections.abc import Collection

from sqlalchemy import select

from watcher.applier.admission import RUNNING
from watcher.db.engine import Database
from watcher.db.heartbeat import Silence
from watcher.db.models import ActionPlan


class Orphans:
    """Finds them, one look after another.

    A host is given up when it showed no heartbeat for ``down_time_s`` while we looked, at most
    ``gap_s`` apart; what this host had in a former life is found at once.
    """

    def __init__(
        self, database: Database, host: str, silence: Silence, down_time_s: float, gap_s: float
    ) -> None:
        self._database = database
        self._host = host
        self._silence = silence
        self._down_time_s = down_time_s
        self._gap_s = gap_s

    def look(self, mine: Collection[str]) -> list[str]:
        """The uuids of such plans, the oldest first; ``mine`` are those that run here."""
        plans = ActionPlan
        query = select(plans.uuid, plans.hostname).where(
            plans.deleted == 0, plans.state.in_(RUNNING)
        )
        with self._database.reading() as session:
            rows = session.execute(query.order_by(plans.id)).all()
            others = {row.hostname for row in rows if row.hostname not in (None, self._host)}
            silent_s = self._silence.look(session, others, self._gap_s)
        dead = {host for host, silence_s in silent_s.items() if silence_s > self._down_time_s}
        dead.add(self._host)
        return [
            row.uuid
            for row in rows
            if row.uuid not in mine and (row.hostname is None or row.hostname in dead)
        ]
