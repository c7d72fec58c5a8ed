# SPDX-License-Identifier: Apache-2.0
"""The history of the tables, by Alembic: what to do to a database of any age.

The revision a database has is in its table ``alembic_version``. Our history starts at
``0001_initial``; the revisions of upstream's Watcher are known by name only, to be refused with a
sentence instead of half a migration.
"""

import pathlib
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Engine

from watcher.core.errors import Conflict, Invalid

FOREIGN = frozenset(
    [
        *("001", "0f6042416884", "d098df6021e2", "d09a5945e4a0", "3cfc94cecf4e", "a86240e89a29"),
        *("52804f2498c4", "4b16194c56bc", "609bec748f2a", "15f7375ca737", "7150a7d8f228"),
        "f56ba02662b4",
    ]
)
"""The revisions of upstream's Watcher, oldest first in contract commands §5."""


def head() -> str:
    """The newest revision that this version knows."""
    return str(ScriptDirectory.from_config(_config()).get_current_head())


def version(engine: Engine) -> str | None:
    """The revision of a database, or None when none is recorded."""
    with engine.connect() as connection:
        heads = MigrationContext.configure(connection).get_current_heads()
    return ", ".join(sorted(heads)) or None


def explain(found: str | None) -> str:
    """What is the matter with a database of this revision, and what to do."""
    if found is None:
        return "the database has no tables yet: run watcher-db-manage upgrade"
    if found in FOREIGN:
        return (
            f"the database belongs to upstream's Watcher (revision {found}), whose tables this "
            "one cannot use: set [database] connection to an empty database"
        )
    if found not in _known():
        return (
            f"the database has revision {found}, which this version of Watcher does not know: "
            "use the version that made it, or a newer one"
        )
    return f"the database has revision {found}, not {head()}: run watcher-db-manage upgrade"


def upgrade(engine: Engine, revision: str = "head", *, mysql_engine: str = "InnoDB") -> None:
    """Bring the tables to a revision. Raises Conflict for a database that is not ours."""
    found = version(engine)
    if found is not None and found not in _known():
        raise Conflict(explain(found))
    _run(engine, command.upgrade, revision, mysql_engine=mysql_engine)


def stamp(engine: Engine, revision: str) -> None:
    """Record a revision without touching a table; ``base`` records none."""
    _run(engine, command.stamp, revision, purge=True)


def create_revision(engine: Engine, message: str | None, autogenerate: bool) -> None:
    """Write a new migration file into this package (a developer's aid)."""
    _run(engine, command.revision, message=message, autogenerate=autogenerate)


def _run(engine: Engine, verb: Any, *arguments: Any, mysql_engine: str = "", **named: Any) -> None:
    config = _config()
    try:
        with engine.begin() as connection:
            config.attributes["connection"] = connection
            config.attributes["mysql_engine"] = mysql_engine
            verb(config, *arguments, **named)
    except CommandError as error:
        raise Invalid(str(error)) from error


def _config() -> Config:
    config = Config()
    folder = str(pathlib.Path(__file__).parent)
    config.set_main_option("script_location", folder.replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _known() -> set[str]:
    script = ScriptDirectory.from_config(_config())
    return {revision.revision for revision in script.walk_revisions()}
