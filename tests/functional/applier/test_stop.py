# SPDX-License-Identifier: Apache-2.0
"""Stops against the simulated Nova, by the handler alone."""

import threading

import pytest

from tests.functional.applier.conftest import Lab
from watcher.actions.stop import Stop
from watcher.clients.nova import Nova
from watcher.core.errors import ActionFailed, Conflict, Skip
from watcher.core.protocols import Progress
from watcher.simulator.world import Server


def handler(lab: Lab, server: Server) -> Stop:
    return Stop(lab.clients, {"resource_id": server.uuid}, threading.Event())


def test_an_instance_is_stopped_and_started_again(lab: Lab) -> None:
    server = lab.server()
    stop = handler(lab, server)
    assert stop.check() == {"status": "ACTIVE", "host": server.host}
    stop.perform()
    assert server.vm_state == "stopped"
    assert stop.undo() == "the instance was started again"
    assert server.vm_state == "active"
    assert stop.undo() == ""


def test_what_is_stopped_or_gone_or_locked_is_skipped(lab: Lab) -> None:
    one, other, third = lab.servers(3)
    one.vm_state = "stopped"
    with pytest.raises(Skip, match="is stopped already"):
        handler(lab, one).check()
    other.locked = True
    with pytest.raises(Skip, match="is locked"):
        handler(lab, other).check()
    lab.simulator.delete_server(third.uuid)
    with pytest.raises(Skip, match="is gone"):
        handler(lab, third).check()


def test_what_cannot_be_stopped_is_said_before(lab: Lab) -> None:
    server = lab.server()
    server.vm_state = "paused"
    with pytest.raises(ActionFailed, match="is PAUSED; a stop needs ACTIVE or ERROR"):
        handler(lab, server).check()
    server.vm_state, server.task_state = "active", "rebooting"
    with pytest.raises(ActionFailed, match="is busy"):
        handler(lab, server).check()


def test_novas_refusal_is_told_and_nothing_is_left(lab: Lab) -> None:
    server = lab.server()
    stop = handler(lab, server)
    stop.check()
    server.vm_state = "paused"
    with pytest.raises(Conflict, match="paused"):
        stop.perform()
    assert stop.undo() == ""
    assert handler(lab, server).undo() == ""


def test_an_instance_that_runs_on_has_failed_to_stop(lab: Lab) -> None:
    server = lab.server()
    stop = handler(lab, server)
    stop._asked = True
    with pytest.raises(ActionFailed, match="is ACTIVE after the stop; Nova gives no reason"):
        stop.perform()


def test_an_instance_that_is_deleted_meanwhile_is_stopped_enough(lab: Lab) -> None:
    server = lab.server()
    stop = handler(lab, server)
    before = stop.check()
    lab.simulator.delete_server(server.uuid)
    stop.perform()
    assert handler(lab, server).observe(before) is Progress.DONE


def test_the_wait_ends_when_the_applier_does(lab: Lab) -> None:
    server = lab.server()
    stop = handler(lab, server)
    server.task_state, stop._asked = "powering-off", True
    stop._stop.set()
    with pytest.raises(ActionFailed, match="does not come to rest: ACTIVE, powering-off"):
        stop.perform()


def test_a_second_process_sees_how_far_it_has_come(lab: Lab) -> None:
    server = lab.server()
    before = handler(lab, server).check()
    assert handler(lab, server).observe(before) is Progress.NOT_BEGUN
    Nova(lab.clients).act(server.uuid, "os-stop")
    second = handler(lab, server)
    assert second.observe(before) in (Progress.RUNNING, Progress.DONE)
    second.perform()
    third = handler(lab, server)
    assert third.observe(before) is Progress.DONE
    with pytest.raises(ActionFailed, match="no action that starts an instance"):
        third.reverse(before)
    assert third.compensation() is None
    with pytest.raises(ActionFailed, match="cannot be aborted"):
        third.abort()
