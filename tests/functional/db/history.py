# SPDX-License-Identifier: Apache-2.0
"""What the migrations promise on every database."""

import datetime
import pathlib
from decimal import Decimal
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import MetaData, Table, inspect, select, text

from watcher.core.errors import Conflict, Invalid, Unavailable
from watcher.core.states import LIFECYCLES
from watcher.db import migrations
from watcher.db.models import Base

VERSIONS = pathlib.Path(str(migrations.__file__)).parent / "versions"
REVISIONS = sorted(path.stem for path in VERSIONS.glob("0*.py"))
EXAMPLES = {
    str: '"word"',
    bytes: b"1",
    int: 1,
    float: 0.5,
    bool: True,
    object: {"a": 1},
    Decimal: Decimal(1),
}
"""A value by its type; the text is JSON, for MariaDB keeps that as text, and ``object`` is JSON."""
STATES = {"audits": "SUCCEEDED", "action_plans": "RECOMMENDED", "actions": "PENDING"}


class History:
    """From nothing to today; ``empty`` is a database without tables."""

    def test_an_empty_database_becomes_what_the_models_say(self, empty):
        assert empty.version() is None
        empty.upgrade()
        assert empty.version() == migrations.head()
        empty.require_schema()
        with empty.engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": True})
            assert compare_metadata(context, Base.metadata) == []

    def test_upgrading_twice_does_nothing(self, empty):
        empty.upgrade()
        empty.upgrade()
        assert empty.version() == migrations.head()

    @pytest.mark.parametrize("revision", REVISIONS)
    def test_what_an_older_release_wrote_is_kept(self, empty, revision):
        """A row in every table there was, with a value in every column, is the same afterwards."""
        empty.upgrade(revision)
        before = rows_of(filled(empty.engine), empty.engine)
        assert {"goals", "strategies", "audits", "action_plans", "actions"} <= set(before)
        empty.upgrade()
        assert empty.version() == migrations.head()
        today = MetaData()
        today.reflect(empty.engine)
        after = rows_of(today, empty.engine)
        for table, row in before.items():
            assert {name: after[table][name] for name in row} == row, table
        with empty.engine.connect() as connection:  # and the models read it
            for model in Base.metadata.sorted_tables:
                assert len(connection.execute(select(model)).all()) >= (model.name in before)

    def test_every_state_of_every_lifecycle_is_allowed_and_no_other(self, empty):
        empty.upgrade()
        for lifecycle, table in zip(
            LIFECYCLES, ("audits", "action_plans", "actions"), strict=True
        ):
            (check,) = [
                found["sqltext"]
                for found in inspect(empty.engine).get_check_constraints(table)
                if found["name"] == f"ck_{table}_state"
            ]
            named = {part.split("'")[0] for part in check.split("'")[1::2]}
            assert named == set(lifecycle.states)

    @pytest.mark.parametrize("found", ["f56ba02662b4", "001"])
    def test_the_database_of_another_watcher_is_recognised_and_left_alone(self, empty, found):
        migrations.upgrade(empty.engine)
        with empty.engine.begin() as connection:
            connection.execute(text(f"UPDATE alembic_version SET version_num = '{found}'"))
        with pytest.raises(Conflict, match=f"upstream's Watcher .revision {found}") as caught:
            empty.upgrade()
        assert "\n" not in str(caught.value)
        with pytest.raises(Unavailable, match="empty database"):
            empty.require_schema()
        assert empty.version() == found

    def test_a_revision_from_the_future_is_not_guessed_at(self, empty):
        migrations.upgrade(empty.engine)
        with empty.engine.begin() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        with pytest.raises(Conflict, match=r"revision 9999, which this version .* does not know"):
            empty.upgrade()

    def test_a_stamp_records_and_base_erases(self, empty):
        migrations.stamp(empty.engine, "head")
        assert empty.version() == migrations.head()
        migrations.stamp(empty.engine, "base")
        assert empty.version() is None
        with pytest.raises(Invalid, match="nonsense"):
            migrations.stamp(empty.engine, "nonsense")


def filled(engine) -> MetaData:
    """The tables that are there, each with a row that has a value in every column."""
    found = MetaData()
    found.reflect(engine)
    found.remove(found.tables["alembic_version"])
    with engine.begin() as connection:
        for table in found.sorted_tables:
            if connection.execute(select(table)).first() is None:
                connection.execute(table.insert().values(values(table)))
    return found


def values(table: Table) -> dict[str, Any]:
    """One value for each column, by its type; the row that a foreign key needs is number 1."""
    made: dict[str, Any] = {}
    for column in table.columns:
        kind = column.type.python_type
        if column.name == "id" or column.foreign_keys:
            made[column.name] = 1
        elif column.name.startswith("deleted"):
            made[column.name] = 0 if kind is int else None
        elif column.name == "state":
            made[column.name] = STATES[table.name]
        elif kind is datetime.datetime:
            made[column.name] = datetime.datetime(2026, 1, 2, 3, 4, 5)
        else:
            made[column.name] = EXAMPLES[kind]
    return made


def rows_of(tables: MetaData, engine) -> dict[str, dict[str, Any]]:
    """The first row of each table by column."""
    with engine.connect() as connection:
        found = {
            table.name: connection.execute(select(table).order_by("id")).mappings().first()
            for table in tables.sorted_tables
            if table.name != "alembic_version"
        }
    return {name: dict(row) for name, row in found.items() if row is not None}
