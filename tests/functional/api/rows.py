# SPDX-License-Identifier: Apache-2.0
"""Rows of the contract's tables as requests: the number of the row, what is sent, what comes back."""

from typing import Any, NamedTuple

import pytest
from sqlalchemy import text

from tests.functional.api.bench import Bench, fault

TABLES = (
    "audits",
    "audit_templates",
    "action_plans",
    "actions",
    "efficacy_indicators",
    "services",
)
ABSENT = "6a0a707c-45ef-4758-b533-e55adddba8ce"
LONG = 10**30


class Row(NamedTuple):
    """One row; ``path`` may name things in braces, which ``things`` has made."""

    number: str
    request: str
    status: int
    body: Any = None
    version: str | None = "1.7"
    says: str = ""
    headers: dict[str, str] = {}
    shows: dict[str, Any] = {}

    def __str__(self) -> str:
        """The test's name: the number, the request and what was sent."""
        sent = "" if self.body is None else f" {self.body!r}"
        return f"{self.number} {self.request}{sent}"[:110].replace("[", "(").replace("]", ")")


def table(*rows: Row) -> Any:
    """Make a test run once for each row, called by its number."""
    return pytest.mark.parametrize("row", rows, ids=str)


def things(bench: Bench) -> dict[str, str]:
    """What the paths of rows may name: one of each, in the states their names say."""
    template = bench.post("/v1/audit_templates", {"name": "template", "goal": "dummy"})
    taken = bench.post("/v1/audit_templates", {"name": "taken", "goal": "dummy"})
    plan = bench.plan(audit=bench.audit(name="planned", state="SUCCEEDED"))
    continuous = {"audit_type": "CONTINUOUS", "interval": "60", "state": "ONGOING"}
    made = {
        "audit": bench.audit(name="taken"),
        "done": bench.audit(name="done", state="SUCCEEDED"),
        "continuous": bench.audit(name="continuous", **continuous),
        "event": bench.audit(name="event", audit_type="EVENT"),
        "plan": plan,
        "ongoing": bench.plan(
            audit=bench.audit(name="at work", state="SUCCEEDED"), state="ONGOING"
        ),
        "action": bench.actions(plan)[0],
    }
    found = {name: row.uuid for name, row in made.items()}
    return {**found, "template": template["uuid"], "other": taken["uuid"], "absent": ABSENT}


def everything(bench: Bench) -> list[Any]:
    """Every row a request might change."""
    with bench.database.reading() as session:
        return [
            list(map(tuple, session.execute(text(f"SELECT * FROM {name} ORDER BY id"))))
            for name in TABLES
        ]


def send(bench: Bench, named: dict[str, str], row: Row) -> Any:
    """Send a row's request and check the status."""
    method, _, path = row.request.partition(" ")
    for name, uuid in named.items():
        path = path.replace("{" + name + "}", uuid)
    return bench.call(
        method, path, row.body, version=row.version, status=row.status, **row.headers
    )


def answered(bench: Bench, named: dict[str, str], row: Row) -> None:
    """Send a row's request and check the part of the answer that the row names."""
    found = send(bench, named, row)
    if row.shows:
        assert {name: found.json[name] for name in row.shows} == row.shows


def refused(bench: Bench, named: dict[str, str], row: Row) -> None:
    """Send a row's request, which is refused with words that help, and changes nothing."""
    before = everything(bench)
    words = fault(send(bench, named, row))
    assert row.says in words
    assert words
    assert everything(bench) == before
