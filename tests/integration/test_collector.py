# SPDX-License-Identifier: Apache-2.0
"""The compute collector on the real Nova and Placement of the test cloud."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from keystoneauth1.adapter import Adapter
from oslo_config import cfg

from tests.cloud.api import Cloud
from tests.cloud.settings import PASSWORD
from watcher.clients import session
from watcher.clients.nova import Nova
from watcher.clients.session import Clients
from watcher.collectors import compute
from watcher.collectors.compute import ComputeCollector
from watcher.core.cluster import Cluster
from watcher.core.errors import Invalid, ServiceDown

Configure = Callable[..., cfg.ConfigOpts]

TEXT = """
[watcher_clients_auth]
auth_type = password
auth_url = {auth_url}
username = admin
password = {password}
project_name = admin
user_domain_name = Default
project_domain_name = Default
[collector]
api_query_max_retries = 1
"""


@pytest.fixture
def configure(cloud: Cloud, tmp_path: Path) -> Configure:
    def read(password: str = PASSWORD, more: str = "") -> cfg.ConfigOpts:
        path = tmp_path / "watcher.conf"
        path.write_text(TEXT.format(auth_url=cloud.settings.auth_url, password=password) + more)
        conf = cfg.ConfigOpts()
        for group in (*session.OPTIONS, compute.OPTIONS):
            group.register(conf)
        conf.register_opt(cfg.IntOpt("max_general_workers", default=4), "watcher_decision_engine")
        conf(["--config-file", str(path)])
        return conf

    return read


def collect(conf: cfg.ConfigOpts) -> Cluster:
    return ComputeCollector(Clients(conf), conf).collect()


def test_the_cluster_is_what_nova_and_placement_say(cloud: Cloud, configure: Configure) -> None:
    found = collect(configure())
    services = {row["host"]: row for row in cloud.services() if row["binary"] == "nova-compute"}
    assert set(found.hosts.name) == set(services)
    placement = cloud.api("placement", "1.29")
    for host in found.each_host():
        inventories = placement.get(f"/resource_providers/{host.uuid}/inventories").json()
        for column, name in enumerate(("VCPU", "MEMORY_MB", "DISK_GB")):
            given = inventories["inventories"][name]
            assert (host.total[column], host.reserved[column]) == (
                given["total"],
                given["reserved"],
            )
            assert host.ratio[column] == pytest.approx(given["allocation_ratio"])
        service = services[host.name]
        assert (host.zone, bool(host.enabled)) == (service["zone"], service["status"] == "enabled")
        assert host.known
        assert host.up
    servers = {row["id"]: row for row in cloud.servers()}
    assert set(found.instances.uuid) == set(servers)
    for instance in found.each_instance():
        told = servers[instance.uuid]
        assert found.hosts.name[instance.host] == told["OS-EXT-SRV-ATTR:host"]
        assert instance.domain_name == told["OS-EXT-SRV-ATTR:instance_name"]
        flavor = told["flavor"]
        assert instance.demand.tolist() == [flavor["vcpus"], flavor["ram"], flavor["disk"]]
        assert instance.metadata == told["metadata"]


def test_the_use_of_each_host_is_what_placement_has_allocated(
    cloud: Cloud, configure: Configure
) -> None:
    found = collect(configure())
    placement = cloud.api("placement", "1.29")
    for row, uuid in enumerate(found.hosts.uuid):
        usages = placement.get(f"/resource_providers/{uuid}/usages").json()["usages"]
        assert found.used[row].tolist() == [
            usages[name] for name in ("VCPU", "MEMORY_MB", "DISK_GB")
        ]


def test_the_requests_are_bulk_ones(cloud: Cloud, configure: Configure) -> None:
    conf = configure()
    eyes = ComputeCollector(Clients(conf), conf)
    hosts = len(eyes.collect().hosts)
    first, again = eyes.collect().origin["requests"], eyes.collect().origin["requests"]
    assert first.get("inventories", 0) <= hosts
    assert again == {
        "versions": 1,
        "servers": 1,
        "os-hypervisors": 1,
        "os-services": 1,
        "os-aggregates": 1,
        "os-server-groups": 1,
        "resource_providers": 1,
    }


def test_a_service_switched_off_by_us_is_off_with_our_reason(
    cloud: Cloud, configure: Configure
) -> None:
    conf = configure()
    nova = Nova(Clients(conf))
    service = nova.service("compute-01")
    try:
        nova.disable_service(service.uuid, "watcher_maintaining")
        found = collect(conf)
        host = found.host(found.host_row("compute-01"))
        assert (bool(host.enabled), host.disabled_reason) == (False, "watcher_maintaining")
        assert not found.hosts.usable[host.row]
    finally:
        nova.enable_service(service.uuid)
    assert collect(conf).host(found.host_row("compute-01")).enabled


@contextmanager
def reserved(placement: Adapter, uuid: str, amount_mb: int) -> Iterator[None]:
    """Some memory of a provider reserved, and given back at the end."""
    path = f"/resource_providers/{uuid}/inventories/MEMORY_MB"

    def put(amount: int) -> None:
        body: dict[str, Any] = placement.get(path).json()
        placement.put(path, json={**body, "reserved": amount})

    before = placement.get(path).json()["reserved"]
    put(amount_mb)
    try:
        yield
    finally:
        put(before)


def test_an_inventory_that_changed_is_read_again_and_no_other(
    cloud: Cloud, configure: Configure
) -> None:
    conf = configure()
    eyes = ComputeCollector(Clients(conf), conf)
    row = 2
    uuid = eyes.collect().hosts.uuid[row]
    with reserved(cloud.api("placement", "1.29"), uuid, 4321):
        found = eyes.collect()
    assert found.hosts.reserved[row][1] == 4321
    assert found.origin["requests"]["inventories"] == 1


def test_members_of_a_server_group_are_told_together(cloud: Cloud, configure: Configure) -> None:
    compute_api = cloud.api("compute", "2.64")
    body = {"name": "apart", "policy": "anti-affinity", "rules": {"max_server_per_host": 3}}
    made = compute_api.post("/os-server-groups", json={"server_group": body}).json()
    uuid = made["server_group"]["id"]
    try:
        (group,) = [one for one in collect(configure()).groups if one.uuid == uuid]
        assert (group.policy, group.max_per_host) == ("anti-affinity", 3)
    finally:
        compute_api.delete(f"/os-server-groups/{uuid}")


def test_every_host_knows_its_aggregates(cloud: Cloud, configure: Configure) -> None:
    aggregates = cloud.nova.get("/os-aggregates").json()["aggregates"]
    found = collect(configure())
    for name, row in found.hosts.row_by_name.items():
        mine = [one for one in aggregates if name in one["hosts"]]
        labels = [{one["name"], f"#{one['id']}"} for one in mine]
        assert found.hosts.aggregates[row] == set().union(*labels)
    assert any(found.hosts.aggregates)


def test_a_wrong_password_is_told_as_such(configure: Configure) -> None:
    with pytest.raises(ServiceDown, match="the credentials were refused") as caught:
        collect(configure("wrong"))
    assert "[watcher_clients_auth]" in str(caught.value)


def test_an_older_microversion_still_reads_everything(configure: Configure) -> None:
    found = collect(configure(more="[nova]\napi_version = 2.60\n"))
    assert found.hosts.known.all()
    assert (found.instances.demand > 0).all()


def test_a_microversion_newer_than_the_server_is_refused_for_changes(configure: Configure) -> None:
    nova = Nova(Clients(configure(more="[nova]\napi_version = 2.999\n")))
    service = nova.service("compute-01")
    with pytest.raises(Invalid, match=r"2\.999"):
        nova.disable_service(service.uuid, "never")
