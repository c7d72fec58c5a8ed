# SPDX-License-Identifier: Apache-2.0
"""Our Flux before the real parser and type checker of Flux.

No package has an InfluxDB 2 that could be run here. What can be had is its language: the package
flux-lsp-node is the Flux compiler (0.193) as WebAssembly. It says whether a script is right, not
what a server answers; the answers in tests/unit/datasources are those that are documented.
"""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.cloud.process import STATE, locked
from tests.integration.stores import HOSTILE
from watcher.core.metrics import Aggregate, Metric
from watcher.datasources import flux
from watcher.datasources.influxql import Window
from watcher.datasources.mapping import DEFAULTS, Series

PACKAGE = "@influxdata/flux-lsp-node@0.8.40"
WINDOW = Window(1_700_000_000_000_000_000, 1_700_000_300_000_000_000)
PROGRAM = """
const { Flux } = require('@influxdata/flux-lsp-node');
const { scripts, texts } = JSON.parse(require('fs').readFileSync(0));
const valid = scripts.map((text) => new Flux(text).is_valid());
const read = texts.map(
  (text) => new Flux(`x = ${text}`).ast().files[0].body[0].init);
console.log(JSON.stringify({ valid, read }));
"""


@pytest.fixture(scope="module")
def compiler() -> Path:
    """The folder in which node finds the compiler."""
    if not shutil.which("npm"):
        pytest.skip("npm is not installed; the Flux compiler is a package of its registry")
    folder = STATE / "services/flux-compiler"
    with locked("flux-compiler"):
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "node_modules").exists():
            command = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", PACKAGE]
            subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=300)
    return folder


def compiled(folder: Path, scripts: list[str], texts: list[str]) -> dict[str, Any]:
    done = subprocess.run(
        ["node", "-e", PROGRAM],
        cwd=folder,
        input=json.dumps({"scripts": scripts, "texts": texts}),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def scripts() -> list[str]:
    """Every metric with every aggregate, hostile names everywhere, and the longest selection."""
    series = [found for found in DEFAULTS.values() if isinstance(found, Series)]
    for value in HOSTILE:
        where = {value: value, "pattern": f"/a{value.replace('/', '')}/"}
        if any(sign in value for sign in "(*{?[\\"):
            del where["pattern"]  # no regular expression
        series.append(Series(value, value, tag=value, where=where, database=value))
    found = []
    for one in series:
        questions = [flux.select(one, aggregate, WINDOW, 10**9) for aggregate in Aggregate]
        found.append(flux.joined([*questions, flux.newest(one, WINDOW), flux.fields(one)]))
    many = [f"instance-{number:08x}" for number in range(flux.MOST_ALTERNATIVES)]
    counter = DEFAULTS[Metric.INSTANCE_CPU_USAGE]
    assert isinstance(counter, Series)
    found.append(flux.joined([flux.select(counter, Aggregate.COUNT, WINDOW, 10**9, many)]))
    return found


def test_the_compiler_of_flux_takes_every_script(compiler: Path) -> None:
    ours = scripts()
    wrong = ours[0].replace("mean()", "average()")
    valid = compiled(compiler, [*ours, wrong], [])["valid"]
    assert valid == [True] * len(ours) + [False]


def test_flux_reads_a_hostile_string_as_what_it_is(compiler: Path) -> None:
    words = [*HOSTILE, "line\nbreak\ttab", "$", "${", "\\${x}"]
    read = compiled(compiler, [], [flux.literal(word) for word in words])["read"]
    assert [one.get("type") for one in read] == ["StringLiteral"] * len(words)
    assert [one["value"] for one in read] == words
