# SPDX-License-Identifier: Apache-2.0
"""Nova's migration records as values; following them is in tests/functional/applier."""

from watcher.clients.migrations import Migration, Move

BODY = {
    "id": 7,
    "instance_uuid": "u",
    "status": "error",
    "source_compute": "c1",
    "dest_compute": None,
    "created_at": "2026-01-01T00:00:00.000000",
}


def test_a_record_without_destination_is_read() -> None:
    assert Migration.of(BODY) == Migration(7, "u", "error", "c1", "", BODY["created_at"])


def test_a_move_is_requested_until_its_record_is_there() -> None:
    move = Move("u", after=3, live=True)
    assert move.status == "requested"
    move.record = Migration.of(BODY)
    assert move.status == "error"
