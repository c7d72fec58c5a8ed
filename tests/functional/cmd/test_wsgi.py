# SPDX-License-Identifier: Apache-2.0
"""The WSGI application as a web server loads it: by name, with first requests in many threads."""

import pathlib
import socket
import subprocess
import sys

from tests.cloud.process import free_port

ROOT = pathlib.Path(__file__).resolve().parents[3]

SCRIPT = """
import threading
from webtest import TestApp
from watcher.wsgi.api import application

statuses, barrier = [], threading.Barrier(8)

def ask():
    barrier.wait()
    statuses.append(TestApp(application).get("/").status_int)

threads = [threading.Thread(target=ask) for _ in range(8)]
[one.start() for one in threads]
[one.join() for one in threads]
print(statuses)
"""

MEASURED = """
import sys
from webtest import TestApp
from tests.telemetry import Scrape
from watcher.wsgi.api import application

assert TestApp(application).get("/").status_int == 200
shown = Scrape(int(sys.argv[1]))
print(shown("api_request_duration_seconds_count", route="/", method="GET", status="200"))
"""


def run(folder, script, *words, options=""):
    """A process that has the application, with a configuration in a home of its own."""
    (folder / ".watcher").mkdir()
    (folder / ".watcher/watcher.conf").write_text(
        "[DEFAULT]\ntransport_url = fake://\n"
        f"[database]\nconnection = sqlite:///{folder}/w.db\n"
        f"[keystone_authtoken]\nauth_type = none\n{options}"
    )
    environment = {"HOME": str(folder), "PATH": "/usr/bin:/bin", "PYTHONWARNINGS": "ignore"}
    return subprocess.run(
        [sys.executable, "-c", script, *words],
        env={**environment, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_eight_first_requests_at_once_are_all_answered(tmp_path):
    done = run(tmp_path, SCRIPT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().splitlines()[-1] == str([200] * 8)


def test_a_process_of_a_web_server_shows_its_own_requests_on_the_first_free_port(tmp_path):
    port = free_port()
    options = f"[api]\nworkers = 1\n[metrics]\nenabled = true\napi_port = {port}\n"
    done = run(tmp_path, MEASURED, str(port), options=options)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().splitlines()[-1] == "1.0"


def test_a_process_that_finds_no_port_says_so_and_answers_all_the_same(tmp_path):
    with socket.create_server(("127.0.0.1", free_port())) as taken:
        port = taken.getsockname()[1]
        options = f"[api]\nworkers = 1\n[metrics]\nenabled = true\napi_port = {port}\n"
        done = run(tmp_path, SCRIPT, options=options)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().splitlines()[-1] == str([200] * 8)
    assert f"this process shows no metrics: [metrics] host and port: 127.0.0.1:{port}" in (
        done.stdout + done.stderr
    )
