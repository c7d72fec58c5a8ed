# SPDX-License-Identifier: Apache-2.0
"""Nova's words out of its tracebacks; following is in tests/functional/applier."""

import pytest

from watcher.clients.migrations import Migration, last_words

FRAMES = 'Traceback (most recent call last):\n  File "a.py", line 1, in f\n    g()\n'


@pytest.mark.parametrize(
    ("traceback", "words"),
    [
        (FRAMES + "nova.exception.NoValidHost: No valid host was found. Try again.\n",
         "No valid host was found. Try again."),
        (FRAMES + "ValueError: bad: value", "bad: value"),
        (FRAMES + "nova.exception.X: two\nlines\n", "two lines"),
        (FRAMES + "oslo_messaging.rpc.client.RemoteError: Remote error: MigrationPreCheckError"
         " Migration pre-check error: no.\n['Traceback (most recent call last):\\n', '  File']\n",
         "Migration pre-check error: no."),
        (FRAMES + "First: one\n\nDuring handling of the above exception, another exception"
         f" occurred:\n\n{FRAMES}nova.exception.Second: two", "two"),
        ("Just a text", "Just a text"),
    ],
)  # fmt: skip
def test_the_last_words_of_a_traceback_are_the_error(traceback: str, words: str) -> None:
    assert last_words(traceback) == words


def test_a_record_without_destination_is_read() -> None:
    body = {
        "id": 7,
        "instance_uuid": "u",
        "status": "error",
        "source_compute": "c1",
        "dest_compute": None,
        "created_at": "2026-01-01T00:00:00.000000",
    }
    assert Migration.of(body) == Migration(7, "u", "error", "c1", "", body["created_at"])
