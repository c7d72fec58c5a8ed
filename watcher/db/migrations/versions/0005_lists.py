# SPDX-License-Identifier: Apache-2.0
"""An index for every way in which the API sorts and selects the rows of large tables.

A foreign key needs an index at all times (MariaDB insists), so the new ones come before the old
ones go.
"""

from alembic import op

revision = "0005_lists"
down_revision = "0004_recent_actions"
branch_labels = None
depends_on = None

SORTED = {
    "audit_templates": "goal_id strategy_id description created_at updated_at",
    "audits": "goal_id strategy_id audit_type state interval auto_trigger next_run_time hostname"
    " start_time end_time force status_message created_at updated_at",
    "action_plans": "audit_id strategy_id state hostname status_message created_at updated_at",
    "actions": "action_plan_id action_type state status_message created_at updated_at",
}
REPLACED = {
    "audit_templates": "goal_id strategy_id",
    "audits": "goal_id strategy_id deleted_state_id",
    "action_plans": "audit_id strategy_id deleted_state_id",
    "actions": "action_plan_id deleted_state_id",
}


def upgrade() -> None:
    for table, columns in SORTED.items():
        for column in columns.split():
            op.create_index(f"ix_{table}_{column}_id_deleted", table, [column, "id", "deleted"])
    for table, names in REPLACED.items():
        for name in names.split():
            op.drop_index(f"ix_{table}_{name}", table)
