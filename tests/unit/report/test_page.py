# SPDX-License-Identifier: Apache-2.0
"""The page: everything is on it, escaped, and what is too much is said to be."""

import dataclasses
from html.parser import HTMLParser

import numpy as np
import pytest

from tests.shelves import pool_name
from tests.unit.report.stories import account, gathered, volume_cluster
from tests.worlds import uuid
from watcher.core.metrics import Metrics
from watcher.core.plan import Plan
from watcher.core.solution import Solution, migrate, migrate_volume
from watcher.report import evidence, page, picture
from watcher.report.account import Account, Deed, Head
from watcher.report.page import render

UNDO = ("migrate", migrate(uuid("vm1"), "c3", "c1").input_parameters)
VOID = {"meta", "br", "img", "link", "rect", "line", "circle"}


class Outline(HTMLParser):
    """Tags that are open, and what every element is called and has."""

    def __init__(self, text):
        super().__init__()
        self.open, self.found, self.ids = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        self.ids += [value for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag


def all_pages():
    failed = {"at0": ("SUCCEEDED", None), "at1": ("FAILED", "No <valid> host"), "undo": UNDO}
    empty = Account(Head(uuid("p"), "SUCCEEDED", message="There is nothing to do."), [])
    return [account(gathered(), **failed), account(), account(gathered()), empty]


@pytest.mark.parametrize("number", range(4))
def test_it_is_whole_html_in_which_every_name_is_there_once(number: int) -> None:
    outline = Outline(render(all_pages()[number]))
    assert outline.open == []
    assert len(outline.ids) == len(set(outline.ids))
    for tag, given in outline.found:
        if given.get("href"):
            assert given["href"][1:] in outline.ids
        if given.get("aria-labelledby"):
            assert given["aria-labelledby"] in outline.ids
        if tag == "svg":
            assert given.get("aria-label") or given.get("aria-hidden") == "true"
        if given.get("tabindex"):
            assert given["role"] == "region"
            assert given["aria-label"]
    tables = sum(tag == "table" for tag, _ in outline.found)
    assert tables == sum(tag == "caption" for tag, _ in outline.found)


def test_what_is_shown_is_escaped() -> None:
    text = render(all_pages()[0])
    for word in ("<vm3>", "<valid>", "<Consolidation>", "<empty>"):
        assert word not in text
        assert word.replace("<", "&lt;").replace(">", "&gt;") in text


def test_states_messages_and_what_was_taken_back_are_those_of_now() -> None:
    text = render(all_pages()[0])
    assert '<span class="bad"><span aria-hidden="true">✗</span> FAILED</span>' in text
    assert "Taken back by a migrate: SUCCEEDED." in text
    assert "<dd>2 of 4</dd>" in text


def test_it_tells_what_changes_of_each_host_in_numbers() -> None:
    text = render(account(gathered()))
    assert "3 hosts change (before → after)" in text
    assert "6144 → 0 of 16384" in text
    assert "4.25 → 0.25" in text
    assert "Before: 3 of 4 hosts in use" in text
    assert "After all of the plan: 1 of 4 hosts in use" in text


def test_without_evidence_it_says_so_and_shows_the_rest() -> None:
    text = render(account())
    assert "was not kept with it" in text
    assert "Each action counts as one step" in text
    assert "<caption>Indicators</caption>" in text


def test_a_plan_that_changes_nothing_says_so() -> None:
    quiet = Account(Head(uuid("p"), "SUCCEEDED"), [Deed("1", "nop", {"message": "x"})], gathered())
    assert "Nothing changes on any of the hosts." in render(quiet)


def test_too_many_actions_hosts_and_pieces_are_bounded_and_told(monkeypatch) -> None:
    monkeypatch.setattr(page, "MOST_ACTIONS", 2)
    monkeypatch.setattr(page, "MOST_CHANGED", 1)
    monkeypatch.setattr(picture, "MOST_PIECES", 1)
    text = render(account(gathered()))
    assert "as they are now: the first 2 of 4" in text
    assert "3 hosts change, the first 1 of them by name" in text
    assert "<title>2 that move</title>" in text


def test_pools_are_shown_like_hosts() -> None:
    move = migrate_volume(uuid("v1"), pool_name("two"))
    plan = Plan((move,), ((),))
    kept = evidence.gather(volume_cluster(), plan, Solution((move,)), Metrics(), {})
    told = Account(Head(uuid("p"), "PENDING"), [Deed("1", move.type, move.input_parameters)], kept)
    text = render(told)
    assert "2 storage pools change (before → after)" in text
    assert "40 → 0 of 100" in text


def test_a_gauge_without_limits_says_so() -> None:
    kept = gathered()
    free = dataclasses.replace(kept.hosts.gauges[1], limit=np.full(4, np.nan))
    hosts = dataclasses.replace(kept.hosts, gauges=(free,))
    text = render(account(dataclasses.replace(kept, hosts=hosts)))
    assert "it has no limit. What it is after the plan cannot be known." in text


def test_parameters_are_told_as_they_are() -> None:
    given = {"metrics": ["a", "b"], "thresholds": {"a": 0.2}, "none": None}
    text = render(account(dataclasses.replace(gathered(), parameters=given)))
    assert '<td class="prose">a, b</td>' in text
    assert '<td class="prose">a: 0.2</td>' in text
    assert '<td class="prose">not given</td>' in text
