# SPDX-License-Identifier: Apache-2.0
"""The whole account of an action plan: what its page, its picture and its JSON are drawn from.

Values only: the plan and its actions as they are at present, the evidence that was kept with the
plan, and what follows from these. A plan without evidence (older than that, or a retry of another
one) has an account of what is known: its actions, their order, its efficacy.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from watcher.core.cluster import MEMORY_MB
from watcher.core.solution import MIGRATE, VOLUME_MIGRATE
from watcher.report.evidence import Evidence, Item
from watcher.report.reasons import Plot, reasons
from watcher.report.sides import Doing
from watcher.solvers.makespan import DESTINATION, SOURCE, TOTAL, Job, Span, schedule

DATA, STEPS = "GiB copied", "steps"
"""Units of the timeline: data copied one after another, or one for each action."""

ENDED = ("SUCCEEDED", "FAILED", "CANCELLED", "SKIPPED", "SUPERSEDED", "DELETED")


class Deed(NamedTuple):
    """An action as the database has it; ``parents`` and ``undoes`` are uuids."""

    uuid: str
    type: str
    parameters: Mapping[str, Any]
    state: str = "PENDING"
    message: str | None = None
    parents: tuple[str, ...] = ()
    undoes: str | None = None


@dataclass(frozen=True)
class Head:
    """The plan itself and whose it is, as the database has them; times are ISO 8601 in UTC.

    ``indicators`` and ``global_efficacy`` have name, description, unit and value each.
    """

    uuid: str
    state: str
    goal: str = ""
    strategy: str = ""
    audit: str = ""
    audit_uuid: str = ""
    message: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    indicators: Sequence[Mapping[str, Any]] = ()
    global_efficacy: Sequence[Mapping[str, Any]] = ()


class Step(NamedTuple):
    """An action in its plan: where it stands in the timeline, and why it is there.

    ``size_gb`` is the data that it copies (GiB), None where that is not known or nothing is.
    """

    number: int
    deed: Deed
    what: str
    how: str
    size_gb: float | None
    span: Span
    why: str


@dataclass(frozen=True)
class Bound:
    """A number before and after the plan, and the one that is proven to be the best there is."""

    name: str
    before: float | None
    after: float | None
    bound: float


@dataclass(frozen=True, eq=False)
class Account:
    """See the module's text; ``deeds`` are in the plan's order, taking back included."""

    head: Head
    deeds: Sequence[Deed]
    evidence: Evidence | None = None
    taken_back: Mapping[str, Deed] = field(init=False)

    def __post_init__(self) -> None:
        undoing = {one.undoes: one for one in self.deeds if one.undoes}
        object.__setattr__(self, "taken_back", undoing)

    @cached_property
    def planned(self) -> list[Deed]:
        """The actions that were recommended."""
        return [one for one in self.deeds if not one.undoes]

    @cached_property
    def undoing(self) -> list[Deed]:
        """The actions that take back others, added while the plan was carried out."""
        return [one for one in self.deeds if one.undoes]

    @cached_property
    def hosts(self) -> Plot | None:
        """The hosts before and after."""
        return None if self.evidence is None else Plot(self.evidence.hosts, self._doings)

    @cached_property
    def pools(self) -> Plot | None:
        """The storage pools before and after, where the plan is about volumes."""
        if self.evidence is None or self.evidence.pools is None:
            return None
        return Plot(self.evidence.pools, self._doings)

    @cached_property
    def states(self) -> Counter[str]:
        """How many of the planned actions are in each state now."""
        return Counter(one.state for one in self.planned)

    @cached_property
    def ended(self) -> int:
        """How many of the planned actions have come to an end."""
        return sum(self.states[state] for state in ENDED)

    @cached_property
    def migrations(self) -> int:
        """How many servers and volumes are moved, counting each move."""
        return sum(one.type in (MIGRATE, VOLUME_MIGRATE) for one in self.planned)

    @cached_property
    def unit(self) -> str:
        """The unit of the timeline."""
        sized = any(self._size_gb(one) for one in self.planned)
        return DATA if sized else STEPS

    @cached_property
    def limits(self) -> Mapping[str, int]:
        """How many actions may run side by side, as far as that was kept."""
        return {} if self.evidence is None else self.evidence.limits

    @cached_property
    def steps(self) -> list[Step]:
        """The planned actions with their places in time and their reasons."""
        why = reasons(self.hosts, self.pools, self._doings, self._followers)
        parts = zip(self.planned, self._spans, why, strict=True)
        return [
            Step(number, deed, *_told(deed), self._size_gb(deed), span, sentence)
            for number, (deed, span, sentence) in enumerate(parts, start=1)
        ]

    @cached_property
    def length(self) -> float:
        """When the last action ends, in the timeline's unit."""
        return max((span.end for span in self._spans), default=0.0)

    @cached_property
    def bounds(self) -> list[Bound]:
        """The indicators that have a lower bound beside them."""
        values = {str(one["name"]): float(one["value"]) for one in self.head.indicators}
        return [
            Bound(
                stem,
                _first(values, f"{stem}_before", f"{stem}_before_audit"),
                _first(values, f"{stem}_after", f"{stem}_after_audit"),
                values[name],
            )
            for name in values
            if name.endswith("_lower_bound") and not name.startswith("gap_to_")
            for stem in [name.removesuffix("_lower_bound")]
        ]

    @cached_property
    def parents(self) -> list[tuple[int, ...]]:
        """For each planned action the positions of those that it waits for, counted from 0."""
        place = {one.uuid: position for position, one in enumerate(self.planned)}
        return [
            tuple(sorted(place[uuid] for uuid in one.parents if uuid in place))
            for one in self.planned
        ]

    @cached_property
    def _doings(self) -> list[Doing]:
        return [Doing(one.type, one.parameters) for one in self.planned]

    @cached_property
    def _followers(self) -> list[int]:
        waited = Counter(parent for parents in self.parents for parent in parents)
        return [waited[position] for position in range(len(self.planned))]

    @cached_property
    def _spans(self) -> list[Span]:
        jobs = (
            self._job(deed, parents)
            for deed, parents in zip(self.planned, self.parents, strict=True)
        )
        return schedule(jobs, self.limits)

    def _job(self, deed: Deed, parents: tuple[int, ...]) -> Job:
        """An action as work: what it copies, or 1 where no action's size is known."""
        waits = tuple(parent for parent in parents if parent < len(self.planned))
        work = (self._size_gb(deed) or 0.0) if self.unit == DATA else 1.0
        if deed.type not in (MIGRATE, VOLUME_MIGRATE):
            return Job(work, waits, ((TOTAL, ""),) if self.unit == STEPS else ())
        ends = ((SOURCE, deed.parameters.get("source_node")),
                (DESTINATION, deed.parameters.get("destination_node")))  # fmt: skip
        return Job(work, waits, ((TOTAL, ""), *((kind, name) for kind, name in ends if name)))

    def _size_gb(self, deed: Deed) -> float | None:
        item = self._item(deed)
        if item is None:
            return None
        return item.demand[MEMORY_MB] / 1024.0 if deed.type == MIGRATE else item.demand[0]

    def _item(self, deed: Deed) -> Item | None:
        """What an action moves, as it was kept."""
        if self.evidence is None or deed.type not in (MIGRATE, VOLUME_MIGRATE):
            return None
        if deed.parameters.get("destination_type"):
            return None  # a retype may copy nothing
        places = self.evidence.hosts if deed.type == MIGRATE else self.evidence.pools
        return (
            None if places is None else places.items.get(str(deed.parameters.get("resource_id")))
        )


def _told(deed: Deed) -> tuple[str, str]:
    """What an action is about and how it is done, in words."""
    given = deed.parameters
    what = given.get("resource_name") or given.get("resource_id") or given.get("message") or ""
    ends = [
        given.get("source_node"),
        given.get("destination_node") or given.get("destination_type"),
    ]
    named = [str(one) for one in ends if one]
    way = " to ".join(named) if len(named) == 2 else "".join(f"to {one}" for one in named)
    if deed.type == MIGRATE and not given.get("destination_node"):
        way = f"{named[0]} to where Nova chooses" if named else "to where Nova chooses"
    kind = given.get("migration_type")
    detail = given.get("state") or given.get("flavor") or given.get("duration") or ""
    return str(what), f"{way}, {kind}" if way and kind else way or str(detail)


def _first(values: Mapping[str, float], *names: str) -> float | None:
    return next((values[name] for name in names if name in values), None)
