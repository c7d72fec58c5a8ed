# SPDX-License-Identifier: Apache-2.0
"""The main job on the real Nova, InfluxDB, RabbitMQ and MariaDB, driven by the clients that exist."""

from collections import Counter
from itertools import chain

import pytest

from tests.cloud.process import pause
from tests.integration import history
from tests.integration.daemons import HOST, running
from watcher.context import RequestContext
from watcher.messaging.rpc import Applier
from watcher.messaging.transport import Bus


@pytest.fixture(scope="module")
def trip(cloud_session, services, tmp_path_factory):
    for name in ("database_mysql", "transport_url", "influxdb_url"):
        assert name in services, f"{name}: tools/services up"
    with running(cloud_session, services, tmp_path_factory.mktemp("watcher")) as parts:
        yield parts


@pytest.fixture
def watcher(trip):
    return trip[0]


@pytest.fixture
def measured(trip, cloud):
    """The cloud as seeded, with an hour of history."""
    history.write(trip[1], cloud)
    return cloud


def planned_hosts(cloud, actions):
    """Server uuid -> the host where it should be after these actions."""
    where = {row["id"]: row["OS-EXT-SRV-ATTR:host"] for row in cloud.servers()}
    for action in actions:
        if action["action_type"] == "migrate":
            given = action["input_parameters"]
            where[given["resource_id"]] = given["destination_node"]
    return where


def where_nova_says(cloud):
    return {row["id"]: row["OS-EXT-SRV-ATTR:host"] for row in cloud.servers()}


def test_a_consolidation_from_metrics_ends_where_the_plan_said(watcher, measured):
    cloud = measured
    watcher.optimize("goal", "list")
    audit = watcher.optimize(
        "audit", "create", "-g", "server_consolidation", "-s", "vm_workload_consolidation"
    )
    ended = watcher.ended("audits", audit["UUID"])
    assert ended["state"] == "SUCCEEDED", ended["status_message"]
    (plan,) = watcher.optimize("actionplan", "list", "--audit", audit["UUID"])
    assert plan["State"] == "RECOMMENDED"
    actions = watcher.actions_of(plan["UUID"])
    expected = planned_hosts(cloud, actions)
    released = set(cloud.settings.hosts()) - set(expected.values())
    assert released, "a consolidation of this cloud must free a host"

    watcher.optimize("actionplan", "start", plan["UUID"])
    row = watcher.ended("action_plans", plan["UUID"])
    assert row["state"] == "SUCCEEDED", row["status_message"]
    assert row["hostname"] == HOST

    assert where_nova_says(cloud) == expected
    disabled = {
        one["host"]: one["disabled_reason"]
        for one in cloud.services()
        if one["status"] == "disabled"
    }
    assert disabled == dict.fromkeys(released, "watcher_disabled")
    assert {one["state"] for one in watcher.actions_of(plan["UUID"])} == {"SUCCEEDED"}
    indicators = {one["name"]: one["value"] for one in row["efficacy_indicators"]}
    assert indicators["released_compute_nodes_count"] == len(released)
    in_use = len(cloud.settings.hosts()) - len(released)
    assert in_use >= indicators["hosts_in_use_lower_bound"]


def test_host_maintenance_by_the_watcher_command_empties_the_host(watcher, cloud):
    host = cloud.settings.hosts()[1]
    before = cloud.servers_by_host()
    assert before[host]
    audit = watcher.watcher(
        *("audit", "create", "-g", "cluster_maintaining", "-s", "host_maintenance"),
        *("-p", f"maintenance_node={host}"),
    )
    ended = watcher.ended("audits", audit["UUID"])
    assert ended["state"] == "SUCCEEDED", ended["status_message"]
    (plan,) = watcher.watcher("actionplan", "list", "--audit", audit["UUID"])
    watcher.watcher("actionplan", "start", plan["UUID"])
    row = watcher.ended("action_plans", plan["UUID"])
    assert row["state"] == "SUCCEEDED", row["status_message"]
    after = cloud.servers_by_host()
    assert after[host] == []
    assert sorted(chain(*after.values())) == sorted(chain(*before.values()))
    (service,) = [one for one in cloud.services() if one["host"] == host]
    assert (service["status"], service["disabled_reason"]) == ("disabled", "watcher_maintaining")


def migrate_action(server, destination, kind="live"):
    return {
        "action_type": "migrate",
        "resource_id": server["id"],
        "input_parameters": {
            "migration_type": kind,
            "source_node": server["OS-EXT-SRV-ATTR:host"],
            "destination_node": destination,
            "resource_name": server["name"],
        },
    }


def elsewhere(cloud, server):
    return next(host for host in cloud.settings.hosts() if host != server["OS-EXT-SRV-ATTR:host"])


def actuate(watcher, *actions):
    """An audit of the actuator by the SDK, its plan started; the plan's row when it has ended."""
    sdk = watcher.sdk()
    audit = sdk.audit.create(
        goal="unclassified",
        strategy="actuator",
        audit_type="ONESHOT",
        parameters={"actions": list(actions)},
    )
    ended = watcher.ended("audits", audit.uuid)
    assert ended["state"] == "SUCCEEDED", ended["status_message"]
    (plan,) = sdk.action_plan.list(audit=audit.uuid)
    sdk.action_plan.start(plan.uuid)
    return watcher.ended("action_plans", plan.uuid)


