# SPDX-License-Identifier: Apache-2.0
"""Runs Tempest and the client's own functional tests against a Watcher that runs.

Both are started in one folder: stestr keeps its results there, and ``openstack`` is there.
"""

from __future__ import annotations

import csv
import io
import os
import pathlib
import subprocess
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.cloud.settings import REGION, Settings, credentials
from tests.integration.runner import Runner
from tests.tempest import VENV, forked

BIN = VENV / "bin"
WORKERS = 2
STARTERS = r"\.test_(action_plan_start|execute_action_plan|skip_action)\b"
"""The tests that start a plan. While one runs, an audit without force ends CANCELLED, which the
tests that make audits do not expect of anybody else: so these run by themselves, after the rest."""
PLUGIN = "watcher_tempest_plugin.tests"
CLIENT = "watcherclient.tests.client_functional"
TIMEOUT_S = 600


def configuration(settings: Settings, folder: pathlib.Path) -> str:
    """A tempest.conf: the admin of the test cloud, and tests of every microversion."""
    login = credentials(settings, "admin", "admin")
    return f"""
[DEFAULT]
log_file = {folder}/tempest.log
[auth]
use_dynamic_credentials = false
admin_username = {login["username"]}
admin_project_name = {login["project_name"]}
admin_password = {login["password"]}
admin_domain_name = Default
[identity]
uri_v3 = {login["auth_url"]}
auth_version = v3
region = {REGION}
[service_available]
watcher = true
[optimize]
min_microversion = 1.0
max_microversion = latest
resource_check_interval = 0.5
resource_timeout = 60
[oslo_concurrency]
lock_path = {folder}/lock
"""


@dataclass(frozen=True)
class Outcome:
    """How each test ended, in the words of subunit, and what the run printed about failures."""

    statuses: Mapping[str, str]
    seconds: float
    printed: str

    def of(self, prefix: str) -> dict[str, str]:
        """The tests below a package; names without the marks that follow in brackets."""
        return {
            name.partition("[")[0]: status
            for name, status in self.statuses.items()
            if name.startswith(f"{prefix}.")
        }


def tally(found: Mapping[str, str]) -> Counter[str]:
    """How many tests there are in each module."""
    return Counter(name.rsplit(".", 2)[0].rsplit(".", 1)[1] for name in found)


class Bench:
    """A folder to run tests in."""

    def __init__(self, runner: Runner, settings: Settings, environment: Mapping[str, str]) -> None:
        self.folder = runner.folder
        (self.folder / "openstack").symlink_to(forked.__file__)
        (self.folder / "tempest.conf").write_text(configuration(settings, self.folder))
        # The client's tests take these from the environment only, and under these names.
        domains = {f"OS_{whose}_DOMAIN_ID": "default" for whose in ("PROJECT", "USER")}
        path = os.pathsep.join((str(self.folder), str(BIN), os.environ["PATH"]))
        self.environment = {**environment, **domains, "PATH": path}
        server = [BIN / "python", forked.__file__, "serve", self.folder]
        runner.start("openstack", server, env=self.environment)

    def tempest(self, *suites: str) -> Outcome:
        """``tempest run`` on packages of the plug-in."""
        chosen = rf"^{PLUGIN}\.({'|'.join(suites)})\."
        run = ("tempest", "run", "--config-file", str(self.folder / "tempest.conf"), "--regex")
        return self._both((*run, chosen), (*run, f"{chosen}.*{STARTERS}"))

    def client(self) -> Outcome:
        """The functional tests that come with python-watcherclient."""
        found = next((VENV / "lib").glob("python3*/site-packages"))
        package = ("--test-path", str(found / CLIENT.replace(".", "/")), "--top-dir", str(found))
        run = ("stestr", *package, "run")
        return self._both(run, (*run, STARTERS))

    def _both(self, run: Sequence[str], starters: Sequence[str]) -> Outcome:
        """All but the tests that start plans, side by side; then those, one by one."""
        most = self._run(*run, "--exclude-regex", STARTERS, "--concurrency", str(WORKERS))
        rest = self._run(*starters, "--concurrency", "1")
        return Outcome(
            {**most.statuses, **rest.statuses},
            most.seconds + rest.seconds,
            most.printed + rest.printed,
        )

    def _run(self, *words: str) -> Outcome:
        begun = time.monotonic()
        done = self._called(words, timeout=TIMEOUT_S)
        seconds = time.monotonic() - begun
        stream = self._called(("stestr", "last", "--subunit")).stdout
        table = self._called(("subunit2csv", "--no-passthrough"), input=stream).stdout
        rows = csv.DictReader(io.StringIO(table.decode()))
        printed = (done.stdout + done.stderr).decode(errors="replace")
        return Outcome({row["test"]: row["status"] for row in rows}, seconds, printed)

    def _called(self, words: Sequence[str], **more: object) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(  # type: ignore[call-overload,no-any-return]
            [BIN / words[0], *words[1:]],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            check=False,
            **more,
        )
