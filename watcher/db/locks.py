# SPDX-License-Identifier: Apache-2.0
"""Locks that all daemons share: one row each, locked until the end of a transaction."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from watcher.db.models import Lock

LEASES = "leases"
"""Held while a plan takes the resources it will work on."""
ACTIONS = "actions"
"""Held while an action begins, under limits across all plans."""
NAMES = (LEASES, ACTIONS)


def hold(session: Session, name: str) -> None:
    """Wait for a lock and hold it until the transaction ends (SQLite: any writer holds all)."""
    session.execute(select(Lock.name).where(Lock.name == name).with_for_update()).one()
