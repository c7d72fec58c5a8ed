# SPDX-License-Identifier: Apache-2.0
"""Every option that an existing watcher.conf may have (contract config 1 to 11).

It is read, under its old name too and with its old default, or the administrator's guide says why
not. What is listed is also used.
"""

import pathlib
import re
from collections import Counter

import pytest
from oslo_config import generator

from watcher import config

ROOT = pathlib.Path(__file__).resolve().parents[2]
TABLE = pathlib.Path(__file__).with_name("config_options.txt")
GUIDE = ROOT / "doc/source/admin/unread_options.rst"
BEING_BUILT = {
    *("watcher_planner", "maas_client", "compute_model"),
    "watcher_planners.workload_stabilization",
    "watcher_workflow_engines.taskflow.action_execution_rule",
}
"""Groups and options whose users come later: each goes from here with its user."""

CLIENTS = {"nova", "placement", "cinder", "ironic", "watcher_clients_auth"}
"""The groups whose options keystoneauth reads, of which the clients are made."""


KEYSTONEAUTH = {
    *("service_type", "service_name", "valid_interfaces", "region_name", "endpoint_override"),
    *("version", "min_version", "max_version", "connect_retries", "connect_retry_delay"),
    *("status_code_retries", "status_code_retry_delay", "retriable_status_codes", "cafile"),
    *("certfile", "keyfile", "insecure", "timeout", "collect_timing", "split_loggers"),
    *("tls_ciphers", "tls_min_version", "auth_type", "auth_section"),
}


def contract():
    """(group, option, default as text) of every option in the table."""
    group = ""
    for line in TABLE.read_text().splitlines()[1:]:
        if line.startswith("["):
            group = line.strip("[]")
            continue
        for word in line.split():
            name, _, default = word.partition("=")
            yield pytest.param(group, name, default, id=f"config-{group}-{name}")


def options():
    """What the sample file has, ours and the libraries', by group and name; former names too."""
    lines = (ROOT / "etc/watcher/oslo-config-generator/watcher.conf").read_text().splitlines()
    namespaces = [line.partition("= ")[2] for line in lines if line.startswith("namespace")]
    found = {}
    for _, groups in generator._list_opts(namespaces):
        for group, listed in groups:
            name = getattr(group, "name", group) or "DEFAULT"
            for option in listed:
                found[name, option.dest] = option
                for old in option.deprecated_opts:
                    former = (old.name or option.dest).replace("-", "_")
                    found.setdefault((old.group or name, former), option)
    return found


@pytest.fixture(scope="module")
def known():
    return options()


@pytest.fixture(scope="module")
def unread():
    """[group] option of the guide's tables."""
    text = GUIDE.read_text()
    return {
        (group, name)
        for group, names in re.findall(r"^\s*\* - ``\[(.+?)\] (.+?)``$", text, re.MULTILINE)
        for name in names.split(", ")
    }


@pytest.mark.parametrize(("group", "name", "default"), contract())
def test_the_option_is_read_or_the_guide_says_why_not(known, unread, group, name, default):
    option = known.get((group, name))
    if option is None:
        assert (group, name) in unread or {group, f"{group}.{name}"} & BEING_BUILT
    elif default and (group, name) in known and option.dest == name:
        assert str(option.default) == default


def test_the_guide_does_not_call_unread_what_is_read(unread):
    ours = {(group, one.dest) for group, listed in config.list_opts() for one in listed}
    assert ours & unread == set()


def test_every_option_of_ours_is_used():
    """By its name in the code, once more than where it is declared."""
    text = "\n".join(path.read_text() for path in (ROOT / "watcher").rglob("*.py"))
    words = Counter(re.findall(r"\w+", text))
    times = {one.dest: words[one.dest] for one in own()}
    declared = {word: len(re.findall(rf'Opt\(\s*"{word}"', text)) for word in times}
    assert {word for word in times if times[word] <= declared[word]} == set()


def own():
    """The options that no library reads for us."""
    for group in config.groups():
        names = {option.dest for option in group.options}
        read = KEYSTONEAUTH if "split_loggers" in names else ()
        yield from (option for option in group.options if option.dest not in read)


def test_every_client_group_makes_a_client():
    text = (ROOT / "watcher/clients/session.py").read_text()
    groups = {group.name for group in config.groups() if group.name in CLIENTS}
    made = set(re.findall(r'_adapter\("(\w+)"', text))
    assert groups == CLIENTS == made | {"watcher_clients_auth"}
