# SPDX-License-Identifier: Apache-2.0
"""What README and doc/source tell people to type is understood by what they type it to."""

import importlib.metadata
import json
import pathlib
import re
import shlex
import subprocess
import sys
import textwrap

import pytest
import yaml

from watcher import config
from watcher.api.policies import list_rules
from watcher.core import scope
from watcher.datasources.mapping import mapping
from watcher.telemetry import gauges, meters

ROOT = pathlib.Path(__file__).resolve().parents[2]
README = ROOT / "README.rst"
PAGES = [README, *sorted((ROOT / "doc/source").rglob("*.rst"))]
LIBRARIES = (
    "oslo.log",
    "oslo.db",
    "oslo.messaging",
    "oslo.policy",
    "keystonemiddleware.auth_token",
)


MONITORING = ROOT / "doc/source/admin/monitoring"


def monitored():
    """Every query of the dashboard and the alerts."""
    panels = json.loads((MONITORING / "dashboard.json").read_text(encoding="utf-8"))["panels"]
    rules = yaml.safe_load((MONITORING / "alerts.yaml").read_text(encoding="utf-8"))
    yield from (target["expr"] for panel in panels for target in panel["targets"])
    yield from (rule["expr"] for rule in rules["groups"][0]["rules"])


def test_dashboard_and_alerts_ask_for_metrics_that_there_are():
    there = {f"watcher_{one.name}" for one in (*gauges.DATABASE, *gauges.PROCESS)}
    for family in (one.describe()[0] for one in meters.LABELS):
        endings = ("_total",) if family.type == "counter" else ("_bucket", "_sum", "_count")
        there |= {f"{family.name}{ending}" for ending in endings}
    asked = {name for query in monitored() for name in re.findall(r"\bwatcher_\w+", query)}
    assert len(asked) > 30
    assert asked - there == set()


def test_the_guide_says_what_to_do_when_an_alert_fires():
    rules = yaml.safe_load((MONITORING / "alerts.yaml").read_text(encoding="utf-8"))
    page = (MONITORING.parent / "monitoring.rst").read_text(encoding="utf-8")
    told = re.findall(r"^   \* - ``(Watcher\w+)``$", page, re.MULTILINE)
    assert told == [rule["alert"] for rule in rules["groups"][0]["rules"]]


def commands(start):
    """Every command in the pages that begins with these words, continued lines joined."""
    for page in PAGES:
        text = re.sub(r"\\\n\s*", "", page.read_text(encoding="utf-8"))
        for line in text.splitlines():
            found = re.fullmatch(rf"\s+(?:\$ )?({start} .*)", line)
            if found:
                yield pytest.param(found[1], id=f"{page.name}: {found[1]}")


@pytest.mark.parametrize("command", commands("openstack optimize"))
def test_the_client_understands_its_commands(command):
    words = shlex.split(command)[2:]
    (known,) = importlib.metadata.entry_points(
        group="openstack.infra_optim.v1", name="_".join(["optimize", *words[:2]])
    )
    parser = known.load()(None, None).get_parser(command)
    parser.parse_args(words[2:])


def test_the_verbs_for_the_tables_exist():
    told = {one.values[0].split()[1] for one in commands("watcher-db-manage")}
    assert {"upgrade", "version"} <= told
    command = [pathlib.Path(sys.executable).parent / "watcher-db-manage", "--help"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    known = re.findall(r"\{(.*)\}", said)[0]
    assert told <= set(known.split(","))


def test_every_option_of_the_first_configuration_exists(tmp_path):
    text = README.read_text(encoding="utf-8")
    block = re.search(r"^ {7}\[DEFAULT\]\n(?: {7}.*\n|\n)+", text, re.MULTILINE)
    assert block
    file = tmp_path / "watcher.conf"
    file.write_text(textwrap.dedent(block[0]), encoding="utf-8")
    done = subprocess.run(
        [pathlib.Path(sys.executable).parent / "oslo-config-validator", "--input-file", file]
        + [f"--namespace={name}" for name in ("watcher", *LIBRARIES)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, [line for line in done.stderr.splitlines() if "ERROR" in line]


def test_every_option_that_a_page_names_exists():
    known = {group: {one.dest for one in options} for group, options in config.list_opts()}
    libraries = {"oslo_messaging_notifications", "keystone_authtoken", "oslo_policy", "cors"}
    named = set()
    for page in PAGES:
        if page.stem == "unread_options":  # whose subject is options that are not there
            continue
        named |= set(re.findall(r"``\[([\w.]+)\] (\w+)``", page.read_text(encoding="utf-8")))
    wrong = {
        (group, option)
        for group, option in named
        if group not in libraries and option not in known.get(group, ())
    }
    assert wrong == {
        ("DEFAULT", "transport_url"),
        ("oslo_reports", "log_dir"),
        ("watcher_strategies.NAME", "datasources"),
    }


def test_the_policy_of_the_configuring_page_names_rules_that_there_are():
    text = (ROOT / "doc/source/admin/configuration.rst").read_text(encoding="utf-8")
    (block,) = re.findall(r"code-block:: yaml\n\n((?:   .*\n)+)", text)
    assert set(yaml.safe_load(textwrap.dedent(block))) <= {rule.name for rule in list_rules()}


def test_the_metric_map_of_the_telegraf_page_is_accepted():
    text = (ROOT / "doc/source/datasources/telegraf.rst").read_text(encoding="utf-8")
    blocks = re.findall(r"code-block:: yaml\n\n((?:   .*\n|\n)+)", text)
    maps = [yaml.safe_load(textwrap.dedent(block)) for block in blocks]
    assert maps
    for written in maps:
        assert mapping(written["influxdb"])


def test_the_scope_of_the_first_audit_is_one():
    text = (ROOT / "doc/source/user/first_audit.rst").read_text(encoding="utf-8")
    block = text[text.index("cat scope.yaml\n") + len("cat scope.yaml\n") :].split("$ ")[0]
    written = yaml.safe_load(textwrap.dedent(block))
    assert scope.check_scope(written) == written
