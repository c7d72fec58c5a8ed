# SPDX-License-Identifier: Apache-2.0
"""The tables of contract commands 1, 5, 6, 9 and 10, row by row; ids carry the section."""

import json
import os
import sys
import urllib.request

import pytest
import sqlalchemy

from tests.cloud.process import free_port
from tests.functional.cmd.conftest import BIN, ETC, Place, said
from watcher.core.errors import Conflict
from watcher.db import migrations, models

DAEMONS = ("watcher-api", "watcher-decision-engine", "watcher-applier")
COMMANDS = (
    *(*DAEMONS, "watcher-api-wsgi", "watcher-db-manage", "watcher-sync", "watcher-status"),
)
COMMON = [
    "--config-file",
    "--config-dir",
    "--debug",
    "-d",
    "--nodebug",
    "--log-config-append",
    "--log-config",
    "--log_config",
    "--log-date-format",
    "--log-dir",
    "--logdir",
    "--log-file",
    "--logfile",
    "--use-syslog",
    "--nouse-syslog",
    "--use-journal",
    "--nouse-journal",
    "--use-json",
    "--nouse-json",
    "--syslog-log-facility",
    "--shell_completion",
    "--version",
    "-h",
    "--help",
]
STATUS = ["--config-file", "--config-dir", "--shell_completion", "-h"]
CHAIN = [
    "001",
    "0f6042416884",
    "d098df6021e2",
    "d09a5945e4a0",
    "3cfc94cecf4e",
    "a86240e89a29",
    "52804f2498c4",
    "4b16194c56bc",
    "609bec748f2a",
    "15f7375ca737",
    "7150a7d8f228",
    "f56ba02662b4",
]
COLUMNS = {
    "goals": "uuid name display_name efficacy_specification",
    "strategies": "uuid name display_name goal_id parameters_spec",
    "audit_templates": "uuid name description goal_id strategy_id scope default_parameters",
    "audits": "uuid name audit_type state parameters interval goal_id strategy_id scope"
    " auto_trigger next_run_time hostname start_time end_time force status_message",
    "action_plans": "uuid audit_id strategy_id state global_efficacy hostname status_message",
    "actions": "uuid action_plan_id action_type input_parameters state parents status_message",
    "scoring_engines": "uuid name description metainfo",
    "services": "name host last_seen_up",
}


def section(number, *values):
    """A row of the table in this section of the contract."""
    return pytest.param(*values, id=f"commands-{number}-{values[0]}")


def words(text):
    """The words of a help text without its punctuation."""
    return set(text.translate(dict.fromkeys(map(ord, ",[]"), " ")).split())


@pytest.mark.parametrize("name", [section("1", name) for name in COMMANDS])
def test_the_command_is_installed(name):
    assert os.access(BIN / name, os.X_OK)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        *(
            section("1.1", name, COMMON)
            for name in (*DAEMONS, "watcher-db-manage", "watcher-sync")
        ),
        section("1.1", "watcher-status", STATUS),
    ],
)
def test_the_command_has_the_common_options(called, name, options):
    status, told = called(name, "--help")
    assert status == 0
    assert set(options) <= words(told.out)


@pytest.mark.parametrize("file", [section("1.1", name) for name in (
    ".watcher/watcher.conf", "watcher.conf", ".watcher/watcher-db-manage.conf",
    ".watcher/watcher.conf.d/50.conf", ".watcher/watcher-db-manage.conf.d/50.conf",
)])  # fmt: skip
def test_configuration_is_found_in_the_usual_places(tmp_path, file):
    path = tmp_path / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"[database]\nconnection = sqlite:///{tmp_path}/found.sqlite\n")
    done = said(BIN / "watcher-db-manage", "create_schema", env={"HOME": str(tmp_path)})
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "found.sqlite").exists()


@pytest.mark.parametrize(
    ("status", "command"),
    [
        section("1.2", 0, ("watcher-db-manage", "version")),
        section("1.2", 1, ("watcher-db-manage", "downgrade")),
        section("1.2", 2, ("watcher-db-manage", "sidegrade")),
    ],
)
def test_the_exit_status_tells_the_outcome(place, status, command):
    done = place.run(*command)
    assert done.returncode == status
    assert (done.stdout == f"{migrations.head()}\n") == (status == 0)


@pytest.mark.parametrize(
    ("value", "warned"), [section("1.3", one, one in ("false", "0")) for one in ("", "true", "0")]
)
def test_green_threads_are_refused_with_a_warning(place, monkeypatch, value, warned):
    monkeypatch.setenv("OS_WATCHER_DISABLE_EVENTLET_PATCHING", value)
    done = place.run("watcher-sync")
    assert done.returncode == 0
    assert ("green threads are not supported" in done.stderr) is warned


@pytest.mark.parametrize("name", [section("2", "watcher-api-wsgi")])
def test_the_wsgi_script_serves_to_try_it_out(place, name):
    port = free_port()
    command = [BIN / name, "--port", str(port), "--host", "127.0.0.1", "--"]
    running = place.runner.start(name, [*command, "--config-file", place.file])
    running.wait_for_port(port)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=30) as answer:
        assert json.load(answer)["default_version"]["id"] == "v1"
    assert "for testing only" in running.said()
    program = f"import runpy; print(runpy.run_path({str(BIN / name)!r})['application'])"
    assert "function application" in said(sys.executable, "-c", program).stdout


