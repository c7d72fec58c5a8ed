# SPDX-License-Identifier: Apache-2.0
"""Tempest with Watcher's plug-in 3.9, and the client's functional tests, on the real daemons.

The counts are those of the packages' releases (contract rest-api 25.2, 23.6): a test that is not
found is a failure as well as one that does not pass.

Two workers run the tests of a suite. The client's show the first plan and the first action of all
there are, which may be another worker's and gone a moment later: so the first are ours, and stay.
"""

import pytest

from tests.cloud.process import locked
from tests.integration import daemons
from tests.integration.conftest import missing
from tests.tempest import VENV, bench

API = {
    "test_api_discovery": 3,
    "test_goal": 3,
    "test_strategy": 3,
    "test_scoring_engine": 3,
    "test_service": 3,
    "test_data_model": 2,
    "test_audit_template": 12,
    "test_audit": 18,
    "test_action_plan": 8,
    "test_action": 6,
}
FUNCTIONAL = {
    "test_goal": 3,
    "test_strategy": 4,
    "test_scoring_engine": 3,
    "test_service": 3,
    "test_audit_template": 6,
    "test_action_plan": 4,
    "test_action": 3,
    "test_audit": 15,
}
CLIENT = {**FUNCTIONAL, "test_audit_template": 10, "test_action": 8}
SKIPPED = {f"{bench.PLUGIN}.api.admin.test_audit.TestShowListAudit.test_list_with_limit"}
"""The plug-in skips it itself, for its bug 2134046."""


@pytest.fixture(scope="module")
def workbench(cloud_session, services, tmp_path_factory):
    if not (VENV / "installed").exists():
        missing("Tempest", "tools/cloud install tempest")
    folder = tmp_path_factory.mktemp("tempest")
    running = daemons.running(cloud_session, services, folder)
    with locked("cloud-in-use"), running as (watcher, _):
        watcher.audit(name="stays", goal="dummy", strategy="dummy")
        yield bench.Bench(watcher.runner, watcher.settings, watcher.environment())


@pytest.fixture(scope="module")
def outcome(workbench):
    return workbench.tempest("api", "client_functional")


def judge(outcome, package, expected, capsys, skipped=frozenset()):
    """All tests of a package ran and passed."""
    found = outcome.of(package)
    with capsys.disabled():
        passed = sum(status == "success" for status in found.values())
        print(f"\n{package}: {passed} of {len(found)} passed, {outcome.seconds:.0f} s")
    good = {name: "skip" if name in skipped else "success" for name in found}
    assert found == good, outcome.printed[-20_000:]
    assert bench.tally(found) == expected


def test_the_api_tests_of_tempest_pass(outcome, capsys):
    judge(outcome, f"{bench.PLUGIN}.api", API, capsys, SKIPPED)


def test_the_functional_tests_of_the_plug_in_pass(outcome, capsys):
    judge(outcome, f"{bench.PLUGIN}.client_functional", FUNCTIONAL, capsys)


def test_the_functional_tests_of_the_client_pass(workbench, capsys):
    judge(workbench.client(), bench.CLIENT, CLIENT, capsys)
