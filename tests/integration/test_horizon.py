# SPDX-License-Identifier: Apache-2.0
"""Horizon with Watcher's plug-in 16, unchanged, in Chromium on the real cloud (rest-api 24).

Every page of the plug-in is opened; a template, an audit and a plan are made, started and followed
to their end with the mouse and the keyboard, as an operator would. Pictures of the pages are kept in
the folder of the test.
"""

import pytest

from tests import browser
from tests.cloud.process import locked
from tests.horizon import READY, site
from tests.integration import daemons
from tests.integration.conftest import missing

LISTS = ("goals", "strategies", "audit_templates", "audits", "action_plans", "actions")


@pytest.fixture(scope="module")
def dashboard(cloud_session, services, tmp_path_factory):
    """Watcher on the test cloud, and Horizon in a browser, logged in as admin."""
    if not READY.exists():
        missing("Horizon", "tools/cloud install horizon")
    if not browser.installed():
        missing("Chromium", browser.INSTALL)
    folder = tmp_path_factory.mktemp("horizon")
    running = daemons.running(cloud_session, services, folder)
    with locked("cloud-in-use"), running as (watcher, _), browser.chromium() as chromium:
        pages = site.Site(chromium, site.serve(watcher.runner, watcher.settings))
        pages.log_in()
        yield pages, watcher


@pytest.fixture
def pages(dashboard):
    """The browser; at the end no script has failed and nothing was missing on a page."""
    yield dashboard[0]
    assert browser.complaints(dashboard[0].browser) == []


@pytest.fixture(scope="module")
def followed(dashboard):
    """An audit of the dummy strategy, made of a template in the forms, and its plan, by uuid."""
    pages, _ = dashboard
    pages.open("audit_templates")
    pages.press("#audit_templates__action_create")
    pages.fill(name="from-horizon", description="made in a browser", goal="Dummy goal")
    pages.fill(strategy="Dummy strategy")
    pages.submit()
    pages.until(lambda: pages.rows("audit_templates"), "template in the list")
    assert pages.rows("audit_templates")[0][1:4] == ["from-horizon", "dummy", "dummy"]

    new_audit(pages, audit_name="nightly", audit_type="ONESHOT")
    pages.fill(parameters='{"para1": 2.5, "para2": "from the form"}')
    pages.submit()
    pages.follow("audits", "nightly", "SUCCEEDED")
    (audit,) = pages.rows("audits")
    pages.open("action_plans")
    (plan,) = pages.rows("action_plans")
    return audit[0], plan[1]


def test_each_list_opens(pages, dashboard):
    for name in LISTS:
        pages.open(name)
        pages.picture(dashboard[1].runner.folder / f"{name}.png")
        assert pages.messages() == [], name


def test_goals_and_strategies_are_listed_filtered_and_shown(pages, dashboard):
    api = dashboard[1].api()
    goals = api.get("/v1/goals").json()["goals"]
    strategies = api.get("/v1/strategies").json()["strategies"]
    pages.open("goals")
    assert sorted(row[0] for row in pages.rows("goals")) == sorted(one["uuid"] for one in goals)
    pages.open("strategies")
    assert len(pages.rows("strategies")) == len(strategies)
    pages.filter("strategies", "server_consolidation")
    assert {row[3] for row in pages.rows("strategies")} == {"server_consolidation"}
    for one in strategies:
        pages.open(f"strategies/{one['uuid']}/detail")
        assert pages.messages() == []
        assert one["name"] in pages.text()
    for one in goals:
        pages.open(f"goals/{one['uuid']}/detail")
        assert pages.messages() == []
        assert one["name"] in pages.text()


def test_an_audit_of_a_template_is_made_and_its_pages_open(pages, followed):
    audit, plan = followed
    pages.open(f"audits/{audit}/detail")
    assert pages.messages() == []
    assert plan in pages.text()
    assert "from the form" in pages.text()


def test_a_plan_is_started_and_followed_to_its_end(pages, followed, dashboard):
    _, plan = followed
    pages.open("action_plans")
    pages.press(f"#action_plans__row_{plan}__action_start_action_plan")
    pages.follow("action_plans", plan, "SUCCEEDED")
    pages.open(f"action_plans/{plan}/detail")
    assert pages.messages() == []
    actions = dashboard[1].actions_of(plan)
    assert {one["state"] for one in actions} == {"SUCCEEDED"}
    assert all(one["uuid"] in pages.text() for one in actions)
    for one in actions:
        pages.open(f"actions/{one['uuid']}/detail")
        assert pages.messages() == []
        assert one["uuid"] in pages.text()


def test_an_action_is_skipped_with_a_reason(pages, followed, dashboard):
    watcher = dashboard[1]
    pages.open("audit_templates")
    template = pages.ident("audit_templates", "from-horizon")
    pages.press(f"#audit_templates__row_{template}__action_launch_audit")
    launched = [one for one in all_of(watcher, "audits") if one["uuid"] != followed[0]]
    audit = watcher.ended("audits", launched[0]["uuid"])
    plan = watcher.plan_of(audit["uuid"])
    action = watcher.actions_of(plan["uuid"])[0]["uuid"]

    pages.open(f"action_plans/{plan['uuid']}/detail")
    pages.press(f"#related_wactions__row_{action}__action_skip")
    pages.fill(reason="not tonight")
    pages.submit()
    pages.open(f"actions/{action}/detail")
    assert "SKIPPED" in pages.text()
    assert "Action skipped by user. Reason: not tonight" in pages.text()


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"audit_name": "nightly"}, "name already exists"),
        ({"audit_name": "other", "parameters": '{"para1": "much"}'}, "Error"),
        ({"audit_name": "other", "parameters": "para1=2"}, "JSON"),
    ],
)
def test_what_is_wrong_is_told_and_nothing_made(pages, followed, dashboard, fields, word):
    before = all_of(dashboard[1], "audits")
    new_audit(pages, audit_type="ONESHOT", **fields)
    pages.press(site.SUBMIT)
    pages.until(lambda: word in pages.text(), word)
    assert all_of(dashboard[1], "audits") == before


def test_a_continuous_audit_is_made_and_cancelled(pages, followed, dashboard):
    watcher = dashboard[1]
    new_audit(pages, audit_name="hourly", audit_type="CONTINUOUS")
    pages.fill(interval="0 * * * *", start_time="2099-01-01T10:00:00")
    pages.submit()
    pages.open("audits")
    audit = pages.ident("audits", "hourly")
    shown = watcher.api().get(f"/v1/audits/{audit}").json()
    assert (shown["interval"], shown["start_time"]) == ("0 * * * *", "2099-01-01T10:00:00")
    pages.choose(f"audits__row_{audit}__action_Cancel")
    pages.follow("audits", "hourly", "CANCELLED")


def test_all_is_archived(pages, followed, dashboard):
    watcher = dashboard[1]
    for page, kind in (
        ("action_plans", "action_plans"),
        ("audits", "audits"),
        ("audit_templates", "audit_templates"),
    ):
        for one in all_of(watcher, kind):
            pages.open(page)
            pages.choose(f"{page}__row_{one['uuid']}__action_delete")
            pages.confirm()
        pages.open(page)
        assert pages.rows(page) == []
        assert all_of(watcher, kind) == []


def new_audit(pages, **fields):
    """Open the form for a new audit of our template and fill it."""
    pages.open("audits")
    pages.press("#audits__action_create_audit")
    pages.fill(audit_template="from-horizon", **fields)


def all_of(watcher, kind):
    """Every audit, plan or template there is, in full."""
    return watcher.api().get(f"/v1/{kind}/detail").json()[kind]
