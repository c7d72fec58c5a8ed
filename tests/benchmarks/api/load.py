# SPDX-License-Identifier: Apache-2.0
"""A large database, made by the server itself: numbers become rows, one statement per table.

Every value follows from the number of its row, so a test knows what it will find; the uuids are
as scattered as real ones. An audit has one plan of ten actions.
"""

import hashlib
from collections.abc import Callable
from typing import Any

from sqlalchemy import Integer, case, cast, func, insert, literal, literal_column, select, text
from sqlalchemy.types import JSON

from watcher.db import models
from watcher.db.engine import Database
from watcher.db.models import Base

GOALS = 10
STRATEGIES = 20
ACTIONS_PER_PLAN = 10
AUDITS_PER_TEMPLATE = 10

I = literal_column("i", Integer)  # noqa: E741 - the number of a row
AUDIT_STATES = {3: "FAILED", 4: "CANCELLED", 5: "PENDING", 6: "ONGOING"}
PLAN_STATES = {3: "FAILED", 4: "CANCELLED", 5: "PENDING", 6: "RECOMMENDED"}
ACTION_STATES = {3: "FAILED", 4: "SKIPPED", 5: "PENDING"}


def uuid_of(number: int) -> str:
    """The uuid of a row by its number, as the server makes it."""
    return f"{hashlib.md5(str(number).encode()).hexdigest()[:8]}-0000-4000-8000-{number:012d}"


def rows_of(audits: int) -> dict[type[Base], int]:
    """How many rows each table has beside a number of audits, parents first."""
    return {
        models.Goal: GOALS,
        models.Strategy: STRATEGIES,
        models.AuditTemplate: audits // AUDITS_PER_TEMPLATE,
        models.Audit: audits,
        models.ActionPlan: audits,
        models.EfficacyIndicator: audits,
        models.Action: audits * ACTIONS_PER_PLAN,
    }


def fill(database: Database, audits: int) -> None:
    """Make the rows, and the statistics that a server makes by itself in time."""
    postgresql = database.engine.dialect.name == "postgresql"
    make = (_on_postgresql if postgresql else _on_mariadb)(database)
    for model, count in rows_of(audits).items():
        make(model, count)
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE" if postgresql else _analyze()))


def _analyze() -> str:
    return f"ANALYZE TABLE {', '.join(model.__tablename__ for model in rows_of(0))}"


Make = Callable[[type[Base], int], None]


def _on_postgresql(database: Database) -> Make:
    def make(model: type[Base], count: int) -> None:
        values = _values(model, lambda number: func.to_timestamp(number).op("AT TIME ZONE")("UTC"))
        columns = model.__table__.columns
        values = {
            name: cast(value, JSON) if isinstance(columns[name].type, JSON) else value
            for name, value in values.items()
        }
        numbers = text(f"generate_series(1, {count}) AS numbers(i)")
        with database.engine.begin() as connection:
            connection.execute(text("SET LOCAL session_replication_role = replica"))
            rows = select(*values.values()).select_from(numbers)
            connection.execute(insert(model).from_select(list(values), rows))

    return make


def _on_mariadb(database: Database) -> Make:
    def make(model: type[Base], count: int) -> None:
        values = _values(model, func.from_unixtime)
        numbers = text(f"(SELECT seq AS i FROM seq_1_to_{count}) AS numbers")
        with database.engine.begin() as connection:
            connection.execute(text("SET unique_checks = 0, foreign_key_checks = 0"))
            rows = select(*values.values()).select_from(numbers)
            connection.execute(insert(model).from_select(list(values), rows))
            connection.execute(text("SET unique_checks = 1, foreign_key_checks = 1"))

    return make


def _values(model: type[Base], moment: Callable[[Any], Any]) -> dict[str, Any]:
    """The columns of a table by the number of the row."""
    now = moment(literal(1767225600) + I)  # a second per row, from 2026 on
    common = {
        "id": I,
        "uuid": _uuid(I),
        "created_at": now,
        "updated_at": _when(I % 3 == 0, now),
        "deleted": literal(0),
    }
    return common | _own(model, now)


def _own(model: type[Base], now: Any) -> dict[str, Any]:
    of_goal = {"goal_id": 1 + I % GOALS}
    of_strategy = {"strategy_id": _when(I % 3 > 0, 1 + (I + GOALS) % STRATEGIES)}
    message = {"status_message": _when(I % 10 == 3, _named("reason ", I % 1000))}
    host = {"hostname": _when(I % 4 > 0, _named("host-", I % 50))}
    own: dict[type[Base], dict[str, Any]] = {
        models.Goal: {"efficacy_specification": literal("[]"), **_names("goal")},
        models.Strategy: {"parameters_spec": literal("{}"), **of_goal, **_names("strategy")},
        models.AuditTemplate: {
            "name": _named("template-", I),
            "description": _when(I % 2 == 0, _named("about ", I % 1000)),
            "scope": literal("[]"),
            "default_parameters": literal("{}"),
            **of_goal,
            **of_strategy,
        },
        models.Audit: {
            "name": _named("audit-", I),
            "audit_type": case({0: "ONESHOT", 1: "CONTINUOUS", 2: "EVENT"}, value=I % 3),
            "state": case(AUDIT_STATES, value=I % 10, else_="SUCCEEDED"),
            "parameters": literal('{"period": 7200, "threshold": 25.0}'),
            "interval": _when(I % 3 == 1, _named("", 60 + I % 500)),
            "scope": literal("[]"),
            "auto_trigger": I % 7 == 0,
            "force": I % 11 == 0,
            "next_run_time": _when(I % 3 == 1, now),
            "start_time": _when(I % 5 == 1, now),
            "end_time": _when(I % 5 == 1, now),
            "template_uuid": _uuid(1 + (I - 1) // AUDITS_PER_TEMPLATE),
            **of_goal, **of_strategy, **message, **host,
        },
        models.ActionPlan: {
            "audit_id": I,
            "strategy_id": 1 + I % STRATEGIES,
            "state": case(PLAN_STATES, value=I % 10, else_="SUCCEEDED"),
            "global_efficacy": literal("[]"),
            "epoch": literal(0),
            **message, **host,
        },
        models.EfficacyIndicator: {
            "name": literal("released_nodes"),
            "value": I % 17,
            "action_plan_id": I,
        },
        models.Action: {
            "action_plan_id": 1 + (I - 1) // ACTIONS_PER_PLAN,
            "action_type": case({0: "nop", 1: "resize"}, value=I % 10, else_="migrate"),
            "input_parameters": func.concat(
                '{"migration_type": "live", "source_node": "host-', I % 500,
                '", "destination_node": "host-', I % 499, '", "resource_id": "',
                _uuid(I), '"}',
            ),
            "state": case(ACTION_STATES, value=I % 10, else_="SUCCEEDED"),
            "parents": literal("[]"),
            "position": (I - 1) % ACTIONS_PER_PLAN,
            **message,
        },
    }  # fmt: skip
    return own[model]


def _names(word: str) -> dict[str, Any]:
    return {"name": _named(f"{word}-", I), "display_name": _named(f"The {word} ", I)}


def _named(word: str, number: Any) -> Any:
    return func.concat(word, number)


def _when(condition: Any, value: Any) -> Any:
    """The value where the condition holds, else null."""
    return case((condition, value))


def _uuid(number: Any) -> Any:
    scattered = func.substr(func.md5(func.concat("", number)), 1, 8)
    return func.concat(scattered, "-0000-4000-8000-", func.lpad(func.concat("", number), 12, "0"))
