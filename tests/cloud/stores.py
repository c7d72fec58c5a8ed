# SPDX-License-Identifier: Apache-2.0
"""Two more metric stores that tools/services runs: Prometheus and Gnocchi."""

from __future__ import annotations

import pathlib
import shutil
import sys
import urllib.request

from tests.cloud import services
from tests.cloud.process import ADDRESS, Processes, listening, run, step
from tests.cloud.servers import HOME, PostgreSQL, Service, unpack

HERE = pathlib.Path(__file__).resolve().parent


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as reply:
            return int(reply.status) == 200
    except OSError:
        return False


PROMETHEUS_CONF = """\
global:
  scrape_interval: 15s
storage:
  tsdb:
    # The tests write the samples of the last hour.
    out_of_order_time_window: 2h
"""


class Prometheus(Service):
    """Prometheus 2.42 of Debian; it takes what is written to it remotely."""

    name = "prometheus"

    @property
    def url(self) -> str:
        """Where its HTTP API is."""
        return f"http://{ADDRESS}:{self.port}"

    def install(self) -> None:
        """Unpack Debian's package below the state folder."""
        unpack("prometheus", HOME / "debian/usr/bin/prometheus")

    def start(self, processes: Processes) -> None:
        """Write the configuration and start."""
        self.home.mkdir(parents=True, exist_ok=True)
        conf = self.home / "prometheus.yml"
        conf.write_text(PROMETHEUS_CONF, encoding="utf-8")
        processes.start(
            self.name,
            [
                HOME / "debian/usr/bin/prometheus",
                f"--config.file={conf}", f"--storage.tsdb.path={self.home / 'data'}",
                f"--web.listen-address={ADDRESS}:{self.port}",
                "--web.enable-remote-write-receiver", "--storage.tsdb.retention.time=1d",
                "--log.level=warn",
            ],
            cwd=self.home,
        )  # fmt: skip

    def ready(self) -> bool:
        """It says so itself."""
        return _answers(f"{self.url}/-/ready")

    def addresses(self) -> dict[str, str]:
        """The URL of the HTTP API."""
        return {"prometheus_url": self.url}


GNOCCHI_CONF = """\
[DEFAULT]
log_dir =
[api]
auth_mode = basic
[storage]
driver = file
file_basepath = {home}/measures
[incoming]
driver = file
file_basepath = {home}/incoming
[indexer]
url = postgresql://postgres@{address}:{database}/gnocchi
[metricd]
workers = 1
metric_processing_delay = 1
metric_reporting_delay = -1
"""

GNOCCHI_API = """\
import sys
from gnocchi.cli import api
from gnocchi.rest import app
from werkzeug.serving import WSGIRequestHandler, run_simple

class Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_request(self, *_):
        pass

address, port = sys.argv[1:3]
del sys.argv[1:3]
run_simple(address, int(port), app.load_app(api.prepare_service()), threaded=True,
           request_handler=Quiet)
"""


class Gnocchi(Service):
    """Gnocchi from PyPI in a venv of its own: its API and one metricd, on PostgreSQL."""

    name = "gnocchi"
    requires = ("postgresql",)
    metricd = "gnocchi-metricd"

    @property
    def url(self) -> str:
        """Where its HTTP API is."""
        return f"http://{ADDRESS}:{self.port}"

    @property
    def venv(self) -> pathlib.Path:
        """It outlives a purge, as the Debian packages do."""
        return HOME / "venv-gnocchi"

    def install(self) -> None:
        """Make the venv, as locked."""
        lock = HERE / "gnocchi.lock"
        done = self.venv / "installed"
        if done.exists() and done.read_text() == lock.read_text():
            return
        with step("Gnocchi from PyPI"):
            run([sys.executable, "-m", "venv", self.venv])
            pip = [self.venv / "bin/python", "-m", "pip", "install", "-q", "--no-deps"]
            run([*pip, "-r", lock])
        shutil.copyfile(lock, done)

    def start(self, processes: Processes) -> None:
        """Make database and folders if there are none, and start."""
        postgresql = services.service("postgresql")
        assert isinstance(postgresql, PostgreSQL)
        postgresql.create_database("gnocchi")
        self.home.mkdir(parents=True, exist_ok=True)
        conf = self.home / "gnocchi.conf"
        conf.write_text(
            GNOCCHI_CONF.format(home=self.home, address=ADDRESS, database=postgresql.port),
            encoding="utf-8",
        )
        program = self.home / "api.py"
        program.write_text(GNOCCHI_API, encoding="utf-8")
        told = [f"--config-file={conf}"]
        # metricd looks into each sack every second; the default is 128 of them.
        run([self.venv / "bin/gnocchi-upgrade", *told, "--sacks-number=1"], cwd=self.home)
        env = {"OS_LOG_LEVEL": "WARNING"}
        python = self.venv / "bin/python"
        processes.start(
            self.name, [python, program, ADDRESS, str(self.port), *told], env, self.home
        )
        processes.start(self.metricd, [self.venv / "bin/gnocchi-metricd", *told], env, self.home)

    def ready(self) -> bool:
        """The list of its versions needs no password."""
        return listening(self.port) and _answers(f"{self.url}/")

    def addresses(self) -> dict[str, str]:
        """The URL of the HTTP API."""
        return {"gnocchi_url": self.url}

    def process_names(self) -> tuple[str, ...]:
        """The API, then what works for it."""
        return (self.name, self.metricd)
