# SPDX-License-Identifier: Apache-2.0
"""From what Nova and Placement say to a cluster."""

from typing import Any

import pytest

from tests.unit.clients.test_nova import body
from watcher.clients.nova import Aggregate, ComputeService, Hypervisor, Server
from watcher.clients.placement import Inventory
from watcher.collectors.joining import Raw, put_together
from watcher.core.cluster import NO_GROUP, UNPLACED, Cluster, ServerGroup

FULL = {
    "VCPU": Inventory(16, 2, 4.0),
    "MEMORY_MB": Inventory(32768, 512, 1.5),
    "DISK_GB": Inventory(500, 10, 1.0),
}


def hypervisor(name: str, **fields: Any) -> Hypervisor:
    given: dict[str, Any] = {
        "uuid": f"uuid-{name}",
        "hostname": f"{name}.example.org",
        "service_host": name,
        "type": "QEMU",
        "up": True,
        "vcpus": 8,
        "memory_mb": 16384,
        "disk_gb": 100,
    }
    return Hypervisor(**{**given, **fields})


def service(host: str, **fields: Any) -> ComputeService:
    given: dict[str, Any] = {
        "uuid": f"service-{host}",
        "host": host,
        "zone": "az1",
        "enabled": True,
        "up": True,
        "disabled_reason": "",
    }
    return ComputeService(**{**given, **fields})


def server(uuid: str, host: str, **changes: Any) -> Server:
    return Server.of(body(id=uuid, **{"OS-EXT-SRV-ATTR:host": host}, **changes))


def cluster(**parts: Any) -> Cluster:
    given: dict[str, Any] = {
        "servers": [],
        "hypervisors": [hypervisor("n1"), hypervisor("n10")],
        "services": [service("n1"), service("n10")],
        "aggregates": [],
        "groups": [],
        "inventories": {"uuid-n1": FULL, "uuid-n10": FULL},
    }
    return put_together(Raw(**{**given, **parts}), 1.0, {"requests": 7})


def test_sizes_are_those_of_placement() -> None:
    hosts = cluster().hosts
    assert hosts.total[0].tolist() == [16, 32768, 500]
    assert hosts.reserved[0].tolist() == [2, 512, 10]
    assert hosts.ratio[0].tolist() == [4.0, 1.5, 1.0]
    assert hosts.known.all()


def test_a_class_that_placement_lacks_is_the_hypervisors_own() -> None:
    shared_disk = {name: FULL[name] for name in ("VCPU", "MEMORY_MB")}
    found = cluster(inventories={"uuid-n1": shared_disk, "uuid-n10": FULL}).host(0)
    assert found.total.tolist() == [16, 32768, 100]
    assert found.reserved[2] == 0
    assert found.known


@pytest.mark.parametrize("inventories", [{}, {"uuid-n10": FULL}, {"uuid-n1": {}}])
def test_a_host_that_placement_says_nothing_of_is_shown_but_takes_nothing(
    inventories: dict[str, Any],
) -> None:
    found = cluster(inventories=inventories)
    assert found.host(0).total.tolist() == [8, 16384, 100]
    assert not found.host(0).known
    assert not found.hosts.usable[0]


def test_a_host_whose_name_begins_like_another_is_not_mixed_up_with_it() -> None:
    found = cluster(
        servers=[server("a", "n1"), server("b", "n10"), server("c", "n10")],
        aggregates=[Aggregate(3, "ssd", "", ("n10",), {})],
        services=[
            service("n1", enabled=False, disabled_reason="broken"),
            service("n10", up=False),
        ],
    )
    n1, n10 = found.host(found.host_row("n1")), found.host(found.host_row("n10"))
    assert [one.uuid for one in n1.instances] == ["a"]
    assert [one.uuid for one in n10.instances] == ["b", "c"]
    assert (n1.enabled, n1.up, n1.disabled_reason) == (False, True, "broken")
    assert (n10.enabled, n10.up, n10.disabled_reason) == (True, False, "")
    assert (n1.aggregates, n10.aggregates) == (frozenset(), {"ssd", "#3"})


def test_a_hypervisor_without_a_service_is_down_and_takes_nothing() -> None:
    found = cluster(services=[service("n10")]).host(0)
    assert (bool(found.up), bool(found.enabled), bool(found.known)) == (False, False, False)


def test_a_hypervisor_that_is_down_is_down_though_its_service_answers() -> None:
    assert not cluster(hypervisors=[hypervisor("n1", up=False)]).host(0).up


def test_ironic_nodes_are_no_hosts() -> None:
    found = cluster(hypervisors=[hypervisor("n1"), hypervisor("metal", type="ironic")])
    assert found.hosts.name.tolist() == ["n1"]


def test_deleted_instances_are_left_out_and_those_without_a_known_host_are_unplaced() -> None:
    found = cluster(
        servers=[
            server("a", "n1", **{"OS-EXT-STS:vm_state": "deleted"}),
            server("b", "elsewhere"),
            server("c", None),
        ]
    )
    assert found.instances.uuid.tolist() == ["b", "c"]
    assert found.instances.host.tolist() == [UNPLACED, UNPLACED]


def test_a_server_told_twice_is_where_the_later_page_says() -> None:
    found = cluster(servers=[server("a", "n1"), server("a", "n10")])
    assert len(found.instances) == 1
    assert found.instances.host[0] == found.host_row("n10")


def test_members_know_their_server_group() -> None:
    group = ServerGroup("g1", "anti-affinity", 2)
    found = cluster(
        servers=[server("a", "n1"), server("b", "n1")], groups=[(group, ("b", "gone"))]
    )
    assert found.groups == (group,)
    assert found.instances.group.tolist() == [NO_GROUP, 0]


def test_an_instance_keeps_what_strategies_and_sources_need() -> None:
    one = cluster(servers=[server("a", "n1", locked=True)]).instance(0)
    assert one.demand.tolist() == [2, 4096, 20]
    assert (one.domain_name, one.locked) == ("instance-0000000a", True)
    assert (one.project_id, one.metadata, one.extra_specs) == ("p1", {"role": "web"}, {"a": "b"})


def test_how_it_was_read_goes_with_it() -> None:
    found = cluster()
    assert (found.taken_at, found.origin) == (1.0, {"requests": 7})
