# SPDX-License-Identifier: Apache-2.0
"""What a second applier sees of what a first one had begun, on the simulated cloud."""

import threading
from collections.abc import Mapping
from typing import Any

import pytest

from tests.functional.applier.conftest import Lab
from watcher.actions.change_nova_service_state import ChangeNovaServiceState
from watcher.actions.migrate import Migrate
from watcher.core.errors import ActionFailed
from watcher.core.protocols import Progress
from watcher.simulator.world import Server


def handler(lab: Lab, server: Server, source: str, to: str | None, kind: str) -> Migrate:
    parameters = {
        "resource_id": server.uuid,
        "migration_type": kind,
        "source_node": source,
        "destination_node": to,
    }
    return Migrate(lab.clients, parameters, threading.Event())


def until(lab: Lab, server: Server, *statuses: str) -> None:
    """Ask Nova until the newest migration record has one of these statuses."""
    moves = handler(lab, server, server.host, None, "live")._moves

    def come() -> bool:
        newest = moves.newest(server.uuid)
        return newest is not None and newest.status in statuses

    lab.until(come)


def begun(lab: Lab, server: Server, to: str, kind: str) -> Mapping[str, Any]:
    """A process asks Nova for the move, and is no more."""
    first = handler(lab, server, server.host, to, kind)
    before = first.check()
    first._moves.begin(server.uuid, to, live=kind == "live")
    return before


@pytest.mark.parametrize("kind", ["live", "cold"])
def test_a_move_that_was_not_asked_for_is_not_begun(lab: Lab, kind: str) -> None:
    server = lab.server()
    source, to = server.host, lab.roomy(server)
    before = handler(lab, server, source, to, kind).check()
    second = handler(lab, server, source, to, kind)
    assert second.observe(before) is Progress.NOT_BEGUN
    second.check()
    second.perform()
    assert server.host == to


@pytest.mark.parametrize("kind", ["live", "cold"])
def test_a_move_that_runs_is_followed_and_not_asked_for_again(lab: Lab, kind: str) -> None:
    server = lab.server()
    source, to = server.host, lab.roomy(server)
    before = begun(lab, server, to, kind)
    second = handler(lab, server, source, to, kind)
    assert second.observe(before) is Progress.RUNNING
    second.perform()
    assert (server.host, server.vm_state) == (to, "active")
    assert len(lab.simulator.world.migrations) == 1


def test_a_move_that_is_over_is_done(lab: Lab) -> None:
    server = lab.server()
    source, to = server.host, lab.roomy(server)
    first = handler(lab, server, source, to, "live")
    before = first.check()
    first.perform()
    assert handler(lab, server, source, to, "live").observe(before) is Progress.DONE


def test_a_move_that_failed_meanwhile_fails_with_novas_words(lab: Lab) -> None:
    server = lab.server()
    source, to = server.host, lab.roomy(server)
    lab.simulator.faults.move("refused", server=server.uuid, text="CPU doesn't have avx512.")
    before = begun(lab, server, to, "live")
    until(lab, server, "error", "failed")
    second = handler(lab, server, source, to, "live")
    with pytest.raises(ActionFailed, match=r"ended as error: CPU doesn't have avx512\."):
        second.observe(before)
    assert second.undo() == ""
    assert server.host == source


@pytest.mark.parametrize("kind", ["live", "cold"])
def test_a_move_that_was_being_undone_is_undone_once(lab: Lab, kind: str) -> None:
    server = lab.server()
    source, to = server.host, lab.roomy(server)
    first = handler(lab, server, source, to, kind)
    before = first.check()
    first.perform()
    there = first._moves.newest(server.uuid)
    first._moves.begin(server.uuid, source, live=kind == "live")
    second = handler(lab, server, source, to, kind)
    lab.until(lambda: first._moves.newest(server.uuid) != there)
    with pytest.raises(ActionFailed, match="was being undone"):
        second.observe(before)
    assert second.undo() == f"the instance was moved back to {source}"
    assert server.host == source
    assert len(lab.simulator.world.migrations) == 2


def test_the_move_of_somebody_else_is_not_ours(lab: Lab) -> None:
    server = lab.server()
    source, to = server.host, lab.roomy(server)
    other = next(name for name in lab.simulator.world.hosts if name not in (source, to))
    before = handler(lab, server, source, other, "live").check()
    begun(lab, server, to, "live")
    second = handler(lab, server, source, other, "live")
    until(lab, server, "completed")
    assert second.observe(before) is Progress.NOT_BEGUN


def test_an_instance_that_is_gone_meanwhile_fails(lab: Lab) -> None:
    server = lab.server()
    second = handler(lab, server, server.host, lab.roomy(server), "live")
    before = second.check()
    lab.simulator.delete_server(server.uuid)
    with pytest.raises(ActionFailed, match=f"instance {server.uuid} is gone"):
        second.observe(before)


@pytest.mark.parametrize(("state", "kind"), [("active", "live"), ("stopped", "cold")])
def test_a_move_is_taken_back_by_a_move_as_the_instance_is_now(
    lab: Lab, state: str, kind: str
) -> None:
    server = lab.server()
    source, to = server.host, lab.roomy(server)
    first = handler(lab, server, source, to, "live")
    before = first.check()
    first.perform()
    server.vm_state = state
    back = first.reverse(before)
    assert back is not None
    parameters = back.input_parameters
    assert (parameters["source_node"], parameters["destination_node"]) == (to, source)
    assert (parameters["resource_id"], parameters["migration_type"]) == (server.uuid, kind)
    server.host = source
    assert first.reverse(before) is None


def test_a_service_that_was_switched_is_done_and_can_be_switched_back(lab: Lab) -> None:
    host = next(one for one in lab.simulator.world.hosts.values() if one.enabled)
    parameters = {"resource_id": host.uuid, "resource_name": host.name, "state": "disabled"}

    def change() -> ChangeNovaServiceState:
        return ChangeNovaServiceState(lab.clients, parameters, threading.Event())

    first = change()
    before = first.check()
    second = change()
    assert second.observe(before) is Progress.NOT_BEGUN
    first.perform()
    third = change()
    assert third.observe(before) is Progress.DONE
    back = third.reverse(before)
    assert back is not None
    assert back.input_parameters["state"] == "enabled"
    assert third.undo() == f"host {host.name} was enabled again"
    assert host.enabled


def test_an_enabled_host_is_given_its_former_reason_back(lab: Lab) -> None:
    host = next(one for one in lab.simulator.world.hosts.values() if one.enabled)
    parameters = {"resource_id": host.uuid, "resource_name": host.name, "state": "enabled"}
    handler = ChangeNovaServiceState(lab.clients, parameters, threading.Event())
    back = handler.reverse({"enabled": False, "disabled_reason": "watcher_maintaining"})
    assert back is not None
    assert back.input_parameters["disabled_reason"] == "watcher_maintaining"
    assert handler.reverse({"enabled": True, "disabled_reason": ""}) is None
