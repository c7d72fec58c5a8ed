# SPDX-License-Identifier: Apache-2.0
"""The compute collector over HTTP, on the simulated cloud."""

import time
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace

import pytest
from oslo_config import cfg

from watcher.clients.nova import Nova
from watcher.clients.session import Clients
from watcher.collectors.compute import ComputeCollector
from watcher.core.cluster import InstanceState, ServerGroup
from watcher.core.constraints import movable
from watcher.core.errors import Forbidden, NotFound, ServiceDown
from watcher.simulator.server import Simulator
from watcher.simulator.world import Resources

Configure = Callable[..., cfg.ConfigOpts]


def collector(conf: cfg.ConfigOpts) -> ComputeCollector:
    return ComputeCollector(Clients(conf), conf)


def test_the_cluster_is_the_world(simulator: Simulator, configure: Configure) -> None:
    world = simulator.world
    found = collector(configure()).collect()
    hosts = {host.name: host for host in found.each_host()}
    assert hosts.keys() == world.hosts.keys()
    for name, real in world.hosts.items():
        host = hosts[name]
        assert (host.uuid, host.zone) == (real.uuid, real.zone)
        assert host.total.tolist() == list(real.total)
        assert host.reserved.tolist() == list(real.reserved)
        assert host.ratio.tolist() == list(real.ratios)
        assert (bool(host.up), bool(host.enabled)) == (real.up, real.enabled)
        assert host.known
        assert {one.uuid for one in host.instances} == {
            one.uuid for one in world.servers.values() if one.host == name
        }
        assert host.aggregates == {
            label
            for one in world.aggregates
            if name in one.hosts
            for label in (one.name, f"#{one.id}")
        }
    for instance in found.each_instance():
        server = world.servers[instance.uuid]
        assert instance.demand.tolist() == list(server.needs())
        assert InstanceState(int(instance.state)).public == server.vm_state
        assert instance.domain_name == server.instance_name
        assert instance.metadata == server.metadata
        assert instance.pinned_zone == (server.pinned_zone or "")
    assert found.used.tolist() == [list(world.hosts[name].used) for name in found.hosts.name]


def test_server_groups_come_with_their_policy_and_members(
    simulator: Simulator, configure: Configure
) -> None:
    found = collector(configure()).collect()
    real = simulator.world.groups
    assert set(found.groups) == {
        ServerGroup(one.id, one.policy, one.max_server_per_host) for one in real
    }
    members = {one.id: set(one.members) & set(simulator.world.servers) for one in real}
    for index, group in enumerate(found.groups):
        assert set(found.instances.uuid[found.instances.group == index]) == members[group.uuid]


def test_no_request_is_made_per_server_and_none_twice(
    simulator: Simulator, configure: Configure
) -> None:
    eyes = collector(configure())
    eyes.collect()
    asked = {path: count for (_, _, path), count in simulator.requests.items()}
    assert asked["/v2.1/servers/detail"] == 1
    assert asked["/v2.1/os-hypervisors/detail"] == 1
    assert asked["/resource_providers/{provider_id}/inventories"] == 12
    assert not [path for path in asked if "{server_id}" in path]


def test_an_inventory_is_read_again_only_when_its_generation_has_changed(
    simulator: Simulator, configure: Configure
) -> None:
    eyes = collector(configure())
    first = eyes.collect()
    again = eyes.collect()
    assert first.origin["requests"]["inventories"] == 12
    assert "inventories" not in again.origin["requests"]
    assert again.hosts.total.tolist() == first.hosts.total.tolist()


def test_what_the_scheduler_judges_by_is_read_in_bulk(
    simulator: Simulator, configure: Configure
) -> None:
    world = simulator.world
    host, other = list(world.hosts.values())[:2]
    host.traits, host.hypervisor_version = host.traits | {"CUSTOM_FAST"}, 9_001_000
    host.cpu_features = frozenset({"avx512f"})
    world.aggregates[0].metadata["filter_tenant_id"] = "p1, p2"
    server = next(iter(world.servers.values()))
    server.flavor = replace(server.flavor, extra_specs={"trait:CUSTOM_FAST": "required"})
    server.image_id, server.image_properties = "image", {"hw_disk_bus": "scsi"}
    server.hints = {"same_host": ["x"]}
    other.consumers["left over"] = Resources(3, 512, 1)
    found = collector(configure()).collect()
    fast, slow = found.host(found.host_row(host.name)), found.host(found.host_row(other.name))
    assert (fast.traits, slow.traits) == ({"CUSTOM_FAST"}, frozenset())
    assert fast.hypervisor_version == 9_001_000
    assert fast.cpu == ("x86_64", "Intel", "Broadwell-IBRS", frozenset({"avx512f"}))
    assert (fast.held.tolist(), slow.held.tolist()) == ([0, 0, 0], [3, 512, 1])
    for name in world.aggregates[0].hosts:
        given = found.host(found.host_row(name)).aggregate_metadata
        assert given["filter_tenant_id"] == {"p1, p2"}
    instance = found.instance(found.instances.row_by_uuid[server.uuid])
    assert instance.flavor == server.flavor.name
    assert instance.image_properties == {"hw_disk_bus": "scsi"}
    assert instance.hints == {"same_host": ["x"]}
    assert found.traits == {"CUSTOM_FAST", "COMPUTE_STORAGE_BUS_SCSI"}
    asked = {path: count for (_, _, path), count in simulator.requests.items()}
    assert asked["/resource_providers"] == 3
    assert "/resource_providers/{provider_id}/traits" not in asked


