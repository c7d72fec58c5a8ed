# SPDX-License-Identifier: Apache-2.0
"""A world is what its seed says, and possible."""

from collections import Counter

import numpy as np
import pytest

from watcher.core import errors
from watcher.simulator.columns import loads, to_cluster
from watcher.simulator.generate import generate
from watcher.simulator.world import World


@pytest.fixture(scope="module")
def demo() -> World:
    """The cloud that the demo shows."""
    return generate(seed=1, hosts=24, instances=200)


def test_the_same_seed_gives_the_same_world_down_to_uuids_and_loads(demo: World) -> None:
    again = generate(seed=1, hosts=24, instances=200)
    assert again == demo


def test_another_seed_gives_another_world(demo: World) -> None:
    other = generate(seed=2, hosts=24, instances=200)
    assert not set(other.servers) & set(demo.servers)
    assert not {host.uuid for host in other.hosts.values()} & {
        host.uuid for host in demo.hosts.values()
    }


@pytest.mark.parametrize("placement", ["fragmented", "skewed"])
@pytest.mark.parametrize(("hosts", "instances"), [(24, 200), (100, 2000)])
def test_no_host_is_overloaded_by_allocation_or_by_measured_load(
    placement: str, hosts: int, instances: int
) -> None:
    world = generate(3, hosts, instances, placement=placement)
    assert len(world.servers) == instances
    for host in world.hosts.values():
        assert all(used <= most for used, most in zip(host.used, host.capacity, strict=True))
    measured = loads(world)
    total = np.array([h.total.ram_mb for h in sorted(world.hosts.values(), key=lambda h: h.uuid)])
    assert measured.host_cpu_percent.max() <= 95
    assert (measured.host_ram_kib / 1024 <= total).all()


def test_consumers_of_a_host_are_its_servers(demo: World) -> None:
    for host in demo.hosts.values():
        residents = {one.uuid for one in demo.servers.values() if one.host == host.name}
        assert set(host.consumers) == residents


def test_the_demo_has_much_to_gain_and_some_of_everything(demo: World) -> None:
    occupied = {server.host for server in demo.servers.values()}
    assert len(occupied) >= 22
    # The largest hosts that together hold all allocated memory: far fewer than are in use.
    need = sum(server.flavor.ram_mb for server in demo.servers.values())
    sizes = sorted((host.capacity.ram_mb for host in demo.hosts.values()), reverse=True)
    assert np.cumsum(sizes).searchsorted(need) + 1 <= 8
    assert Counter(host.enabled for host in demo.hosts.values())[False] == 1
    states = Counter(server.vm_state for server in demo.servers.values())
    assert states["active"] > 160
    assert states["stopped"] > 0
    assert states["paused"] > 0
    assert {host.zone for host in demo.hosts.values()} == {"az1", "az2"}
    assert len({host.total for host in demo.hosts.values()}) >= 4
    assert any(server.volumes for server in demo.servers.values())
    assert any(server.pinned_zone for server in demo.servers.values())


def test_cpu_use_has_a_long_tail() -> None:
    world = generate(1, 200, 4000)
    use = [one.cpu_load_percent for one in world.servers.values() if one.vm_state == "active"]
    median, high = np.quantile(use, [0.5, 0.99])
    assert 13 < median < 17
    assert high > 5 * median


def test_server_groups_are_kept_by_the_placement() -> None:
    world = generate(1, 100, 1000)
    policies = Counter(group.policy for group in world.groups)
    assert policies["affinity"] >= 5
    assert policies["anti-affinity"] >= 3
    member_of = Counter(uuid for group in world.groups for uuid in group.members)
    assert set(member_of.values()) == {1}
    for group in world.groups:
        places = [world.servers[uuid].host for uuid in group.members]
        distinct = 1 if group.policy == "affinity" else len(places)
        assert len(set(places)) == distinct, group


def test_the_skewed_cloud_is_more_uneven_than_the_fragmented_one() -> None:
    spread = {
        placement: loads(generate(1, 200, 4000, placement=placement)).host_cpu_percent.std()
        for placement in ("fragmented", "skewed")
    }
    assert spread["skewed"] > 1.2 * spread["fragmented"]


def test_more_instances_than_fit_are_refused_with_the_reason() -> None:
    with pytest.raises(errors.Invalid, match="of 5000 instances fit on none of 2 hosts"):
        generate(1, 2, 5000)


def test_an_unknown_placement_is_refused() -> None:
    with pytest.raises(errors.Invalid, match="'spread'"):
        generate(placement="spread")


def test_the_cluster_has_the_same_placement_and_allocations(demo: World) -> None:
    cluster = to_cluster(demo)
    assert len(cluster.hosts) == 24
    assert len(cluster.instances) == 200
    for host in demo.hosts.values():
        row = cluster.host_row(host.name)
        assert tuple(cluster.used[row]) == host.used
        assert tuple(cluster.hosts.capacity[row]) == host.capacity
        assert cluster.hosts.enabled[row] == host.enabled
        assert {
            f"#{a.id}" for a in demo.aggregates if host.name in a.hosts
        } < cluster.hosts.aggregates[row]
    for uuid, row in cluster.instances.row_by_uuid.items():
        server = demo.servers[uuid]
        assert cluster.hosts.name[cluster.instances.host[row]] == server.host
        assert cluster.instances.domain_name[row] == server.instance_name
    assert {group.policy for group in cluster.groups} == {"affinity", "anti-affinity"}


def test_loads_are_in_the_rows_of_the_cluster_and_add_up(demo: World) -> None:
    cluster, measured = to_cluster(demo), loads(demo)
    busy = np.zeros(len(cluster.hosts))
    for uuid, row in cluster.instances.row_by_uuid.items():
        server = demo.servers[uuid]
        if server.vm_state == "stopped":
            assert np.isnan(measured.instance_cpu_percent[row])
            continue
        assert measured.instance_cpu_percent[row] == server.cpu_load_percent
        assert measured.instance_ram_mb[row] == pytest.approx(server.rss_mb)
        busy[cluster.instances.host[row]] += server.flavor.vcpus * server.cpu_load_percent / 100
    for host in demo.hosts.values():
        row = cluster.host_row(host.name)
        percent = (busy[row] + host.overhead_vcpus) / host.total.vcpus * 100
        assert measured.host_cpu_percent[row] == pytest.approx(percent)
