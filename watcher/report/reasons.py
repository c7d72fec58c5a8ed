# SPDX-License-Identifier: Apache-2.0
"""Why each action is in its plan, in one sentence, from what was known when the plan was made.

A strategy decides for a plan as a whole; what one action does for it is read off the plan: which
hosts it empties and why, which limits were passed, who waits for whom.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from watcher.core.cluster import Floats
from watcher.core.solution import (
    CHANGE_POWER_STATE,
    CHANGE_SERVICE_STATE,
    DISABLED_BY_CONSOLIDATION,
    DISABLED_FOR_MAINTENANCE,
    DISABLED_TO_SAVE_ENERGY,
    MIGRATE,
    NOP,
    RESIZE,
    SLEEP,
    STOP,
    VOLUME_MIGRATE,
)
from watcher.report.evidence import Places
from watcher.report.sides import NOWHERE, Doing, Passage, Side, after, before, passages

PURPOSES = {
    DISABLED_BY_CONSOLIDATION: "so that it can be released",
    DISABLED_FOR_MAINTENANCE: "for work on it",
    DISABLED_TO_SAVE_ENERGY: "to save energy",
}

UNKNOWN = "What the cloud looked like was not kept with this plan."


@dataclass(frozen=True, eq=False)
class Plot:
    """One kind of places before and after all actions of a plan, and what happens to each."""

    places: Places
    doings: Sequence[Doing]

    @cached_property
    def start(self) -> Side:
        """The places before the plan."""
        return before(self.places)

    @cached_property
    def end(self) -> Side:
        """The places after all of the plan."""
        return after(self.places, self.doings)

    @cached_property
    def passages(self) -> list[Passage]:
        """What ends elsewhere than it was."""
        return passages(self.places, self.doings)

    @cached_property
    def fullness(self) -> tuple[Floats, Floats]:
        """Percent in use before and after, places x resources; not finite where not known."""
        with np.errstate(divide="ignore", invalid="ignore"):
            start = 100.0 * self.start.used / self.places.capacity
            end = 100.0 * self.end.used / self.places.capacity
        return start, end

    @cached_property
    def rows(self) -> dict[str, int]:
        """Name of a place -> row."""
        return {name: row for row, name in enumerate(self.places.name)}

    @cached_property
    def leaving(self) -> Counter[str]:
        """How many things leave each place for good."""
        names = self.places.name
        return Counter(names[one.source] for one in self.passages if one.source != NOWHERE)

    @cached_property
    def closed(self) -> dict[str, str]:
        """Hosts that the plan disables, with the reason given to Nova."""
        return {
            str(one.parameters.get("resource_name")): str(one.parameters.get("disabled_reason"))
            for one in self.doings
            if one.type == CHANGE_SERVICE_STATE and one.parameters.get("state") == "disabled"
        }

    @cached_property
    def last(self) -> dict[str, int]:
        """The position of the last move of each thing."""
        return {
            str(one.parameters.get("resource_id")): position
            for position, one in enumerate(self.doings)
            if one.type in (MIGRATE, VOLUME_MIGRATE)
        }

    def emptied(self, row: int) -> bool:
        """Whether nothing is left on a place that something was on."""
        return bool(self.start.count[row] > 0 and self.end.count[row] == 0)


def reasons(
    hosts: Plot | None, pools: Plot | None, doings: Sequence[Doing], followers: Sequence[int]
) -> list[str]:
    """A sentence for each action of a plan, in the plan's order.

    ``followers`` counts the actions that wait for each. Without evidence the sentences say what
    can be said without.
    """
    return [
        _reason(hosts, pools, doing, position, followers[position])
        for position, doing in enumerate(doings)
    ]


def _reason(
    hosts: Plot | None, pools: Plot | None, doing: Doing, position: int, followers: int
) -> str:
    if doing.type in _PLAIN:
        return _PLAIN[doing.type](doing.parameters)
    if doing.type == CHANGE_SERVICE_STATE:
        return _switching(hosts, doing.parameters)
    if doing.type not in (MIGRATE, VOLUME_MIGRATE):
        return "Of a type that is not Watcher's own: only its strategy knows."
    if doing.parameters.get("destination_type"):
        return f"Gives the volume the type {doing.parameters['destination_type']}."
    plot = hosts if doing.type == MIGRATE else pools
    if plot is None:
        return UNKNOWN
    return _moving(plot, doing.parameters, position, followers)


def _moving(plot: Plot, given: Mapping[str, Any], position: int, followers: int) -> str:
    uuid, to = str(given.get("resource_id")), str(given.get("destination_node") or "")
    last = plot.last.get(uuid, position)
    if last != position:
        final = plot.doings[last].parameters.get("destination_node")
        return f"A stay on the way: {to} has room until there is room on {final}."
    item = plot.places.items.get(uuid)
    name = str(given.get("source_node") or "")
    if not name and item is not None and item.place >= 0:
        name = plot.places.name[item.place]
    row = plot.rows.get(name)
    if row is None or item is None:
        return UNKNOWN
    others = plot.leaving[name] - 1
    shared = f"with {others} other moves" if others > 0 else "with this move alone"
    if name in plot.closed:
        purpose = PURPOSES.get(plot.closed[name], "and closed")
        return f"{name} is emptied {purpose}, {shared}."
    if plot.emptied(row):
        return f"{name} is emptied, {shared}."
    told = _measured(plot, row, plot.rows.get(to)) or _filled(plot, row, plot.rows.get(to))
    wait = f" {followers} actions wait for it." if followers > 1 else ""
    return told + wait


def _measured(plot: Plot, source: int, target: int | None) -> str:
    """What was measured and falls on the source, the first one above its limit if there is any."""
    falls = []
    for number, gauge in enumerate(plot.places.gauges):
        value, limit = gauge.value[source], gauge.limit[source]
        later = plot.end.gauges[number][source]
        if value > limit:
            known = "" if np.isnan(later) else f"; {_amount(later, gauge.unit)} after the plan"
            return (
                f"{plot.places.name[source]} was at {_amount(value, gauge.unit)} of {gauge.name},"
                f" above its limit of {_amount(limit, gauge.unit)}{known}."
            )
        if later < value:
            falls.append(number)
    if not falls:
        return ""
    gauge, end = plot.places.gauges[falls[0]], plot.end.gauges[falls[0]]
    ends = [row for row in (source, target) if row is not None]
    ways = (
        f"{plot.places.name[row]} from {_amount(gauge.value[row], gauge.unit)}"
        f" to {_amount(end[row], gauge.unit)}"
        for row in ends
    )
    return f"Levels {gauge.name}: {', '.join(ways)}."


def _filled(plot: Plot, source: int, target: int | None) -> str:
    """How full the two ends are before and after, by the resource that is fullest there."""
    start, end = plot.fullness
    rows = [row for row in (source, target) if row is not None]
    share = np.nan_to_num(start[rows], nan=-1.0, posinf=-1.0)
    column = int(share.max(axis=0).argmax())
    if share.max() < 0:
        return f"Moves it off {plot.places.name[source]}."
    ways = (
        f"{plot.places.name[row]} from {start[row, column]:.0f} % to {end[row, column]:.0f} %"
        for row in rows
        if np.isfinite(start[row, column])
    )
    return f"Changes how full they are ({plot.places.resources[column]}): {', '.join(ways)}."


def _amount(value: float, unit: str) -> str:
    return f"{value:.4g} {unit}".strip()


def _switching(hosts: Plot | None, given: Mapping[str, Any]) -> str:
    name = str(given.get("resource_name") or given.get("resource_id"))
    if given.get("state") == "enabled":
        return f"Gives {name} back to Nova's scheduler."
    purpose = PURPOSES.get(str(given.get("disabled_reason")), "")
    leaving = 0 if hosts is None else hosts.leaving[name]
    empty = f" while {leaving} instances leave it" if leaving else ""
    return f"Keeps Nova's scheduler from {name}{empty}{', ' if purpose else ''}{purpose}."


def _power(given: Mapping[str, Any]) -> str:
    name = given.get("resource_name") or given.get("resource_id")
    if given.get("state") == "on":
        return f"{name} is needed: too few empty hosts are on."
    return f"{name} is empty and not needed: off, it saves energy."


_PLAIN: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    NOP: lambda _: "Does nothing: for demonstrations.",
    SLEEP: lambda _: "Waits: for demonstrations.",
    STOP: lambda _: "It cannot be moved: it is stopped instead, as the audit allows.",
    RESIZE: lambda given: f"Gives the instance the flavor {given.get('flavor')}.",
    CHANGE_POWER_STATE: _power,
}
