# SPDX-License-Identifier: Apache-2.0
"""Why not more: what the constraints refused in the last run of an audit."""

import sqlalchemy as sa
from alembic import op

revision = "0006_why_not"
down_revision = "0005_lists"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("audits", sa.Column("why_not", sa.JSON(none_as_null=True), nullable=True))
