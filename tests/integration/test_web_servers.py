# SPDX-License-Identifier: Apache-2.0
"""The examples in etc/: the API under web servers, and the commands of the systemd units."""

import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest
import requests

from tests.cloud.process import free_port
from tests.integration.conftest import missing
from tests.integration.runner import Runner

ETC = pathlib.Path(__file__).resolve().parents[2] / "etc"
BIN = pathlib.Path(sys.executable).parent
UNITS = sorted((ETC / "systemd").glob("*.service"))

CONFIGURATION = """
[DEFAULT]
transport_url = fake://
enable_authentication = false
state_path = {folder}
[api]
port = {port}
workers = 1
[database]
connection = sqlite:///{folder}/watcher.sqlite
[oslo_middleware]
enable_proxy_headers_parsing = true
[watcher_clients_auth]
auth_type = none
"""

APACHE = """
ServerRoot {folder}
PidFile {folder}/apache.pid
ErrorLog {folder}/apache.log
ServerName 127.0.0.1
User www-data
Group www-data
Listen 127.0.0.1:{front}
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule headers_module {modules}/mod_headers.so
LoadModule proxy_module {modules}/mod_proxy.so
LoadModule proxy_http_module {modules}/mod_proxy_http.so
Include {folder}/examples/watcher-api.conf
"""


class Place:
    """A folder with a configuration where the WSGI application finds it, and its database."""

    def __init__(self, folder):
        self.folder = folder
        self.port = free_port()
        self.runner = Runner(folder)
        self.environment = {"HOME": str(folder), "PYTHONWARNINGS": "ignore"}
        self.conf = folder / ".watcher/watcher.conf"
        self.conf.parent.mkdir()
        self.conf.write_text(CONFIGURATION.format(folder=folder, port=self.port))
        words = (BIN / "watcher-db-manage", "--config-file", self.conf, "upgrade")
        subprocess.run(words, check=True, capture_output=True)

    def example(self, path):
        """An example of etc/ with our port in it, in a folder where Watcher does not look."""
        copy = self.folder / "examples" / path.name
        copy.parent.mkdir(exist_ok=True)
        copy.write_text(path.read_text().replace("127.0.0.1:9322", f"127.0.0.1:{self.port}"))
        return copy

    def start(self, name, *words):
        """Start a command and wait for its port."""
        running = self.runner.start(name, words, env=self.environment)
        running.wait_for_port(self.port)
        return running


@pytest.fixture
def place(tmp_path):
    found = Place(tmp_path)
    yield found
    found.runner.close()


def answers(url):
    """The API answers, takes a body, and refuses what is wrong in it."""
    assert requests.get(f"{url}/", timeout=30).json()["versions"][0]["id"] == "v1"
    assert requests.get(f"{url}/v1/goals", timeout=30).json()["goals"] == []
    body = {"name": "x", "goal": "nowhere"}
    refused = requests.post(f"{url}/v1/audit_templates", json=body, timeout=30)
    assert refused.status_code == 400
    assert "nowhere" in refused.text


def gunicorn(place):
    """The command of the install guide."""
    words = ("--bind", f"127.0.0.1:{place.port}", "--workers", "2", "--threads", "8")
    return place.start("gunicorn", BIN / "gunicorn", *words, "watcher.wsgi.api:application")


def test_gunicorn_serves_the_api(place):
    running = gunicorn(place)
    answers(f"http://127.0.0.1:{place.port}")
    assert running.stop() == 0


def test_uwsgi_serves_the_api(place):
    ini = place.example(ETC / "uwsgi/watcher-api.ini")
    running = place.start("uwsgi", BIN / "uwsgi", "--ini", ini)
    answers(f"http://127.0.0.1:{place.port}")
    assert running.stop() == 0


def test_apache_stands_before_it_and_links_lead_through_it(place):
    if not shutil.which("apache2"):
        missing("Apache", "tools/cloud install apache")
    gunicorn(place)
    place.example(ETC / "apache2/watcher-api.conf")
    front = free_port([place.port])
    text = APACHE.format(folder=place.folder, front=front, modules="/usr/lib/apache2/modules")
    (place.folder / "apache.conf").write_text(text)
    words = ("apache2", "-f", place.folder / "apache.conf", "-D", "FOREGROUND")
    place.runner.start("apache2", words).wait_for_port(front)
    url = f"http://127.0.0.1:{front}/infra-optim"
    answers(url)
    (link, *_) = requests.get(f"{url}/", timeout=30).json()["versions"][0]["links"]
    assert link["href"].startswith(f"{url}/v1")


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_the_command_of_a_unit_starts_the_daemon_and_a_stop_ends_it(place, unit):
    (command,) = re.findall(r"^ExecStart=(.*)$", unit.read_text(), re.MULTILINE)
    ours = command.replace("/opt/watcher/bin", str(BIN))
    ours = ours.replace("/etc/watcher/watcher.conf", str(place.conf))
    assert ours != command
    running = place.runner.start(unit.stem, ours.split(), env=place.environment)
    if unit.stem == "watcher-api":
        running.wait_for_port(place.port)
        answers(f"http://127.0.0.1:{place.port}")
    else:
        running.wait_for_log("is ready")
    assert running.stop() == 0


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_systemd_understands_the_unit(unit, tmp_path):
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd is not here")
    copy = tmp_path / unit.name
    copy.write_text(unit.read_text().replace("/opt/watcher/bin/", f"{BIN}/"))
    done = subprocess.run(
        ["systemd-analyze", "verify", copy],
        env={**os.environ, "SYSTEMD_LOG_LEVEL": "warning"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert unit.name not in done.stderr, done.stderr
