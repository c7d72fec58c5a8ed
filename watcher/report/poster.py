# SPDX-License-Identifier: Apache-2.0
"""The report as one picture: an SVG that stands by itself, for documents and dashboards."""

from html import escape

from watcher.report import picture, timeline, words
from watcher.report.account import Account
from watcher.report.reasons import Plot
from watcher.report.style import COLOURS, DRAWING

WIDTH_PX = 1000
HEAD_PX, TITLE_PX, GAP_PX = 62, 26, 18


def draw(account: Account) -> str:
    """The picture: both sides of hosts and pools, then the order of the actions."""
    parts: list[str] = []
    top = HEAD_PX
    for plot in (account.hosts, account.pools):
        if plot is not None and len(plot.places):
            drawn, tall = _sides(plot, top)
            parts.append(drawn)
            top += tall + GAP_PX
    if account.planned:
        parts.append(
            _part(
                words.length(account),
                timeline.draw(account, "p"),
                (0, top),
                timeline.height(account),
            )
        )
        top += TITLE_PX + timeline.height(account)
    title = words.title(account)
    told = "; ".join(f"{label}: {text}" for label, text in words.figures(account).items())
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-labelledby="title told"'
        f' width="{WIDTH_PX}" height="{top}" viewBox="0 0 {WIDTH_PX} {top}">'
        f'<title id="title">{escape(title)}</title><desc id="told">{escape(told)}</desc>'
        f"<style>{COLOURS}{DRAWING}</style>{picture.patterns('p')}"
        f'<rect width="100%" height="100%" class="ground"/>'
        f'<text x="10" y="24" class="strong">{escape(title)}: {escape(account.head.state)}</text>'
        f'<text x="10" y="44" class="small">{escape(_summary(account))}</text>'
        f"{''.join(parts)}</svg>\n"
    )


def _summary(account: Account) -> str:
    head = account.head
    who = ", ".join(filter(None, (head.goal, head.strategy)))
    if account.evidence is None:
        return f"{who}. What the cloud looked like was not kept with this plan."
    keys = "Hatched: leaves; dotted: has arrived; dashed frame: disabled; stroke: limit"
    return f"{who}. {keys}."


def _sides(plot: Plot, top: int) -> tuple[str, int]:
    """Before and after beside each other, and how high they are."""
    chosen = picture.Chosen.of(plot)
    tall = picture.height(chosen)
    half = WIDTH_PX // 2
    both = "".join(
        _part(
            words.side(plot, chosen, after=after),
            picture.draw(plot, chosen, after=after, prefix="p"),
            (half * after, top),
            tall,
            half - 10,
        )
        for after in (False, True)
    )
    return both, TITLE_PX + tall


def _part(
    title: str, inside: str, at: tuple[int, int], tall: int, wide: int = WIDTH_PX - 10
) -> str:
    left, top = at
    return (
        f'<text x="{left + 10}" y="{top + 14}" class="strong">{escape(title)}</text>'
        f'<svg x="{left}" y="{top + TITLE_PX}" width="{wide}" height="{tall}">{inside}</svg>'
    )
