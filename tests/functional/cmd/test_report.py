# SPDX-License-Identifier: Apache-2.0
"""watcher-report: out of a database by its configuration file."""

import json
import stat

import pytest

from tests.functional.cmd.conftest import BIN, said
from tests.unit.report.stories import gathered
from watcher.cmd import report
from watcher.db import store
from watcher.db.engine import Database
from watcher.db.models import ActionPlan, Audit, Goal
from watcher.report.evidence import pack


@pytest.fixture
def plan(place):
    database = Database(place.url)
    with database.writing() as session:
        goal = store.add(session, Goal(name="g", display_name="The goal"))
        audit = store.add(session, Audit(name="a", audit_type="ONESHOT", goal_id=goal.id))
        row = ActionPlan(audit_id=audit.id, evidence=pack(gathered()))
        found = store.add(session, row).uuid
    database.dispose()
    return found


@pytest.fixture
def run(place, capfd):
    def call(*words):
        status = report.main(["--config-file", str(place.file), *map(str, words)])
        return status, capfd.readouterr()

    return call


@pytest.mark.parametrize(("form", "start"), [("html", "<!doctype html>"), ("svg", "<svg ")])
def test_it_writes_the_report_to_stdout_and_nothing_else(run, plan, form, start):
    status, told = run(plan, "--format", form)
    assert (status, told.err) == (0, "")
    assert told.out.startswith(start)
    assert "The goal" in told.out


def test_it_writes_into_a_file(run, plan, tmp_path):
    file = tmp_path / "report.json"
    assert run(plan, "--format", "json", "--output", file) == (0, ("", ""))
    assert json.loads(file.read_text())["uuid"] == plan
    assert stat.S_IMODE(file.stat().st_mode) & 0o007 in (0, 0o004)


NOWHERE = "/nowhere/r cannot be written: No such file or directory"


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["nobody"], "Action plan nobody could not be found"),
        (["PLAN", "--output", "/nowhere/r"], NOWHERE),
        (["PLAN", "--output", ""], "--output needs the name of a file"),
    ],
)
def test_a_mistake_is_told_in_one_line(run, plan, words, line):
    status, told = run(*(plan if word == "PLAN" else word for word in words))
    assert (status, told.out, told.err) == (1, "", f"watcher-report: {line}\n")


@pytest.mark.parametrize(("words", "code"), [(["--format", "pdf"], 1), (["--nonsense"], 2)])
def test_oslo_config_refuses_a_wrong_command_line(run, plan, words, code):
    with pytest.raises(SystemExit) as ended:
        run(plan, *words)
    assert ended.value.code == code


def test_a_deleted_plan_is_found_by_who_asks_for_it(run, plan, place):
    database = Database(place.url)
    with database.writing() as session:
        store.delete(session, store.get(session, ActionPlan, plan))
    database.dispose()
    assert run(plan)[0] == 1
    assert run(plan, "--deleted")[0] == 0


def test_it_is_a_command_that_needs_a_plan(place):
    done = said(BIN / "watcher-report", "--config-file", place.file)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("usage: watcher-report ")
