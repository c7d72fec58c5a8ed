# SPDX-License-Identifier: Apache-2.0
"""What a user or an operator gets wrong ends in one clear sentence, and nothing half-written stays."""

import pytest

from tests.cloud.process import free_port
from tests.integration import daemons
from tests.integration.runner import Runner

PROGRAMS = (*daemons.DAEMONS, "watcher-sync")


@pytest.fixture(scope="module")
def watcher(cloud_session, services, tmp_path_factory):
    folder = tmp_path_factory.mktemp("watcher")
    with daemons.running(cloud_session, services, folder) as (running, _):
        yield running


def counts(watcher):
    api = watcher.api()
    kinds = ("audits", "audit_templates", "action_plans")
    return {kind: len(api.get(f"/v1/{kind}").json()[kind]) for kind in kinds}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("audit", "create", "-g", "dummy", "-s", "no_such"), "no_such"),
        (("audit", "create", "-g", "no_goal"), "no_goal"),
        (("audit", "create", "-g", "dummy", "-s", "dummy", "-p", "para1=99"), "99"),
        (("audit", "create", "-g", "dummy", "-s", "dummy", "-p", "wrong=1"), "wrong"),
        (("audit", "create", "-g", "cluster_maintaining", "-s", "dummy"), "dummy"),
        (("actionplan", "start", "00000000-0000-0000-0000-000000000000"), "404"),
        (("audit", "show", "nothing"), "nothing"),
    ],
)
@pytest.mark.parametrize("program", ["openstack", "watcher"])
def test_a_wrong_request_is_refused_with_its_reason_and_leaves_nothing(
    watcher, words, told, program
):
    before = counts(watcher)
    said = watcher.refused(*words, program=program)
    assert told in said
    assert "(HTTP 4" in said
    assert "Traceback" not in said
    assert counts(watcher) == before


def test_a_wrong_scope_is_refused_with_its_path(watcher):
    body = {"name": "t", "goal": "dummy", "scope": [{"compute": [{"bogus": []}]}]}
    reply = watcher.api().post("/v1/audit_templates", json=body)
    assert reply.status_code == 400
    assert "bogus" in reply.text
    assert counts(watcher)["audit_templates"] == 0


def test_without_the_measurement_the_audit_fails_and_says_which(watcher):
    audit = watcher.audit(goal="server_consolidation", strategy="vm_workload_consolidation")
    assert audit["state"] == "FAILED"
    assert (
        "instance_cpu_usage" in audit["status_message"] or "libvirt_cpu" in audit["status_message"]
    )
    plans = watcher.api().get(f"/v1/action_plans?audit_uuid={audit['uuid']}").json()
    assert plans["action_plans"] == []


def test_the_strategy_state_tells_which_metric_is_missing(watcher):
    rows = watcher.optimize("strategy", "state", "vm_workload_consolidation")
    assert "instance_cpu_usage" in str(rows)
    assert "not available" in str(rows)


def test_an_unreachable_nova_fails_the_audit_with_its_reason(cloud_session, services, tmp_path):
    nowhere = f"http://127.0.0.1:{free_port()}/v2.1"
    more = {"nova__endpoint_override": nowhere, "nova__http_retries": "1"}
    more["api__port"] = str(free_port())
    with daemons.running(cloud_session, services, tmp_path, **more) as (watcher, _):
        audit = watcher.audit(goal="dummy")
        assert audit["state"] == "FAILED"
        assert "Nova" in audit["status_message"] or "compute" in audit["status_message"]
        assert "Traceback" not in audit["status_message"]


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_daemon_tells_an_unreachable_database_in_one_line(program, tmp_path):
    file = tmp_path / "watcher.conf"
    url = f"mysql+pymysql://watcher:hidden@127.0.0.1:{free_port()}/watcher"
    file.write_text(f"[database]\nconnection = {url}\nmax_retries = 1\nretry_interval = 1\n")
    one_line(tmp_path, program, file, "database")


def test_the_api_tells_a_port_that_is_taken_in_one_line(watcher, tmp_path):
    one_line(tmp_path, "watcher-api", watcher.file, str(watcher.port))


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_daemon_tells_a_missing_schema_in_one_line(program, tmp_path):
    file = tmp_path / "watcher.conf"
    file.write_text(f"[database]\nconnection = sqlite:///{tmp_path}/empty.sqlite\n")
    one_line(tmp_path, program, file, "watcher-db-manage upgrade")


@pytest.mark.parametrize("program", [*PROGRAMS, "watcher-db-manage", "watcher-standalone"])
def test_a_wrong_configuration_file_is_told_in_one_line(program, tmp_path):
    file = tmp_path / "watcher.conf"
    file.write_text("[api\nport = 1\n")
    one_line(tmp_path, program, file, "watcher.conf")


@pytest.mark.parametrize("program", ["watcher-api", "watcher-decision-engine"])
def test_a_wrong_value_is_told_in_one_line(program, tmp_path):
    file = tmp_path / "watcher.conf"
    file.write_text("[watcher_decision_engine]\nmax_audit_workers = many\n[api]\nport = many\n")
    one_line(tmp_path, program, file, "many")


def test_the_schema_is_made_on_an_empty_mariadb_and_postgresql(
    mariadb_url, postgresql_url, tmp_path
):
    for url in (mariadb_url, postgresql_url):
        file = tmp_path / "watcher.conf"
        file.write_text(f"[database]\nconnection = {url}\n")
        command = [daemons.BIN / "watcher-db-manage", "--config-file", file]
        daemons.run([*command, "upgrade"])
        assert daemons.run([*command, "version"]).strip() != "None"


def one_line(folder, program, file, told):
    """The command ends with 1 and one line that says ``told``, without secrets."""
    runner = Runner(folder)
    try:
        running = runner.start(program, [daemons.BIN / program, "--config-file", file])
        assert running.wait(60) == 1, running.said()
    finally:
        runner.close()
    lines = [line for line in running.said().splitlines() if line.startswith(f"{program}:")]
    assert len(lines) == 1, running.said()
    assert told in lines[0]
    assert "Traceback" not in running.said()
    assert "hidden" not in running.said()
