# SPDX-License-Identifier: Apache-2.0
"""A snapshot in one file: JSON, line by line, compressed with gzip. ``zcat FILE | less`` shows it.

The first line says what it is and in which version of the format. Each part then begins with a
line about it, an object, and has a list for each of its rows (``watcher.core.lines``) or for each
``CHUNK`` numbers of a metric; the last line is the end. So a reader needs no more memory than for
what it accepts, whoever wrote the file, and that is bounded. Nothing in it is ever unpickled.
"""

import gzip
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from watcher.core.baremetal import MachineRecord, assemble_machines, machine_records
from watcher.core.cluster import Cluster, Floats, ServerGroup, frozen
from watcher.core.errors import Invalid, WatcherError
from watcher.core.lines import Lines, number, plain
from watcher.core.metrics import Aggregate, Metric, Query, Subject
from watcher.core.records import (
    HostRecord,
    InstanceRecord,
    assemble,
    host_records,
    instance_records,
)
from watcher.core.snapshot import Answer, Snapshot
from watcher.core.storage import (
    PoolRecord,
    VolumeRecord,
    VolumeType,
    assemble_storage,
    pool_records,
    volume_records,
)
from watcher.version import VERSION

FORMAT, FORMAT_VERSION = "watcher-snapshot", 1
MOST_BYTES, LONGEST_LINE, MOST_ROWS = 2**29, 2**20, 1_000_000
"""Of the uncompressed text; of a line; of the rows of a table. 100,000 instances are 40 MiB."""
MOST_RATIO = 1_000_000
CHUNK = 1000
"""Numbers in a line of a metric."""
LEVEL = 6

KINDS: Mapping[str, Any] = {
    "hosts": HostRecord,
    "instances": InstanceRecord,
    "groups": ServerGroup,
    "pools": PoolRecord,
    "volumes": VolumeRecord,
    "volume types": VolumeType,
    "machines": MachineRecord,
}
"""The tables, in their order; the last four are there when they were read."""


def write(path: Path, snapshot: Snapshot) -> None:
    """Write the file anew. Raises Invalid when that is not possible."""
    try:
        with path.open("wb") as raw, gzip.GzipFile("", "wb", LEVEL, raw, mtime=0) as packed:
            for line in _lines(snapshot):
                packed.write(json.dumps(line, separators=(",", ":")).encode() + b"\n")
    except OSError as error:
        raise Invalid(f"{path} cannot be written: {error.strerror or error}") from error


def read(path: Path) -> Snapshot:
    """The snapshot in a file. Raises Invalid, in one line, for what is none, or none of ours."""
    try:
        with path.open("rb") as raw, gzip.GzipFile(fileobj=raw) as packed:
            return _snapshot(packed)  # type: ignore[arg-type] # it reads bytes like any other
    except FileNotFoundError:
        raise Invalid(f"there is no file {path}") from None
    except gzip.BadGzipFile as error:
        raise Invalid(f"{path} is no snapshot of watcher-simulate, or damaged: {error}") from error
    except EOFError:
        raise Invalid(f"{path} is cut off: copy or export it again") from None
    except OSError as error:
        raise Invalid(f"{path} cannot be read: {error.strerror or error}") from error
    except (zlib.error, UnicodeDecodeError, RecursionError) as error:
        raise Invalid(f"{path} is damaged: {error}") from error
    except WatcherError as error:
        raise Invalid(f"{path} cannot be used: {error}") from error


def _lines(snapshot: Snapshot) -> Iterator[Any]:
    cluster = snapshot.cluster
    yield {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "made_by": f"watcher {VERSION}",
        "made_at": snapshot.made_at,
        "taken_at": cluster.taken_at,
        "anonymised": snapshot.anonymised,
        "filters": None if cluster.filters is None else sorted(cluster.filters),
        "traits": None if cluster.traits is None else sorted(cluster.traits),
        "settings": snapshot.settings,
        "notes": list(snapshot.notes),
        "storage_taken_at": cluster.storage and cluster.storage.taken_at,
        "machines_taken_at": cluster.baremetal and cluster.baremetal.taken_at,
    }
    for name, records in _tables(cluster):
        yield {"table": name, "fields": list(KINDS[name]._fields), "rows": len(records)}
        for one in records:
            yield [plain(value) for value in one]
    for answer in snapshot.answers:
        yield from _metric(answer)
    yield {"end": True}


