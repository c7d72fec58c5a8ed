# SPDX-License-Identifier: Apache-2.0
"""The worked examples of the strategies' pages are true."""

import pathlib
import re
import textwrap

import pytest

PAGES = pathlib.Path(__file__).resolve().parents[3] / "doc" / "source" / "strategies"
BLOCK = re.compile(r"^\.\. code-block:: python\n\n((?:   .*\n|\n)+)", re.MULTILINE)


@pytest.mark.parametrize("page", sorted(PAGES.glob("*.rst")), ids=lambda one: one.stem)
def test_the_worked_example_of_a_page_is_true(page: pathlib.Path) -> None:
    examples = BLOCK.findall(page.read_text())
    assert examples, "a page of a strategy has a worked example"
    for example in examples:
        exec(compile(textwrap.dedent(example), page.name, "exec"), {})
