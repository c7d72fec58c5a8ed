# SPDX-License-Identifier: Apache-2.0
"""Horizon on the test cloud, in a browser: log in, open a page, press what a user presses."""

from __future__ import annotations

import pathlib
from collections.abc import Callable

from selenium.common.exceptions import (
    NoSuchElementException,
    StaleElementReferenceException,
    TimeoutException,
)
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import Select, WebDriverWait

from tests.cloud.process import free_port
from tests.cloud.settings import PASSWORD, Settings
from tests.horizon import VENV, django
from tests.integration.runner import Runner

PATIENCE_S = 30
SUBMIT = ".modal.in .modal-footer .btn-primary"


def serve(runner: Runner, settings: Settings) -> str:
    """Start Horizon; the URL of its root."""
    port = free_port()
    # --insecure: serve static files although DEBUG is off, as a web server in front would.
    words = django("runserver", "--noreload", "--insecure", f"127.0.0.1:{port}")
    environment = {"HORIZON_KEYSTONE_URL": settings.auth_url}
    runner.start("horizon", words, env=environment, cwd=VENV).wait_for_port(port, PATIENCE_S)
    return f"http://127.0.0.1:{port}"


class Site:
    """Horizon's pages of Watcher in one browser window."""

    def __init__(self, browser: Chrome, url: str) -> None:
        self.browser = browser
        self.url = url

    def log_in(self, user: str = "admin") -> None:
        """As a user of the test cloud."""
        self.browser.get(f"{self.url}/auth/login/")
        self.one("#id_username").send_keys(user)
        self.one("#id_password").send_keys(PASSWORD)
        self.one("#loginBtn").click()
        self.until(lambda: "/auth/login" not in self.browser.current_url, "logged in")

    def open(self, page: str) -> None:
        """One of Watcher's pages: goals, audits, ``audits/<uuid>/detail`` ..."""
        slash = "" if page.endswith("/detail") else "/"
        self.browser.get(f"{self.url}/admin/{page}{slash}")
        self.until(lambda: self.one("#content_body").is_displayed(), f"page {page}")

    def one(self, css: str) -> WebElement:
        """The one element that this selector finds."""
        return self.browser.find_element(By.CSS_SELECTOR, css)

    def all(self, css: str) -> list[WebElement]:
        """Every element that this selector finds."""
        return self.browser.find_elements(By.CSS_SELECTOR, css)

    def until(self, check: Callable[[], object], what: str) -> None:
        """Wait until CHECK() is true."""
        ignored = (StaleElementReferenceException, NoSuchElementException)
        wait = WebDriverWait(self.browser, PATIENCE_S, ignored_exceptions=ignored)
        try:
            wait.until(lambda _: check())
        except TimeoutException:
            raise AssertionError(f"no {what}; the page says: {self.text()[:2000]}") from None

    def text(self) -> str:
        """What the page shows."""
        return self.one("body").text

    def messages(self) -> list[str]:
        """What Horizon tells the user on top of the page, errors among them."""
        return [found.text for found in self.all(".messages .alert, .toast .alert")]

    def rows(self, table: str) -> list[list[str]]:
        """The cells of a table, row by row."""
        found = self.all(f"#{table} tbody tr[data-object-id]")
        return [
            [cell.text.strip() for cell in row.find_elements(By.TAG_NAME, "td")] for row in found
        ]

    def ident(self, table: str, about: str) -> str:
        """The UUID of the row that has this text in a cell.

        Raises:
            StopIteration: there is no such row.
        """
        found = self.all(f"#{table} tbody tr[data-object-id]")
        return next(
            str(row.get_attribute("data-object-id"))
            for row in found
            if about in [cell.text.strip() for cell in row.find_elements(By.TAG_NAME, "td")]
        )

    def choose(self, ident: str) -> None:
        """Press an action of a row, opening the row's menu if it is there."""
        action = self.one(f"[id='{ident}']")
        if not action.is_displayed():
            row = action.find_element(By.XPATH, "ancestor::tr")
            row.find_element(By.CSS_SELECTOR, ".dropdown-toggle").click()
        self.press(f"[id='{ident}']")

    def fill(self, **fields: str) -> None:
        """Fill the form of the dialog that is open; a choice by the text it shows."""
        for name, value in fields.items():
            self.until(lambda name=name: self.one(f"#id_{name}").is_displayed(), name)
            field = self.one(f"#id_{name}")
            if field.tag_name == "select":
                choice = Select(field)
                self.until(  # a script may fill the list after another choice
                    lambda choice=choice, value=value: (
                        value in [option.text.strip() for option in choice.options]
                    ),
                    f"{value} among the choices of {name}",
                )
                choice.select_by_visible_text(value)
            else:
                field.clear()
                field.send_keys(value)

    def submit(self) -> None:
        """Send the form of the dialog that is open, and wait until it is gone."""
        self.press(SUBMIT)
        self.until(lambda: not self.all(".modal.in"), "end of the dialog")

    def confirm(self) -> None:
        """Say yes to the question that a press has raised, and wait until it is gone."""
        self.press(".modal.in .modal-footer .btn-danger")
        self.until(lambda: not self.all(".modal.in"), "end of the question")

    def filter(self, table: str, text: str) -> None:
        """Search a list by its first kind of filter."""
        self.one(f"#{table} input.form-control").send_keys(text)
        self.press(f"#{table} .table_search button[type=submit], #{table} [id$=filter-button]")
        self.until(lambda: self.one("#content_body").is_displayed(), "filtered list")

    def follow(self, page: str, about: str, state: str) -> None:
        """Look at a list again and again until the row about something is in a state,
        whose name the pages write in capitals or not."""

        def there() -> bool:
            self.open(page)
            return any(about in row and state in map(str.upper, row) for row in self.rows(page))

        self.until(there, f"{about} {state}")

    def press(self, css: str) -> None:
        """Press a button or link once it is there."""
        self.until(lambda: self.one(css).is_displayed() and self.one(css).is_enabled(), css)
        self.one(css).click()

    def picture(self, path: pathlib.Path) -> None:
        """Keep a picture of the window."""
        self.browser.save_screenshot(str(path))
