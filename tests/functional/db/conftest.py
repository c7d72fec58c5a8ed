# SPDX-License-Identifier: Apache-2.0
"""A database of its own for each test, in a file, as a demo or a small cloud would use it."""

import pytest

from watcher.db.engine import Database


@pytest.fixture
def announced():
    """The changes that the database announced."""
    return []


@pytest.fixture
def sqlite_url(tmp_path):
    """An empty SQLite database."""
    return f"sqlite:///{tmp_path / 'watcher.sqlite'}"


@pytest.fixture
def database(sqlite_url, announced):
    """A SQLite database with its tables."""
    database = Database(sqlite_url, announced.extend)
    database.upgrade()
    yield database
    database.dispose()
