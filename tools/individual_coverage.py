#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Each module of the pure rooms is covered, to the last line, by its own mirrored test alone.

    tools/individual_coverage.py [core/plan ...]

Every test file runs in a process of its own, so what another test happens to touch does not count.
Rooms and exclusions are in pyproject.toml, [tool.individual_coverage]. Prints what is missing,
and ends with 1 when something is.
"""

import contextlib
import io
import multiprocessing
import pathlib
import sys
import tomllib
from typing import NamedTuple

import coverage

# Imported here once, because the children are forked and would import them each.
import croniter  # noqa: F401
import hypothesis.strategies  # noqa: F401
import jsonschema  # noqa: F401
import numpy as np  # noqa: F401
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
# What loads schemathesis takes longer than most of these tests, and they have no use for it.
LEFT_OUT = ("-p", "no:schemathesis", "-p", "no:anyio")
OPTIONS = (
    *("-q", "-x", "--benchmark-skip", "-Wignore::pytest.PytestAssertRewriteWarning"),
    *LEFT_OUT,
)


class Result(NamedTuple):
    """What a module's own test leaves out; ``failure`` is the end of its output if it failed."""

    module: str
    lines: int
    missing: list[int]
    failure: str = ""

    @property
    def complete(self) -> bool:
        """Whether there is nothing to complain about."""
        return not self.missing and not self.failure

    def __str__(self) -> str:
        if self.failure:
            return f"{self.module}: {self.failure}"
        percent = 100.0 * (1 - len(self.missing) / max(1, self.lines))
        left = f", lines {', '.join(map(str, self.missing))}" if self.missing else ""
        return f"{self.module}: {percent:.0f} % of {self.lines}{left}"


def modules(settings: dict, chosen: list[str]) -> list[str]:
    """Names like ``core/plan`` of all modules that must be covered, or those chosen of them."""
    found = [
        f"{room}/{path.stem}"
        for room in settings["rooms"]
        for path in sorted((ROOT / "watcher" / room).glob("*.py"))
        if path.stem != "__init__"
    ]
    unknown = (set(chosen) | set(settings["exclude"])) - set(found)
    if unknown:
        raise SystemExit(f"no such module: {', '.join(sorted(unknown))}")
    return [
        name for name in found if name not in settings["exclude"] and name in (chosen or found)
    ]


def measure(module: str) -> Result:
    """Run the module's own test and see which lines of the module it does not reach."""
    room, name = module.split("/")
    source = ROOT / "watcher" / room / f"{name}.py"
    test = ROOT / "tests" / "unit" / room / f"test_{name}.py"
    if not test.exists():
        return Result(module, 0, [], f"has no {test.relative_to(ROOT)}")
    measured = coverage.Coverage(data_file=None, config_file=False, include=[str(source)])
    for pattern in read("coverage")["report"]["exclude_also"]:
        measured.exclude(pattern)
    output = io.StringIO()
    measured.start()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        code = pytest.main([*OPTIONS, str(test)])
    measured.stop()
    if code != 0:
        return Result(module, 0, [], f"its test fails\n{output.getvalue()[-2000:]}")
    _, statements, _, missing, _ = measured.analysis2(str(source))
    return Result(module, len(statements), missing)


def read(tool: str) -> dict:
    """The settings of a tool in pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"][tool]


def main(arguments: list[str]) -> int:
    """Measure all (or the named) modules, two at once."""
    names = modules(read("individual_coverage"), arguments)
    with multiprocessing.get_context("fork").Pool(2, maxtasksperchild=1) as pool:
        results = list(pool.imap(measure, names, chunksize=1))
    bad = [result for result in results if not result.complete]
    for result in bad:
        print(result)
    print(f"{len(names) - len(bad)} of {len(names)} modules are covered by their own test")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    sys.exit(main(sys.argv[1:]))