def test_the_sdk_moves_a_server_live_and_another_cold(watcher, cloud):
    first, second = cloud.servers()[:2]
    targets = {first["id"]: elsewhere(cloud, first), second["id"]: elsewhere(cloud, second)}
    plan = actuate(
        watcher,
        migrate_action(first, targets[first["id"]]),
        migrate_action(second, targets[second["id"]], "cold"),
    )
    assert plan["state"] == "SUCCEEDED", (plan, watcher.actions_of(plan["uuid"]))
    now = where_nova_says(cloud)
    assert {uuid: now[uuid] for uuid in targets} == targets
    assert {cloud.server(uuid)["status"] for uuid in targets} == {"ACTIVE"}


def test_a_migration_that_nova_refuses_is_failed_with_novas_reason(watcher, cloud):
    server = cloud.servers()[0]
    cloud.set_metadata(server["id"], fail_live_migration="check")
    home = server["OS-EXT-SRV-ATTR:host"]
    plan = actuate(watcher, migrate_action(server, elsewhere(cloud, server)))
    (action,) = watcher.actions_of(plan["uuid"])
    assert action["state"] == "FAILED"
    reason = next(
        event["details"] or event["message"] or ""
        for event in cloud.events(server["id"])
        if event["result"] == "Error"
    )
    told = action["status_message"]
    assert any(part.strip() and part.strip()[:40] in told for part in reason.splitlines()), (
        told,
        reason,
    )
    assert plan["state"] == "FAILED"
    assert plan["status_message"]
    assert where_nova_says(cloud)[server["id"]] == home
    assert cloud.server(server["id"])["status"] == "ACTIVE"


def test_a_host_that_could_not_be_emptied_is_enabled_again(watcher, measured):
    cloud = measured
    audit = watcher.audit(goal="server_consolidation", strategy="vm_workload_consolidation")
    plan = watcher.plan_of(audit["uuid"])
    victim = next(
        one["input_parameters"]
        for one in watcher.actions_of(plan["uuid"])
        if one["action_type"] == "migrate"
    )
    cloud.set_metadata(victim["resource_id"], fail_live_migration="check")
    watcher.api().post(f"/v1/action_plans/{plan['uuid']}/start", json={})
    row = watcher.ended("action_plans", plan["uuid"])
    assert row["state"] == "FAILED"
    now = cloud.servers_by_host()
    (service,) = [one for one in cloud.services() if one["host"] == victim["source_node"]]
    assert victim["resource_id"] in now[victim["source_node"]]
    assert service["status"] == "enabled"
    full = {
        one["host"] for one in cloud.services() if one["status"] == "disabled" and now[one["host"]]
    }
    assert full == set()


def test_two_deliveries_of_one_launch_run_the_plan_once(watcher, cloud):
    server = cloud.servers()[0]
    audit = watcher.audit(
        goal="unclassified",
        strategy="actuator",
        parameters={"actions": [migrate_action(server, elsewhere(cloud, server))]},
    )
    plan = watcher.plan_of(audit["uuid"])
    before = len(cloud.migrations(server["id"]))
    watcher.api().post(f"/v1/action_plans/{plan['uuid']}/start", json={})
    applier = Applier(Bus(watcher.conf()))
    for _ in range(2):
        applier.launch_action_plan(RequestContext(), plan["uuid"])
    row = watcher.ended("action_plans", plan["uuid"])
    assert row["state"] == "SUCCEEDED", row["status_message"]
    pause(2)
    assert len(cloud.migrations(server["id"])) == before + 1


def test_an_audit_ends_although_rabbitmq_was_away(watcher, measured, broker):
    reply = watcher.api().post(
        "/v1/audits",
        json={
            "audit_type": "ONESHOT",
            "goal": "server_consolidation",
            "strategy": "vm_workload_consolidation",
        },
    )
    assert reply.status_code == 201
    broker.stop()
    pause(3)
    broker.start()
    audit = watcher.ended("audits", reply.json()["uuid"])
    assert audit["state"] == "SUCCEEDED", audit["status_message"]
    # ... and the bus carries the next one as if nothing had been
    second = watcher.audit(goal="dummy")
    assert second["state"] == "SUCCEEDED", second["status_message"]


def test_an_audit_asked_for_while_rabbitmq_is_away_is_kept_and_run(watcher, cloud, broker):
    broker.stop()
    try:
        reply = watcher.api().post("/v1/audits", json={"audit_type": "ONESHOT", "goal": "dummy"})
        assert reply.status_code == 201, reply.text
    finally:
        broker.start()
    audit = watcher.ended("audits", reply.json()["uuid"])
    assert audit["state"] == "SUCCEEDED", audit["status_message"]


def test_the_dummy_plan_is_cancelled_while_it_runs(watcher, cloud):
    audit = watcher.audit(goal="dummy", parameters={"para1": 10.0}, strategy="dummy")
    plan = watcher.plan_of(audit["uuid"])
    watcher.api().post(f"/v1/action_plans/{plan['uuid']}/start", json={})
    watcher.wait("action_plans", plan["uuid"], "ONGOING")
    watcher.optimize("actionplan", "cancel", plan["uuid"])
    row = watcher.ended("action_plans", plan["uuid"])
    assert row["state"] == "CANCELLED"
    assert Counter(one["state"] for one in watcher.actions_of(plan["uuid"]))["ONGOING"] == 0


def test_what_is_done_is_announced_on_the_bus(watcher, cloud):
    notifications = watcher.notifications()
    server = cloud.servers()[0]
    plan = actuate(watcher, migrate_action(server, elsewhere(cloud, server)))
    assert plan["state"] == "SUCCEEDED", plan["status_message"]
    seen = notifications.until("action_plan.execution.end")
    order = [kind for kind in seen if ".execution." in kind]
    assert order == [
        "action_plan.execution.start",
        "action.execution.start",
        "action.execution.end",
        "action_plan.execution.end",
    ]
