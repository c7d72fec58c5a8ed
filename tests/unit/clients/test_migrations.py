# SPDX-License-Identifier: Apache-2.0
"""Nova's migration records as values; following them is in tests/functional/applier."""

from threading import Event

import pytest

from tests.unit.clients.cloud import nova
from watcher.clients.migrations import FAILED, Migration, Migrations, Move
from watcher.core.errors import ActionFailed

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


@pytest.mark.parametrize(
    "refusal",
    [
        (406, {"computeFault": {"code": 406, "message": "Version 2.84 is not supported."}}),
        (404, {"itemNotFound": {"code": 404, "message": "Action req-1 could not be found."}}),
    ],
)
def test_a_nova_without_details_of_events_gives_the_fault_of_the_server(refusal) -> None:
    """Ussuri ends at 2.79; the details came with 2.84."""
    answers = {
        "/os-migrations": [(200, {"migrations": [BODY]})],
        "/servers/u/os-instance-actions/req-1": [refusal],
        "/servers/u": [(200, {"server": {"fault": {"message": "No valid host."}}})],
    }
    with nova(answers) as clients:
        move = Move("u", after=3, live=True, request_id="req-1")
        with pytest.raises(ActionFailed, match=r"ended as error: No valid host\."):
            Migrations(clients).follow(move, frozenset({"completed"}), Event())
    assert move.status in FAILED
