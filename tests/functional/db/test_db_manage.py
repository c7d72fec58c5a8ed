# SPDX-License-Identifier: Apache-2.0
"""watcher-db-manage as an operator or a deployment tool calls it."""

import io
import logging

import pytest
from sqlalchemy import text

from tests.functional.db import rows
from tests.functional.db.test_purge import delete_all, everything
from watcher.cmd import db_manage
from watcher.db import migrations
from watcher.db.engine import Database


@pytest.fixture(autouse=True)
def _logging_as_before():
    """Take the handlers away that the tool installs."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def manage(tmp_path, sqlite_url, capsys):
    """Run a command line; its exit status, stdout and stderr."""
    file = tmp_path / "watcher.conf"
    file.write_text(f"[database]\nconnection = {sqlite_url}\n")

    def run(*arguments):
        capsys.readouterr()
        status = db_manage.main(["--config-file", str(file), *arguments])
        shown = capsys.readouterr()
        return status, shown.out, shown.err

    return run


@pytest.fixture
def answers(monkeypatch):
    """What the operator types; nothing at first."""

    def type_in(typed):
        monkeypatch.setattr("sys.stdin", io.StringIO(typed))

    type_in("")
    return type_in


def one_line(error):
    """The last line of stderr, which is the tool's own."""
    return error.strip().splitlines()[-1]


def test_no_verb_upgrades_and_version_tells_the_revision(manage):
    assert manage("version")[:2] == (0, "None\n")
    assert manage()[:2] == (0, "")
    assert manage("version")[:2] == (0, f"{migrations.head()}\n")


def test_upgrade_takes_a_revision_and_refuses_an_unknown_one(manage):
    status, _, error = manage("upgrade", "--revision", "nonsense")
    assert status == 1
    assert "watcher-db-manage: " in one_line(error)
    assert "nonsense" in one_line(error)
    assert manage("upgrade", "--revision", "0001_initial")[0] == 0


def test_create_schema_works_once(manage):
    assert manage("create_schema")[0] == 0
    status, _, error = manage("create_schema")
    assert status == 1
    assert f"has tables already (revision {migrations.head()})" in one_line(error)


def test_downgrade_is_refused_in_words(manage):
    status, _, error = manage("downgrade", "--revision", "base")
    assert (status, "restore the backup" in one_line(error)) == (1, True)


def test_stamp_needs_a_revision_and_records_it(manage):
    assert manage("stamp")[0] == 1
    assert manage("stamp", "head")[0] == 0
    assert manage("version")[1] == f"{migrations.head()}\n"


def test_the_database_of_another_watcher_gets_one_line(manage, sqlite_url):
    manage("upgrade")
    with Database(sqlite_url).engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'f56ba02662b4'"))
    status, out, error = manage("upgrade")
    assert (status, out) == (1, "")
    assert one_line(error).startswith(
        "watcher-db-manage: the database belongs to upstream's Watcher (revision f56ba02662b4)"
    )
    assert "Traceback" not in error


def test_a_server_that_is_down_gets_one_line(tmp_path, capsys):
    file = tmp_path / "down.conf"
    file.write_text("[database]\nconnection = mysql://u:hidden@127.0.0.1:1/w\nmax_retries = 1\n")
    assert db_manage.main(["--config-file", str(file), "upgrade"]) == 1
    shown = capsys.readouterr()
    assert "Can't connect to MySQL server" in one_line(shown.err)
    assert "hidden" not in shown.err
    assert "Traceback" not in shown.err


def test_a_missing_configuration_file_gets_one_line(capsys):
    assert db_manage.main(["--config-file", "/nonexistent.conf", "version"]) == 1
    assert "/nonexistent.conf" in capsys.readouterr().err


def test_a_wrong_verb_is_a_usage_error(manage):
    with pytest.raises(SystemExit) as caught:
        manage("nonsense")
    assert caught.value.code == 2


def test_a_revision_file_is_made_from_the_template(manage, tmp_path, monkeypatch):
    folder = tmp_path / "migrations"
    (folder / "versions").mkdir(parents=True)
    for name in ("env.py", "script.py.mako"):
        source = migrations.pathlib.Path(migrations.__file__).parent / name
        (folder / name).write_text(source.read_text())
    monkeypatch.setattr(migrations, "__file__", str(folder / "__init__.py"))
    assert manage("revision", "-m", "Add a column")[0] == 0
    (made,) = (folder / "versions").glob("*.py")
    compile(made.read_text(), str(made), "exec")
    assert '"""Add a column."""' in made.read_text()


class TestPurge:
    """The verb that asks before it acts."""

    @pytest.fixture(autouse=True)
    def _families(self, database, answers):
        answers("")
        for name in ("one", "two"):
            delete_all(database, rows.make(database, name))

    def test_a_dry_run_shows_and_deletes_nothing(self, manage, database):
        before = everything(database)
        status, out, _ = manage("purge", "--dry-run")
        assert status == 0
        assert "would be deleted (with orphans)" in out
        heads, numbers = (line for line in out.splitlines() if line.startswith("|"))
        assert [cell.strip() for cell in heads.split("|")[1:-1]] == [
            *("Goals", "Strategies", "Audit Templates", "Audits", "Action Plans"),
            *("Actions", "Total"),
        ]
        assert [int(cell) for cell in numbers.split("|")[1:-1]] == [2, 2, 0, 2, 2, 4, 12]
        assert everything(database) == before

    @pytest.mark.parametrize("typed", ["y\n", "yes\n", "TRUE\n", "1\n"])
    def test_agreed_it_deletes(self, manage, database, answers, typed):
        answers(typed)
        status, out, _ = manage("purge")
        assert status == 0
        assert "12 objects will be deleted for good. Continue? [y/N]" in out
        assert everything(database) == {}

    @pytest.mark.parametrize("typed", ["\n", "n\n", "perhaps\n"])
    def test_not_agreed_it_shows_what_it_would_do(self, manage, database, answers, typed):
        before = everything(database)
        answers(typed)
        status, out, _ = manage("purge", "-e")
        assert status == 0
        assert "would be deleted (without orphans)" in out
        assert everything(database) == before

    def test_with_nobody_there_to_answer_it_fails_unless_told_yes(self, manage, database):
        status, _, error = manage("purge")
        assert (status, "use --yes" in one_line(error)) == (1, True)
        assert manage("purge", "--yes")[0] == 0
        assert everything(database) == {}

    def test_with_nothing_to_delete_it_does_not_ask(self, manage):
        assert manage("purge", "-d", "1")[0] == 0

    def test_a_limit_asks_whether_to_take_what_fits(self, manage, database, answers):
        answers("y\ny\n")
        status, out, _ = manage("purge", "-n", "7")
        assert status == 0
        assert "12 objects could be deleted, at most 7 may" in out
        assert everything(database)["Goal"] == 1
        answers("n\n")
        assert manage("purge", "-n", "3")[0] == 0
        assert everything(database)["Goal"] == 1

    @pytest.mark.parametrize(
        ("arguments", "text"),
        [
            (["-n", "-1"], "positive"),
            (["-t", "nobody"], "nobody could not be found"),
            (["-d", "-1"], "negative"),
        ],
    )
    def test_what_cannot_be_meant_is_refused(self, manage, arguments, text):
        status, _, error = manage("purge", *arguments)
        assert (status, text in one_line(error)) == (1, True)

    def test_one_goal(self, manage, database):
        assert manage("purge", "-t", "goal-one", "--yes")[0] == 0
        assert everything(database)["Goal"] == 1
