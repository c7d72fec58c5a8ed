# SPDX-License-Identifier: Apache-2.0
"""Dry runs: audits whose plans are to be looked at and are never started."""

import sqlalchemy as sa
from alembic import op

revision = "0008_dry_run"
down_revision = "0006_why_not"
branch_labels = None
depends_on = None


def upgrade() -> None:
    column = sa.Column("dry_run", sa.Boolean, nullable=False, server_default=sa.false())
    op.add_column("audits", column)
