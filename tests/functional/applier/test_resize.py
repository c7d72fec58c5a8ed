# SPDX-License-Identifier: Apache-2.0
"""Resizes against the simulated Nova: by the handler alone, and in a plan."""

import threading
from dataclasses import replace

import pytest

from tests.functional.applier.conftest import Lab
from watcher.actions.resize import Resize
from watcher.clients.nova import Nova
from watcher.core import solution
from watcher.core.errors import ActionFailed, Invalid, Skip
from watcher.core.protocols import Progress
from watcher.simulator.world import Flavor, Server


def handler(lab: Lab, server: Server, flavor: str) -> Resize:
    parameters = {"resource_id": server.uuid, "flavor": flavor}
    return Resize(lab.clients, parameters, threading.Event())


def larger(lab: Lab, server: Server) -> Flavor:
    """A flavor that is the server's and a little more."""
    flavor = replace(server.flavor, id="4711", name="larger", ram_mb=server.flavor.ram_mb + 512)
    lab.simulator.world.flavors[flavor.id] = flavor
    return flavor


@pytest.mark.parametrize("named", ["4711", "larger"])
def test_an_instance_gets_the_flavor_by_id_or_name_and_it_is_confirmed(
    lab: Lab, named: str
) -> None:
    server = lab.server()
    larger(lab, server)
    old = server.flavor.name
    change = handler(lab, server, named)
    before = change.check()
    assert before["flavor"] == old
    change.perform()
    assert (server.flavor.name, server.vm_state) == ("larger", "active")
    assert lab.simulator.world.migrations[-1].status == "confirmed"
    back = change.reverse(before)
    assert back == solution.resize(server.uuid, old)


def test_a_stopped_instance_stays_stopped(lab: Lab) -> None:
    server = lab.server()
    server.vm_state = "stopped"
    larger(lab, server)
    change = handler(lab, server, "larger")
    change.check()
    change.perform()
    assert (server.flavor.name, server.vm_state) == ("larger", "stopped")


def test_what_is_done_already_or_gone_or_locked_is_skipped(lab: Lab) -> None:
    one, other, third = lab.servers(3)
    with pytest.raises(Skip, match=f"has flavor {one.flavor.name} already"):
        handler(lab, one, one.flavor.id).check()
    larger(lab, one)
    other.locked = True
    with pytest.raises(Skip, match="is locked"):
        handler(lab, other, "larger").check()
    lab.simulator.delete_server(third.uuid)
    with pytest.raises(Skip, match="is gone"):
        handler(lab, third, "larger").check()


def test_what_nova_would_refuse_is_said_before(lab: Lab) -> None:
    server = lab.server()
    with pytest.raises(ActionFailed, match="Flavor nonesuch could not be found"):
        handler(lab, server, "nonesuch").check()
    larger(lab, server)
    server.vm_state = "paused"
    with pytest.raises(ActionFailed, match="is PAUSED; a resize needs ACTIVE or SHUTOFF"):
        handler(lab, server, "larger").check()
    server.vm_state, server.task_state = "active", "rebooting"
    with pytest.raises(ActionFailed, match="is busy"):
        handler(lab, server, "larger").check()


def test_novas_own_reason_is_told_and_nothing_is_left(lab: Lab) -> None:
    server = lab.server()
    larger(lab, server)
    lab.simulator.faults.move("error", server=server.uuid, text="disk is broken")
    change = handler(lab, server, "larger")
    old = change.check()["flavor"]
    with pytest.raises(ActionFailed, match=r"resize \d+ .* disk is broken"):
        change.perform()
    assert change.undo() == ""
    assert server.flavor.name == old


def test_a_smaller_disk_is_refused_by_nova(lab: Lab) -> None:
    server = lab.server()
    flavor = replace(server.flavor, id="4711", name="small", disk_gb=0)
    server.flavor = replace(server.flavor, disk_gb=10)
    server.volumes = ()
    lab.simulator.world.flavors[flavor.id] = flavor
    change = handler(lab, server, "small")
    change.check()
    with pytest.raises(Invalid, match="smaller disk"):
        change.perform()
    assert change.undo() == ""


def test_it_is_undone_before_and_after_its_confirmation(lab: Lab) -> None:
    server = lab.server()
    flavor = larger(lab, server)
    change = handler(lab, server, "larger")
    old = change.check()["flavor"]
    change._move = change._moves.resize(server.uuid, flavor.id)
    lab.until(lambda: Nova(lab.clients).server(server.uuid).status == "VERIFY_RESIZE")
    change._moves._look(change._move)
    assert change.undo() == "the resize was reverted"
    assert server.flavor.name == old
    again = handler(lab, server, "larger")
    again.check()
    again.perform()
    assert again.undo() == f"the instance was resized back to {old}"
    assert server.flavor.name == old
    assert handler(lab, server, "larger").undo() == ""


def test_it_cannot_be_broken_off(lab: Lab) -> None:
    change = handler(lab, lab.server(), "larger")
    with pytest.raises(ActionFailed, match="cannot be aborted"):
        change.abort()
    assert change.compensation() is None


def test_a_second_process_sees_how_far_it_has_come(lab: Lab) -> None:
    server = lab.server()
    flavor = larger(lab, server)
    first = handler(lab, server, "larger")
    before = first.check()
    assert handler(lab, server, "larger").observe(before) is Progress.NOT_BEGUN
    first._moves.resize(server.uuid, flavor.id)
    second = handler(lab, server, "larger")
    assert second.observe(before) is Progress.RUNNING
    second.perform()
    assert len(lab.simulator.world.migrations) == 1
    third = handler(lab, server, "larger")
    assert third.observe(before) is Progress.DONE
    assert third.undo() == f"the instance was resized back to {before['flavor']}"


def test_a_second_process_sees_that_it_failed(lab: Lab) -> None:
    server = lab.server()
    flavor = larger(lab, server)
    lab.simulator.faults.move("refused", server=server.uuid, text="no room")
    first = handler(lab, server, "larger")
    before = first.check()
    first._moves.resize(server.uuid, flavor.id)

    def over() -> bool:
        newest = first._moves.newest(server.uuid)
        return newest is not None and newest.status == "error"

    lab.until(over)
    with pytest.raises(ActionFailed, match="no room"):
        handler(lab, server, "larger").observe(before)
    lab.simulator.delete_server(server.uuid)
    with pytest.raises(ActionFailed, match="is gone"):
        handler(lab, server, "larger").observe(before)


def test_a_plan_resizes_and_stops(lab: Lab) -> None:
    one, other = lab.servers(2)
    larger(lab, one)
    plan = lab.plan(solution.resize(one.uuid, "larger"), solution.stop(other.uuid))
    assert lab.run(plan).state == "SUCCEEDED"
    assert one.flavor.name == "larger"
    assert other.vm_state == "stopped"
