# SPDX-License-Identifier: Apache-2.0
"""A page as a person may meet it: at night, on a phone, on paper; and what is wrong with it.

Chromium is told so over its own protocol, which Selenium passes on. What is wrong is for axe-core
to say: of its wrappers ``axe-core-python`` is the one that brings a recent one and nothing else.
"""

from __future__ import annotations

import base64
import importlib.resources
import json
import pathlib
from collections.abc import Mapping
from typing import Any

from selenium.webdriver import Chrome

RULES = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "best-practice"]}}
"""The rules of axe-core a page is held to."""


def introduce(browser: Chrome, headers: Mapping[str, str]) -> None:
    """Send these headers with every request, as a client of an API does."""
    browser.execute_cdp_cmd("Network.enable", {})
    browser.execute_cdp_cmd("Network.setExtraHTTPHeaders", {"headers": dict(headers)})


def show(browser: Chrome, url: str, width_px: int, *, dark: bool = False) -> None:
    """Open a page in a window so wide, by day or by night."""
    metrics = {"width": width_px, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
    browser.get(url)


def too_wide(browser: Chrome) -> int:
    """By how many pixels the page is wider than its window."""
    return int(
        browser.execute_script(
            "let page = document.documentElement; return page.scrollWidth - page.clientWidth"
        )
    )


def violations(browser: Chrome) -> list[str]:
    """What axe-core finds wrong with the page: each rule with the first element that breaks it."""
    axe = importlib.resources.files("axe_core_python") / "axe.min.js"
    browser.execute_script(axe.read_text(encoding="utf-8"))
    run = f"axe.run({json.dumps(RULES)}).then(arguments[arguments.length - 1])"
    return [
        f"{one['id']}: {one['help']}: {one['nodes'][0]['html'][:200]}"
        for one in browser.execute_async_script(run)["violations"]
    ]


def fetched(browser: Chrome) -> list[str]:
    """What else was asked for than the page itself, by its address."""
    entries = "performance.getEntriesByType('resource').map(entry => entry.name)"
    return [str(name) for name in browser.execute_script(f"return {entries}")]


def picture(browser: Chrome, path: pathlib.Path) -> None:
    """Keep a picture of the whole page, for a person to look at."""
    asked = {"format": "png", "captureBeyondViewport": True}
    _keep(path, browser.execute_cdp_cmd("Page.captureScreenshot", asked))


def paper(browser: Chrome, path: pathlib.Path) -> None:
    """Keep the page as it is printed, as PDF on A4."""
    asked = {"paperWidth": 8.27, "paperHeight": 11.69, "preferCSSPageSize": True}
    _keep(path, browser.execute_cdp_cmd("Page.printToPDF", asked))


def _keep(path: pathlib.Path, answer: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(base64.b64decode(answer["data"]))
