# SPDX-License-Identifier: Apache-2.0
"""Tempest with Watcher's plug-in: where it is installed and from what."""

import pathlib

from tests.cloud.process import STATE

HERE = pathlib.Path(__file__).resolve().parent
VENV = STATE / "tempest/venv"
LOCK = HERE / "requirements.lock"
