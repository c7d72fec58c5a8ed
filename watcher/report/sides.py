# SPDX-License-Identifier: Apache-2.0
"""The two sides of a plan: places as they were, and as they are when all of it is carried out."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from watcher.core.cluster import Bools, Floats, Ints
from watcher.core.solution import CHANGE_SERVICE_STATE, MIGRATE, VOLUME_MIGRATE
from watcher.report.evidence import Item, Places

NOWHERE = -1
"""Row of the place of what is on none: Nova's scheduler will choose."""

MOVING = {"host": MIGRATE, "pool": VOLUME_MIGRATE}
"""The type of the actions that move things between places of a kind."""


class Doing(NamedTuple):
    """An action as far as it matters here: its type and its input parameters."""

    type: str
    parameters: Mapping[str, Any]


class Passage(NamedTuple):
    """A thing's way through the whole plan: which, from which row, to which."""

    uuid: str
    item: Item
    source: int
    destination: int


@dataclass(frozen=True, eq=False)
class Side:
    """Places at one moment; ``used`` is places x resources, ``gauges`` has a column per gauge.

    A gauge that does not follow what is moved is ``nan`` after the plan: nobody can know it.
    """

    open: Bools
    used: Floats
    count: Ints
    gauges: tuple[Floats, ...]


def before(places: Places) -> Side:
    """The places as they were when the plan was made."""
    values = tuple(gauge.value for gauge in places.gauges)
    return Side(places.open, places.used, places.count, values)


def passages(places: Places, doings: Iterable[Doing]) -> list[Passage]:
    """What ends elsewhere than it was, by uuid; a retype may leave its volume where it is."""
    rows = {name: row for row, name in enumerate(places.name)}
    ends: dict[str, int] = {}
    for doing in doings:
        uuid = str(doing.parameters.get("resource_id"))
        if doing.type != MOVING[places.kind] or uuid not in places.items:
            continue
        if doing.parameters.get("destination_type") is None:
            ends[uuid] = rows.get(str(doing.parameters.get("destination_node")), NOWHERE)
    found = (Passage(uuid, places.items[uuid], places.items[uuid].place, to) for uuid, to in
             sorted(ends.items()))  # fmt: skip
    return [one for one in found if one.source != one.destination]


def after(places: Places, doings: Iterable[Doing]) -> Side:
    """The places when all the actions have been carried out in order."""
    doings = list(doings)
    made = passages(places, doings)
    used, count = places.used.copy(), places.count.copy()
    values = [gauge.value.copy() for gauge in places.gauges if gauge.follows]
    if made:
        loads = np.array([one.item.loads for one in made]).reshape(len(made), -1)
        demand = np.array([one.item.demand for one in made])
        ends = ((np.array([one.source for one in made]), -1.0),
                (np.array([one.destination for one in made]), 1.0))  # fmt: skip
        for rows, sign in ends:
            known = rows != NOWHERE
            np.add.at(used, rows[known], sign * demand[known])
            np.add.at(count, rows[known], int(sign))
            for column, value in enumerate(values):
                np.add.at(value, rows[known], sign * loads[known, column])
    following = iter(values)
    gauges = tuple(
        next(following) if gauge.follows else np.full(len(places), np.nan)
        for gauge in places.gauges
    )
    return Side(_open(places, doings), used, count, gauges)


def _open(places: Places, doings: Iterable[Doing]) -> Bools:
    """Which places may take more in the end; only services of hosts are switched."""
    found = places.open.copy()
    if places.kind != "host":
        return found
    rows = {name: row for row, name in enumerate(places.name)}
    for doing in doings:
        row = rows.get(str(doing.parameters.get("resource_name")))
        if doing.type == CHANGE_SERVICE_STATE and row is not None:
            found[row] = doing.parameters.get("state") == "enabled"
    return found
