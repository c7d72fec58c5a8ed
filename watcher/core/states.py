# SPDX-License-Identifier: Apache-2.0
"""The lifecycles of audit, action plan and action: text a reviewer reads and the program obeys.

A lifecycle is written as lines ``STATE -> STATE | STATE``. The first table is everything that may
ever happen; ``by_operator`` is the part of it that a PATCH through the API may ask for (contract:
rest-api 15.4, 16.2 and 17.2). ``watcher.db.store.transition`` is the only place that moves a row.
"""

from collections.abc import Mapping
from dataclasses import dataclass

Table = Mapping[str, frozenset[str]]


def parse(text: str) -> Table:
    """Read lines of ``STATE -> STATE | STATE`` into a table."""
    table: dict[str, frozenset[str]] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        source, _, targets = line.partition("->")
        name = source.strip()
        if name in table:
            raise ValueError(f"state {name} has two lines")
        table[name] = frozenset(filter(None, map(str.strip, targets.split("|"))))
    return table


@dataclass(frozen=True, init=False)
class Lifecycle:
    """The states of one kind of row and the moves between them.

    Raises ValueError when the tables contradict themselves: a target without a line of its own, or
    an operator's move that the lifecycle does not have.
    """

    kind: str
    moves: Table
    by_operator: Table

    def __init__(self, kind: str, moves: str, *, by_operator: str = "") -> None:
        table = parse(moves)
        operator = parse(by_operator)
        unknown = {to for targets in table.values() for to in targets} - set(table)
        if unknown:
            raise ValueError(f"{kind}: no line for {', '.join(sorted(unknown))}")
        for source, targets in operator.items():
            if not targets <= table.get(source, frozenset()):
                raise ValueError(f"{kind}: the operator may do from {source} what is no move")
        object.__setattr__(self, "kind", kind)
        object.__setattr__(self, "moves", table)
        object.__setattr__(self, "by_operator", operator)

    @property
    def states(self) -> tuple[str, ...]:
        """Every state, in the order of the table."""
        return tuple(self.moves)

    def sources(self, to: str) -> frozenset[str]:
        """The states from which ``to`` can be reached in one move."""
        return frozenset(state for state, targets in self.moves.items() if to in targets)

    def operator_may(self, source: str, to: str) -> bool:
        """Whether a PATCH through the API may ask for this move."""
        return to in self.by_operator.get(source, frozenset())


AUDIT = Lifecycle(
    "audit",
    """
    PENDING   -> ONGOING | CANCELLED | FAILED | SUCCEEDED
    ONGOING   -> PENDING | SUCCEEDED | FAILED | CANCELLED | SUSPENDED
    SUCCEEDED -> ONGOING | DELETED
    FAILED    -> ONGOING | DELETED
    CANCELLED -> DELETED
    SUSPENDED -> ONGOING | DELETED
    DELETED   ->
    """,
    by_operator="""
    PENDING   -> ONGOING | CANCELLED
    ONGOING   -> SUCCEEDED | FAILED | CANCELLED | SUSPENDED
    SUCCEEDED -> DELETED
    FAILED    -> DELETED
    CANCELLED -> DELETED
    SUSPENDED -> ONGOING | DELETED
    """,
)
# SUCCEEDED and FAILED -> ONGOING run an EVENT audit again; ONGOING -> PENDING is one whose run
# had to be put off.

# A plan of a dry run never becomes PENDING: watcher.db.leases, which starts plans, sees to it.
ACTION_PLAN = Lifecycle(
    "action plan",
    """
    RECOMMENDED -> PENDING | CANCELLED | SUPERSEDED | SUCCEEDED | DELETED
    PENDING     -> ONGOING | CANCELLED | FAILED
    ONGOING     -> SUCCEEDED | FAILED | CANCELLING | CANCELLED
    CANCELLING  -> CANCELLED | FAILED
    SUCCEEDED   -> DELETED
    FAILED      -> DELETED
    CANCELLED   -> DELETED
    SUPERSEDED  -> DELETED
    DELETED     ->
    """,
    by_operator="""
    RECOMMENDED -> PENDING | CANCELLED
    PENDING     -> CANCELLED
    ONGOING     -> CANCELLING
    """,
)

ACTION = Lifecycle(
    "action",
    """
    PENDING    -> ONGOING | SKIPPED | FAILED | CANCELLED | DELETED
    ONGOING    -> SUCCEEDED | FAILED | SKIPPED | CANCELLING | CANCELLED
    CANCELLING -> CANCELLED | SUCCEEDED | FAILED
    SUCCEEDED  -> DELETED
    FAILED     -> DELETED
    SKIPPED    -> DELETED
    CANCELLED  -> DELETED
    DELETED    ->
    """,
    by_operator="""
    PENDING -> SKIPPED
    """,
)

LIFECYCLES = (AUDIT, ACTION_PLAN, ACTION)

CONTINUE, STOP, ROLLBACK = ON_FAILURE = ("continue", "stop", "rollback")
"""What becomes of a plan after an action failed: what does not wait for it goes on; nothing more
begins; or nothing more begins and all that was done is taken back.
"""
