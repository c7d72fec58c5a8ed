# SPDX-License-Identifier: Apache-2.0
"""The first tables.

A revision never changes once it is released, so nothing here is taken from ``models``: columns and
states are written out as they were on this day. A test compares the result with the models.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0001_initial"
down_revision = None
branch_labels = None
depends_on = None

MOMENT = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
JSON = sa.JSON(none_as_null=True)


def text(name: str, length: int, *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.String(length), nullable=nullable)


def number(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Integer, nullable=False)


def moment(name: str, *, nullable: bool = True) -> sa.Column[Any]:
    return sa.Column(name, MOMENT, nullable=nullable)


def json(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, JSON, nullable=nullable)


def boolean(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Boolean(create_constraint=False), nullable=False)


def foreign(table: str, name: str, target: str, *, nullable: bool = False) -> list[Any]:
    """A column that points at another table, with its index."""
    key = sa.ForeignKey(f"{target}.id", name=f"fk_{table}_{name}")
    return [
        sa.Column(name, sa.Integer, key, nullable=nullable),
        sa.Index(f"ix_{table}_{name}", name),
    ]


def states(table: str, names: str) -> list[Any]:
    """The state column, which takes these names only, and the index of lists."""
    allowed = ", ".join(f"'{name}'" for name in names.split())
    return [
        text("state", 20),
        sa.CheckConstraint(f"state IN ({allowed})", name=op.f(f"ck_{table}_state")),
        sa.Index(f"ix_{table}_deleted_state_id", "deleted", "state", "id"),
    ]


def create(table: str, *columns: Any, uuid: bool = True, unique: tuple[str, ...] = ()) -> None:
    """A table with its own columns and those that all tables share."""
    keys = [unique] if unique else []
    if uuid:
        columns = (text("uuid", 36), *columns)
        keys.append(("uuid",))
    op.create_table(
        table,
        sa.Column("id", sa.Integer, nullable=False),
        *columns,
        moment("created_at", nullable=False),
        moment("updated_at"),
        moment("deleted_at"),
        number("deleted"),
        sa.PrimaryKeyConstraint("id", name=f"pk_{table}"),
        *(sa.UniqueConstraint(*key, name=f"uq_{table}_{'_'.join(key)}") for key in keys),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
    )


NAMED = ("name", "deleted")


def upgrade() -> None:
    _create_plugin_tables()
    _create_audit_tables()
    _create_plan_tables()
    create("services", text("name", 255), text("host", 255), moment("last_seen_up"),
           uuid=False, unique=("host", "name", "deleted"))  # fmt: skip


def _create_plugin_tables() -> None:
    create("goals", text("name", 63), text("display_name", 63), json("efficacy_specification"),
           unique=NAMED)  # fmt: skip
    create(
        "strategies",
        text("name", 63),
        text("display_name", 63),
        *foreign("strategies", "goal_id", "goals"),
        json("parameters_spec", nullable=True),
        unique=NAMED,
    )
    create(
        "scoring_engines",
        text("name", 63),
        text("description", 255, nullable=True),
        sa.Column("metainfo", sa.Text, nullable=False),
        unique=NAMED,
    )
    create("action_descriptions", text("action_type", 255), text("description", 255),
           uuid=False, unique=("action_type",))  # fmt: skip


def _create_audit_tables() -> None:
    create(
        "audit_templates",
        text("name", 63),
        text("description", 255, nullable=True),
        *foreign("audit_templates", "goal_id", "goals"),
        *foreign("audit_templates", "strategy_id", "strategies", nullable=True),
        json("scope"),
        json("default_parameters"),
        unique=NAMED,
    )
    create(
        "audits",
        text("name", 63),
        text("audit_type", 20),
        *states("audits", "PENDING ONGOING SUCCEEDED FAILED CANCELLED SUSPENDED DELETED"),
        json("parameters"),
        text("interval", 36, nullable=True),
        *foreign("audits", "goal_id", "goals"),
        *foreign("audits", "strategy_id", "strategies", nullable=True),
        json("scope"),
        boolean("auto_trigger"),
        moment("next_run_time"),
        text("hostname", 255, nullable=True),
        moment("start_time"),
        moment("end_time"),
        boolean("force"),
        text("template_uuid", 36, nullable=True),
        sa.Index("ix_audits_template_uuid", "template_uuid"),
        text("status_message", 255, nullable=True),
        unique=NAMED,
    )


def _create_plan_tables() -> None:
    create(
        "action_plans",
        *foreign("action_plans", "audit_id", "audits"),
        *foreign("action_plans", "strategy_id", "strategies", nullable=True),
        *states(
            "action_plans",
            "RECOMMENDED PENDING ONGOING CANCELLING SUCCEEDED FAILED CANCELLED SUPERSEDED DELETED",
        ),
        json("global_efficacy"),
        text("hostname", 255, nullable=True),
        number("epoch"),
        text("status_message", 255, nullable=True),
    )
    create(
        "actions",
        *foreign("actions", "action_plan_id", "action_plans"),
        text("action_type", 255),
        json("input_parameters"),
        *states(
            "actions", "PENDING ONGOING CANCELLING SUCCEEDED FAILED SKIPPED CANCELLED DELETED"
        ),
        json("parents"),
        number("position"),
        json("before", nullable=True),
        text("status_message", 255, nullable=True),
    )
    create(
        "efficacy_indicators",
        text("name", 63),
        text("description", 255, nullable=True),
        text("unit", 63, nullable=True),
        sa.Column("value", sa.Double, nullable=False),
        *foreign("efficacy_indicators", "action_plan_id", "action_plans"),
    )
