# SPDX-License-Identifier: Apache-2.0
"""Machines switched in the simulated Ironic, by the handler alone and by the applier."""

import threading
from typing import Any

import pytest

from tests.functional.applier.conftest import Lab
from watcher.actions.change_node_power_state import ChangeNodePowerState
from watcher.clients import metal
from watcher.clients.metal import Metal
from watcher.core.errors import ActionFailed, Skip
from watcher.core.protocols import Progress
from watcher.core.solution import power
from watcher.simulator.ironic import OFF, ON, Node
from watcher.simulator.world import Host


@pytest.fixture
def node(lab: Lab) -> Node:
    """The machine of an empty, enabled host."""
    world = lab.simulator.world
    host = next(one for one in world.hosts.values() if one.enabled and one.up)
    for server in [one for one in world.servers.values() if one.host == host.name]:
        lab.simulator.delete_server(server.uuid)
        del world.servers[server.uuid]
    return lab.simulator.ironic.node_of(host.name)


def host_of(lab: Lab, node: Node) -> Host:
    return lab.simulator.world.hosts[node.host]


def handler(lab: Lab, node: Node, *, on: bool) -> ChangeNodePowerState:
    action = power(node.uuid, node.host, on=on)
    return ChangeNodePowerState(lab.clients, action.input_parameters, threading.Event())


def test_a_host_is_switched_off_and_on_again_by_plans(lab: Lab, node: Node) -> None:
    off = lab.plan(power(node.uuid, node.host, on=False))
    row = lab.run(off)
    assert row.state == "SUCCEEDED", row.status_message
    host = host_of(lab, node)
    assert (node.power_state, host.up, host.enabled) == (OFF, False, False)
    assert host.disabled_reason == "watcher_saving_energy"
    row = lab.run(lab.plan(power(node.uuid, node.host, on=True)))
    assert row.state == "SUCCEEDED", row.status_message
    assert (node.power_state, host.up, host.enabled) == (ON, True, True)


def test_a_driver_that_cannot_shut_down_softly_is_switched_hard(lab: Lab, node: Node) -> None:
    node.soft = False
    change = handler(lab, node, on=False)
    change.check()
    change.perform()
    assert node.power_state == OFF


def test_a_node_that_is_locked_for_a_moment_is_still_shut_down_softly(
    lab: Lab, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metal, "LOCK_PAUSE_S", 0.01)
    asked: list[Any] = []
    send = Metal._send

    def listened(self: Metal, method: str, path: str, **more: Any) -> Any:
        if method == "PUT":
            asked.append(more["json"]["target"])
        return send(self, method, path, **more)

    monkeypatch.setattr(Metal, "_send", listened)
    change = handler(lab, node, on=False)
    change.check()
    with lab.simulator.cloud.lock:
        lab.simulator.faults.add(
            service="baremetal", method="PUT", path="states/power", status=409, body={}, times=2
        )
    change.perform()
    assert node.power_state == OFF
    assert asked == ["soft power off"] * 3


def test_a_shutdown_that_hangs_is_followed_by_a_hard_one(lab: Lab, node: Node) -> None:
    lab.simulator.faults.move("stuck", server=node.uuid)
    change = handler(lab, node, on=False)
    change.check()
    change.perform()
    assert node.power_state == OFF


def test_what_is_so_already_is_skipped(lab: Lab, node: Node) -> None:
    with pytest.raises(Skip, match="is power on already"):
        handler(lab, node, on=True).check()


def test_a_host_with_instances_is_not_switched_off(lab: Lab) -> None:
    server = lab.server()
    node = lab.simulator.ironic.node_of(server.host)
    with pytest.raises(ActionFailed, match=f"host {server.host} has instances"):
        handler(lab, node, on=False).check()
    assert lab.simulator.world.hosts[server.host].enabled


def test_a_host_that_somebody_else_disabled_is_left_on(lab: Lab, node: Node) -> None:
    host = host_of(lab, node)
    host.enabled, host.disabled_reason = False, "new memory today"
    with pytest.raises(ActionFailed, match=r"disabled by somebody else .new memory today"):
        handler(lab, node, on=False).check()


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"maintenance": True, "maintenance_reason": "fan"}, r"in maintenance in Ironic \(fan\)"),
        ({"target": "power off"}, "is on its way to power off"),
    ],
)
def test_a_node_that_others_work_on_is_left_alone(
    lab: Lab, node: Node, fields: dict[str, Any], reason: str
) -> None:
    for name, value in fields.items():
        setattr(node, name, value)
    with pytest.raises(ActionFailed, match=reason):
        handler(lab, node, on=False).check()


def test_a_node_that_does_not_exist_is_told(lab: Lab, node: Node) -> None:
    action = power("11111111-1111-4111-8111-111111111111", node.host, on=True)
    change = ChangeNodePowerState(lab.clients, action.input_parameters, threading.Event())
    with pytest.raises(ActionFailed, match="does not exist in Ironic"):
        change.check()


def test_ironics_reason_reaches_the_operator_and_the_host_is_given_back(
    lab: Lab, node: Node
) -> None:
    faults = lab.simulator.faults
    faults.move("error", server=node.uuid, text="IPMI session lost", times=2)
    plan = lab.plan(power(node.uuid, node.host, on=False))
    assert lab.run(plan).state == "FAILED"
    message = str(lab.actions(plan)[0].status_message)
    assert "Ironic says IPMI session lost" in message
    assert message.endswith(f"; undone: host {node.host} was enabled again")
    assert host_of(lab, node).enabled


def test_a_machine_that_does_not_boot_is_told_and_switched_off_again(
    lab: Lab, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    change = handler(lab, node, on=False)
    change.check()
    change.perform()
    monkeypatch.setattr("watcher.simulator.ironic.BOOT_S", 1e6)
    back = handler(lab, node, on=True)
    back.check()
    with pytest.raises(ActionFailed, match=r"nova-compute of .* does not report after 3 s"):
        back.perform()
    assert back.undo() == "the machine is power off again"
    assert node.power_state == OFF


def test_what_a_dead_applier_began_is_observed(lab: Lab, node: Node) -> None:
    first = handler(lab, node, on=False)
    before = first.check()
    again = handler(lab, node, on=False)
    assert again.observe(before) is Progress.NOT_BEGUN
    node.target, node.due = "power off", None
    assert again.observe(before) is Progress.RUNNING
    node.due = 0.0
    again.perform()
    assert handler(lab, node, on=False).observe(before) is Progress.DONE
    assert first.reverse(before) == power(node.uuid, node.host, on=True)


def test_a_machine_that_is_no_compute_host_is_only_switched(lab: Lab, node: Node) -> None:
    parameters = {"resource_id": node.uuid, "state": "off"}
    change = ChangeNodePowerState(lab.clients, parameters, threading.Event())
    change.check()
    change.perform()
    assert node.power_state == OFF
    assert host_of(lab, node).enabled
    with pytest.raises(ActionFailed, match="as no compute host, by hand"):
        change.reverse({"power_state": ON})
