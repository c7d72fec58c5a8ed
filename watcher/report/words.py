# SPDX-License-Identifier: Apache-2.0
"""What a report says in words, alike on the page and in the picture."""

from datetime import UTC, datetime

import numpy as np

from watcher.report.account import DATA, Account
from watcher.report.picture import Chosen
from watcher.report.reasons import Plot

NO_EVIDENCE = (
    "What the cloud looked like when this plan was made was not kept with it: it is from before"
    " Watcher kept that, or it retries what was left of another plan. What is known is shown: its"
    " actions, their order, and its efficacy. Sizes and limits are not, so each action counts as"
    " one step."
)
BOTH = {"host": "hosts", "pool": "storage pools"}


def title(account: Account) -> str:
    """The headline."""
    return f"Action plan {account.head.uuid}"


def lead(account: Account) -> str:
    """Whose plan it is, and since when."""
    head, kept = account.head, account.evidence
    parts = [
        f"Goal {head.goal}" if head.goal else "",
        f"strategy {head.strategy}" if head.strategy else "",
        f"audit {head.audit}" if head.audit else "",
        f"recommended {moment(head.created_at)}" if head.created_at else "",
    ]
    if kept is not None and kept.taken_at:
        read = datetime.fromtimestamp(kept.taken_at, UTC)
        parts.append(f"from the cloud as read {read:%Y-%m-%d %H:%M:%S} UTC")
    return ", ".join(filter(None, parts)) + "."


def moment(text: str) -> str:
    """A time in ISO 8601, as people write it."""
    return f"{datetime.fromisoformat(text).astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def figures(account: Account) -> dict[str, str]:
    """The large numbers on top, label -> text."""
    found = {"state of the plan": account.head.state}
    if account.planned:
        found["actions have ended"] = f"{account.ended:,} of {len(account.planned):,}"
    if account.states["FAILED"]:
        found["actions failed"] = f"{account.states['FAILED']}"
    if account.undoing:
        found["actions taken back"] = f"{len(account.taken_back)}"
    plot = account.hosts
    if plot is not None and len(plot.places):
        found["hosts with instances, before and after"] = (
            f"{busy(plot):,} → {busy(plot, after=True):,}"
        )
    for bound in account.bounds:
        found[f"lower bound of {bound.name.replace('_', ' ')}"] = f"{bound.bound:.4g}"
    if account.migrations:
        found["migrations"] = f"{account.migrations:,}"
    if account.unit == DATA:
        found["GiB are copied in all"] = amount(sum(step.size_gb or 0.0 for step in account.steps))
    return found


def amount(value: float) -> str:
    """A number as people read it: no more digits than three, but all of those before the point."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def busy(plot: Plot, *, after: bool = False) -> int:
    """How many places have something on them."""
    side = plot.end if after else plot.start
    return int(np.count_nonzero(side.count))


def side(plot: Plot, chosen: Chosen, *, after: bool) -> str:
    """What one half of the picture shows."""
    places = plot.places
    when = "After all of the plan" if after else "Before"
    drawn = "" if len(chosen.rows) == len(places) else f" ({len(chosen.rows):,} drawn)"
    number = busy(plot, after=after)
    return f"{when}: {number:,} of {len(places):,} {BOTH[places.kind]} in use{drawn}"


def drawn(plot: Plot, chosen: Chosen) -> str:
    """How to read the picture, and what is not on it."""
    places = plot.places
    kind = places.kind
    text = (
        f"Each bar is a {kind} with the {places.resources[chosen.resource]} that it may give."
        f" A disabled {kind} has a dashed frame."
    )
    if chosen.gauge is not None:
        gauge = places.gauges[chosen.gauge]
        held = bool(np.isfinite(gauge.limit).any())
        text += f" The line below is {gauge.name}" + (f" ({gauge.unit})" if gauge.unit else "")
        text += ", the upright stroke its limit." if held else "; it has no limit."
        if not gauge.follows:
            text += " What it is after the plan cannot be known."
    if len(chosen.rows) < len(places):
        text += (
            f" Only {len(chosen.rows):,} of {len(places):,} {BOTH[kind]} are drawn, those that"
            " change most; all are in the JSON form of this report."
        )
    return text


def length(account: Account) -> str:
    """How long the plan takes."""
    whole = amount(account.length)
    time = f"as long as copying {whole} GiB" if account.unit == DATA else f"{whole} steps"
    return f"Order of {len(account.planned):,} actions; the whole takes {time}"


def order(account: Account) -> str:
    """How to read the timeline."""
    limits = {kind: number for kind, number in account.limits.items() if number}
    if account.unit != DATA:
        return "Each action counts as one step; it starts when those it waits for have ended" + (
            f", at most {limits['total']} at a time." if "total" in limits else "."
        )
    text = (
        "Time is told as GiB copied one after another: divided by what a migration copies in a"
        " second it is seconds. Other actions take no time here and have no line."
    )
    named = {
        "total": "{} at a time",
        "source": "{} from one host",
        "destination": "{} to one host",
    }
    told = [form.format(limits[kind]) for kind, form in named.items() if kind in limits]
    return f"{text} Limits of the applier: {', '.join(told)}." if told else text
