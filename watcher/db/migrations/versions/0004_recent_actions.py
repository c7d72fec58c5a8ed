# SPDX-License-Identifier: Apache-2.0
"""What was done of late is found among a million actions."""

from alembic import op

revision = "0004_recent_actions"
down_revision = "0003_execution"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the index."""
    op.create_index("ix_actions_action_type_updated_at", "actions", ["action_type", "updated_at"])
