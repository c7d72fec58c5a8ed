# SPDX-License-Identifier: Apache-2.0
"""Strategies that move volumes, on the real Cinder and Nova, asked afterwards where things are."""

from typing import Any

import pytest

from tests.cloud.process import wait_for
from tests.cloud.volumes import Volumes, pool
from tests.integration.daemons import Watcher, running

FAST, SLOW = pool("fast"), pool("slow")


@pytest.fixture(scope="module")
def watcher(cloud_session, services, tmp_path_factory):
    for name in ("database_mysql", "transport_url", "influxdb_url"):
        assert name in services, f"{name}: tools/services up"
    folder = tmp_path_factory.mktemp("watcher")
    with running(cloud_session, services, folder, cinder__migration_interval="0.5") as parts:
        yield parts[0]


@pytest.fixture
def volumes(storage_cloud):
    return Volumes(storage_cloud)


def carried_out(watcher: Watcher, goal: str, strategy: str, **parameters: Any) -> dict[str, Any]:
    """The plan of an audit when it has ended."""
    audit = watcher.audit(
        goal=goal, strategy=strategy, audit_type="ONESHOT", parameters=parameters
    )
    assert audit["state"] == "SUCCEEDED", audit["status_message"]
    plan = watcher.plan_of(audit["uuid"])
    assert plan["state"] == "RECOMMENDED", plan["status_message"]
    watcher.optimize("actionplan", "start", plan["uuid"])
    row = watcher.ended("action_plans", plan["uuid"])
    assert row["state"] == "SUCCEEDED", row["status_message"]
    assert {one["state"] for one in watcher.actions_of(plan["uuid"])} == {"SUCCEEDED"}
    return row


def test_zone_migration_empties_a_host_and_its_pools(watcher, storage_cloud, volumes):
    """Servers of a host; volumes retyped off one pool, and migrated onto it off the other."""
    cloud, host = storage_cloud, storage_cloud.settings.hosts()[0]
    servers = [row["id"] for row in cloud.servers(host=host)]
    loose, held = volumes.create("loose"), volumes.create("held")
    volumes.attach(held, servers[0])
    plain = volumes.create("plain", volume_type="__DEFAULT__")
    if volumes.pool_of(plain) == FAST:
        volumes.act(plain, "os-migrate_volume", host=SLOW, force_host_copy=False)
        wait_for("the volume", lambda: volumes.pool_of(plain) == SLOW, every_s=0.5)
    row = carried_out(
        watcher,
        "hardware_maintenance",
        "zone_migration",
        compute_nodes=[{"src_node": host}],
        storage_pools=[
            {"src_pool": FAST, "src_type": "fast", "dst_type": "slow"},
            {"src_pool": SLOW, "src_type": "__DEFAULT__", "dst_pool": FAST},
        ],
        with_attached_volume=True,
    )
    assert cloud.servers_by_host()[host] == []
    for uuid in (loose, held):
        after = volumes.get(uuid)
        assert (after["volume_type"], after["os-vol-host-attr:host"]) == ("slow", SLOW)
    assert [one["server_id"] for one in volumes.get(held)["attachments"]] == [servers[0]]
    assert volumes.pool_of(plain) == FAST
    indicators = {one["name"]: one["value"] for one in row["efficacy_indicators"]}
    assert indicators["planned_volume_migrate_count"] == 3
    assert indicators["planned_live_migrate_instance_count"] == len(servers)


def test_a_pool_that_is_too_full_is_brought_below_the_threshold(watcher, volumes):
    made = [volumes.create(f"v{number}", size_gb=170) for number in range(5)]

    def used_percent(name: str) -> float:
        found = volumes.cinder.get("/scheduler-stats/get_pools?detail=true").json()["pools"]
        (held,) = [one["capabilities"] for one in found if one["name"] == name]
        return 100 * (1 - held["free_capacity_gb"] / held["total_capacity_gb"])

    wait_for("the pool's own count", lambda: used_percent(FAST) > 84, every_s=1)
    row = carried_out(watcher, "workload_balancing", "storage_capacity_balance")
    assert sum(volumes.pool_of(uuid) == SLOW for uuid in made) == 1
    wait_for("the pool's own count", lambda: used_percent(FAST) < 80, every_s=1)
    indicators = {one["name"]: one["value"] for one in row["efficacy_indicators"]}
    assert indicators["pools_over_threshold_after_count"] == 0
    again = watcher.audit(
        goal="workload_balancing", strategy="storage_capacity_balance", audit_type="ONESHOT"
    )
    assert watcher.plan_of(again["uuid"])["state"] == "SUCCEEDED"
    assert "no pool is used to 80 percent or more" in again["status_message"]
