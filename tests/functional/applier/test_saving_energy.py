# SPDX-License-Identifier: Apache-2.0
"""``saving_energy`` from the collectors to machines that are off, on the simulated cloud."""

from dataclasses import replace

from tests.functional.applier.conftest import Lab
from watcher.collectors.baremetal import BaremetalCollector
from watcher.collectors.compute import ComputeCollector
from watcher.core.cluster import Cluster
from watcher.core.metrics import Metrics
from watcher.planners.weight import Weight
from watcher.simulator.ironic import OFF, ON
from watcher.strategies.saving_energy import Parameters, SavingEnergy


def read(lab: Lab) -> Cluster:
    compute = ComputeCollector(lab.clients, lab.conf).collect()
    machines = BaremetalCollector(lab.clients, lab.conf).collect()
    return replace(compute, baremetal=machines)


def carry_out(lab: Lab, parameters: Parameters) -> list[tuple[str, str]]:
    """Decide, order and execute; what was switched to which state."""
    cluster = read(lab)
    plan = Weight().order(SavingEnergy().solve(cluster, Metrics(), parameters), cluster)
    if plan.actions:
        row = lab.run(lab.plan(*plan.actions, parents=plan.parents))
        assert row.state == "SUCCEEDED", row.status_message
    given = [one.parameters for one in plan.actions]
    return sorted((one["resource_name"], one["state"]) for one in given)


def test_empty_hosts_are_switched_off_and_on_again_when_they_are_wanted(lab: Lab) -> None:
    world = lab.simulator.world
    enabled = sorted(name for name, host in world.hosts.items() if host.enabled and host.up)
    empty = enabled[:3]
    for server in [one for one in world.servers.values() if one.host in empty]:
        lab.simulator.delete_server(server.uuid)
        del world.servers[server.uuid]
    few = Parameters(free_used_percent=0.0, min_free_hosts_num=1)
    switched = carry_out(lab, few)
    off = {name for name, _ in switched}
    assert set(empty) - off
    assert switched == [(name, "off") for name in sorted(off)]
    for name in off:
        host = world.hosts[name]
        assert lab.simulator.ironic.node_of(name).power_state == OFF
        assert (host.up, host.disabled_reason) == (False, "watcher_saving_energy")
    assert carry_out(lab, few) == []  # it rests

    more = Parameters(free_used_percent=0.0, min_free_hosts_num=2)
    ((name, state),) = carry_out(lab, more)
    assert (name in off, state) == (True, "on")
    host = world.hosts[name]
    assert lab.simulator.ironic.node_of(name).power_state == ON
    assert (host.up, host.enabled) == (True, True)
