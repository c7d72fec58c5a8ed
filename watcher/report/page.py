# SPDX-License-Identifier: Apache-2.0
"""The report as one HTML page that needs no other file, no script and no server."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from watcher.report import picture, timeline, words
from watcher.report.account import Account, Bound
from watcher.report.picture import Chosen
from watcher.report.reasons import Plot
from watcher.report.style import COLOURS, DRAWING, PAGE, state
from watcher.report.tables import Cell, number, prose, table

MOST_ACTIONS = 500
"""More actions than these are not listed; all are in the JSON form."""
MOST_CHANGED = 200
"""More changed hosts or pools than these are not listed."""
MOST_WORDS = 2_000
"""Letters of a parameter's value that are shown."""


def render(account: Account) -> str:
    """The page as text."""
    sections = [
        ("cloud", "The cloud before and after", _cloud(account)),
        ("order", "Order and limits", _order(account)),
        ("efficacy", "Efficacy", _efficacy(account)),
        ("why", "Why these actions", _why(account)),
        ("why-not", "Why not others", _why_not(account)),
        ("actions", f"Actions ({len(account.planned):,})", _actions(account)),
    ]
    links = "".join(f'<li><a href="#{name}">{head}</a></li>' for name, head, _ in sections)
    body = "".join(
        f'<section aria-labelledby="{name}"><h2 id="{name}">{head}</h2>{text}</section>'
        for name, head, text in sections
    )
    title = escape(words.title(account))
    message = account.head.message
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{COLOURS}{DRAWING}{PAGE}</style></head><body>"
        f'<header><h1>{title}</h1><p class="dim">{escape(words.lead(account))}</p>'
        f"{f'<p>{escape(message)}</p>' if message else ''}{_figures(account)}</header>"
        f'<nav aria-label="Sections"><ul>{links}</ul></nav>'
        f'<svg width="0" height="0" style="position:absolute" aria-hidden="true">'
        f"{picture.patterns('p')}</svg><main>{body}</main></body></html>\n"
    )


def _figures(account: Account) -> str:
    shown = "".join(
        f"<div><dt>{escape(label)}</dt><dd>{escape(text)}</dd></div>"
        for label, text in words.figures(account).items()
    )
    return f'<dl class="figures">{shown}</dl>'


def _cloud(account: Account) -> str:
    plots = [plot for plot in (account.hosts, account.pools) if plot is not None]
    shown = "".join(_places(plot) for plot in plots if len(plot.places))
    return shown or f'<p class="note">{words.NO_EVIDENCE}</p>'


def _places(plot: Plot) -> str:
    """Both sides of the hosts or pools, drawn and as a table of what changes."""
    chosen = Chosen.of(plot)
    sides = "".join(
        _side(plot, sheet, words.side(plot, chosen, after=after), number, after=after)
        for number, sheet in enumerate(picture.sheets(chosen))
        for after in (False, True)
    )
    keys = (("class='stays'", "stays"), ("fill='url(#pleaves)'", "leaves"),
            ("fill='url(#parrives)'", "has arrived"))  # fmt: skip
    legend = "".join(
        f"<span><svg aria-hidden='true'><rect width='22' height='12' {look}/></svg>{name}</span>"
        for look, name in keys
    )
    return (
        f'<div class="legend">{legend}</div><div class="sides">{sides}</div>'
        f'<p class="dim">{escape(words.drawn(plot, chosen))}</p>{_changes(plot)}'
    )


def _side(plot: Plot, sheet: Chosen, title: str, number: int, *, after: bool) -> str:
    """One side of so many places as fit a printed page."""
    caption = f"{title}, continued" if number else title
    inside = picture.draw(plot, sheet, after=after, prefix="p")
    label = f"{caption}. The table below tells what changes."
    return (
        f"<figure><figcaption>{caption}</figcaption>"
        f"{_svg(inside, picture.height(sheet), label)}</figure>"
    )


def _svg(inside: str, tall: int, label: str) -> str:
    return (
        f'<svg role="img" aria-label="{escape(label)}" height="{tall}" width="100%">{inside}</svg>'
    )


