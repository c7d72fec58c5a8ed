# SPDX-License-Identifier: Apache-2.0
"""Cinder and Ironic read from the simulated cloud, whole and broken."""

from collections.abc import Callable

import pytest
from oslo_config import cfg

from watcher.clients.session import Absent, Clients
from watcher.collectors.baremetal import BaremetalCollector
from watcher.collectors.storage import StorageCollector
from watcher.core.errors import Forbidden, ServiceDown
from watcher.core.storage import Storage
from watcher.simulator.block import Pool, Volume
from watcher.simulator.server import Simulator

Configure = Callable[..., cfg.ConfigOpts]
FAST, SLOW = "storage@fast#fast", "storage@slow#slow"


def read(conf: cfg.ConfigOpts) -> Storage:
    return StorageCollector(Clients(conf), conf).collect()


def fill(simulator: Simulator, number: int) -> None:
    """So many volumes of 1 GiB on the fast pool; every third has snapshots."""
    block = simulator.cinder.block
    kind = next(one.id for one in block.types.values() if one.name == "fast")
    servers = list(simulator.world.servers)
    for index in range(number):
        uuid = f"00000000-0000-4000-8000-{index:012}"
        held = [servers[0]] if index % 2 else []
        one = Volume(uuid, f"v{index}", 1, FAST, kind, "p", float(index), held)
        one.snapshots, one.status = int(index % 3 == 0), one.at_rest
        block.volumes[uuid] = one


def test_the_storage_is_what_cinder_says(simulator: Simulator, configure: Configure) -> None:
    fill(simulator, 7)
    found = read(configure())
    assert found.pools.name.tolist() == [FAST, SLOW]
    assert found.pools.total_gb.tolist() == [1000, 2000]
    assert found.pools.free_gb.tolist() == [993, 2000]
    assert found.pools.usable.all()
    assert [one.name for one in found.types] == ["__DEFAULT__", "fast", "slow"]
    assert found.serves.tolist() == [[True, True], [True, False], [False, True]]
    volumes = found.volumes
    assert volumes.snapshots.tolist() == [index % 3 == 0 for index in range(7)]
    assert volumes.attached.tolist() == [index % 2 == 1 for index in range(7)]
    assert set(volumes.status) == {"available", "in-use"}
    assert {found.type_name(row) for row in range(7)} == {"fast"}


def test_lists_are_read_page_by_page_and_nothing_per_volume(
    simulator: Simulator, configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("watcher.clients.cinder.PAGE", "2")
    fill(simulator, 7)
    found = read(configure())
    assert len(found.volumes) == 7
    assert found.volumes.snapshots.sum() == 3
    asked = {path: count for (_, _, path), count in simulator.requests.items()}
    assert asked["/v3/volumes/detail"] == 4
    assert asked["/v3/types"] == 2
    assert "/v3/volumes/{volume_id}" not in asked


@pytest.mark.parametrize("size", ["infinite", "unknown"])
def test_a_pool_that_tells_no_number_costs_only_itself(
    simulator: Simulator, configure: Configure, size: str
) -> None:
    odd = Pool("odd@odd#odd", size)
    simulator.cinder.block.pools[odd.name] = odd
    found = read(configure())
    assert found.pools.known.tolist() == [False, True, True]
    assert found.pools.usable.all()


def test_a_back_end_that_is_down_costs_only_itself(
    simulator: Simulator, configure: Configure
) -> None:
    fill(simulator, 2)
    simulator.cinder.block.pools[FAST].up = False
    found = read(configure())
    assert found.pools.usable.tolist() == [False, True]
    assert (found.volumes.pool == found.pool_row(FAST)).all()


def test_a_cloud_without_cinder_or_ironic_is_told_as_one(
    simulator: Simulator, configure: Configure
) -> None:
    del simulator.keystone.endpoints["block-storage"]
    del simulator.keystone.endpoints["baremetal"]
    conf = configure()
    with pytest.raises(Absent, match="Cinder is not in Keystone's catalog"):
        read(conf)
    with pytest.raises(Absent, match="Ironic is not in Keystone's catalog"):
        BaremetalCollector(Clients(conf), conf).collect()


def test_a_cinder_that_stays_broken_is_a_service_down(
    simulator: Simulator, configure: Configure
) -> None:
    simulator.faults.add(service="block-storage", path="/types", status=500, body=b"", times=None)
    with pytest.raises(ServiceDown, match="Cinder answers with HTTP 500"):
        read(configure())


def test_a_user_without_the_role_is_told_so(configure: Configure) -> None:
    with pytest.raises(Forbidden, match="needs the role admin"):
        read(configure("member"))


def test_machines_are_what_ironic_says(
    simulator: Simulator, configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes = list(simulator.ironic.nodes.values())
    nodes[0].power_state, nodes[1].maintenance, nodes[2].target = "", True, "power off"
    nodes[3].extra = {}
    conf = configure()
    found = BaremetalCollector(Clients(conf), conf).collect()
    assert found.uuid.tolist() == sorted(simulator.ironic.nodes)
    settled = set(found.uuid[found.settled])
    assert settled == {one.uuid for one in nodes[3:]}
    rows = {uuid: row for row, uuid in enumerate(found.uuid)}
    assert found.compute_node[rows[nodes[3].uuid]] == ""
    assert found.name[rows[nodes[3].uuid]] == nodes[3].host
