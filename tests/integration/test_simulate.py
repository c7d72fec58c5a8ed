# SPDX-License-Identifier: Apache-2.0
"""watcher-simulate on the real cloud: exported from Nova, Cinder and InfluxDB, then without them."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys

from tests.cloud.api import Cloud
from tests.cloud.process import locked
from tests.functional.cmd.test_simulate import NO_NETWORK
from tests.integration import backends, history
from tests.integration.daemons import BIN, configuration, run

HOST = "OS-EXT-SRV-ATTR:host"
CONSOLIDATION = "vm_workload_consolidation"


def test_a_real_cloud_is_exported_and_simulated_where_nothing_can_be_reached(
    cloud_session: Cloud, services: dict[str, str], tmp_path: pathlib.Path
) -> None:
    assert "influxdb_url" in services, "influxdb: tools/services up"
    file, conf = tmp_path / "cloud.snapshot", tmp_path / "watcher.conf"
    with locked("cloud-in-use"), backends.influx_database(services["influxdb_url"]) as influx:
        history.write(influx, cloud_session)
        nowhere = ("sqlite://", "fake://")
        text = configuration(cloud_session.settings, *nowhere, influx)
        conf.write_text(text, encoding="utf-8")
        run([BIN / "watcher-simulate", "export", file, "--config-file", conf])
        servers = {one["id"]: one[HOST] for one in cloud_session.servers()}

    def offline(*words: str | pathlib.Path) -> str:
        command = [sys.executable, "-c", NO_NETWORK, *map(str, words)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    told = json.loads(offline("run", file, "--strategy", CONSOLIDATION, "--json"))
    assert told["snapshot"]["instances"] == len(servers)
    assert told["snapshot"]["hosts"] == len(cloud_session.settings.hosts())
    moves = [one["input_parameters"] for one in told["actions"] if one["action_type"] == "migrate"]
    assert moves
    assert {one["resource_id"]: one["source_node"] for one in moves}.items() <= servers.items()
    assert told["figures"]["hosts_in_use_after"] < told["figures"]["hosts_in_use_before"]
    table = offline("compare", file, CONSOLIDATION, "workload_balance:threshold=1")
    assert "hosts in use after" in table
    assert "standard deviation after" in table
