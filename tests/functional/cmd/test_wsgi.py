# SPDX-License-Identifier: Apache-2.0
"""The WSGI application as a web server loads it: by name, with first requests in many threads."""

import subprocess
import sys

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


def test_eight_first_requests_at_once_are_all_answered(tmp_path):
    (tmp_path / ".watcher").mkdir()
    (tmp_path / ".watcher/watcher.conf").write_text(
        "[DEFAULT]\ntransport_url = fake://\n"
        f"[database]\nconnection = sqlite:///{tmp_path}/w.db\n"
        "[keystone_authtoken]\nauth_type = none\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "PYTHONWARNINGS": "ignore"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().splitlines()[-1] == str([200] * 8)
