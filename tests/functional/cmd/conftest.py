# SPDX-License-Identifier: Apache-2.0
"""A folder with a configuration file and a migrated database."""

import importlib.metadata
import pathlib
import signal
import subprocess
import sys

import pytest
from oslo_config import cfg

from tests.cloud.process import free_port
from tests.integration.runner import Runner
from watcher.db.engine import Database

BIN = pathlib.Path(sys.executable).parent
ETC = pathlib.Path(__file__).resolve().parents[3] / "etc/watcher"
TEXT = """
[DEFAULT]
transport_url = fake://
enable_authentication = false
state_path = {folder}
not_an_option = of ours
[api]
port = {port}
workers = 1
neither = is this
[database]
connection = sqlite:///{folder}/watcher.sqlite
[watcher_clients_auth]
auth_type = password
auth_url = http://127.0.0.1:{nowhere}/v3
username = watcher
password = hidden
project_name = service
user_domain_name = Default
project_domain_name = Default
[nova]
http_retries = 1
[collector]
api_query_max_retries = 1
[nobody]
knows = it
"""


def said(*words, **more):
    return subprocess.run(
        [str(word) for word in words],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        **more,
    )


class Place:
    """Where commands are run."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.metrics_port = free_port([self.port])
        self.file = folder / "watcher.conf"
        self.file.write_text(TEXT.format(folder=folder, port=self.port, nowhere=free_port()))
        self.runner = Runner(folder)

    @property
    def url(self) -> str:
        return f"sqlite:///{self.folder}/watcher.sqlite"

    def add(self, text: str) -> None:
        """Lines at the end of the configuration file."""
        self.file.write_text(self.file.read_text() + text)

    def upgrade(self) -> None:
        database = Database(self.url)
        database.upgrade()
        database.dispose()

    def start(self, program: str):
        return self.runner.start(program, [BIN / program, "--config-file", self.file])

    def run(self, program: str, *words: str):
        """A command that ends: its status and what it said."""
        command = [BIN / program, "--config-file", self.file, *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def place(tmp_path):
    made = Place(tmp_path)
    made.upgrade()
    yield made
    made.runner.close()


@pytest.fixture
def called(monkeypatch, capsys):
    """Runs the function behind a command here: a process for each would take its time."""
    monkeypatch.setattr(signal, "signal", lambda *_: None)

    def call(name, *words):
        monkeypatch.setattr(cfg, "CONF", cfg.ConfigOpts())
        monkeypatch.setattr(sys, "argv", [name, *words])
        (script,) = importlib.metadata.entry_points(group="console_scripts", name=name)
        with pytest.raises(SystemExit) as ended:
            script.load()()
        return ended.value.code, capsys.readouterr()

    return call
