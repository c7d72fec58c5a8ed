# SPDX-License-Identifier: Apache-2.0
"""A snapshot in a file: it comes back as it was, and nothing else does."""

import gzip
import json
import math
import pickle
from dataclasses import fields, replace

import numpy as np
import pytest

from tests.shelves import shelves
from tests.worlds import random_metrics, random_world, uuid
from watcher.core.baremetal import MachineRecord, assemble_machines
from watcher.core.errors import Invalid
from watcher.core.metrics import Aggregate, Metric, Query
from watcher.core.snapshot import Answer, Snapshot
from watcher.decision_engine import snapshot_file

CPU = Query(Metric.INSTANCE_CPU_USAGE, 600, Aggregate.MAX, 60)
RAM = Query(Metric.HOST_RAM_USAGE)


def snapshot(hosts=6, instances=40):
    cluster = random_world(4, hosts, instances)
    storage = shelves().type("gold", ssd="yes").pool("p", total_gb=math.inf).holds("v")
    machines = assemble_machines([MachineRecord(uuid("m"), "host00001")])
    cluster = replace(
        cluster,
        storage=storage.storage(),
        baremetal=machines,
        filters=frozenset({"x"}),
        taken_at=1.5,
    )
    metrics = random_metrics(cluster, [CPU, RAM])
    return Snapshot(
        cluster,
        (
            Answer(CPU, metrics[CPU], "influxdb", 3.5),
            Answer(RAM, metrics[RAM], "influxdb", None, "basic"),
            Answer(replace(RAM, period_s=60), why="nobody did"),
        ),
        {"watcher_applier": {"parallel_total": 6}},
        made_at=2.5,
        notes=("no storage",),
    )


def same(one, other):
    for field in fields(one):
        mine, theirs = getattr(one, field.name), getattr(other, field.name)
        if isinstance(mine, np.ndarray):
            assert mine.dtype == theirs.dtype
            assert not theirs.flags.writeable
            pairs = list(zip(mine.flat, theirs.flat, strict=True))
            assert [(a, b) for a, b in pairs if a != b and (a == a or b == b)] == []


@pytest.fixture
def path(tmp_path):
    return tmp_path / "cloud.snapshot"


@pytest.mark.parametrize(("hosts", "instances"), [(6, 40), (0, 0), (2, 1001)])
def test_it_comes_back_as_it_was(path, hosts, instances):
    before = snapshot(hosts, instances)
    snapshot_file.write(path, before)
    after = snapshot_file.read(path)
    for name in ("hosts", "instances", "baremetal"):
        same(getattr(before.cluster, name), getattr(after.cluster, name))
    same(before.cluster.storage.pools, after.cluster.storage.pools)
    same(before.cluster.storage.volumes, after.cluster.storage.volumes)
    assert before.cluster.storage.types == after.cluster.storage.types
    for name in ("groups", "filters", "traits", "taken_at"):
        assert getattr(before.cluster, name) == getattr(after.cluster, name)
    for mine, theirs in zip(before.answers, after.answers, strict=True):
        assert replace(mine, column=None).__dict__ == replace(theirs, column=None).__dict__
        if mine.column is not None:
            np.testing.assert_array_equal(mine.column, theirs.column)
    for name in ("settings", "made_at", "anonymised", "notes"):
        assert getattr(before, name) == getattr(after, name)


def test_the_same_snapshot_is_the_same_file(path):
    snapshot_file.write(path, snapshot())
    first = path.read_bytes()
    snapshot_file.write(path, snapshot())
    assert path.read_bytes() == first


def test_a_cloud_of_compute_only_comes_back_without_the_rest(path):
    snapshot_file.write(path, Snapshot(random_world(1, 2, 3)))
    cluster = snapshot_file.read(path).cluster
    assert (cluster.storage, cluster.baremetal, cluster.filters) == (None, None, None)


def lines_of(path):
    return [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]


def put(path, lines):
    text = b"".join(
        one if isinstance(one, bytes) else json.dumps(one).encode() + b"\n" for one in lines
    )
    path.write_bytes(gzip.compress(text))


def head(**more):
    return lambda lines: lines[0].update(more)


def first_of(table):
    return lambda lines: next(i for i, one in enumerate(lines) if one == table or (
        isinstance(one, dict) and table in (one.get("table"), one.get("metric"))))  # fmt: skip


def about(part, /, **more):
    return lambda lines: lines[first_of(part)(lines)].update(more)


def row(table, value):
    def change(lines):
        at = first_of(table)(lines) + 1
        lines[at] = value(lines[at]) if callable(value) else value

    return change


def twice(lines):
    at = first_of("groups")(lines)
    lines[at:at] = [{"table": "groups", "fields": ["uuid", "policy"], "rows": 0}] * 2


def swapped(lines):
    at = first_of("instances")(lines) + 1
    lines[at], lines[at + 1] = lines[at + 1], lines[at]


def unnamed(lines):
    at = first_of("hosts")(lines)
    name = lines[at]["fields"].index("name")
    lines[at + 1][name] = lines[at + 2][name]


def ratio(lines):
    at = first_of("hosts")(lines)
    lines[at + 1][lines[at]["fields"].index("vcpus_ratio")] = "nan"


