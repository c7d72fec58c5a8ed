# SPDX-License-Identifier: Apache-2.0
"""Searches what daemons logged for what nobody may read there, and for what nobody foresaw.

``daemons.running`` does it at the end of every test module that runs them, whatever was tested.
"""

from __future__ import annotations

import pathlib
import re
from urllib.parse import urlsplit

from tests.cloud.settings import PASSWORD

FORBIDDEN = {
    "a token": re.compile(r"gAAAA[\w-]{40,}"),
    "SQL": re.compile(r"\b(SELECT .+ FROM|INSERT INTO|UPDATE \w+ SET|DELETE FROM)\b"),
    "a traceback": re.compile(r"\bTraceback \("),
}
SHOWN = 5


def within(*urls: str) -> set[str]:
    """The passwords in these URLs, and the one of every user of the test cloud."""
    return {PASSWORD, *filter(None, (urlsplit(url).password for url in urls))}


def search(folder: pathlib.Path, passwords: set[str]) -> None:
    """Fail if a log in this folder holds a password, a token, SQL or a traceback.

    A file that the test itself wrote (watcher.conf) is no log.
    """
    found = [
        f"{path.name}:{number}: {what}: {line[:200]}"
        for path in sorted(folder.glob("*.log"))
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
        for what in faults(line, passwords)
    ]
    assert not found, "\n".join([f"{len(found)} lines of the logs tell too much", *found[:SHOWN]])


def faults(line: str, passwords: set[str]) -> list[str]:
    """What a line of a log holds and should not."""
    told = ["a password" for password in passwords if password in line]
    return told + [what for what, pattern in FORBIDDEN.items() if pattern.search(line)]
