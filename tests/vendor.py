# SPDX-License-Identifier: Apache-2.0
"""Somebody else's plugins, installed for as long as a test needs them.

::

    with installed(folder, "class Odd: ...", watcher_strategies={"odd": "Odd"}):
        plugins.strategies()
"""

import importlib.metadata
import itertools
import pathlib
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from textwrap import dedent

from stevedore import ExtensionManager

from watcher import plugins

NUMBERS = itertools.count()
GROUPS = (
    plugins.GOALS,
    plugins.STRATEGIES,
    plugins.PLANNERS,
    plugins.ACTIONS,
    plugins.WORKFLOW_ENGINES,
    plugins.COLLECTORS,
    plugins.DATASOURCES,
    plugins.SCORERS,
    plugins.SCORER_CONTAINERS,
)
CACHED = (
    plugins.load,
    plugins.names,
    plugins.strategies,
    plugins.goals,
    plugins.planners,
    plugins.actions,
    plugins.scorers,
)


@contextmanager
def installed(folder: pathlib.Path, source: str, **groups: Mapping[str, str]) -> Iterator[str]:
    """A distribution of one module with these entry points (group -> name -> attribute)."""
    module = f"vendor_{next(NUMBERS)}"
    (folder / f"{module}.py").write_text(dedent(source), encoding="utf-8")
    info = folder / f"{module}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    lines = []
    for group, points in groups.items():
        lines += [f"[{group}]", *(f"{name} = {module}:{what}" for name, what in points.items())]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
    sys.path.insert(0, str(folder))
    forget()
    try:
        yield module
    finally:
        sys.path.remove(str(folder))
        sys.modules.pop(module, None)
        forget()


def forget() -> None:
    """Look for plugins anew, past what stevedore and we remember."""
    importlib.invalidate_caches()
    for one in CACHED:
        one.cache_clear()
    found = {group: list(importlib.metadata.entry_points(group=group)) for group in GROUPS}
    ExtensionManager.ENTRY_POINT_CACHE.clear()
    ExtensionManager.ENTRY_POINT_CACHE.update(found)


STRATEGY = """
from dataclasses import dataclass
from watcher.core import solution
from watcher.core.goals import Goal
from watcher.core.parameters import REQUIRED, param

GOAL = Goal("vendor", "Vendor goal")

@dataclass(frozen=True)
class Parameters:
    pass

class Base:
    name = "vendor"
    display_name = "Vendor strategy"
    goal = "vendor"
    planner = "weight"
    parameters = Parameters
    def queries(self, parameters):
        return ()
    def solve(self, cluster, metrics, parameters):
        return solution.Solution((solution.nop("hello"),))
"""
"""A goal and a strategy that does no harm, to be built upon."""
