# SPDX-License-Identifier: Apache-2.0
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from tests.worlds import world
from watcher.report import picture
from watcher.report.page import Report, render
from watcher.report.picture import MAX_SEGMENTS, WIDTH_PX, Side, colour, draw, in_use

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def before():
    cluster = (
        world()
        .host("c1", memory_mb=1000)
        .runs("<vm1>", memory_mb=250)
        .runs("vm2", memory_mb=500)
        .host("c2", memory_mb=1000, enabled=False)
        .cluster()
    )
    return Side("Before", cluster, np.array([50.0, np.nan]))


def svg(side, home=None):
    text = draw(side, home or {}).replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ')
    return ElementTree.fromstring(text)


def test_a_host_is_in_use_when_it_has_an_instance(before):
    assert in_use(before.cluster) == 1


def test_an_instance_is_as_long_as_its_share_of_the_memory(before):
    drawn = svg(before)
    widths = sorted(
        round(float(one.get("width")) + 0.6)
        for one in drawn.iter(f"{SVG}rect")
        if one.get("fill", "").startswith("hsl")
    )
    assert widths == [WIDTH_PX // 4, WIDTH_PX // 2]


def test_the_cpu_line_is_as_long_as_the_load_and_missing_load_draws_nothing(before):
    lines = [
        float(one.get("width"))
        for one in svg(before).iter(f"{SVG}rect")
        if one.get("class") == "cpu"
    ]
    assert sorted(lines) == [0.0, WIDTH_PX / 2]


def test_a_disabled_host_is_marked(before):
    classes = [one.get("class") for one in svg(before).iter(f"{SVG}text")]
    assert "name disabled" in classes


def test_an_instance_keeps_the_colour_of_its_old_home(before):
    home = {str(before.cluster.instances.uuid[0]): 1}
    fills = {one.get("fill") for one in svg(before, home).iter(f"{SVG}rect")}
    assert {colour(0, 2), colour(1, 2)} <= fills


def test_very_many_instances_become_one_segment_per_host(before, monkeypatch):
    assert MAX_SEGMENTS > 100
    monkeypatch.setattr(picture, "MAX_SEGMENTS", 1)
    segments = [
        one for one in svg(before).iter(f"{SVG}rect") if one.get("fill", "").startswith("hsl")
    ]
    assert len(segments) == 2
    assert max(float(one.get("width")) for one in segments) == pytest.approx(WIDTH_PX * 0.75 - 0.6)


def test_the_page_is_self_contained_and_escapes_what_it_shows(before):
    page = render(
        Report(
            title="A <plan>",
            lead="lead",
            before=before,
            after=before,
            figures={"hosts": "1"},
            indicators=[{"name": "released", "value": 1.0, "unit": None, "description": "d"}],
            actions=[
                {
                    "action_type": "migrate",
                    "input_parameters": {"source_node": "c1", "destination_node": "c2"},
                    "state": "FAILED",
                    "status_message": "No <valid> host",
                }
            ],
        )
    )
    assert "A &lt;plan&gt;" in page
    assert "&lt;vm1&gt;" in page
    assert "No &lt;valid&gt; host" in page
    assert "c1 to c2" in page
    assert "<td>released</td>" in page
    assert "http" not in page.replace("http-equiv", "")
