# SPDX-License-Identifier: Apache-2.0
"""Tests of watcher.core.records."""

import random
from dataclasses import fields

import numpy as np
import pytest

from tests.worlds import host_record, instance_record, instance_row, random_records, world
from watcher.core import records
from watcher.core.cluster import NO_GROUP, UNPLACED, InstanceState, ServerGroup
from watcher.core.records import assemble

HOSTS, INSTANCES, GROUPS = random_records(7, 30, 300)


def same(one, other):
    return one.groups == other.groups and all(
        (getattr(a, field.name) == getattr(b, field.name)).all()
        for a, b in ((one.hosts, other.hosts), (one.instances, other.instances))
        for field in fields(a)
    )


def shuffled(values, seed=1):
    return random.Random(seed).sample(values, len(values))


def test_the_order_of_the_records_changes_nothing():
    one = assemble(HOSTS, INSTANCES, GROUPS)
    other = assemble(shuffled(HOSTS), shuffled(INSTANCES), shuffled(GROUPS))
    assert same(one, other)


def test_rows_are_sorted_by_uuid():
    cluster = assemble(HOSTS, INSTANCES, GROUPS)
    assert cluster.hosts.uuid.tolist() == sorted(record.uuid for record in HOSTS)
    assert cluster.instances.uuid.tolist() == sorted(record.uuid for record in INSTANCES)


def test_every_row_gives_its_record_back():
    cluster = assemble(HOSTS, INSTANCES, GROUPS)
    hosts = records.host_records(cluster, list(range(len(HOSTS))))
    instances = records.instance_records(cluster, list(range(len(INSTANCES))))
    assert hosts == sorted(HOSTS)
    assert instances == sorted(INSTANCES, key=lambda record: record.uuid)


def test_units_and_ratios_stand_in_their_columns():
    fields_given = {
        "vcpus": 1,
        "memory_mb": 2,
        "disk_gb": 3,
        "vcpus_reserved": 4,
        "memory_mb_reserved": 5,
        "disk_gb_reserved": 6,
        "vcpus_ratio": 7.5,
        "memory_ratio": 8.5,
        "disk_ratio": 9.5,
    }
    hosts = world().host("c1", **fields_given).cluster().hosts
    assert hosts.total.tolist() == [[1, 2, 3]]
    assert hosts.reserved.tolist() == [[4, 5, 6]]
    assert hosts.ratio.tolist() == [[7.5, 8.5, 9.5]]


def test_columns_have_their_types():
    cluster = assemble(HOSTS, INSTANCES, GROUPS)
    types = {"total": "i8", "reserved": "i8", "ratio": "f8", "up": "?", "enabled": "?"}
    types |= {"known": "?", "in_scope": "?"}
    types |= {"hypervisor_version": "i8", "max_unit": "i8", "held": "i8"}
    for field in fields(cluster.hosts):
        assert getattr(cluster.hosts, field.name).dtype == types.get(field.name, "O"), field.name
    types = {"host": "i8", "demand": "i8", "state": "i1", "group": "i8"}
    types |= {"locked": "?", "excluded": "?", "resting": "?", "updated_at": "i8", "known": "?"}
    for field in fields(cluster.instances):
        column = getattr(cluster.instances, field.name)
        assert column.dtype == types.get(field.name, "O"), field.name


def test_an_instance_on_a_host_nobody_knows_is_on_no_host():
    cluster = assemble([host_record("c1")], [instance_record("vm1", "c9")])
    assert cluster.instances.host.tolist() == [UNPLACED]
    assert records.instance_records(cluster, [0])[0].host == ""


def test_an_instance_in_a_group_nobody_knows_is_in_none():
    cluster = assemble([], [instance_record("vm1", group="g9")])
    assert cluster.instances.group.tolist() == [NO_GROUP]
    assert records.instance_records(cluster, [0])[0].group == ""


def test_groups_are_sorted_and_instances_point_at_them():
    groups = [ServerGroup("g2", "affinity"), ServerGroup("g1", "anti-affinity", 3)]
    vm1 = instance_record("vm1")._replace(group="g2")
    cluster = assemble([], [vm1], groups)
    assert [group.uuid for group in cluster.groups] == ["g1", "g2"]
    assert cluster.groups[cluster.instances.group[0]].policy == "affinity"


def test_words_of_states_become_codes():
    cluster = world().unplaced("vm1", state="paused").unplaced("vm2", state="odd").cluster()
    states = cluster.instances.state
    assert states[instance_row(cluster, "vm1")] == InstanceState.PAUSED
    assert states[instance_row(cluster, "vm2")] == InstanceState.ERROR


def test_everything_is_in_scope_until_a_scope_says_otherwise():
    cluster = assemble(HOSTS, INSTANCES, GROUPS)
    assert cluster.hosts.in_scope.all()
    assert not cluster.instances.excluded.any()


def test_where_a_cluster_came_from_is_kept():
    cluster = assemble([], [], taken_at=7.5, generation=2, origin={"requests": 4})
    assert (cluster.taken_at, cluster.generation) == (7.5, 2)
    assert cluster.origin == {"requests": 4}
    assert assemble([], []).origin == {}


def test_truth_values_become_a_read_only_column():
    column = records.bools([True, False])
    assert column.tolist() == [True, False]
    assert column.dtype == np.bool_
    with pytest.raises(ValueError, match="read-only"):
        column[0] = False
