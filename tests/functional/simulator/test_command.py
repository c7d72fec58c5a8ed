# SPDX-License-Identifier: Apache-2.0
"""``python -m watcher.simulator`` runs until it is asked to end."""

import re
import signal
import subprocess
import sys

import requests


def test_the_command_prints_an_openrc_serves_and_ends_on_sigterm() -> None:
    command = [sys.executable, "-m", "watcher.simulator", "--hosts", "3", "--instances", "5"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(5)]
        (url,) = re.findall(r"^export OS_AUTH_URL=(\S+)$", lines[0], re.MULTILINE)
        assert requests.get(url, timeout=5).json()["version"]["id"] == "v3.14"
        (influx,) = re.findall(r"(http://\S+/influxdb), database telegraf", lines[4])
        assert requests.get(f"{influx}/ping", timeout=5).status_code == 204
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0