@pytest.mark.parametrize("name", [section("3", name) for name in DAEMONS])
def test_a_daemon_needs_a_schema(tmp_path, name):
    place = Place(tmp_path)
    done = place.run(name)
    assert done.returncode == 1
    *_, line = done.stderr.splitlines()
    assert line == f"{name}: the database has no tables yet: run watcher-db-manage upgrade"


@pytest.mark.parametrize(
    ("verb", "options"),
    [
        section("5", "upgrade", "--revision"),
        section("5", "downgrade", "--revision"),
        section("5", "stamp", "revision"),
        section("5", "revision", "-m --message --autogenerate"),
        section("5", "version", ""),
        section("5", "create_schema", ""),
        section(
            *("5.1", "purge", "-d --age-in-days -n --max-number -t --goal -e --exclude-orphans"
              " --dry-run --yes"),
        ),
    ],
)  # fmt: skip
def test_the_verb_has_its_options(called, verb, options):
    status, told = called("watcher-db-manage", verb, "--help")
    assert status == 0
    assert set(options.split()) <= words(told.out)


@pytest.mark.parametrize("revision", [section("5", one) for one in CHAIN])
def test_a_database_of_upstream_is_recognised(revision):
    with sqlalchemy.create_engine("sqlite://").connect() as connection:
        connection.exec_driver_sql("CREATE TABLE alembic_version (version_num VARCHAR(32))")
        connection.exec_driver_sql(f"INSERT INTO alembic_version VALUES ('{revision}')")
        connection.commit()
        told = rf"belongs to upstream's Watcher \(revision {revision}\).*to an empty database"
        with pytest.raises(Conflict, match=told):
            migrations.upgrade(connection.engine)


@pytest.mark.parametrize("verb", [section("6", one) for one in ("nothing", "upgrade check")])
def test_status_has_no_other_verbs(called, verb):
    status, told = called("watcher-status", *verb.split(), "nothing")
    assert status == 2
    assert "usage: watcher-status" in told.err


@pytest.mark.parametrize("name", [section("9", name) for name in COLUMNS])
def test_operators_find_the_columns_they_know(name):
    (table,) = (one for one in models.Base.metadata.sorted_tables if one.name == name)
    known = {*COLUMNS[name].split(), "id", "created_at", "updated_at", "deleted_at", "deleted"}
    assert known - {column.name for column in table.columns} == set()


REDUNDANT = '"audit:get": "rule:admin_api"\n"goal:get": "role:reader"\n'


def test_oslopolicy_list_redundant_names_overrides_that_change_nothing(place):
    """commands-10"""
    policy = place.folder / "policy.yaml"
    policy.write_text(REDUNDANT)
    place.add(f"[oslo_policy]\npolicy_file = {policy}\n")
    done = place.run("oslopolicy-list-redundant", "--namespace", "watcher")
    assert (done.returncode, done.stdout.split()) == (0, ['"audit:get":', '"rule:admin_api"'])


def test_oslopolicy_policy_generator_shows_what_holds(place):
    """commands-10"""
    policy = place.folder / "policy.yaml"
    policy.write_text(REDUNDANT)
    place.add(f"[oslo_policy]\npolicy_file = {policy}\n")
    done = place.run("oslopolicy-policy-generator", "--namespace", "watcher")
    assert done.returncode == 0, done.stderr
    assert '"goal:get": "role:reader"' in done.stdout
    assert '"webhook:trigger": "rule:admin_or_service_api"' in done.stdout


def test_oslopolicy_convert_json_to_yaml_keeps_what_differs(tmp_path):
    """commands-10"""
    old, new = tmp_path / "policy.json", tmp_path / "policy.yaml"
    old.write_text('{"audit:get": "rule:admin_api", "goal:get": "role:reader"}')
    done = said(
        *(BIN / "oslopolicy-convert-json-to-yaml", "--namespace", "watcher"),
        *("--policy-file", old, "--output-file", new),
    )
    assert done.returncode == 0, done.stderr
    kept = [line for line in new.read_text().splitlines() if line and not line.startswith("#")]
    assert kept == ['"goal:get": "role:reader"']


@pytest.mark.parametrize(
    ("line", "status"),
    [section("10", "max_limit = 10", 0), section("10", "maximum = 10", 1)],
)
def test_oslo_config_validator_finds_what_is_wrong(tmp_path, line, status):
    file = tmp_path / "watcher.conf"
    file.write_text(f"[DEFAULT]\ntransport_url = rabbit://\n[api]\n{line}\n")
    generator = ETC / "oslo-config-generator/watcher.conf"
    done = said(*(BIN / "oslo-config-validator", "--config-file", generator, "--input-file", file))
    assert done.returncode == status, done.stderr
    assert ("api/maximum is not part of the sample" in done.stderr) == bool(status)
