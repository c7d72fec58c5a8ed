# SPDX-License-Identifier: Apache-2.0
"""Microversion 1.11: the report of an action plan, in each of its forms."""

import xml.etree.ElementTree as ElementTree
from typing import Any

import pytest

from tests.functional.api.bench import Bench
from tests.unit.report.stories import actions, gathered
from tests.worlds import uuid
from watcher.db import models, store
from watcher.report.evidence import pack

VERSION = "1.11"
HTML, SVG, JSON = "text/html", "image/svg+xml", "application/json"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"


def told(bench: Bench, **values: Any) -> str:
    """The path of the report of a plan that was recorded with its evidence."""
    plan = bench.plan(actions=0, **{"evidence": pack(gathered()), **values})
    with bench.database.writing() as session:
        for position, one in enumerate(actions()):
            row = models.Action(
                action_plan_id=plan.id,
                action_type=one.type,
                input_parameters=one.input_parameters,
                position=position,
            )
            store.add(session, row)
        for name, value in (("hosts_in_use_after", 1.0), ("hosts_in_use_lower_bound", 1.0)):
            row = models.EfficacyIndicator(action_plan_id=plan.id, name=name, value=value)
            store.add(session, row)
    return f"/v1/action_plans/{plan.uuid}/report"


@pytest.fixture
def path(bench: Bench) -> str:
    return told(bench)


@pytest.mark.parametrize(
    ("accepts", "kind"),
    [
        (None, HTML),
        ("*/*", HTML),
        (BROWSER, HTML),
        ("text/*", HTML),
        (SVG, SVG),
        ("image/*", SVG),
        (JSON, JSON),
        (f"{HTML};q=0.5, {JSON}", JSON),
    ],
)
def test_the_client_chooses_the_form(bench: Bench, path: str, accepts: Any, kind: str) -> None:
    headers = {} if accepts is None else {"Accept": accepts}
    answer = bench.call("GET", path, version=VERSION, status=200, **headers)
    assert answer.content_type == kind
    assert answer.headers["Vary"] == "OpenStack-API-Version, Accept"


def test_a_suffix_asks_for_json(bench: Bench, path: str) -> None:
    assert bench.get(f"{path}.json", version=VERSION, Accept=BROWSER)["evidence"] is True


@pytest.mark.parametrize("accepts", ["application/pdf", "application/xml", "text/plain;q=0.9"])
def test_another_form_there_is_not(bench: Bench, path: str, accepts: str) -> None:
    said = bench.fails(path, 406, version=VERSION, Accept=accepts)
    assert said.endswith("there are text/html, image/svg+xml, application/json")


@pytest.mark.parametrize("kind", [HTML, SVG])
def test_a_browser_that_shows_it_may_run_and_fetch_nothing(
    bench: Bench, path: str, kind: str
) -> None:
    answer = bench.call("GET", path, version=VERSION, status=200, Accept=kind)
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'")
    assert "script" not in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cache-Control"] == "private, no-cache"
    for word in ("<script", "src=", 'href="http', "url(http", "@import"):
        assert word not in answer.text


def test_the_page_tells_everything_and_escapes_it(bench: Bench, path: str) -> None:
    page = bench.call("GET", path, version=VERSION, status=200, Accept=HTML).text
    assert "c1 is emptied so that it can be released" in page
    assert "&lt;vm3&gt;" in page
    assert "<vm3>" not in page
    assert "it is locked" in page
    assert "no plan can come below the lower bound. The plan ends 0 above it." in page


def test_the_picture_is_a_well_formed_document(bench: Bench, path: str) -> None:
    answer = bench.call("GET", path, version=VERSION, status=200, Accept=SVG)
    root = ElementTree.fromstring(answer.body)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"


def test_json_is_as_the_document_says_and_states_are_those_of_now(bench: Bench, path: str) -> None:
    with bench.database.writing() as session:
        first = store.every(session, models.Action)[0]
        store.transition(session, first, "ONGOING")
        store.transition(session, first, "FAILED", "No valid host")
    found = bench.get(path, version=VERSION, Accept=JSON)  # checked against its schema
    assert [one["state"] for one in found["actions"]] == ["FAILED", *["PENDING"] * 3]
    assert found["actions"][0]["status_message"] == "No valid host"
    assert len(found["hosts"]["places"]) == 4


def test_a_plan_from_before_it_was_kept_says_so(bench: Bench) -> None:
    path = told(bench, evidence=None)
    found = bench.get(path, version=VERSION, Accept=JSON)
    assert (found["evidence"], found["hosts"]) == (False, None)
    page = bench.call("GET", path, version=VERSION, status=200).text
    assert "was not kept with it" in page
    picture = bench.call("GET", path, version=VERSION, status=200, Accept=SVG).text
    assert "was not kept with this plan" in picture


def test_a_plan_without_actions_has_a_report(bench: Bench) -> None:
    plan = bench.plan(actions=0, state="SUCCEEDED", status_message="There is nothing to do.")
    path = f"/v1/action_plans/{plan.uuid}/report"
    for kind in (HTML, SVG, JSON):
        answer = bench.call("GET", path, version=VERSION, status=200, Accept=kind)
        assert plan.uuid in answer.text
    page = bench.call("GET", path, version=VERSION, status=200).text
    assert page.count("There is nothing to do.") == 2


@pytest.mark.parametrize("version", [None, "1.10"])
def test_before_its_microversion_there_is_none(
    bench: Bench, path: str, version: str | None
) -> None:
    assert "needs microversion 1.11" in bench.fails(path, 406, version=version)


def test_an_unknown_plan_has_none(bench: Bench) -> None:
    unknown = f"/v1/action_plans/{uuid('nobody')}/report"
    assert "could not be found" in bench.fails(unknown, 404, version=VERSION)
    bench.fails("/v1/action_plans/nobody/report", 400, version=VERSION)


def test_a_deleted_plan_has_one_for_administrators_who_ask(bench: Bench, path: str) -> None:
    bench.call("DELETE", path.removesuffix("/report"), status=204)
    bench.fails(path, 404, version=VERSION)
    found = bench.get(path, version=VERSION, Accept=JSON, X_Show_Deleted="true")
    assert found["state"] == "DELETED"
    assert {one["state"] for one in found["actions"]} == {"DELETED"}


def test_the_policy_is_asked(bench: Bench, path: str) -> None:
    said = bench.fails(path, 403, version=VERSION, X_Roles="member")
    assert "action_plan:report" in said


def test_only_reading_is_possible(bench: Bench, path: str) -> None:
    answer = bench.call("POST", path, {}, version=VERSION, status=405)
    assert answer.headers["Allow"] == "GET, HEAD"
    head = bench.call("HEAD", path, version=VERSION, status=200)
    assert head.content_type == HTML