def test_a_trait_that_cannot_be_read_binds_nobody_to_a_named_host(
    simulator: Simulator, configure: Configure
) -> None:
    server = next(iter(simulator.world.servers.values()))
    server.flavor = replace(server.flavor, extra_specs={"trait:CUSTOM_FAST": "required"})
    fault = {"service": "placement", "path": "^/resource_providers$", "status": 500, "body": b"no"}
    simulator.faults.add(**fault, skip=1, times=None)
    found = collector(configure()).collect()
    row = found.instances.row_by_uuid[server.uuid]
    assert "HTTP 500" in found.origin["unread"]["trait CUSTOM_FAST"]
    assert "trait CUSTOM_FAST" in movable(found)[1][row]


def test_one_provider_that_cannot_be_read_costs_only_its_host(
    simulator: Simulator, configure: Configure
) -> None:
    broken = next(iter(simulator.world.hosts.values()))
    path = f"/resource_providers/{broken.uuid}/inventories"
    simulator.faults.add(service="placement", path=path, status=500, body=b"no", times=None)
    eyes = collector(configure())
    found = eyes.collect()
    row = found.host_row(broken.name)
    assert [bool(one) for one in found.hosts.known] == [at != row for at in range(12)]
    assert "HTTP 500" in found.origin["unread"][broken.uuid]
    simulator.faults.clear()
    assert eyes.collect().hosts.known.all()


def test_a_provider_that_stays_silent_costs_only_its_host_too(
    simulator: Simulator, configure: Configure
) -> None:
    silent = next(iter(simulator.world.hosts.values()))
    path = f"/resource_providers/{silent.uuid}/inventories"
    simulator.faults.add(service="placement", path=path, delay_s=30, times=None)
    conf = configure()
    limited = SimpleNamespace(
        collector=SimpleNamespace(
            api_query_max_retries=1,
            api_query_interval=0,
            compute_resources_collector_timeout=4,
            scheduler_filters=[],
            compare_cpus="model",
        ),
        watcher_decision_engine=SimpleNamespace(max_general_workers=4),
    )
    found = ComputeCollector(Clients(conf), limited).collect()  # type: ignore[arg-type]
    assert list(found.origin["unread"]) == [silent.uuid]
    assert not found.hosts.known[found.host_row(silent.name)]


def test_a_cloud_that_is_too_slow_is_given_up_at_the_deadline(
    simulator: Simulator, configure: Configure
) -> None:
    simulator.faults.add(service="compute", path="/servers/detail", delay_s=30, times=None)
    conf = configure()
    limited = SimpleNamespace(
        collector=SimpleNamespace(
            api_query_max_retries=1, api_query_interval=0, compute_resources_collector_timeout=1
        ),
        watcher_decision_engine=SimpleNamespace(max_general_workers=4),
    )
    begun = time.monotonic()
    with pytest.raises(ServiceDown, match="not read within 1 s"):
        ComputeCollector(Clients(conf), limited).collect()  # type: ignore[arg-type]
    assert time.monotonic() - begun < 10


@pytest.mark.parametrize("fault", [{"status": 503, "body": b"busy"}, {"cut": True}])
def test_a_passing_failure_is_tried_again(
    simulator: Simulator, configure: Configure, fault: dict[str, object]
) -> None:
    simulator.faults.add(service="compute", path="/servers/detail", times=2, **fault)
    found = collector(configure()).collect()
    assert len(found.instances) == len(simulator.world.servers)
    assert found.origin["requests"]["servers"] == 3


def test_a_nova_that_stays_broken_is_a_service_down_with_its_reason(
    simulator: Simulator, configure: Configure
) -> None:
    simulator.faults.add(service="compute", path="/os-services", status=500, body=b"x", times=None)
    with pytest.raises(ServiceDown, match="Nova answers with HTTP 500"):
        collector(configure()).collect()


def test_an_account_that_may_not_see_hosts_is_told_so(configure: Configure) -> None:
    with pytest.raises(Forbidden, match="needs the role admin"):
        collector(configure("member")).collect()


def test_a_service_is_switched_off_with_its_reason_and_on_again(
    simulator: Simulator, configure: Configure
) -> None:
    nova = Nova(Clients(configure()))
    name = next(host.name for host in simulator.world.hosts.values() if host.enabled)
    nova.disable_service(nova.service(name).uuid, "watcher_disabled")
    assert nova.service(name)[3:] == (False, True, "watcher_disabled")
    assert not simulator.world.hosts[name].enabled
    nova.enable_service(nova.service(name).uuid)
    assert nova.service(name)[3:] == (True, True, "")


def test_a_server_and_a_service_that_are_not_there_are_not_found(configure: Configure) -> None:
    nova = Nova(Clients(configure()))
    with pytest.raises(NotFound, match="could not be found"):
        nova.server("11111111-1111-1111-1111-111111111111")
    with pytest.raises(NotFound, match="Compute service on host nowhere"):
        nova.service("nowhere")


def test_one_server_is_told_as_in_the_list(simulator: Simulator, configure: Configure) -> None:
    nova = Nova(Clients(configure()))
    listed = next(iter(nova.servers()))
    assert nova.server(listed.uuid) == listed
