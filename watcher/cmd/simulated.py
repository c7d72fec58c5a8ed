# SPDX-License-Identifier: Apache-2.0
"""What watcher-simulate prints: a snapshot, a result, two results side by side.

Names may come from anybody's file: what is no printable character is told as an escape.
"""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from prettytable import PrettyTable

from watcher.core.errors import Invalid
from watcher.core.snapshot import Answer, Snapshot
from watcher.decision_engine import recorded, simulation, snapshot_file
from watcher.report.account import Account, Deed, Head
from watcher.report.page import render

FIGURES = {
    "hosts_in_use_before": ("hosts in use before", ""),
    "hosts_in_use_after": ("hosts in use after", ""),
    "hosts_in_use_lower_bound": ("lower bound of that", ""),
    "gap_to_lower_bound_percent": ("gap to the bound", "%"),
    "standard_deviation_before": ("standard deviation before", ""),
    "standard_deviation_after": ("standard deviation after", ""),
    "standard_deviation_lower_bound": ("lower bound of that", ""),
    "actions": ("actions", ""),
    "migrations": ("migrations", ""),
    "moved_gib": ("memory moved", "GiB"),
    "makespan_gib": ("of it one after another", "GiB"),
}
"""The figures of a result in the order they are shown: what they are called, and their units."""
MOST_REASONS = 10
MOST_BYTES = 2**28
"""Of a result that was kept."""


def show(path: Path, snapshot: Snapshot, *, as_json: bool = False) -> None:
    """What is in a snapshot."""
    told = _contents(path, snapshot)
    if as_json:
        print(json.dumps(told, indent=1))
        return
    metrics = told.pop("metrics")
    settings = told.pop("settings")
    width = max(map(len, told))
    for name, value in told.items():
        print(f"{name.replace('_', ' '):<{width}}  {_said(value)}")
    print(f"{'settings':<{width}}  {len(settings)} options that decide upon plans")
    table = _table("metric", "measured", "rows", "newest, s", "source")
    for one in metrics:
        newest = "" if one["newest_age_s"] is None else f"{one['newest_age_s']:.0f}"
        source = one["why"] or one["source"]
        if one["rows"] is None and not one["why"]:
            source += " not configured for it"
        table.add_row(
            [one["metric"], one["measured"], one["rows"] or "", newest, clean(source)[:60]]
        )
    print(table.get_string())


def _contents(path: Path, snapshot: Snapshot) -> dict[str, Any]:
    cluster = snapshot.cluster
    storage, machines = cluster.storage, cluster.baremetal
    return {
        "file": path.name,
        "bytes": path.stat().st_size,
        "format": f"{snapshot_file.FORMAT} {snapshot_file.FORMAT_VERSION}",
        "cloud_read": _time(cluster.taken_at),
        "made": _time(snapshot.made_at),
        "anonymised": snapshot.anonymised,
        "hosts": len(cluster.hosts),
        "instances": len(cluster.instances),
        "server_groups": len(cluster.groups),
        "storage_pools": None if storage is None else len(storage.pools),
        "volumes": None if storage is None else len(storage.volumes),
        "machines": None if machines is None else len(machines),
        "notes": list(snapshot.notes),
        "settings": [
            f"[{group}] {name}" for group, options in snapshot.settings.items() for name in options
        ],
        "metrics": [_measured(one) for one in snapshot.answers],
    }


def _measured(one: Answer) -> dict[str, Any]:
    column = one.column
    return {
        "metric": recorded.written(one.query),
        "strategy": one.strategy,
        "measured": 0 if column is None else int((~np.isnan(column)).sum()),
        "rows": None if column is None else len(column),
        "newest_age_s": one.newest_age_s,
        "source": one.source,
        "why": one.why,
    }


def result(told: Mapping[str, Any], *, as_json: bool = False) -> None:
    """What a run came to."""
    if as_json:
        print(json.dumps(told, indent=1))
        return
    about = told["snapshot"]
    print(f"{told['strategy']} for {told['goal']} on {clean(about['name'])}:"
          f" {about['hosts']} hosts, {about['instances']} instances,"
          f" read {_time(about['taken_at'])}\n")  # fmt: skip
    table = _table("figure", "value")
    for name, (label, _) in FIGURES.items():
        value = told["figures"].get(name)
        if value is not None:
            table.add_row([label, _figure(name, value)])
    print(table.get_string())
    for said in filter(None, (told["message"] or "").split("; ")):
        print(f"* {clean(said)}")
    _why_not(told["why_not"])


