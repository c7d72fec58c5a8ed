# SPDX-License-Identifier: Apache-2.0
"""The pages of the strategies: each is about one that there is, and its example is right."""

import doctest
import pathlib
import re
import textwrap

import pytest

from watcher import plugins

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "doc/source/strategies"
PAGES = sorted(path for path in FOLDER.glob("*.rst") if path.stem != "index")
BLOCK = re.compile(r"^\.\. code-block:: python\n\n((?:   .*\n|\n)+)", re.MULTILINE)
RELATIVES = {"dummy_with_resize": "dummy", "dummy_with_scorer": "dummy"}


def test_every_page_is_about_a_strategy() -> None:
    assert {path.stem for path in PAGES} <= set(plugins.strategies())


def test_relatives_are_told_of_on_the_page_they_share() -> None:
    for name, page in RELATIVES.items():
        assert f"``{name}``" in (FOLDER / f"{page}.rst").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_a_page_says_what_it_does_not_do_and_its_example_comes_out_as_it_says(
    page: pathlib.Path,
) -> None:
    """An example is a session of Python, or a block of it with assertions."""
    text = page.read_text(encoding="utf-8")
    assert f"generated/strategy_{page.stem}.inc" in text or f"<strategy-{page.stem}>" in text
    assert "What it will not do\n" in text
    done = doctest.testfile(str(page), module_relative=False, encoding="utf-8")
    blocks = BLOCK.findall(text)
    for block in blocks:
        exec(compile(textwrap.dedent(block), page.name, "exec"), {})
    assert done.attempted + len(blocks) > 0
    assert done.failed == 0
