# SPDX-License-Identifier: Apache-2.0
"""Colours that everybody can tell apart, by day and by night (WCAG 2.1, 1.4.3 and 1.4.11)."""

import re

import pytest

from watcher.core.states import ACTION
from watcher.report.style import COLOURS, SIGNS, state

TEXT, DRAWING = 4.5, 3.0
DAY, NIGHT = (
    dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", part)) for part in COLOURS.split("@media screen")
)


def luminance(colour: str) -> float:
    """Relative luminance as WCAG defines it."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_black_on_white_has_the_contrast_that_it_has() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)


@pytest.mark.parametrize("scheme", [DAY, NIGHT], ids=["day", "night"])
def test_text_and_drawings_stand_out(scheme: dict[str, str]) -> None:
    assert set(DAY) == set(NIGHT)
    for name in ("ink", "dim", "bad", "arrives"):
        assert contrast(scheme[name], scheme["back"]) >= TEXT, name
    assert contrast(scheme["ink"], scheme["soft"]) >= TEXT
    for name in ("stays", "leaves", "arrives", "gauge"):
        assert contrast(scheme[name], scheme["back"]) >= DRAWING, name


def test_each_state_of_an_action_has_a_sign_of_its_own_and_its_name() -> None:
    assert set(SIGNS) <= set(ACTION.states)
    assert len(set(SIGNS.values())) == len(SIGNS)
    assert "SKIPPED" in state("SKIPPED")
    assert state("DELETED") == "<span>DELETED</span>"