def _why_not(found: Mapping[str, Any] | None) -> None:
    for kind, heading in (
        ("instances", "Why not more: instances that may not be moved"),
        ("destinations", "Why not more: hosts refused to instances that stayed"),
    ):
        refusals = (found or {}).get(kind) or ()
        if refusals:
            print(f"\n{heading}")
        for one in refusals[:MOST_REASONS]:
            print(f"{one['count']:>9}  {clean(one['reason'])}")


def compared(
    first: Mapping[str, Any],
    second: Mapping[str, Any],
    names: tuple[str, str],
    *,
    as_json: bool = False,
) -> None:
    """Two results side by side."""
    if as_json:
        print(json.dumps({"a": first, "b": second}, indent=1))
        return
    table = _table("", *map(clean, names))
    table.add_row(["strategy", first["strategy"], second["strategy"]])
    for name, (label, _) in FIGURES.items():
        values = [side["figures"].get(name) for side in (first, second)]
        if any(value is not None for value in values):
            cells = ["" if value is None else _figure(name, value) for value in values]
            table.add_row([label, *cells])
    both = [_reasons(side) for side in (first, second)]
    most = {one: max(side.get(one, 0) for side in both) for one in both[0] | both[1]}
    for reason in sorted(most, key=lambda one: (-most[one], one)):
        counts = [str(side.get(reason, "")) for side in both]
        table.add_row([f"why not: {clean(reason)}", *counts])
    print(table.get_string())
    if first["snapshot"] != second["snapshot"]:
        print("* the two are of different snapshots")


def _reasons(told: Mapping[str, Any]) -> dict[str, int]:
    found: dict[str, int] = {}
    for kind in ("instances", "destinations"):
        for one in ((told["why_not"] or {}).get(kind) or ())[:MOST_REASONS]:
            found[one["reason"]] = found.get(one["reason"], 0) + one["count"]
    return found


def kept(path: Path) -> dict[str, Any]:
    """A result that a run has written. Raises Invalid for what is none."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ValueError("too large")
        told = json.loads(path.read_bytes())
        _check(told)
    except OSError as error:
        raise Invalid(f"{path} cannot be read: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Invalid(f"{path} is no result of watcher-simulate run: {error!s:.80}") from error
    return dict(told)


def _check(told: Any) -> None:
    """Raise ValueError, TypeError or KeyError unless all that is shown is there."""
    if told["format"] != simulation.FORMAT:
        raise ValueError("its format is another")
    if told["version"] != simulation.FORMAT_VERSION:
        raise ValueError(f"version {told['version']!s:.20} of its format is not known here")
    for name in ("strategy", "goal"):
        clean(told[name])
    for name in FIGURES:
        value = told["figures"].get(name)
        if value is not None:
            _figure(name, value)
    _reasons(told)
    if not isinstance(told["snapshot"], dict):
        raise TypeError("its snapshot is no object")


def page(done: simulation.Run, name: str) -> str:
    """The report of the plan as a page, as an action plan has one; ``name`` is the snapshot's."""
    outcome, strategy = done.outcome, done.case.strategy
    head = Head(
        uuid=f"of a simulation on {clean(name)}",
        state="SIMULATED",
        goal=done.case.goal.display_name,
        strategy=strategy.display_name,
        message=outcome.message,
        indicators=outcome.indicators,
        global_efficacy=outcome.global_efficacy,
    )
    plan = enumerate(zip(done.plan.actions, done.plan.parents, strict=True))
    deeds = [
        Deed(str(number), one.type, one.input_parameters, parents=tuple(map(str, parents)))
        for number, (one, parents) in plan
    ]
    return render(Account(head, deeds, outcome.evidence))


def written(path: Path, text: str) -> None:
    """Write a file. Raises Invalid when that is not possible."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Invalid(f"{path} cannot be written: {error.strerror or error}") from error


def clean(text: str) -> str:
    """The text as a terminal may show it."""
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)


def _table(*titles: str) -> PrettyTable:
    table = PrettyTable(list(titles))
    table.align = "l"
    return table


def _figure(name: str, value: float) -> str:
    large = isinstance(value, int) or abs(value) >= 1000
    text = f"{value:,.0f}" if large else f"{value:.4g}"
    return f"{text} {FIGURES[name][1]}".rstrip()


def _said(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Iterable) and not isinstance(value, str):
        return "; ".join(map(clean, value)) or "none"
    return "not read" if value is None else clean(str(value))


def _time(seconds: float) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (ValueError, OverflowError, OSError, TypeError):
        return "at an unknown time"
