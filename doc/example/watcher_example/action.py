# SPDX-License-Identifier: Apache-2.0
"""The action ``write_note``: a line in a file of the applier's host."""

import os
import pathlib
from collections.abc import Mapping
from threading import Event
from typing import Any

from watcher.clients.session import Clients
from watcher.core.errors import ActionFailed
from watcher.core.protocols import Progress
from watcher.core.solution import Action

FILE = pathlib.Path(os.environ.get("WATCHER_EXAMPLE_NOTES", "/var/lib/watcher/notes.txt"))


class WriteNote:
    """Appends its text to the file of notes.

    The applier stores what ``check`` returns before ``perform`` is called, and asks ``observe``
    after a crash, so that no line is written twice.
    """

    type = "write_note"
    description = "Writes a line into the file of notes on the applier's host."
    can_abort = False
    schema = {
        "type": "object",
        "properties": {
            "resource_id": {"type": "string"},
            "resource_name": {"type": "string"},
            "text": {"type": "string", "minLength": 1},
        },
        "required": ["text"],
        "additionalProperties": False,
    }

    def __init__(self, clients: Clients, parameters: Mapping[str, Any], stop: Event) -> None:
        del clients, stop  # of what reads the cloud, and of what waits
        self._text = str(parameters["text"])

    def check(self) -> Mapping[str, Any]:
        """How long the file is now. Raises ActionFailed when it cannot be written."""
        if not FILE.parent.is_dir():
            raise ActionFailed(
                f"{FILE.parent} is no folder: make it, or set WATCHER_EXAMPLE_NOTES"
            )
        return {"size_bytes": FILE.stat().st_size if FILE.exists() else 0}

    def perform(self) -> None:
        """Write the line."""
        with FILE.open("a", encoding="utf-8") as notes:
            notes.write(f"{self._text}\n")

    def observe(self, before: Mapping[str, Any]) -> Progress:
        """Whether the line is behind what was there before."""
        if not FILE.exists():
            return Progress.NOT_BEGUN
        added = FILE.read_bytes()[int(before["size_bytes"]) :].decode(errors="replace")
        return Progress.DONE if f"{self._text}\n" in added else Progress.NOT_BEGUN

    def undo(self) -> str:
        """A line that could not be written needs nothing."""
        return ""

    def abort(self) -> None:
        """It is over before that."""

    def reverse(self, before: Mapping[str, Any]) -> Action | None:
        """What was said is said."""
        del before
        return None

    def compensation(self) -> Action | None:
        """It does no harm."""
        return None
