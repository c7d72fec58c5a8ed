# SPDX-License-Identifier: Apache-2.0
"""The part of the documentation that is written by the code it describes.

``pages()`` is every generated file by name; the same code gives the same text. Sphinx reads them
from doc/source/generated, which git does not keep: ``tools/build_docs`` makes them anew. The
samples of notifications are kept in git.
"""

import pathlib

from tools.docs import (
    licences,
    lifecycles,
    monitoring,
    notifications,
    plugins,
    reports,
    rest,
    settings,
    sources,
)

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "doc" / "source" / "generated"


def pages() -> dict[str, str]:
    """The text of each generated file by its name."""
    return {
        **lifecycles.pages(),
        "licences.rst": licences.page(),
        "goals.rst": plugins.goals(),
        "strategies.rst": plugins.strategies(),
        **plugins.strategy_parts(),
        "planners.rst": plugins.planners(),
        "actions.rst": plugins.actions(),
        "metrics.rst": plugins.metrics(),
        "metric_map.rst": sources.metric_map(),
        "options.rst": settings.options(),
        "policies.rst": settings.policies(),
        "rest.rst": rest.reference(),
        "openapi.json": rest.as_json(),
        "notifications.rst": notifications.page(),
        "monitoring_tables.inc": monitoring.tables(),
        "report.svg": reports.picture(),
        "report.html": reports.whole(),
    }


def main() -> int:
    """Write what has changed and remove what is no longer generated."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    written = pages()
    for old in FOLDER.iterdir():
        if old.name not in written:
            old.unlink()
    for name, text in written.items():
        path = FOLDER / name
        # Sphinx reads again what is newer, so what is the same stays as old as it is.
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
    notifications.write()
    print(f"{FOLDER}: {', '.join(sorted(written))}")
    return 0
