# SPDX-License-Identifier: Apache-2.0
"""Who runs an audit, since when, and how often its runs have failed in a row."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0002_audit_claims"
down_revision = "0001_initial"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")


def upgrade() -> None:
    """Add the columns; audits that exist were claimed by nobody and have not failed."""
    for name in ("epoch", "failures"):
        column = sa.Column(name, sa.Integer, nullable=False, server_default="0")
        op.add_column("audits", column)
    op.add_column("audits", sa.Column("running_since", MOMENT, nullable=True))
