# SPDX-License-Identifier: Apache-2.0
"""The account of a plan as JSON: everything, also what a page is too small for."""

from collections.abc import Mapping
from typing import Any

from watcher.report.account import Account, Step
from watcher.report.evidence import Places, numbers
from watcher.report.reasons import Plot
from watcher.report.sides import NOWHERE


def as_json(account: Account) -> dict[str, Any]:
    """The account as JSON values.

    Without evidence ``hosts`` and ``pools`` are null, and what follows from it is empty.
    """
    head, kept = account.head, account.evidence
    return {
        "uuid": head.uuid,
        "state": head.state,
        "status_message": head.message,
        "created_at": head.created_at,
        "updated_at": head.updated_at,
        "goal": head.goal,
        "strategy": head.strategy,
        "audit_uuid": head.audit_uuid,
        "evidence": kept is not None,
        "cluster_read_at": None if kept is None or not kept.taken_at else kept.taken_at,
        "parameters": {} if kept is None else dict(kept.parameters),
        "notes": [] if kept is None else list(kept.notes),
        "hosts": account.hosts and _places(account.hosts),
        "pools": account.pools and _places(account.pools),
        "efficacy_indicators": [dict(one) for one in head.indicators],
        "global_efficacy": [dict(one) for one in head.global_efficacy],
        "bounds": [
            {"name": one.name, "before": one.before, "after": one.after, "bound": one.bound}
            for one in account.bounds
        ],
        "timeline": {
            "unit": account.unit,
            "length": round(account.length, 6),
            "limits": dict(account.limits),
        },
        "actions": [_step(step) for step in account.steps],
        "taken_back": [
            {
                "uuid": one.uuid,
                "action_type": one.type,
                "input_parameters": dict(one.parameters),
                "state": one.state,
                "status_message": one.message,
                "undoes": one.undoes,
            }
            for one in account.undoing
        ],
        "why_not": None if kept is None else kept.why_not,
    }


def _step(step: Step) -> dict[str, Any]:
    deed = step.deed
    return {
        "uuid": deed.uuid,
        "action_type": deed.type,
        "input_parameters": dict(deed.parameters),
        "state": deed.state,
        "status_message": deed.message,
        "parents": list(deed.parents),
        "start": round(step.span.start, 6),
        "end": round(step.span.end, 6),
        "size_gb": step.size_gb,
        "why": step.why,
    }


def _places(plot: Plot) -> dict[str, Any]:
    places = plot.places
    return {
        "resources": list(places.resources),
        "gauges": [{"name": gauge.name, "unit": gauge.unit} for gauge in places.gauges],
        "places": _rows(plot),
        "moves": [
            {
                "uuid": one.uuid,
                "name": one.item.name,
                "source": _name(places, one.source),
                "destination": _name(places, one.destination),
                "demand": numbers(one.item.demand),
            }
            for one in plot.passages
        ],
    }


def _rows(plot: Plot) -> list[Mapping[str, Any]]:
    places, start, end = plot.places, plot.start, plot.end
    columns = [
        (side.open.tolist(), side.count.tolist(), numbers(side.used), _gauges(side.gauges))
        for side in (start, end)
    ]
    limits = [numbers(gauge.limit) for gauge in places.gauges]
    capacity = numbers(places.capacity)
    return [
        {
            "name": name,
            "capacity": capacity[row],
            **{
                side: {
                    "open": is_open[row],
                    "count": count[row],
                    "used": used[row],
                    "measured": [column[row] for column in measured],
                }
                for side, (is_open, count, used, measured) in zip(
                    ("before", "after"), columns, strict=True
                )
            },
            "limits": [limit[row] for limit in limits],
        }
        for row, name in enumerate(places.name)
    ]


def _gauges(columns: tuple[Any, ...]) -> list[list[Any]]:
    return [numbers(column) for column in columns]


def _name(places: Places, row: int) -> str | None:
    return None if row == NOWHERE else places.name[row]
