# SPDX-License-Identifier: Apache-2.0
"""The test cloud does what the other tests count on."""

from __future__ import annotations

import pytest

from tests.cloud.api import Cloud, Json
from tests.cloud.process import pause, wait_for


def server_on(cloud: Cloud, host: str) -> Json:
    return next(row for row in cloud.servers() if row["OS-EXT-SRV-ATTR:host"] == host)


def newest_migration(cloud: Cloud, server_id: str) -> int:
    return max((int(row["id"]) for row in cloud.migrations(server_id)), default=0)


def failed_events(cloud: Cloud, server_id: str) -> str:
    """What went wrong; Nova writes it a moment after the server is at rest again."""
    for _look in range(50):
        wrong = [row for row in cloud.events(server_id) if row["result"] == "Error"]
        if wrong:
            break
        pause(0.2)
    return " ".join(row["details"] for row in wrong)


def test_six_hosts_hold_twenty_servers_spread_evenly(cloud: Cloud) -> None:
    by_host = cloud.servers_by_host()
    assert len(by_host) >= 6
    assert sum(map(len, by_host.values())) >= 20
    assert max(map(len, by_host.values())) - min(map(len, by_host.values())) <= 1


def test_a_live_migration_ends_on_the_host_asked_for(cloud: Cloud) -> None:
    server = server_on(cloud, "compute-01")
    cloud.live_migrate(server["id"], "compute-02")
    moved = cloud.moved(server["id"], "compute-02")
    assert moved["OS-EXT-SRV-ATTR:instance_name"] == server["OS-EXT-SRV-ATTR:instance_name"]


def test_a_cold_migration_waits_to_be_confirmed(cloud: Cloud) -> None:
    server = server_on(cloud, "compute-01")
    cloud.cold_migrate(server["id"], "compute-03")
    cloud.settled(server["id"], "VERIFY_RESIZE")
    cloud.act(server["id"], "confirmResize")
    cloud.moved(server["id"], "compute-03")


@pytest.mark.parametrize(
    ("way", "status", "reason"),
    [
        ("check", "error", "is told to refuse"),
        ("prepare", "failed", "cannot prepare"),
        ("copy", "failed", ""),
    ],
)
def test_a_live_migration_told_to_fail_leaves_the_server_active_on_its_source(
    cloud: Cloud, way: str, status: str, reason: str
) -> None:
    server = server_on(cloud, "compute-01")
    cloud.set_metadata(server["id"], fail_live_migration=way)
    before = newest_migration(cloud, server["id"])
    cloud.live_migrate(server["id"], "compute-02")
    cloud.migrated(server["id"], before)
    settled = cloud.settled(server["id"], "ACTIVE")
    assert settled["OS-EXT-SRV-ATTR:host"] == "compute-01"
    # Only now: while Nova cleans up, "error" turns into "failed".
    assert cloud.migrations(server["id"])[0]["status"] == status
    assert reason in failed_events(cloud, server["id"])


def test_a_cold_migration_told_to_fail_leaves_the_server_active_on_its_source(
    cloud: Cloud,
) -> None:
    server = server_on(cloud, "compute-01")
    cloud.set_metadata(server["id"], fail_cold_migration="yes")
    before = newest_migration(cloud, server["id"])
    cloud.cold_migrate(server["id"], "compute-02")
    assert cloud.migrated(server["id"], before)["status"] == "error"
    assert cloud.settled(server["id"], "ACTIVE")["OS-EXT-SRV-ATTR:host"] == "compute-01"
    assert "cannot power off" in failed_events(cloud, server["id"])


def test_a_slow_live_migration_can_be_aborted(cloud: Cloud) -> None:
    server = server_on(cloud, "compute-01")
    cloud.set_metadata(server["id"], live_migration_seconds="60")
    before = newest_migration(cloud, server["id"])
    cloud.live_migrate(server["id"], "compute-02")
    path = f"/servers/{server['id']}/migrations"

    def running() -> list[Json]:
        found: list[Json] = cloud.nova.get(path).json()["migrations"]
        return [row for row in found if row["status"] == "running"]

    wait_for("the copy to run", running, timeout_s=30)
    cloud.nova.delete(f"{path}/{running()[0]['id']}")
    assert cloud.migrated(server["id"], before)["status"] == "cancelled"
    assert cloud.settled(server["id"], "ACTIVE")["OS-EXT-SRV-ATTR:host"] == "compute-01"


def test_watcher_is_in_the_catalog_and_may_act_as_admin(cloud: Cloud) -> None:
    watcher = Cloud(cloud.settings, user="watcher", project="service")
    endpoint = watcher.session.get_endpoint(service_type="infra-optim", interface="public")
    assert endpoint == cloud.settings.url("watcher")
    assert len(watcher.servers()) == len(cloud.servers())
