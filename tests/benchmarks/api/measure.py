# SPDX-License-Identifier: Apache-2.0
"""What a request costs inside the database: its own statements, run again under the server's eyes.

``ANALYZE`` tells how long each statement ran in the server, how many rows it read from each table
and how many it sorted. Rows are the same on every run and every machine, so it is they that show
whether an index served; times are printed and have budgets.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Engine, event

from watcher.db.engine import Database


@dataclass
class Statement:
    """A SELECT as the driver got it."""

    text: str
    parameters: Any


@dataclass
class Cost:
    """What statements cost: milliseconds in the server, rows read and rows sorted."""

    ms: float = 0.0
    read: int = 0
    sorted: int = 0
    told: list[str] = field(default_factory=list)
    """Statements and plans, for the message of a failed test."""


@contextmanager
def captured(engine: Engine) -> Iterator[list[Statement]]:
    """The statements that an engine's connections run inside the block."""
    found: list[Statement] = []

    def note(_connection: Any, _cursor: Any, text: str, parameters: Any, *_rest: Any) -> None:
        found.append(Statement(text, parameters))

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(engine, "before_cursor_execute", note)


def cost(database: Database, statements: list[Statement]) -> Cost:
    """Run statements again and add up what they cost."""
    total = Cost()
    postgresql = database.engine.dialect.name == "postgresql"
    how = "EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON)" if postgresql else "ANALYZE FORMAT=JSON"
    with database.engine.connect() as connection:
        cursor = connection.connection.cursor()
        for statement in statements:
            cursor.execute(f"{how} {statement.text}", statement.parameters)
            (plan,) = cursor.fetchone()
            (_add_postgresql if postgresql else _add_mariadb)(total, plan)
            total.told += [statement.text, json.dumps(plan)]
        cursor.close()
    return total


def _add_postgresql(total: Cost, plan: Any) -> None:
    (root,) = plan
    total.ms += root["Planning Time"] + root["Execution Time"]
    for node in _nodes(root["Plan"]):
        loops = node["Actual Loops"]
        if "Relation Name" in node:
            removed = node.get("Rows Removed by Filter", 0)
            total.read += round((node["Actual Rows"] + removed) * loops)
        if node["Node Type"] == "Sort":
            total.sorted += round(sum(part["Actual Rows"] for part in node["Plans"]) * loops)


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for part in node.get("Plans", ()):
        yield from _nodes(part)


def _add_mariadb(total: Cost, plan: Any) -> None:
    root = json.loads(plan)["query_block"]
    total.ms += root.get("r_total_time_ms", 0.0)
    for name, part in _parts(root):
        if name == "table":
            total.read += round((part.get("r_rows") or 0) * (part.get("r_loops") or 0))
        if name == "filesort":
            inner = next((found for key, found in _parts(part) if key == "table"), {})
            total.sorted += round((inner.get("r_rows") or 0) * (inner.get("r_loops") or 0))


def _parts(value: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """All named objects inside a plan."""
    for item in value if isinstance(value, list) else ():
        yield from _parts(item)
    for name, inner in value.items() if isinstance(value, dict) else ():
        if isinstance(inner, dict):
            yield name, inner
        yield from _parts(inner)
