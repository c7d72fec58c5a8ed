# SPDX-License-Identifier: Apache-2.0
"""A plan as one self-contained HTML page: before, after, efficacy, and every action."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

from watcher.report.picture import Side, draw, in_use

STYLE = """
:root { color-scheme: light dark; --ink: #1d2433; --dim: #667085; --line: #d5dae3; --back: #fff; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e9f0; --dim: #98a2b3; --line: #3a4252; --back: #151922; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--back);
  max-width: 1480px; margin: 2rem auto; padding: 0 1.5rem; }
h1 { font-size: 1.5rem; margin-bottom: .2rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
p.lead { color: var(--dim); margin-top: 0; }
.figures { display: flex; gap: 2.5rem; flex-wrap: wrap; margin: 1.2rem 0; }
.figures div { border-left: 3px solid #3b82f6; padding-left: .8rem; }
.figures b { display: block; font-size: 1.8rem; line-height: 1.2; }
.sides { display: grid; grid-template-columns: 1fr 1fr; gap: 2rem; }
@media (max-width: 1000px) { .sides { grid-template-columns: 1fr; } }
svg { width: 100%; height: auto; } svg text { font: 11px system-ui, sans-serif; fill: var(--ink); }
svg .name { text-anchor: end; } svg .disabled { fill: var(--dim); }
svg .host { fill: none; stroke: var(--line); } svg rect.host.disabled { stroke-dasharray: 3 3; }
svg .cpu { fill: #ef6c35; } svg .load { fill: var(--dim); }
table { border-collapse: collapse; font-size: .9rem; }
th, td { text-align: left; padding: .25rem 1.4rem .25rem 0; border-bottom: 1px solid var(--line); }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
@media print { body { margin: 0; } }
"""


@dataclass(frozen=True)
class Report:
    """What a page shows.

    ``figures`` are the large numbers on top, label -> text. ``indicators`` have name, value, unit,
    description; ``actions`` have action_type, input_parameters, state, status_message, as the API
    shows them.
    """

    title: str
    lead: str
    before: Side
    after: Side
    figures: Mapping[str, str] = field(default_factory=dict)
    indicators: Sequence[Mapping[str, Any]] = ()
    actions: Sequence[Mapping[str, Any]] = ()


def render(report: Report) -> str:
    """The page as text; it needs no other file and no server."""
    before = report.before.cluster.instances
    home = {str(uuid): int(row) for uuid, row in zip(before.uuid, before.host, strict=True)}
    sides = "".join(
        f"<section><h2>{escape(side.title)}: {_in_use(side)}</h2>{draw(side, home)}</section>"
        for side in (report.before, report.after)
    )
    figures = "".join(
        f"<div><b>{escape(value)}</b>{escape(label)}</div>"
        for label, value in report.figures.items()
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{escape(report.title)}</title><style>{STYLE}</style></head><body>"
        f'<h1>{escape(report.title)}</h1><p class="lead">{escape(report.lead)}</p>'
        f'<div class="figures">{figures}</div><div class="sides">{sides}</div>'
        '<p class="lead">A bar is a host and its memory; a segment is an instance, in the colour'
        " of the host it was on before. The orange line is the measured CPU load. Dashed hosts are"
        " disabled.</p>"
        f"<h2>Efficacy</h2>{_indicators(report.indicators)}"
        f"<h2>Actions ({len(report.actions)})</h2>{_actions(report.actions)}"
        "</body></html>\n"
    )


def _in_use(side: Side) -> str:
    """How many hosts carry instances, and how many of those are not the scheduler's to fill."""
    disabled = in_use(side.cluster, ~side.cluster.hosts.enabled)
    rest = f", {disabled} of them disabled" if disabled else ""
    return f"{in_use(side.cluster)} hosts in use{rest}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    titles = "".join(f'<th scope="col">{escape(title)}</th>' for title in head)
    body = "".join(f"<tr>{''.join(cells)}</tr>" for cells in rows)
    return f"<table><thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table>"


def _cell(value: Any, kind: str = "") -> str:
    return f"<td{kind}>{escape('' if value is None else str(value))}</td>"


def _indicators(indicators: Sequence[Mapping[str, Any]]) -> str:
    rows = (
        (
            _cell(one["name"]),
            _cell(f"{float(one['value']):g}", ' class="number"'),
            _cell(one.get("unit")),
            _cell(one.get("description")),
        )
        for one in indicators
    )
    return _table(("Indicator", "Value", "Unit", "Meaning"), rows)


def _actions(actions: Sequence[Mapping[str, Any]]) -> str:
    def row(number: int, action: Mapping[str, Any]) -> Sequence[str]:
        given = action["input_parameters"]
        what = given.get("resource_name") or given.get("resource_id") or given.get("message")
        way = " to ".join(
            str(given[key]) for key in ("source_node", "destination_node") if given.get(key)
        )
        detail = way or given.get("state") or given.get("duration")
        shown = (
            action["action_type"],
            what,
            detail,
            action["state"],
            action.get("status_message"),
        )
        return (_cell(number, ' class="number"'), *map(_cell, shown))

    rows = (row(number, action) for number, action in enumerate(actions, start=1))
    return _table(("#", "Action", "Resource", "How", "State", "Message"), rows)
