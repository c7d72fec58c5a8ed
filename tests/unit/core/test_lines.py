# SPDX-License-Identifier: Apache-2.0
"""Tests of watcher.core.lines."""

import json
import math

import pytest

from tests.shelves import shelves
from tests.worlds import host_record, instance_record, random_records
from watcher.core.baremetal import MachineRecord
from watcher.core.cluster import Cpu, ServerGroup
from watcher.core.errors import Invalid
from watcher.core.lines import LARGEST, Lines, number, plain
from watcher.core.records import HostRecord, InstanceRecord
from watcher.core.storage import PoolRecord, VolumeRecord, VolumeType


def again(record):
    """A record from its line, through JSON."""
    lines = Lines(type(record), list(record._fields))
    return lines.record(json.loads(json.dumps(plain(record))))


HOSTS, INSTANCES, GROUPS = random_records(3, 8, 40)
SHELF = shelves().pool("fast", total_gb=math.inf).holds("v", servers=["a", "b"], bootable=True)
OTHERS = [
    host_record(
        "c",
        cpu=Cpu("x86_64", "Intel", "Skylake", frozenset({"avx", "sse"})),
        traits=frozenset({"HW"}),
        aggregate_metadata={"ssd": frozenset({"true", "1"})},
        max_unit=(1, 2, 3),
        held=(0, 1, 0),
    ),
    instance_record("i", "c", hints={"different_host": ["x"]}, extra_specs={"hw:a": "b"}),
    VolumeType("t", "u", {"capabilities:ssd": "<is> True"}),
    MachineRecord("m", "n", maintenance=True),
]


@pytest.mark.parametrize(
    "record", [*HOSTS, *INSTANCES, *GROUPS, *SHELF.pools, *SHELF.volumes, *OTHERS]
)
def test_a_record_comes_back_as_it_was(record):
    assert again(record) == record
    assert type(again(record)) is type(record)


def test_what_json_lacks_comes_back():
    words = json.loads(json.dumps(plain((math.nan, math.inf, -math.inf, 1.5))))
    assert [str(number(word)) for word in words] == ["nan", "inf", "-inf", "1.5"]


def test_a_field_that_an_older_file_does_not_have_takes_its_default():
    lines = Lines(ServerGroup, ["policy", "uuid"])
    assert lines.record(["affinity", "g"]) == ServerGroup("g", "affinity", 1)


@pytest.mark.parametrize(
    "names", [["uuid"], ["uuid", "policy", "colour"], ["uuid", "policy", "policy"], [], [1, {}]]
)
def test_fields_that_are_not_those_of_the_record_are_refused(names):
    with pytest.raises(Invalid, match="its fields are"):
        Lines(ServerGroup, names)


def test_what_many_have_in_common_is_kept_once():
    lines = Lines(VolumeType, ["name", "uuid", "extra_specs"])
    first, second = (lines.record([name, name, {"ssd": "yes"}]) for name in "ab")
    assert first.extra_specs is second.extra_specs


@pytest.mark.parametrize(
    ("kind", "field", "wrong"),
    [
        (HostRecord, "uuid", 1),
        (HostRecord, "vcpus", "4"),
        (HostRecord, "vcpus", True),
        (HostRecord, "vcpus", 4.5),
        (HostRecord, "vcpus", LARGEST + 1),
        (HostRecord, "vcpus_ratio", "1.0"),
        (HostRecord, "vcpus_ratio", True),
        (HostRecord, "vcpus_ratio", None),
        (HostRecord, "up", 1),
        (HostRecord, "aggregates", "ssd"),
        (HostRecord, "aggregates", [["ssd"]]),
        (HostRecord, "aggregate_metadata", {"ssd": "true"}),
        (HostRecord, "cpu", ["x86_64"]),
        (HostRecord, "cpu", ["x86_64", "Intel", 5, []]),
        (HostRecord, "max_unit", [1, 2]),
        (HostRecord, "max_unit", "abc"),
        (HostRecord, "held", None),
        (InstanceRecord, "metadata", ["a"]),
        (VolumeRecord, "servers", "a"),
        (PoolRecord, "capabilities", "ssd"),
    ],
)
def test_a_value_of_another_type_is_refused_by_the_name_of_its_field(kind, field, wrong):
    sound = {HostRecord: OTHERS[0], InstanceRecord: OTHERS[1]}
    sound |= {VolumeRecord: SHELF.volumes[0], PoolRecord: SHELF.pools[0]}
    values = plain(sound[kind])
    lines = Lines(kind, list(kind._fields))
    lines.record(values)
    values[kind._fields.index(field)] = wrong
    with pytest.raises(Invalid, match=f"^{field} cannot be"):
        lines.record(values)


@pytest.mark.parametrize("values", [{}, ["g"], ["g", "affinity", 1, 2]])
def test_a_line_of_another_length_is_refused(values):
    with pytest.raises(Invalid, match="3 values are wanted"):
        Lines(ServerGroup, list(ServerGroup._fields)).record(values)