def _changes(plot: Plot) -> str:
    """The places that something happens to, in numbers."""
    places, start, end = plot.places, plot.start, plot.end
    differs = (start.used != end.used).any(axis=1) | (start.open != end.open)
    rows = np.flatnonzero(differs)
    if not len(rows):
        return f"<p>Nothing changes on any of the {words.BOTH[places.kind]}.</p>"
    shown = sorted((int(row) for row in rows), key=lambda row: places.name[row])[:MOST_CHANGED]
    following = [at for at, gauge in enumerate(places.gauges) if gauge.follows]
    heads = [
        places.kind.capitalize(),
        "Enabled",
        "Instances" if places.kind == "host" else "Volumes",
        *places.resources,
        *(f"{gauge.name}, {gauge.unit or 'measured'}" for gauge in
          (places.gauges[at] for at in following)),
    ]  # fmt: skip
    lines: Iterator[Sequence[str | Cell]] = (
        [
            places.name[row],
            _pair(_yes(start.open[row]), _yes(end.open[row])),
            number(_pair(start.count[row], end.count[row])),
            *(
                number(
                    f"{_pair(_short(start.used[row, at]), _short(end.used[row, at]))}"
                    f" of {_short(places.capacity[row, at])}"
                )
                for at in range(len(places.resources))
            ),
            *(
                number(_pair(_short(start.gauges[at][row]), _short(end.gauges[at][row])))
                for at in following
            ),
        ]
        for row in shown
    )
    more = "" if len(shown) == len(rows) else f", the first {len(shown)} of them by name"
    caption = f"{len(rows):,} {words.BOTH[places.kind]} change{more} (before → after)"
    return table(caption, heads, lines, first_is_head=True)


def _pair(one: object, other: object) -> str:
    return str(one) if one == other else f"{one} → {other}"


def _yes(value: Any) -> str:
    return "yes" if value else "no"


def _short(value: float) -> str:
    """A number with as many digits as are worth reading; all of those before the point."""
    if not np.isfinite(value):
        return "?"
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _order(account: Account) -> str:
    if not account.planned:
        return "<p>The plan has no actions.</p>"
    shown, slow = len(timeline.rows(account)), len(timeline.timed(account))
    most = (
        ""
        if shown == slow
        else f" The first {shown} of {slow:,} that take time have a line; how much runs side by"
        " side is drawn for all."
    )
    label = words.length(account)
    signs = timeline.legend(list(account.states))
    return (
        f"<p>{escape(words.order(account))}{most}</p><figure><figcaption>{label}</figcaption>"
        f"{_svg(timeline.draw(account, 'p'), timeline.height(account), label)}</figure>"
        f'<p class="dim">At the right: {signs}.</p>'
    )


def _efficacy(account: Account) -> str:
    head = account.head
    if not head.indicators and not head.global_efficacy:
        return "<p>The strategy gives no indicators for this plan.</p>"
    heads = ("Indicator", "Value", "Unit", "Meaning")
    parts = [_bound(bound) for bound in account.bounds]
    for caption, values in (
        ("Global efficacy", head.global_efficacy),
        ("Indicators", head.indicators),
    ):
        lines: list[Sequence[str | Cell]] = [
            [
                str(one["name"]),
                number(f"{float(one['value']):.6g}"),
                str(one.get("unit") or ""),
                prose(str(one.get("description") or "")),
            ]
            for one in values
        ]
        if lines:
            parts.append(table(caption, heads, lines, first_is_head=True))
    return "".join(parts)


