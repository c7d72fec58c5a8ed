# SPDX-License-Identifier: Apache-2.0
"""SIGUSR2 to a daemon: what its threads do, its configuration, and what the engine knows.

The report is oslo.reports' "guru meditation"; it goes to stderr, or into a file of its own in
[oslo_reports] log_dir. Options that are secret are not in it.
"""

import multiprocessing
import os
import signal
from collections.abc import Callable, Mapping
from functools import partial
from types import SimpleNamespace
from typing import Any

from oslo_config import cfg
from oslo_reports import guru_meditation_report, opts
from oslo_reports.models.with_default_views import ModelWithDefaultViews

from watcher.version import VERSION

Sections = Mapping[str, Callable[[], Mapping[str, Any]]]


_VERSION = SimpleNamespace(
    product_string=lambda: "Watcher", version_string_with_package=lambda: VERSION
)


class Report(guru_meditation_report.TextGuruMeditation):
    """The report of this process."""


def answer(conf: cfg.ConfigOpts, program: str, sections: Sections) -> None:
    """Write a report at every SIGUSR2 from now on; to be called in the main thread.

    ``sections`` are further ones, by title; each gives its data when a report is written.
    """
    opts.set_defaults(conf)
    for title, data in sections.items():
        Report.register_section(title, partial(_model, data))
    Report.setup_autorun(_VERSION, program, conf=conf)


def _model(data: Callable[[], Mapping[str, Any]]) -> ModelWithDefaultViews:
    return ModelWithDefaultViews(data())


def pass_on() -> None:
    """In the process that supervises workers: a SIGUSR2 is meant for them."""

    def tell(*_: object) -> None:
        for worker in multiprocessing.active_children():
            if worker.pid is not None:
                os.kill(worker.pid, signal.SIGUSR2)

    signal.signal(signal.SIGUSR2, tell)