def _tables(cluster: Cluster) -> Iterator[tuple[str, Sequence[Any]]]:
    yield "hosts", host_records(cluster, np.arange(len(cluster.hosts)))
    yield "instances", instance_records(cluster, np.arange(len(cluster.instances)))
    yield "groups", cluster.groups
    if cluster.storage is not None:
        volumes = np.arange(len(cluster.storage.volumes))
        yield "pools", pool_records(cluster.storage)
        yield "volumes", volume_records(cluster.storage, volumes)
        yield "volume types", cluster.storage.types
    if cluster.baremetal is not None:
        yield "machines", machine_records(cluster.baremetal)


def _metric(answer: Answer) -> Iterator[Any]:
    query, column = answer.query, answer.column
    yield {
        **asdict(query),
        "metric": query.metric.public_name,
        "aggregate": query.aggregate.value,
        "source": answer.source,
        "newest_age_s": answer.newest_age_s,
        "strategy": answer.strategy,
        "why": answer.why,
        "rows": None if column is None else len(column),
    }
    values = [] if column is None else column.tolist()
    for start in range(0, len(values), CHUNK):
        yield [plain(value) for value in values[start : start + CHUNK]]


class _Text:
    """The lines of a file, one after another, within the bounds."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._left = MOST_BYTES
        self.number = 0

    def next(self, kind: type) -> Any:
        """The next line's value. Raises Invalid, with the line's number, when it is no such."""
        self.number += 1
        line = self._stream.readline(min(LONGEST_LINE, self._left) + 1)
        self._left -= len(line)
        if not line.endswith(b"\n"):
            long = len(line) > LONGEST_LINE or self._left < 0
            raise Invalid(f"line {self.number} is {'too long' if long else 'cut off'}")
        with suppress(ValueError):
            value = json.loads(line)
            if isinstance(value, kind):
                return value
        raise Invalid(f"line {self.number} is no {'object' if kind is dict else 'list'}")

    def nothing_more(self) -> None:
        """Raise Invalid unless this is the end; reading it checks the sum of the whole file."""
        if self._stream.read(1):
            raise Invalid("there is more after its end")


def _snapshot(stream: BinaryIO) -> Snapshot:
    text = _Text(stream)
    head = _head(text)
    tables: dict[str, list[Any]] = {}
    part = text.next(dict)
    while "table" in part:
        name, records = _table(part, text)
        if name in tables:
            raise Invalid(f"it has the table {name} twice")
        tables[name] = records
        part = text.next(dict)
    cluster = _cluster(head, tables)
    answers = []
    while "metric" in part:
        answers.append(_answer(part, text, cluster))
        part = text.next(dict)
    if not part.get("end"):
        raise Invalid(f"line {text.number} begins nothing that is known")
    text.nothing_more()
    return Snapshot(
        cluster,
        tuple(answers),
        _typed(head, "settings", dict),
        _number(head, "made_at"),
        _typed(head, "anonymised", bool),
        tuple(map(str, _typed(head, "notes", list))),
    )


def _head(text: _Text) -> dict[str, Any]:
    try:
        head: dict[str, Any] = text.next(dict)
    except Invalid:
        head = {}
    if head.get("format") != FORMAT:
        raise Invalid("it is no snapshot of watcher-simulate")
    version = head.get("version")
    if version != FORMAT_VERSION:
        raise Invalid(
            f"its format has version {str(version)[:20]}, this Watcher ({VERSION}) reads version"
            f" {FORMAT_VERSION}: use the Watcher that wrote it, {str(head.get('made_by'))[:40]},"
            " or a newer one"
        )
    return head


def _table(part: Mapping[str, Any], text: _Text) -> tuple[str, list[Any]]:
    name = part.get("table")
    if not isinstance(name, str) or name not in KINDS:
        raise Invalid(f"line {text.number}: there is no table {str(name)[:40]}")
    rows = _rows(part, text)
    try:
        lines: Lines[Any] = Lines(KINDS[name], _typed(part, "fields", list))
        return name, [lines.record(text.next(list)) for _ in range(rows)]
    except Invalid as error:
        raise Invalid(f"{name}, line {text.number}: {error}") from error


def _rows(part: Mapping[str, Any], text: _Text) -> int:
    rows = part.get("rows")
    if not isinstance(rows, int) or isinstance(rows, bool) or not 0 <= rows <= MOST_ROWS:
        raise Invalid(f"line {text.number}: it says to have {str(rows)[:40]} rows")
    return rows


def _cluster(head: Mapping[str, Any], tables: Mapping[str, list[Any]]) -> Cluster:
    absent = [name for name in ("hosts", "instances", "groups") if name not in tables]
    if absent:
        raise Invalid(f"it has no table {absent[0]}")
    for name in ("hosts", "instances", "volumes", "machines"):
        _check_order(name, [one.uuid for one in tables.get(name, ())])
    for name in ("pools", "hosts"):
        _check_unique(name, [one.name for one in tables.get(name, ())])
    cluster = assemble(
        tables["hosts"],
        tables["instances"],
        tables["groups"],
        filters=_set_or_none(head, "filters"),
        traits=_set_or_none(head, "traits"),
        taken_at=_number(head, "taken_at"),
    )
    ratio = cluster.hosts.ratio
    if not ((ratio >= 0) & (ratio <= MOST_RATIO)).all():
        raise Invalid(f"an allocation ratio of a host is not within 0 and {MOST_RATIO}")
    if "pools" in tables:
        volumes, types = tables.get("volumes", []), tables.get("volume types", [])
        read_at = _number(head, "storage_taken_at")
        storage = assemble_storage(tables["pools"], volumes, types, taken_at=read_at)
        cluster = replace(cluster, storage=storage)
    if "machines" in tables:
        read_at = _number(head, "machines_taken_at")
        machines = assemble_machines(tables["machines"], taken_at=read_at)
        cluster = replace(cluster, baremetal=machines)
    return cluster


def _check_order(name: str, uuids: Sequence[str]) -> None:
    """Rows must be in order, so that the numbers of a metric are about those they were of."""
    if any(first >= second for first, second in pairwise(uuids)):
        raise Invalid(f"its {name} are not in the order of their uuids, each once")


def _check_unique(name: str, names: Iterable[str]) -> None:
    seen = list(names)
    if len(set(seen)) != len(seen):
        raise Invalid(f"two of its {name} have one name")


def _answer(part: Mapping[str, Any], text: _Text, cluster: Cluster) -> Answer:
    try:
        query = Query(
            Metric.named(_typed(part, "metric", str)),
            _typed(part, "period_s", int),
            Aggregate(_typed(part, "aggregate", str)),
            _typed(part, "granularity_s", int),
        )
    except (KeyError, ValueError) as error:
        raise Invalid(f"line {text.number}: there is no metric {error}") from error
    age_s = part.get("newest_age_s")
    return Answer(
        query,
        None if part.get("rows") is None else _column(part, text, query, cluster),
        _typed(part, "source", str),
        None if age_s is None else _number(part, "newest_age_s"),
        None if part.get("strategy") is None else _typed(part, "strategy", str),
        _typed(part, "why", str),
    )


def _column(part: Mapping[str, Any], text: _Text, query: Query, cluster: Cluster) -> Floats:
    host = query.metric.subject is Subject.HOST
    rows, wanted = _rows(part, text), len(cluster.hosts if host else cluster.instances)
    if rows != wanted:
        raise Invalid(
            f"line {text.number}: {rows} numbers for {wanted} {query.metric.subject.value}s"
        )
    column = np.full(rows, np.nan)
    for start in range(0, rows, CHUNK):
        values = text.next(list)
        if len(values) != min(CHUNK, rows - start):
            raise Invalid(f"line {text.number} has {len(values)} numbers")
        try:
            column[start : start + CHUNK] = [number(value) for value in values]
        except (TypeError, ValueError, KeyError, OverflowError) as error:
            raise Invalid(f"line {text.number} has what is no number") from error
    return frozen(column)


def _typed(part: Mapping[str, Any], name: str, kind: type) -> Any:
    value = part.get(name)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise Invalid(f"its {name} cannot be {str(value)[:40]}")
    return value


def _number(part: Mapping[str, Any], name: str) -> float:
    try:
        return number(part.get(name))
    except (TypeError, ValueError, KeyError) as error:
        raise Invalid(f"its {name} is no number") from error


def _set_or_none(head: Mapping[str, Any], name: str) -> frozenset[str] | None:
    value = head.get(name)
    return None if value is None else frozenset(map(str, _typed(head, name, list)))
