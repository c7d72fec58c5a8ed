# SPDX-License-Identifier: Apache-2.0
"""What a plan at work has for itself, what it does when an action fails, what takes what back."""

import sqlalchemy as sa
from alembic import op
from oslo_utils import timeutils
from sqlalchemy.dialects import mysql

revision = "0003_execution"
down_revision = "0002_audit_claims"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")


def upgrade() -> None:
    """Add the columns and the tables of leases and locks, with one row for each lock."""
    for table, column, length in (
        ("audits", "on_failure", 20),
        ("action_plans", "on_failure", 20),
        ("actions", "undoes", 36),
    ):
        op.add_column(table, sa.Column(column, sa.String(length), nullable=True))
    create(
        "leases",
        sa.Column("resource", sa.String(300), nullable=False),
        sa.Column("shared", sa.Boolean(create_constraint=False), nullable=False),
        sa.Column(
            "action_plan_id",
            sa.Integer,
            sa.ForeignKey("action_plans.id", name="fk_leases_action_plan_id"),
            nullable=False,
        ),
        sa.Index("ix_leases_resource", "resource"),
        sa.Index("ix_leases_action_plan_id", "action_plan_id"),
    )
    locks = create(
        "locks",
        sa.Column("name", sa.String(63), nullable=False),
        sa.UniqueConstraint("name", name="uq_locks_name"),
    )
    now = timeutils.utcnow()
    rows = [{"name": name, "created_at": now, "deleted": 0} for name in ("leases", "actions")]
    op.bulk_insert(locks, rows)


def create(table: str, *columns: sa.schema.SchemaItem) -> sa.Table:
    """A table with what all tables have."""
    return op.create_table(
        table,
        sa.Column("id", sa.Integer, nullable=False),
        *columns,
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=True),
        sa.Column("deleted_at", MOMENT, nullable=True),
        sa.Column("deleted", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name=f"pk_{table}"),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
    )
