# SPDX-License-Identifier: Apache-2.0
"""What all plans of an applier are run with."""

from dataclasses import dataclass

from watcher.applier.admission import Gate
from watcher.clients.session import Clients
from watcher.core.states import CONTINUE
from watcher.db.engine import Database
from watcher.messaging.notifications import Announcer


@dataclass(frozen=True)
class Wires:
    """What all plans are run with.

    ``abort_on_cancel`` breaks off what runs and can be; ``on_failure`` is for plans that do not
    say; a cloud that does not answer when it is asked for something is given ``patience_s``; with
    more than ``stale_percent`` of its migrations stale a plan is not begun.
    """

    database: Database
    announcer: Announcer
    clients: Clients
    gate: Gate
    abort_on_cancel: bool = False
    on_failure: str = CONTINUE
    patience_s: float = 0.0
    stale_percent: float = 100.0