HOSTILE = {
    "another format": (head(format="x"), "no snapshot of watcher-simulate"),
    "a newer format": (head(version=2, made_by="watcher 9"), "has version 2.*watcher 9.*newer"),
    "no version": (head(version=None), "has version None"),
    "settings": (head(settings=[]), "its settings cannot be"),
    "filters": (head(filters="x"), "its filters cannot be"),
    "time": (head(taken_at="today"), "its taken_at is no number"),
    "another table": (about("groups", table="colours"), "there is no table colours"),
    "a table that is a list": (about("groups", table=[1]), "there is no table"),
    "a table twice": (twice, "has the table groups twice"),
    "more rows than there are": (about("hosts", rows=8), "hosts, line .*is no list"),
    "fewer rows": (about("hosts", rows=3), "is no object"),
    "very many rows": (about("hosts", rows=10**9), "says to have 1000000000 rows"),
    "rows below zero": (about("hosts", rows=-1), "says to have -1 rows"),
    "fields": (about("hosts", fields=["uuid"]), "hosts, line .*its fields are uuid"),
    "no fields": (about("hosts", fields=None), "its fields cannot be None"),
    "a wrong value": (row("hosts", lambda one: [*one[:2], "many", *one[3:]]), "vcpus cannot be"),
    "an object": (row("hosts", {"a": 1}), "is no list"),
    "a broken line": (row("hosts", b"[1,\n"), "is no list"),
    "deep": (row("hosts", b"[" * 100_000 + b"\n"), "is damaged|is no list"),
    "a long line": (row("hosts", b"[" + b" " * 2**20 + b"1]\n"), "is too long"),
    "a huge number": (row("hosts", b"[" + b"9" * 5000 + b"]\n"), "is no list"),
    "the order": (swapped, "its instances are not in the order"),
    "a host name twice": (unnamed, "two of its hosts have one name"),
    "a ratio": (ratio, "allocation ratio"),
    "another metric": (about("host_ram_usage", metric="colour"), "there is no metric"),
    "another aggregate": (about("host_ram_usage", aggregate="sum"), "there is no metric"),
    "a period": (about("host_ram_usage", period_s=True), "its period_s cannot be"),
    "numbers of others": (about("host_ram_usage", rows=5), "5 numbers for 6 compute_nodes"),
    "fewer numbers": (row("host_ram_usage", [1.0]), "has 1 numbers"),
    "no numbers": (row("host_ram_usage", ["1"] * 6), "no number"),
    "no table": (lambda lines: lines.__delitem__(slice(1, -1)), "has no table hosts"),
    "no end": (lambda lines: lines.pop(), "is cut off"),
    "another end": (lambda lines: lines.append({"end": True}), "more after its end"),
    "something else": (lambda lines: lines.insert(-1, {"x": 1}), "begins nothing that is known"),
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE)
def test_what_is_wrong_is_told_in_one_line(path, case):
    change, says = HOSTILE[case]
    snapshot_file.write(path, snapshot())
    lines = lines_of(path)
    change(lines)
    put(path, lines)
    with pytest.raises(Invalid, match=says) as caught:
        snapshot_file.read(path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400 + len(str(path))


def test_cut_at_every_place_it_is_refused(path):
    snapshot_file.write(path, snapshot(2, 4))
    whole = path.read_bytes()
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(Invalid):
            snapshot_file.read(path)


def test_with_a_bit_turned_at_any_place_it_is_refused_or_the_same(path):
    snapshot_file.write(path, snapshot(2, 4))
    whole = path.read_bytes()
    before = gzip.decompress(whole)
    for place in range(0, len(whole), 5):
        broken = bytearray(whole)
        broken[place] ^= 1 << place % 8
        path.write_bytes(broken)
        try:
            snapshot_file.read(path)
        except Invalid:
            continue
        assert gzip.decompress(path.read_bytes()) == before  # in gzip's header nothing is told


class Evil:
    def __reduce__(self):
        return print, ("executed",)


@pytest.mark.parametrize("wrap", [bytes, gzip.compress])
def test_a_pickle_is_no_snapshot(path, capsys, wrap):
    path.write_bytes(wrap(pickle.dumps(Evil())))
    with pytest.raises(Invalid, match="no snapshot"):
        snapshot_file.read(path)
    assert capsys.readouterr().out == ""


def test_a_bomb_ends_at_the_bound(path, monkeypatch):
    monkeypatch.setattr(snapshot_file, "MOST_BYTES", 2**21)
    snapshot_file.write(path, snapshot())
    lines = lines_of(path)
    at = first_of("groups")(lines)
    lines[at] = {"table": "groups", "fields": ["uuid", "policy"], "rows": 10**6}
    lines[at + 1 :] = [b'["g","' + b"x" * 1000 + b'"]\n'] * 10_000
    put(path, lines)
    with pytest.raises(Invalid, match="is too long"):
        snapshot_file.read(path)


def test_a_file_that_cannot_be_had_is_told(tmp_path):
    with pytest.raises(Invalid, match="there is no file"):
        snapshot_file.read(tmp_path / "nothing")
    with pytest.raises(Invalid, match="cannot be read: Is a directory"):
        snapshot_file.read(tmp_path)
    with pytest.raises(Invalid, match="cannot be written"):
        snapshot_file.write(tmp_path / "no" / "where", snapshot())
