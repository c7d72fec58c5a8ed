# SPDX-License-Identifier: Apache-2.0
"""A real browser, Debian's Chromium, for tests: driven by Selenium, without a screen."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service

PROGRAMS = ("chromium", "chromedriver")
INSTALL = "tools/cloud install chromium"


def installed() -> bool:
    """Whether the browser and its driver are there."""
    return all(map(shutil.which, PROGRAMS))


@contextmanager
def chromium(width_px: int = 1400, height_px: int = 1000, *switches: str) -> Iterator[Chrome]:
    """A browser window of this size; ended with the block."""
    options = ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    # root, as in a container, may not have Chromium's own sandbox.
    root = ["--no-sandbox"] if os.geteuid() == 0 else []
    size = f"--window-size={width_px},{height_px}"
    for switch in ("--headless=new", "--disable-dev-shm-usage", size, *root, *switches):
        options.add_argument(switch)
    driver = Chrome(options=options, service=Service(str(shutil.which("chromedriver"))))
    try:
        yield driver
    finally:
        driver.quit()


def complaints(driver: Chrome) -> list[str]:
    """What the page's console said since the last time: errors of scripts, and of loading."""
    entries: list[dict[str, Any]] = driver.get_log("browser")
    return [entry["message"] for entry in entries if entry["level"] == "SEVERE"]
