# SPDX-License-Identifier: Apache-2.0
"""What the migrations promise on every database."""

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect, text

from watcher.core.errors import Conflict, Invalid, Unavailable
from watcher.core.states import LIFECYCLES
from watcher.db import migrations
from watcher.db.models import Base


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
