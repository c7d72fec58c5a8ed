# SPDX-License-Identifier: Apache-2.0
"""Strategies that need Nova only, on the real one: each plan runs to its end and reaches its goal.

What Nova says afterwards counts. Metrics are in a real InfluxDB, in the layout of telegraf.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cloud import seed
from tests.cloud.api import Cloud, Json
from tests.cloud.process import free_port, locked
from tests.integration import history
from tests.integration.backends import Influx
from tests.integration.daemons import Watcher, running

HOST, NAME = "OS-EXT-SRV-ATTR:host", "OS-EXT-SRV-ATTR:instance_name"
GOALS = {
    "basic": "server_consolidation",
    "node_resource_consolidation": "server_consolidation",
    "workload_stabilization": "workload_balancing",
    "allocation_balance": "workload_balancing",
    "outlet_temperature": "thermal_optimization",
    "uniform_airflow": "airflow_optimization",
    "noisy_neighbor": "noisy_neighbor",
    "dummy_with_resize": "dummy",
    "dummy_with_scorer": "dummy",
    "actuator": "unclassified",
}


@pytest.fixture(scope="module")
def cloud(cloud_session: Cloud) -> Iterator[Cloud]:
    """The test cloud as seeded, then as each test leaves it: level, nothing disabled or stopped.

    To put every server back between the tests took as long as the tests.
    """
    with locked("cloud-in-use"):
        seed.restore(cloud_session)
        yield cloud_session


@pytest.fixture(scope="module")
def trip(
    cloud_session: Cloud, services: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Watcher, Influx]]:
    for name in ("database_mysql", "transport_url", "influxdb_url"):
        assert name in services, f"{name}: tools/services up"
    # A port of its own: on the catalog's there may be a Watcher that a killed test left behind.
    port, folder = str(free_port()), tmp_path_factory.mktemp("watcher")
    with running(cloud_session, services, folder, api__port=port) as parts:
        yield parts


@pytest.fixture
def watcher(trip: tuple[Watcher, Influx]) -> Watcher:
    return trip[0]


@pytest.fixture
def influx(trip: tuple[Watcher, Influx]) -> Influx:
    """Without what the test before wrote: two histories of one server would make no sense."""
    forget(trip[1])
    return trip[1]


def forget(influx: Influx) -> None:
    """Begin a history anew."""
    for verb in ("DROP", "CREATE"):
        influx.query(f'{verb} DATABASE "{influx.database}"')


def carried_out(watcher: Watcher, strategy: str, **parameters: Any) -> list[Json]:
    """Audit, start the plan, see it succeed; its actions."""
    audit = watcher.audit(goal=GOALS[strategy], strategy=strategy, parameters=parameters)
    assert audit["state"] == "SUCCEEDED", audit["status_message"]
    plan = watcher.plan_of(audit["uuid"])
    assert plan["state"] == "RECOMMENDED", plan["status_message"]
    watcher.api().post(f"/v1/action_plans/{plan['uuid']}/start", json={})
    row = watcher.ended("action_plans", plan["uuid"])
    actions = watcher.actions_of(plan["uuid"])
    assert row["state"] == "SUCCEEDED", (row["status_message"], actions)
    return actions


def moved(actions: list[Json]) -> dict[str, str | None]:
    """Server id -> the host its migration names."""
    return {
        one["input_parameters"]["resource_id"]: one["input_parameters"].get("destination_node")
        for one in actions
        if one["action_type"] == "migrate"
    }


def homes(cloud: Cloud) -> dict[str, str]:
    """Server id -> its host, as Nova says; all must be active and at rest."""
    servers = cloud.servers()
    assert {one["status"] for one in servers} == {"ACTIVE"}
    return {one["id"]: str(one[HOST]) for one in servers}


def vcpus_by_host(cloud: Cloud) -> list[int]:
    total = dict.fromkeys(cloud.settings.hosts(), 0)
    for server in cloud.servers():
        total[server[HOST]] += server["flavor"]["vcpus"]
    return list(total.values())


def disabled(cloud: Cloud) -> dict[str, str]:
    return {
        one["host"]: one["disabled_reason"]
        for one in cloud.services()
        if one["status"] == "disabled"
    }


def test_what_basic_packed_is_levelled_again_by_measured_load(
    watcher: Watcher, influx: Influx, cloud: Cloud
) -> None:
    history.write(influx, cloud)
    actions = carried_out(watcher, "basic")
    now = homes(cloud)
    for server, host in moved(actions).items():
        assert now[server] == host
    released = disabled(cloud)
    assert released
    assert set(released.values()) == {"watcher_disabled"}
    assert not set(released) & set(now.values())

    for host in released:
        cloud.set_service(host, enabled=True)
    forget(influx)
    history.write(influx, cloud, 40.0)
    wanted = {"thresholds": {"instance_cpu_usage": 0.08}}
    actions = carried_out(watcher, "workload_stabilization", **wanted)
    now = homes(cloud)
    assert {server: now[server] for server in moved(actions)} == moved(actions)
    assert set(moved(actions).values()) <= set(released)
    loads = [0.4 * vcpus / cloud.settings.host_vcpus for vcpus in vcpus_by_host(cloud)]
    assert statistics.pstdev(loads) <= 0.08


def test_what_nova_packed_by_its_own_choice_is_levelled_again_by_allocation(
    watcher: Watcher, cloud: Cloud
) -> None:
    packed = carried_out(watcher, "node_resource_consolidation", enable_released=True)
    assert set(moved(packed).values()) == {None}
    sources = {
        one["input_parameters"]["source_node"] for one in packed if one["action_type"] == "migrate"
    }
    assert sources
    assert not sources & set(homes(cloud).values())
    assert disabled(cloud) == {}
    before = statistics.pstdev(vcpus_by_host(cloud))
    actions = carried_out(watcher, "allocation_balance", resources=["vcpus"])
    now = homes(cloud)
    assert {server: now[server] for server in moved(actions)} == moved(actions)
    after = statistics.pstdev(vcpus_by_host(cloud))
    assert after / cloud.settings.host_vcpus <= 0.05 * cpu_ratio(cloud)
    assert after < before


def cpu_ratio(cloud: Cloud) -> float:
    """The allocation ratio of vCPUs, as Placement has it."""
    placement = cloud.api("placement", "1.29")
    (first, *_) = placement.get("/resource_providers").json()["resource_providers"]
    path = f"/resource_providers/{first['uuid']}/inventories/VCPU"
    return float(placement.get(path).json()["allocation_ratio"])


def test_heat_air_and_noise_are_moved_away_from(
    watcher: Watcher, influx: Influx, cloud: Cloud
) -> None:
    history.write(influx, cloud)
    hot, loud, noisy, *others = cloud.settings.hosts()
    cool = dict.fromkeys((loud, noisy, *others), 24.0)
    history.write_sensors(influx, "exhaust_temp", "degrees_c", {hot: 36.0, **cool})
    warm = carried_out(watcher, "outlet_temperature", period=600)
    assert {homes(cloud)[server] for server in moved(warm)} == set(moved(warm).values())
    assert sources_of(warm) == {hot}

    history.write_sensors(influx, "airflow", "", dict.fromkeys((hot, noisy, *others), 20.0))
    history.write_sensors(influx, "airflow", "", {loud: 45.0})
    every = cloud.settings.hosts()
    history.write_sensors(influx, "inlet_temp", "degrees_c", dict.fromkeys(every, 22.0))
    history.write_sensors(influx, "total_power", "watts", dict.fromkeys(every, 150.0))
    carried_out(watcher, "uniform_airflow", period=600)
    assert loud not in homes(cloud).values()

    victim, *neighbours = cloud.servers(host=noisy)
    cloud.set_metadata(victim["id"], **{"watcher-priority": "9"})
    history.write_steal(influx, cloud, {victim["id"]: 40.0})
    apart = carried_out(watcher, "noisy_neighbor", period=600)
    assert len(moved(apart)) == 1
    (gone,) = moved(apart)
    assert gone in {one["id"] for one in neighbours}
    assert homes(cloud)[gone] != noisy
    assert homes(cloud)[victim["id"]] == noisy
    cloud.delete_metadata(victim["id"], "watcher-priority")


def sources_of(actions: list[Json]) -> set[str]:
    return {
        one["input_parameters"]["source_node"]
        for one in actions
        if one["action_type"] == "migrate"
    }


def action(kind: str, resource: str, **given: str) -> Json:
    return {"action_type": kind, "resource_id": resource, "input_parameters": given}


def test_the_actuator_resizes_and_stops(watcher: Watcher, cloud: Cloud) -> None:
    small = next(one for one in cloud.servers() if one["flavor"]["original_name"] == "c.tiny")
    other = next(one for one in cloud.servers() if one["id"] != small["id"])
    both = [action("resize", small["id"], flavor="c.small"), action("stop", other["id"])]
    carried_out(watcher, "actuator", actions=both)
    now = cloud.server(small["id"])
    assert (now["flavor"]["original_name"], now["status"]) == ("c.small", "ACTIVE")
    assert cloud.server(other["id"])["status"] == "SHUTOFF"
    again = carried_out(watcher, "actuator", actions=both)
    assert {one["state"] for one in again} == {"SKIPPED"}
    carried_out(watcher, "actuator", actions=[action("resize", small["id"], flavor="c.tiny")])
    assert cloud.server(small["id"])["flavor"]["original_name"] == "c.tiny"
    cloud.act(other["id"], "os-start")
    cloud.settled(other["id"], "ACTIVE")


def test_the_dummies_touch_nothing(watcher: Watcher, cloud: Cloud) -> None:
    before = homes(cloud)
    audit = watcher.audit(goal="dummy", strategy="dummy_with_resize")
    plan = watcher.plan_of(audit["uuid"])
    kinds = [one["action_type"] for one in watcher.actions_of(plan["uuid"])]
    assert sorted(kinds) == ["migrate", "migrate", "nop", "nop", "resize", "sleep"]
    watcher.api().post(f"/v1/action_plans/{plan['uuid']}/start", json={})
    row = watcher.ended("action_plans", plan["uuid"])
    assert row["state"] == "FAILED"
    assert "2 of 2 migrations do not fit the cloud" in row["status_message"]
    said = [
        one["input_parameters"]["message"]
        for one in carried_out(watcher, "dummy_with_scorer")
        if one["action_type"] == "nop"
    ]
    assert "detected workload: cpu" in said
    assert homes(cloud) == before
    engines = {
        one["name"] for one in watcher.api().get("/v1/scoring_engines").json()["scoring_engines"]
    }
    assert "dummy_scorer" in engines
