# SPDX-License-Identifier: Apache-2.0
"""What is drawn: both sides of the hosts, the order of the actions, all in one picture."""

import dataclasses
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from tests.unit.report.stories import account, gathered
from tests.worlds import uuid
from watcher.report import picture, poster, timeline
from watcher.report.account import Account, Deed, Head
from watcher.report.picture import BAR_WIDTH, LIMIT_AT, Chosen

SVG = "{http://www.w3.org/2000/svg}"


def drawn(inside):
    return ElementTree.fromstring(f'<svg xmlns="http://www.w3.org/2000/svg">{inside}</svg>')


def rects(svg, **wanted):
    return [
        float(one.get("width").rstrip("%"))
        for one in svg.iter(f"{SVG}rect")
        if all(one.get(name) == value for name, value in wanted.items())
    ]


@pytest.fixture
def plot():
    return account(gathered()).hosts


def side(plot, *, after):
    return drawn(picture.draw(plot, Chosen.of(plot), after=after, prefix="p"))


def test_a_piece_is_as_long_as_its_part_of_the_memory(plot) -> None:
    before, after = side(plot, after=False), side(plot, after=True)
    share = BAR_WIDTH / 16
    assert sorted(rects(before, fill="url(#pleaves)")) == pytest.approx(
        [share, 2 * share, 4 * share], abs=0.01
    )
    assert rects(before, **{"class": "stays cut"}) == [share]
    assert sum(rects(after, fill="url(#parrives)")) == pytest.approx(7 * share, abs=0.02)
    assert rects(after, fill="url(#pleaves)") == []


def test_a_line_is_as_long_as_its_part_of_the_limit_and_no_longer_than_the_bar(plot) -> None:
    assert sorted(rects(side(plot, after=False), **{"class": "gauge"})) == pytest.approx(
        [0.0, BAR_WIDTH * LIMIT_AT * 0.25, BAR_WIDTH * LIMIT_AT * 0.25, BAR_WIDTH]
    )


def test_a_host_that_is_disabled_is_told_by_a_word_and_a_dashed_frame(plot) -> None:
    words = [one.text for one in side(plot, after=True).iter(f"{SVG}text")]
    assert words.count("disabled") == 2
    assert len(rects(side(plot, after=True), **{"class": "frame closed"})) == 2


def test_of_many_hosts_those_that_change_most_are_drawn_by_name(plot) -> None:
    few = Chosen.of(plot, most=2)
    assert [plot.places.name[row] for row in few.rows] == ["c1", "c3"]
    assert [len(part.rows) for part in picture.sheets(Chosen.of(plot))] == [4]


def test_each_host_is_told_in_words(plot) -> None:
    titles = [one.text for one in side(plot, after=False).iter(f"{SVG}title")]
    told = next(title for title in titles if title.startswith("c1:"))
    assert "2 on it, 3 of 8 vcpus, 6144 of 16384 memory_mb" in told
    assert "cpu load 4.25 threads, host_cpu_usage 50" in told


def test_a_host_of_unknown_capacity_is_drawn_without_pieces(plot) -> None:
    places = dataclasses.replace(plot.places, capacity=np.full((4, 3), np.nan))
    unknown = dataclasses.replace(plot, places=places)
    svg = side(unknown, after=False)
    assert rects(svg, fill="url(#pleaves)") == []
    assert "?" in [one.text for one in svg.iter(f"{SVG}text")]


def test_the_timeline_has_a_line_for_each_action_that_takes_time() -> None:
    found = account(gathered(), at1=("SUCCEEDED", None), at2=("ONGOING", None))
    assert [step.number for step in timeline.rows(found)] == [2, 3, 4]
    svg = drawn(timeline.draw(found, "p"))
    looks = {one.get("fill") or one.get("class") for one in svg.iter(f"{SVG}rect")}
    assert {"arrives", "url(#parrives)", "wait"} <= looks
    words = [one.text for one in svg.iter(f"{SVG}text")]
    assert {"✓", "▶", "○", "limit 2", "side by side: 1", "0", "2", "4", "6"} <= set(words)


def test_actions_that_take_no_time_are_dots_where_there_are_no_others() -> None:
    deed = Deed("1", "change_nova_service_state", {"resource_name": "c1", "state": "disabled"})
    found = Account(Head(uuid("p"), "PENDING"), [deed], gathered())
    found.__dict__["unit"] = "GiB copied"
    assert len(list(drawn(timeline.draw(found, "p")).iter(f"{SVG}circle"))) == 1


def test_how_much_runs_at_once_is_told_for_each_part_of_the_time() -> None:
    deeds = [Deed(str(number), "nop", {}, parents=("0",) * (number == 3)) for number in range(4)]
    most = timeline.at_once(Account(Head(uuid("p"), "PENDING"), deeds))
    assert most[:75] == [3] * 75
    assert most[75:] == [1] * 75


@pytest.mark.parametrize(
    ("length", "ticks"),
    [(7.0, [0, 2, 4, 6]), (1.0, [0, 0.5, 1]), (348.0, [0, 100, 200, 300]), (0.4, [0, 0.1, 0.2])],
)
def test_the_numbers_below_are_round(length: float, ticks: list[float]) -> None:
    assert timeline._round_values(length)[: len(ticks)] == pytest.approx(ticks)


def test_the_picture_stands_by_itself() -> None:
    for told in (account(gathered()), account()):
        root = ElementTree.fromstring(poster.draw(told))
        assert root.find(f"{SVG}title").text == f"Action plan {uuid('plan')}"
        assert "state of the plan: ONGOING" in root.find(f"{SVG}desc").text
        words = [one.text for one in root.iter(f"{SVG}text")]
        assert any(word.startswith("Order of 4 actions") for word in words)
    assert "Before: 3 of 4 hosts in use" in poster.draw(account(gathered()))
    assert "was not kept with this plan" in poster.draw(account())
