# SPDX-License-Identifier: Apache-2.0
"""Horizon with Watcher's plug-in: where it is installed, from what, and how it is made ready."""

import pathlib
import shutil

from tests.cloud.process import STATE, run

HERE = pathlib.Path(__file__).resolve().parent
VENV = STATE / "horizon/venv"
LOCK = HERE / "requirements.lock"
READY = VENV / "ready"
"""Is there once everything was made ready; its text is the settings it was made with."""


def make_ready(site_packages: pathlib.Path) -> None:
    """What an operator does after the packages are there: panels, settings, static files."""
    settings = (HERE / "local_settings.py").read_text(encoding="utf-8")
    if READY.exists() and READY.read_text(encoding="utf-8") == settings:
        return
    local = site_packages / "openstack_dashboard/local"
    for panel in (site_packages / "watcher_dashboard/local/enabled").glob("_3*.py"):
        shutil.copy(panel, local / "enabled")
    (local / "local_settings.py").write_text(settings, encoding="utf-8")
    for verb in (["collectstatic", "--noinput", "-v", "0"], ["compress", "--force"]):
        run(django(*verb), cwd=VENV)
    READY.write_text(settings, encoding="utf-8")


def django(*words: str) -> list[str | pathlib.Path]:
    """The command line of a command of Horizon's Django project."""
    settings = "--settings=openstack_dashboard.settings"
    return [VENV / "bin/python", "-W", "ignore", "-m", "django", *words, settings]
