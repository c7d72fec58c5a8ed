# SPDX-License-Identifier: Apache-2.0
"""Run by Alembic for each command, with the connection that ``watcher.db.migrations`` opened.

Batch mode lets SQLite, which cannot alter a table, copy it instead.
"""

from alembic import context

from watcher.db import models

config = context.config
connection = config.attributes["connection"]
if connection.dialect.name in ("mysql", "mariadb") and config.attributes["mysql_engine"]:
    connection.exec_driver_sql(
        "SET SESSION default_storage_engine = %s", (config.attributes["mysql_engine"],)
    )
context.configure(
    connection=connection,
    target_metadata=models.Base.metadata,
    render_as_batch=True,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
