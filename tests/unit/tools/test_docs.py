# SPDX-License-Identifier: Apache-2.0
"""Tests of tools.docs: what the code says is in the pages, and always the same."""

import hashlib
import re
import subprocess
import sys
from xml.etree import ElementTree

import pytest
import yaml

from tools.docs import licences, lifecycles, pages, rst
from watcher import config, plugins
from watcher.core.metrics import Metric
from watcher.core.parameters import schema
from watcher.core.states import LIFECYCLES, Lifecycle
from watcher.datasources import ceilometer, exporters, mapping


@pytest.fixture(scope="module")
def written():
    return pages()


def test_the_pages_are_the_same_in_another_process(written):
    told = "import sys, hashlib; from tools.docs import pages; p = pages();"
    told += "print(hashlib.sha256(repr(sorted(p.items())).encode()).hexdigest())"
    another = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", told], capture_output=True, text=True, check=True
    )
    ours = hashlib.sha256(repr(sorted(written.items())).encode()).hexdigest()
    assert another.stdout.strip() == ours


@pytest.mark.parametrize("lifecycle", LIFECYCLES, ids=lambda one: one.kind)
def test_every_move_is_an_arrow_and_every_state_a_box(written, lifecycle):
    name = f"states_{lifecycle.kind.replace(' ', '_')}.svg"
    drawing = ElementTree.fromstring(written[name])
    boxes = [one.text for one in drawing.iter("{http://www.w3.org/2000/svg}text")]
    assert set(boxes) == set(lifecycle.states) - {"DELETED"}
    paths = drawing.iter("{http://www.w3.org/2000/svg}path")
    arrows = [one for one in paths if "marker-end" in one.attrib]
    assert len(arrows) == sum(len(to - {"DELETED"}) for to in lifecycle.moves.values())


def test_what_an_operator_may_ask_for_is_bold():
    door = Lifecycle(
        "door", "OPEN -> SHUT | DELETED\nSHUT -> OPEN\nDELETED ->", by_operator="OPEN -> SHUT"
    )
    table = lifecycles.moves(door)
    assert "- **SHUT**, DELETED" in table
    assert "- OPEN\n" in table
    assert "(final)" in table


def test_every_parameter_has_its_row(written):
    for name, strategy in plugins.strategies().items():
        assert f".. _strategy-{name}:" in written["strategies.rst"]
        for parameter in schema(strategy.parameters)["properties"]:
            assert f"``{parameter}``" in written["strategies.rst"]


def test_every_goal_indicator_metric_action_and_option_is_there(written):
    for goal in plugins.goals().values():
        assert f".. _goal-{goal.name}:" in written["goals.rst"]
        assert all(f"``{one.name}``" in written["goals.rst"] for one in goal.indicators)
    assert all(f"``{metric.public_name}``" in written["metrics.rst"] for metric in Metric)
    assert all(f".. _action-{name}:" in written["actions.rst"] for name in plugins.actions())
    for group in config.groups():
        assert f"[{group.name}]" in written["options.rst"]
        assert all(f"``{one.dest}``" in written["options.rst"] for one in group.options)


def test_plain_words_stay_plain():
    assert rst.text("a_b *c* `d` |e| \\") == r"a\_b \*c\* \`d\` \|e\| " + "\\\\"


def test_a_cell_of_several_lines_stays_one_cell():
    assert rst.table(("A", "B"), [("1", "x\ny"), ("2", "")]) == (
        ".. list-table::\n   :header-rows: 1\n\n"
        "   * - A\n     - B\n"
        "   * - 1\n     - x\n       y\n"
        "   * - 2\n     -\n"
    )


def test_a_table_without_rows_is_nothing():
    assert rst.table(("A",), []) == ""


def test_a_literal_is_text_or_json():
    assert rst.code("a") == "``a``"
    assert rst.code({"b": [1, None]}) == '``{"b": [1, null]}``'
    assert rst.code("") == "(empty)"


@pytest.mark.parametrize(
    ("name", "mapping"),
    [
        ("influxdb", mapping.mapping),
        ("prometheus", lambda said: exporters.mapping("prometheus", said)),
        ("gnocchi", ceilometer.mapping),
    ],
)
def test_the_default_metric_map_is_a_map_that_changes_nothing(written, name, mapping):
    text = written["metric_map.rst"]
    blocks = re.findall(r"code-block:: yaml\n\n((?:   .*\n)+)", text)
    (said,) = (found[name] for found in map(yaml.safe_load, blocks) if name in found)
    assert mapping(said) == mapping({})


def test_every_library_names_a_licence_that_goes_with_ours(written):
    """Permissive ones, and of the LGPL and MPL what is used as it is."""
    known = (
        "Apache",
        "MIT",
        "BSD",
        "ISC",
        "PSF",
        "MPL",
        "Mozilla",
        "LGPL",
        "ZPL",
        "Zope",
        "Python",
    )
    found = {name: licences.licence(one) for name, one in licences.needed().items()}
    assert {"oslo-messaging", "numpy", "pymysql", "psycopg"} <= set(found)
    odd = {name: word for name, word in found.items() if not any(one in word for one in known)}
    assert odd == {}
