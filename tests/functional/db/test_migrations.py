# SPDX-License-Identifier: Apache-2.0
"""The migrations on SQLite."""

import pytest

from tests.functional.db import history
from watcher.db import migrations
from watcher.db.engine import Database


@pytest.fixture
def empty(sqlite_url):
    database = Database(sqlite_url)
    yield database
    database.dispose()


class TestHistory(history.History):
    pass


def test_an_older_revision_of_ours_is_told_to_upgrade(monkeypatch):
    monkeypatch.setattr(migrations, "head", lambda: "0002")
    assert migrations.explain("0001_initial") == (
        "the database has revision 0001_initial, not 0002: run watcher-db-manage upgrade"
    )


def test_the_history_has_one_head_and_reads_in_order():
    assert migrations.head() == sorted(migrations._known())[-1]
