# SPDX-License-Identifier: Apache-2.0
"""What the DevStack plugin writes, asks for and starts in each phase."""

import os
import pathlib
import subprocess
import sys

import pytest
from oslo_config import cfg
from oslo_messaging import conffixture

from watcher import config
from watcher.db.engine import Database

ROOT = pathlib.Path(__file__).resolve().parents[3]
STACK = pathlib.Path(__file__).with_name("stack.sh")
BIN = pathlib.Path(sys.executable).parent
SCRIPTS = ("devstack/plugin.sh", "devstack/settings", "devstack/lib/watcher", str(STACK))


class DevStack:
    """A folder in which the plugin is run, and what it called."""

    def __init__(self, folder):
        self.folder = folder
        self.conf = folder / "etc/watcher.conf"
        (folder / "data").mkdir()

    def phase(self, *words, **environment):
        """Source the plugin as stack.sh, unstack.sh or clean.sh does; the calls it made."""
        calls = self.folder / "calls"
        calls.unlink(missing_ok=True)
        done = subprocess.run(
            ["bash", STACK, *words],
            env={
                "PATH": os.environ["PATH"],
                "STACK": str(self.folder),
                "BIN": str(BIN),
                "WATCHER_DIR": str(ROOT),
                "PYTHONWARNINGS": "ignore",
                **environment,
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return calls.read_text().splitlines()

    def stacked(self, **environment):
        """All phases of stack.sh."""
        phases = ("pre-install", "install", "post-config", "extra", "test-config")
        return [call for phase in phases for call in self.phase("stack", phase, **environment)]


@pytest.fixture
def devstack(tmp_path):
    return DevStack(tmp_path)


def test_stack_installs_registers_and_starts(devstack):
    calls = [call for call in devstack.stacked() if not call.startswith("define_plugin")]
    url = "http://127.0.0.1:9322"
    assert calls == [
        f"setup_develop {ROOT}",
        "pip_install python-watcherclient>=4.11",
        "create_service_user watcher admin",
        "get_or_create_service watcher infra-optim Watcher, the optimisation of the cloud",
        f"get_or_create_endpoint infra-optim RegionOne {url} {url} {url}",
        *(
            f"run_process {name} {BIN}/{name} --config-file {devstack.conf}"
            for name in ("watcher-api", "watcher-decision-engine", "watcher-applier")
        ),
        f"wait_for_service 30 {url}",
    ]


def test_the_configuration_is_read_by_watcher_and_has_no_unknown_option(devstack):
    devstack.stacked(WATCHER_DATASOURCES="prometheus,influxdb", WATCHER_SERVICE_PORT="19322")
    conf = cfg.ConfigOpts()
    conffixture.ConfFixture(conf).setUp()
    config.load(conf, ["--config-file", str(devstack.conf)])
    assert conf.api.port == 19322
    assert conf.watcher_datasources.datasources == ["prometheus", "influxdb"]
    assert conf.transport_url == "rabbit://stackrabbit:secret@127.0.0.1:5672/"
    assert conf.oslo_messaging_notifications.driver == ["messagingv2"]
    checked = subprocess.run(
        [
            *(BIN / "oslo-config-validator", "--input-file", devstack.conf),
            *("--namespace", "watcher", "--namespace", "keystonemiddleware.auth_token"),
            *(
                "--namespace",
                "oslo.messaging",
                "--namespace",
                "oslo.db",
                "--namespace",
                "oslo.log",
            ),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    unknown = [line for line in checked.stderr.splitlines() if "not found" in line]
    # What belongs to the login is known only once its type is.
    assert [line for line in unknown if "_auth" not in line] == []
    Database(conf).require_schema()


def test_stacking_again_changes_nothing(devstack):
    first = devstack.stacked()
    written = devstack.conf.read_text()
    assert devstack.stacked() == first
    assert devstack.conf.read_text() == written


def test_a_node_starts_only_what_is_enabled(devstack):
    calls = devstack.stacked(DISABLED="watcher-api watcher-decision-engine")
    started = [call.split()[1] for call in calls if call.startswith("run_process")]
    assert started == ["watcher-applier"]
    assert not any(call.startswith("wait_for_service") for call in calls)


def test_a_node_without_watcher_does_nothing(devstack):
    calls = devstack.stacked(DISABLED="watcher-api watcher-decision-engine watcher-applier")
    assert {call.split()[0] for call in calls} == {"define_plugin"}
    assert not devstack.conf.exists()


def test_unstack_stops_and_clean_leaves_nothing(devstack):
    devstack.stacked()
    calls = devstack.phase("unstack")
    stopped = [call.split()[1] for call in calls if call.startswith("stop_process")]
    assert stopped == ["watcher-api", "watcher-decision-engine", "watcher-applier"]
    devstack.phase("clean")
    assert not devstack.conf.parent.exists()
    assert not (devstack.folder / "data/watcher").exists()


@pytest.mark.parametrize("script", SCRIPTS)
def test_shellcheck_has_nothing_to_say(script):
    words = [BIN / "shellcheck", "--external-sources", "--severity=style", script]
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout
