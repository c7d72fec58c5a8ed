# SPDX-License-Identifier: Apache-2.0
"""What Watcher did of late, as far as it matters for what it does next."""

from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from watcher.core.solution import MIGRATE
from watcher.db import clock
from watcher.db.models import Action


def moved(session: Session, within_s: float) -> frozenset[str]:
    """The uuids of the instances that were migrated, or failed to be, within so many seconds."""
    recent = (
        Action.action_type == MIGRATE,
        Action.updated_at >= clock.now(session) - timedelta(seconds=within_s),
        Action.state.in_(("SUCCEEDED", "FAILED")),
    )
    found = session.scalars(select(Action.input_parameters).where(*recent))
    return frozenset(given["resource_id"] for given in found if "resource_id" in given)
