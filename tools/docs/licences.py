# SPDX-License-Identifier: Apache-2.0
"""The libraries that Watcher needs, those that they need, and the licence of each.

Read from the metadata of what is installed where the documentation is built.
"""

import pathlib
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution

from packaging.requirements import Requirement

from tools.docs import rst

ROOT = pathlib.Path(__file__).resolve().parents[2]
EXTRAS = ("PyMySQL", "psycopg[binary]")
"""The drivers of databases, which are chosen when Watcher is installed."""
OSI = "License :: OSI Approved :: "


def page() -> str:
    """The page of the libraries: name, version, licence, and whether Watcher names it itself."""
    own = {_plain(one.name) for one in requirements()}
    rows = [
        (
            rst.text(found.name),
            found.version,
            rst.text(licence(found)),
            "yes" if name in own else "",
        )
        for name, found in sorted(needed().items())
    ]
    intro = (
        "What is installed with Watcher, as of this build, under the licence that each names. "
        "Watcher itself is under the Apache License 2.0. None of it is copied into Watcher.\n"
    )
    table = rst.table(
        ("Library", "Version", "Licence", "Asked for by Watcher"), rows, "30 15 40 15"
    )
    return rst.page("licences", "Libraries and their licences", intro, table)


def requirements() -> list[Requirement]:
    """What requirements.txt and the extras for databases ask for."""
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    return [Requirement(line) for line in (*filter(None, lines), *EXTRAS)]


def needed() -> dict[str, Distribution]:
    """Every installed package that Watcher needs, by its plain name, needs of needs included."""
    found: dict[str, Distribution] = {}
    waiting = requirements()
    while waiting:
        one = waiting.pop()
        if _plain(one.name) in found:
            continue
        try:
            there = distribution(one.name)
        except PackageNotFoundError:  # needed on another system or Python only
            continue
        found[_plain(one.name)] = there
        waiting.extend(_needs(there, one.extras))
    return found


def licence(found: Distribution) -> str:
    """The licence a package names: as an expression, in a word, or by its classifiers."""
    metadata = found.metadata
    word = str(metadata.get("License-Expression") or metadata.get("License") or "").strip()
    if word and "\n" not in word:
        return word
    classifiers = metadata.get_all("Classifier") or []
    return ", ".join(one.removeprefix(OSI) for one in classifiers if one.startswith(OSI))


def _needs(found: Distribution, extras: set[str]) -> Iterator[Requirement]:
    for one in map(Requirement, found.requires or ()):
        chosen = ("", *extras)
        if one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in chosen):
            yield one


def _plain(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")
