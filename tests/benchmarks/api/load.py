# SPDX-License-Identifier: Apache-2.0
"""A large database, made by the server itself: numbers become rows, one statement per table.

Every value follows from the number of its row, so a test knows what it will find; the uuids are
as scattered as real ones. An audit has one plan of ten actions.
"""

import hashlib
from collections.abc import Callable
from typing import Any

from sqlalchemy import (
    Insert,
    Integer,
    case,
    cast,
    func,
    insert,
    literal,
    literal_column,
    select,
    text,
)
from sqlalchemy.types import JSON

from watcher.db import models
from watcher.db.engine import Database
from watcher.db.models import Base

GOALS = 10
STRATEGIES = 20
ACTIONS_PER_PLAN = 10
AUDITS_PER_TEMPLATE = 10

I = literal_column("i", Integer)  # noqa: E741
AUDIT_STATES = {3: "FAILED", 4: "CANCELLED", 5: "PENDING", 6: "ONGOING"}
PLAN_STATES = {3: "FAILED", 4: "CANCELLED", 5: "PENDING", 6: "RECOMMENDED"}
ACTION_STATES = {3: "FAILED", 4: "SKIPPED", 5: "PENDING"}


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


OF_GOAL = {"goal_id": 1 + I // 7 % GOALS}
MESSAGE = {"status_message": _when(I % 10 == 3, _named("reason ", I % 1000))}
HOST = {"hostname": _when(I % 4 > 0, _named("host-", I % 50))}
TEMPLATE = {
    "name": _named("template-", I),
    "description": _when(I % 2 == 0, _named("about ", I % 1000)),
    "strategy_id": _when(I % 3 > 0, 1 + I // 11 % STRATEGIES),
    "scope": literal("[]"),
    "default_parameters": literal("{}"),
}
AUDIT = {
    "name": _named("audit-", I),
    "audit_type": case({0: "ONESHOT", 1: "CONTINUOUS", 2: "EVENT"}, value=I % 3),
    "state": case(AUDIT_STATES, value=I % 10, else_="SUCCEEDED"),
    "parameters": literal('{"period": 7200, "threshold": 25.0}'),
    "interval": _when(I % 3 == 1, _named("", 60 + I % 500)),
    "strategy_id": TEMPLATE["strategy_id"],
    "scope": literal("[]"),
    "auto_trigger": I % 7 == 0,
    "force": I % 11 == 0,
    "epoch": literal(0),
    "failures": literal(0),
    "template_uuid": _uuid(1 + (I - 1) // AUDITS_PER_TEMPLATE),
}
PLAN = {
    "audit_id": I,
    "strategy_id": 1 + I // 13 % STRATEGIES,
    "state": case(PLAN_STATES, value=I % 10, else_="SUCCEEDED"),
    "global_efficacy": literal("[]"),
    "epoch": literal(0),
}
INDICATOR = {"name": literal("released_nodes"), "value": I % 17, "action_plan_id": I}
PARAMETERS = ('{"source_node": "host-', '", "migration_type": "live", "resource_id": "', '"}')
ACTION = {
    "action_plan_id": 1 + (I - 1) // ACTIONS_PER_PLAN,
    "action_type": case({0: "nop", 1: "resize"}, value=I % 10, else_="migrate"),
    "input_parameters": func.concat(
        PARAMETERS[0], I % 500, PARAMETERS[1], _uuid(I), PARAMETERS[2]
    ),
    "state": case(ACTION_STATES, value=I % 10, else_="SUCCEEDED"),
    "parents": literal("[]"),
    "position": (I - 1) % ACTIONS_PER_PLAN,
}
OWN: dict[type[Base], dict[str, Any]] = {
    models.Goal: {"efficacy_specification": literal("[]"), **_names("goal")},
    models.Strategy: {"parameters_spec": literal("{}"), **OF_GOAL, **_names("strategy")},
    models.AuditTemplate: {**TEMPLATE, **OF_GOAL},
    models.Audit: {**AUDIT, **OF_GOAL, **MESSAGE, **HOST},
    models.ActionPlan: {**PLAN, **MESSAGE, **HOST},
    models.EfficacyIndicator: INDICATOR,
    models.Action: {**ACTION, **MESSAGE},
}


def _values(model: type[Base], moment: Callable[[Any], Any]) -> dict[str, Any]:
    """The columns of a table by the number of the row; ``moment`` makes a datetime of seconds."""
    now = moment(literal(1767225600) + I)  # a second per row, from 2026 on
    common = {
        "id": I,
        "uuid": _uuid(I),
        "created_at": now,
        "updated_at": _when(I % 3 == 0, now),
        "deleted": literal(0),
    }
    times = {
        "next_run_time": _when(I % 3 == 1, now),
        "start_time": _when(I % 5 == 1, now),
        "end_time": _when(I % 5 == 1, now),
    }
    return common | OWN[model] | (times if model is models.Audit else {})


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
    """Make the rows, and the statistics that a server makes by itself in time.

    The indexes are taken away and made anew: so it takes half the time.
    """
    postgresql = database.engine.dialect.name == "postgresql"
    for model, count in rows_of(audits).items():
        with database.engine.begin() as connection:
            connection.execute(text(UNCHECKED[postgresql]))
            indexes = list(model.__table__.indexes)
            for index in indexes:
                index.drop(connection)
            connection.execute(_insert(model, count, postgresql))
            for index in indexes:
                index.create(connection)
            if not postgresql:
                connection.execute(text("SET unique_checks = 1, foreign_key_checks = 1"))
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE" if postgresql else _analyze()))


UNCHECKED = {
    True: "SET LOCAL session_replication_role = replica",
    False: "SET unique_checks = 0, foreign_key_checks = 0",
}


def _analyze() -> str:
    return f"ANALYZE TABLE {', '.join(model.__tablename__ for model in rows_of(0))}"


def _insert(model: type[Base], count: int, postgresql: bool) -> Insert:
    """INSERT ... SELECT from the numbers 1 to ``count``."""
    if postgresql:
        numbers = f"generate_series(1, {count}) AS numbers(i)"
        values = _values(model, lambda s: func.to_timestamp(s).op("AT TIME ZONE")("UTC"))
        columns = model.__table__.columns
        for name, value in values.items():
            if isinstance(columns[name].type, JSON):
                values[name] = cast(value, JSON)
    else:
        numbers = f"(SELECT seq AS i FROM seq_1_to_{count}) AS numbers"
        values = _values(model, func.from_unixtime)
    rows = select(*values.values()).select_from(text(numbers))
    return insert(model).from_select(list(values), rows)
