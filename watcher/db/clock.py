# SPDX-License-Identifier: Apache-2.0
"""The one clock that all daemons share: the database's.

Schedules, starts, ends and heartbeats are compared with it, so that a host whose own clock is five
minutes off runs nothing early and looks alive.
"""

from datetime import datetime

from oslo_utils import timeutils
from sqlalchemy import func, select
from sqlalchemy.orm import Session

NOW = {
    "mysql": func.utc_timestamp(6),
    "mariadb": func.utc_timestamp(6),
    "postgresql": func.timezone("UTC", func.clock_timestamp()),
}


def now(session: Session) -> datetime:
    """The present moment, naive UTC. SQLite is part of our process and has no clock of its own."""
    moment = NOW.get(session.get_bind().dialect.name)
    if moment is None:
        return timeutils.utcnow()
    found: datetime | None = session.scalar(select(moment))
    assert found is not None
    return found
