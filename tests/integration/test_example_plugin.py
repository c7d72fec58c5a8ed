# SPDX-License-Identifier: Apache-2.0
"""The example package of the contributors' guide: installed, found, and used from audit to action."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = """
import json, pathlib, sys
from tests.functional.standalone import standalone
from watcher.simulator.columns import to_cluster

folder = pathlib.Path(sys.argv[1])
more = f"[watcher_datasources]\\ndatasources = csv\\n[csv]\\npath = {folder}/load.csv\\n"
more += "[watcher_planners.by_host]\\nbackwards = true"
with standalone(folder, more=more) as watcher:
    names = to_cluster(watcher.simulator.world).hosts.name.tolist()
    loads = dict.fromkeys(names, 20) | {names[0]: 90, names[1]: 85.5}
    (folder / "load.csv").write_text("".join(f"{name},{load}\\n" for name, load in loads.items()))
    audit = watcher.audit("watchfulness", "busy_hosts", parameters={"threshold_percent": 50.0})
    plan = watcher.plan_of(audit)
    done = watcher.execute(plan)
    print(json.dumps([audit, plan, done, watcher.actions_of(plan), names]))
"""


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    """The package installed beside Watcher, and what came of an audit of its goal."""
    folder = tmp_path_factory.mktemp("example")
    site = folder / "site"
    source = shutil.copytree(ROOT / "doc/example", folder / "source")  # building leaves files
    uv = pathlib.Path(sys.executable).parent / "uv"
    pip = (uv, "pip", "install", "-q", "--no-deps", "--python", sys.executable)
    subprocess.run((*pip, "--target", site, source), check=True)
    environment = {
        **os.environ,
        "PYTHONPATH": f"{site}{os.pathsep}{ROOT}",
        "WATCHER_EXAMPLE_NOTES": str(folder / "notes.txt"),
        "PYTHONWARNINGS": "ignore",
    }
    done = subprocess.run(
        (sys.executable, "-c", PROGRAM, folder),
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-5000:]
    return (*json.loads(done.stdout.splitlines()[-1]), (folder / "notes.txt").read_text())


def test_its_strategy_reads_its_data_source_and_its_planner_orders_its_actions(outcome):
    audit, plan, _, actions, names, _ = outcome
    assert (audit["state"], audit["strategy_name"]) == ("SUCCEEDED", "busy_hosts")
    assert plan["global_efficacy"][0]["value"] == pytest.approx(100 * 2 / len(names))
    busy = sorted(names[:2], reverse=True)
    assert [one["action_type"] for one in actions] == ["write_note"] * 2
    assert [one["input_parameters"]["resource_name"] for one in actions] == busy
    assert actions[1]["parents"] == [actions[0]["uuid"]]


def test_its_action_is_done(outcome):
    _, _, done, actions, names, notes = outcome
    assert done["state"] == "SUCCEEDED"
    assert {one["state"] for one in actions} == {"SUCCEEDED"}
    said = {names[0]: "90", names[1]: "86"}
    assert notes.splitlines() == [
        f"{name} is busy: {said[name]} % CPU" for name in sorted(said, reverse=True)
    ]
