# SPDX-License-Identifier: Apache-2.0
"""The commands that end by themselves, and what all commands have in common."""

import json

import pytest

from tests.functional.cmd.conftest import BIN, ETC, said
from watcher.db import store
from watcher.db.engine import Database
from watcher.db.models import Goal, Strategy
from watcher.version import VERSION

DAEMONS = (
    *("watcher-api", "watcher-decision-engine", "watcher-applier", "watcher-standalone"),
    *("watcher-db-manage", "watcher-sync", "watcher-report"),
)


@pytest.mark.parametrize("name", DAEMONS)
def test_each_command_tells_its_version(called, name):
    status, told = called(name, "--version")
    assert (status, told.out.strip(), told.err) == (0, VERSION, "")


@pytest.mark.parametrize("name", DAEMONS)
def test_each_command_has_help_with_the_usual_options(called, name):
    status, told = called(name, "--help")
    assert (status, told.err) == (0, "")
    for option in ("--config-file", "--config-dir", "--log-file", "--debug", "--use-journal"):
        assert option in told.out


@pytest.mark.parametrize("name", [*DAEMONS, "watcher-status"])
def test_a_wrong_option_is_a_usage_error(called, name):
    status, told = called(name, "--bogus")
    assert status == 2
    assert told.err.startswith("usage:")


def rows(place):
    database = Database(place.url)
    with database.reading() as session:
        found = {
            (one.uuid, one.name, one.updated_at)
            for model in (Goal, Strategy)
            for one in store.every(session, model)
        }
    database.dispose()
    return found


def test_sync_fills_the_tables_once_and_says_nothing_on_stdout(place):
    first = place.run("watcher-sync")
    assert (first.returncode, first.stdout) == (0, "")
    assert "Strategy dummy is new" in first.stderr
    before = rows(place)
    assert {"dummy", "server_consolidation"} <= {name for _, name, _ in before}
    assert place.run("watcher-sync").returncode == 0
    assert rows(place) == before


def test_status_is_fine_with_the_defaults(place):
    done = place.run("watcher-status", "upgrade", "check")
    assert (done.returncode, done.stderr) == (0, "")
    for text in ("Upgrade Check Results", "Check: Minimum Nova API Version", "Result: Success"):
        assert text in done.stdout
    done = place.run("watcher-status", "upgrade", "check", "--json")
    assert json.loads(done.stdout) == {
        "name": "Upgrade Check Results",
        "checks": [
            {"check": "Minimum Nova API Version", "result": 0, "details": None},
            {"check": "Policy File JSON to YAML Migration", "result": 0, "details": None},
        ],
    }


def test_status_fails_for_an_old_nova_and_a_policy_file_in_json(place):
    policy = place.folder / "policy.json"
    policy.write_text('{"strategy:get": "role:reader"}')
    place.add(f"[nova]\napi_version = 2.53\n[oslo_policy]\npolicy_file = {policy}\n")
    done = place.run("watcher-status", "upgrade", "check", "--json")
    assert done.returncode == 2
    nova, file = json.loads(done.stdout)["checks"]
    assert (nova["result"], file["result"]) == (2, 2)
    assert "2.53" in nova["details"]
    assert "oslopolicy-convert-json-to-yaml" in file["details"]


@pytest.mark.parametrize("wrong", ["[api\n", None])
def test_status_tells_what_it_did_not_expect_in_one_line(place, wrong):
    if wrong is None:
        place.file.unlink()
    else:
        place.file.write_text(wrong)
    done = place.run("watcher-status", "upgrade", "check")
    assert done.returncode == 255
    assert len(done.stderr.splitlines()) == 1
    assert "watcher.conf" in done.stderr


def test_the_sample_configuration_names_our_groups_and_ends_well(tmp_path):
    sample = tmp_path / "watcher.conf.sample"
    generator = ETC / "oslo-config-generator/watcher.conf"
    done = said(BIN / "oslo-config-generator", "--config-file", generator, "--output-file", sample)
    assert done.returncode == 0, done.stderr
    text = sample.read_text()
    for group in ("watcher_decision_engine", "watcher_applier", "influxdb", "nova", "metrics"):
        assert f"\n[{group}]\n" in text
    assert "#continuous_audit_interval = 10" in text
    assert "#control_exchange = watcher" in text
    assert '#instance_uuid_format = "[%(uuid)s] "' in text
    assert "] [%(resource)s] %(message)s\n" in text
    assert "[-] [-] %(message)s\n" in text
    assert ",watcher=INFO\n" in text
    assert "#allow_methods = GET,PUT,POST,DELETE,PATCH\n" in text
    assert ",OpenStack-API-Version\n" in text


def test_the_namespace_alone_gives_our_options_without_a_warning():
    done = said(BIN / "oslo-config-generator", "--namespace", "watcher")
    assert (done.returncode, done.stderr) == (0, "")
    assert "[watcher_planners.weight]" in done.stdout


def test_the_sample_policy_has_every_rule_commented_out():
    done = said(BIN / "oslopolicy-sample-generator", "--namespace", "watcher")
    assert done.returncode == 0, done.stderr
    assert '#"audit:create"' in done.stdout
    generator = ETC / "oslo-policy-generator/watcher-policy-generator.conf"
    assert "namespace = watcher" in generator.read_text()
