# SPDX-License-Identifier: Apache-2.0
"""The report of an action plan in a real browser, served by the API of a running Watcher.

Pictures of it are kept in ``$WATCHER_STATE/pictures``, to be looked at.
"""

import threading
from collections.abc import Iterator

import pytest
import requests
from cheroot.wsgi import Server
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from tests import browser
from tests.cloud.process import STATE
from tests.functional.standalone import ADMIN, standalone
from tests.integration import sheets
from tests.integration.conftest import missing
from watcher.db import store
from watcher.db.models import ActionPlan

HEADERS = {**ADMIN, "OpenStack-API-Version": "infra-optim 1.11"}
PICTURES = STATE / "pictures"
SVG = "image/svg+xml"
WIDTHS = {"phone": (400, False), "day": (1280, False), "night": (1280, True)}


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The addresses of two reports: of a plan, and of one from before evidence was kept."""
    with standalone(tmp_path_factory.mktemp("watcher")) as watcher:
        plans = [
            watcher.plan_of(watcher.audit(goal, strategy))["uuid"]
            for goal, strategy in (
                ("server_consolidation", "vm_workload_consolidation"),
                ("dummy", "dummy"),
            )
        ]
        with watcher.database.writing() as session:
            store.change(session, store.get(session, ActionPlan, plans[1]), evidence=None)
        server = Server(("127.0.0.1", 0), watcher.app.app)
        server.prepare()
        thread = threading.Thread(target=server.serve)
        thread.start()
        root = f"http://127.0.0.1:{server.bind_addr[1]}/v1/action_plans"
        whole, old = (f"{root}/{plan}/report" for plan in plans)
        yield {"whole": whole, "old": old}
        server.stop()
        thread.join()


@pytest.fixture(scope="module")
def window() -> Iterator[Chrome]:
    """Chromium, which says who it is as a client of the API does."""
    if not browser.installed():
        missing("Chromium", browser.INSTALL)
    with browser.chromium() as driver:
        sheets.introduce(driver, HEADERS)
        yield driver


@pytest.mark.parametrize("report", ["whole", "old"])
@pytest.mark.parametrize("look", WIDTHS)
def test_the_page_is_sound_however_it_is_looked_at(
    reports: dict[str, str], window: Chrome, report: str, look: str
) -> None:
    width_px, dark = WIDTHS[look]
    sheets.show(window, reports[report], width_px, dark=dark)
    sheets.picture(window, PICTURES / f"report-{report}-{look}.png")
    assert window.title.startswith("Action plan ")
    assert window.find_element(By.ID, "cloud").text == "The cloud before and after"
    assert sheets.too_wide(window) == 0
    assert sheets.fetched(window) == []
    ground = window.find_element(By.TAG_NAME, "body").value_of_css_property("background-color")
    assert ("20, 24, 31" if dark else "255, 255, 255") in ground  # its style may be used
    if look != "day":  # in the other width, and in the other colours
        assert sheets.violations(window) == []
    assert browser.complaints(window) == []


def test_what_is_wider_than_a_phone_is_reached_by_the_keyboard(
    reports: dict[str, str], window: Chrome
) -> None:
    sheets.show(window, reports["whole"], 400)
    places = window.find_elements(By.CSS_SELECTOR, "nav a, [tabindex='0']")
    assert len(places) > 8
    wide = [one for one in places if one.get_property("scrollWidth") > 400]
    assert wide
    assert all(one.get_attribute("aria-label") for one in wide)


@pytest.mark.parametrize("report", ["whole", "old"])
def test_it_can_be_printed(reports: dict[str, str], window: Chrome, report: str) -> None:
    path = PICTURES / f"report-{report}.pdf"
    sheets.show(window, reports[report], 1280, dark=True)
    sheets.paper(window, path)
    assert path.read_bytes().startswith(b"%PDF")
    # On paper it is day: the ground is not printed dark.
    window.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    ground = window.find_element(By.TAG_NAME, "body").value_of_css_property("background-color")
    window.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    assert "255, 255, 255" in ground


def test_the_picture_stands_by_itself(reports: dict[str, str], window: Chrome) -> None:
    path = PICTURES / "report-whole.svg"
    asked = requests.get(reports["whole"], headers={**HEADERS, "Accept": SVG}, timeout=30)
    path.write_bytes(asked.content)
    for look, (width_px, dark) in WIDTHS.items():
        sheets.show(window, path.as_uri(), width_px, dark=dark)
        sheets.picture(window, PICTURES / f"report-whole-svg-{look}.png")
    assert window.find_elements(By.CSS_SELECTOR, "svg rect.stays")
    assert sheets.fetched(window) == []
    assert browser.complaints(window) == []


def test_the_rules_find_what_is_wrong(window: Chrome) -> None:
    """A check that finds nothing anywhere would prove nothing."""
    page = "data:text/html,<html lang=en><title>t</title><main><h1>h</h1><img src=x>"
    sheets.show(window, f"{page}<p style='color:%23ccc'>pale<div style='width:600px'>wide", 400)
    found = {one.partition(":")[0] for one in sheets.violations(window)}
    assert {"image-alt", "color-contrast"} <= found
    assert sheets.too_wide(window) > 0
    assert len(sheets.fetched(window)) <= 1
