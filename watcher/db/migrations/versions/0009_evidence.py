# SPDX-License-Identifier: Apache-2.0
"""What an action plan was made from, for its report. Plans from before have none."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0009_evidence"
down_revision = "0008_dry_run"
branch_labels = None
depends_on = None


def upgrade() -> None:
    kind = sa.LargeBinary().with_variant(mysql.MEDIUMBLOB(), "mysql", "mariadb")
    op.add_column("action_plans", sa.Column("evidence", kind, nullable=True))