def _bound(bound: Bound) -> str:
    """What a plan reaches, beside what is proven to be the best that any plan can."""
    name = bound.name.replace("_", " ")
    values = [
        (label, value)
        for label, value in (
            ("before", bound.before),
            ("after", bound.after),
            ("lower bound", bound.bound),
        )
        if value is not None
    ]
    most = max((value for _, value in values), default=0.0) or 1.0
    kinds = {"before": "stays", "after": "arrives", "lower bound": "gauge"}
    rows = "".join(
        f'<text x="25%" y="{22 * at + 15}" class="right">{label}</text>'
        f'<rect x="27%" y="{22 * at + 4}" width="{60 * max(value, 0.0) / most:.2f}%" height="14"'
        f' class="{kinds[label]}"/>'
        f'<text x="{28 + 60 * max(value, 0.0) / most:.2f}%" y="{22 * at + 15}">{value:.4g}</text>'
        for at, (label, value) in enumerate(values)
    )
    gap = None if bound.after is None else bound.after - bound.bound
    told = "" if gap is None else f" The plan ends {gap:.4g} above it."
    label = f"{name}: " + ", ".join(f"{label} {value:.4g}" for label, value in values)
    caption = f"{name.capitalize()}: no plan can come below the lower bound.{told}"
    return (
        f"<figure><figcaption>{escape(caption)}</figcaption>"
        f"{_svg(rows, 22 * len(values) + 6, label)}</figure>"
    )


def _why(account: Account) -> str:
    kept = account.evidence
    if kept is None:
        return "<p>The strategy's words were not kept with this plan.</p>"
    notes = "".join(f"<li>{escape(note)}</li>" for note in kept.notes)
    lines: list[Sequence[str | Cell]] = [
        [name, prose(_value(value))] for name, value in kept.parameters.items()
    ]
    shown = table(
        "Parameters it was asked with", ("Parameter", "Value"), lines, first_is_head=True
    )
    return (f"<p>The strategy and the data sources say:</p><ul>{notes}</ul>" if notes else "") + (
        shown if lines else ""
    )


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "; ".join(f"{key}: {_value(one)}" for key, one in value.items())[:MOST_WORDS]
    if isinstance(value, list | tuple):
        return ", ".join(map(_value, value))[:MOST_WORDS]
    return "not given" if value is None else str(value)[:MOST_WORDS]


def _why_not(account: Account) -> str:
    if account.evidence is None:
        return "<p>What was refused was not kept with this plan.</p>"
    kept = account.evidence.why_not
    if kept is None:
        return "<p>The strategy does not say what was refused: it asks no constraints.</p>"
    text = (
        f"<p>Instances that may be moved and stay where they are: {kept['stayed']:,};"
        f" looked at: {kept['judged']:,}.</p>"
    )
    for key, caption in (
        ("instances", "Instances that may not be moved"),
        ("destinations", "Hosts that may not take instances that stay, in pairs of the two"),
    ):
        lines = [
            [
                Cell(one["reason"], "prose"),
                number(f"{one['count']:,}"),
                prose(_examples(one["examples"])),
            ]
            for one in kept[key]
        ]
        if lines:
            text += table(caption, ("Reason", "How often", "Examples"), lines, first_is_head=True)
    return text


def _examples(examples: Iterable[Mapping[str, str]]) -> str:
    return "; ".join(f"{one['instance']} ({one['host']})" for one in examples)


def _actions(account: Account) -> str:
    if not account.planned:
        return f"<p>{escape(account.head.message or 'There is nothing to do.')}</p>"
    steps = account.steps[:MOST_ACTIONS]
    lines: list[Sequence[str | Cell]] = [
        [
            number(str(step.number)),
            step.deed.type,
            step.what,
            step.how,
            Cell(state(step.deed.state), kind="nowrap", html=True),
            prose(step.why),
            number(f"{len(account.parents[step.number - 1])}"),
            " ".join(filter(None, (step.deed.message, _back(account, step.deed.uuid)))),
        ]
        for step in steps
    ]
    heads = ("#", "Action", "Resource", "How", "State", "Why", "Waits for", "Message")
    caption = "The actions in the plan's order, as they are now"
    if len(steps) < len(account.planned):
        caption += f": the first {len(steps)} of {len(account.planned):,}"
    return table(caption, heads, lines)


def _back(account: Account, uuid: str) -> str:
    """That an action was taken back, and how far that has come."""
    undo = account.taken_back.get(uuid)
    if undo is None:
        return ""
    why = f" ({undo.message})" if undo.message else ""
    return f"Taken back by a {undo.type}: {undo.state}{why}."
