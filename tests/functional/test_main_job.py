# SPDX-License-Identifier: Apache-2.0
"""POST to executed plan in one process, on the simulated cloud."""

import numpy as np
import pytest

from tests.functional.standalone import ADMIN, standalone
from watcher.simulator.columns import to_cluster


@pytest.fixture(scope="module")
def watcher(tmp_path_factory):
    with standalone(tmp_path_factory.mktemp("standalone")) as running:
        yield running


def in_use(cluster):
    """How many hosts have an instance."""
    return len(set(cluster.instances.host.tolist()))


def cluster(watcher):
    with watcher.simulator.cloud.lock:
        return to_cluster(watcher.simulator.world)


def reported(watcher, plan):
    """The report of a plan, as JSON."""
    headers = {**ADMIN, "OpenStack-API-Version": "infra-optim 1.11"}
    return watcher.app.get(f"/v1/action_plans/{plan['uuid']}/report.json", headers=headers).json


def test_a_consolidation_frees_hosts_and_ends_where_the_plan_said(watcher):
    before = cluster(watcher)
    audit = watcher.audit("server_consolidation", "vm_workload_consolidation")
    assert audit["state"] == "SUCCEEDED", audit["status_message"]
    plan = watcher.plan_of(audit)
    assert plan["state"] == "RECOMMENDED"
    done = watcher.execute(plan)
    assert done["state"] == "SUCCEEDED", done["status_message"]
    after = cluster(watcher)
    assert in_use(after) < in_use(before)
    for action in watcher.actions_of(plan):
        assert action["state"] == "SUCCEEDED"
        if action["action_type"] == "migrate":
            given = action["input_parameters"]
            row = after.instances.row_by_uuid[given["resource_id"]]
            assert after.hosts.name[after.instances.host[row]] == given["destination_node"]
    ours = after.hosts.disabled_reason == "watcher_disabled"
    assert ours.any()
    assert not np.isin(after.instances.host, np.flatnonzero(ours)).any()
    report = reported(watcher, plan)
    told = {row["name"]: (row["before"], row["after"]) for row in report["hosts"]["places"]}
    for row, name in enumerate(after.hosts.name):
        assert told[name][0]["used"] == before.used[row].tolist()
        assert told[name][1]["used"] == after.used[row].tolist()
        assert told[name][1]["open"] == after.hosts.enabled[row]
    assert {action["state"] for action in report["actions"]} == {"SUCCEEDED"}


def test_the_same_audit_again_finds_nothing_to_do_and_says_so(watcher):
    audit = watcher.audit("server_consolidation", "vm_workload_consolidation")
    assert audit["state"] == "SUCCEEDED", audit["status_message"]
    plan = watcher.plan_of(audit)
    assert plan["state"] == "SUCCEEDED"
    assert watcher.actions_of(plan) == []
    assert plan["status_message"]


def test_a_dummy_audit_by_goal_alone_chooses_its_strategy(watcher):
    audit = watcher.audit("DUMMY")
    assert audit["strategy_name"] is None
    plan = watcher.plan_of(audit)
    assert plan["strategy_name"] == "dummy"
    kinds = [action["action_type"] for action in watcher.actions_of(plan)]
    assert sorted(kinds) == ["nop", "nop", "sleep"]
    assert kinds[0] == "nop"


def test_auto_trigger_executes_the_plan_at_once(watcher):
    body = {"parameters": {"para1": 1.0}, "auto_trigger": True}
    audit = watcher.audit("dummy", "dummy", **body)
    plan = watcher.ended("action_plans", watcher.plan_of(audit)["uuid"])
    assert plan["state"] == "SUCCEEDED"


def test_an_audit_for_a_host_that_is_not_there_fails_and_says_which(watcher):
    parameters = {"maintenance_node": "no-such-host"}
    audit = watcher.audit("cluster_maintaining", "host_maintenance", parameters=parameters)
    assert audit["state"] == "FAILED"
    assert "no-such-host" in audit["status_message"]


def test_an_audit_is_cancelled_while_another_plan_runs_unless_forced(watcher):
    first = watcher.plan_of(watcher.audit("dummy", "dummy", parameters={"para1": 3.0}))
    watcher.post(f"/v1/action_plans/{first['uuid']}/start", {}, status=200)
    watcher_states = []
    while watcher.get(f"/v1/action_plans/{first['uuid']}")["state"] != "ONGOING":
        watcher_states.append(1)
        assert len(watcher_states) < 2000
    blocked = watcher.audit("dummy", "dummy")
    assert blocked["state"] == "CANCELLED"
    assert first["uuid"] in blocked["status_message"]
    assert watcher.audit("dummy", "dummy", force=True)["state"] == "SUCCEEDED"
    assert watcher.ended("action_plans", first["uuid"])["state"] == "SUCCEEDED"


def test_the_data_model_is_told_as_flat_rows(watcher):
    rows = watcher.get("/v1/data_model?data_model_type=compute")["context"]
    shown = {row["server_uuid"] for row in rows if "server_uuid" in row}
    assert shown == set(cluster(watcher).instances.uuid)
    assert {row["node_hostname"] for row in rows} == set(cluster(watcher).hosts.name)


def test_the_state_of_a_strategy_tells_its_requirements(watcher):
    rows = watcher.get("/v1/strategies/vm_workload_consolidation/state")
    told = {row["type"]: row["state"] for row in rows}
    assert told["Datasource"] == "influxdb: available"
    assert {"instance_cpu_usage": "available"} in told["Metrics"]
    assert told["Name"] == "vm_workload_consolidation"


def test_both_daemons_are_listed_as_active(watcher):
    services = watcher.get("/v1/services")["services"]
    assert {(one["name"], one["status"]) for one in services} == {
        ("watcher-decision-engine", "ACTIVE"),
        ("watcher-applier", "ACTIVE"),
    }


def test_an_actuator_action_with_wrong_parameters_fails_the_audit_not_the_plan(watcher):
    wrong = {"action_type": "sleep", "input_parameters": {"duration": -1}}
    audit = watcher.audit("unclassified", "actuator", parameters={"actions": [wrong]})
    assert audit["state"] == "FAILED"
    assert audit["status_message"].startswith("action sleep: duration: -1 ")


def test_an_actuator_action_of_an_unknown_type_fails_the_audit(watcher):
    unknown = {"action_type": "dance", "input_parameters": {}}
    audit = watcher.audit("unclassified", "actuator", parameters={"actions": [unknown]})
    assert audit["state"] == "FAILED"
    assert "dance" in audit["status_message"]
