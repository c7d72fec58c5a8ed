# SPDX-License-Identifier: Apache-2.0
"""Tests of watcher.core.cluster."""

import numpy as np
import pytest

from tests.worlds import host_row, instance_row, uuid, world
from watcher.core.cluster import UNPLACED, Cpu, InstanceState, words
from watcher.core.errors import NotFound


@pytest.fixture
def cluster():
    return (
        world()
        .host("c1", vcpus=8, memory_mb=8192, disk_gb=100)
        .runs("vm1", vcpus=2, memory_mb=1024, disk_gb=10)
        .runs("vm2", vcpus=1, memory_mb=512, disk_gb=5)
        .host("c2", vcpus=4, vcpus_reserved=1, vcpus_ratio=1.5)
        .unplaced("vm3", vcpus=7)
        .cluster(taken_at=5.0, generation=3)
    )


@pytest.mark.parametrize("state", list(InstanceState))
def test_every_state_is_found_by_its_public_word(state):
    assert InstanceState.of(state.public) is state


def test_nova_writes_soft_delete_with_a_hyphen():
    assert InstanceState.SOFT_DELETED.public == "soft-delete"
    assert InstanceState.SHELVED_OFFLOADED.public == "shelved_offloaded"


def test_a_state_nobody_knows_is_an_error_so_that_it_is_never_moved():
    assert InstanceState.of("levitating") is InstanceState.ERROR


def test_used_is_the_sum_of_the_demands_and_leaves_out_what_is_on_no_host(cluster):
    assert cluster.used[host_row(cluster, "c1")].tolist() == [3, 1536, 15]
    assert cluster.used[host_row(cluster, "c2")].tolist() == [0, 0, 0]


def test_capacity_is_what_is_not_reserved_times_the_ratio_rounded_down(cluster):
    assert cluster.hosts.capacity[host_row(cluster, "c2")].tolist() == [4, 16384, 200]


@pytest.mark.parametrize("lacking", ["up", "enabled", "known"])
def test_a_host_is_usable_only_when_nothing_is_lacking(lacking):
    cluster = world().host("c1").host("c2", **{lacking: False}).cluster()
    usable = cluster.hosts.usable
    assert usable[host_row(cluster, "c1")]
    assert not usable[host_row(cluster, "c2")]


def test_a_host_out_of_scope_is_not_usable(cluster):
    assert not cluster.with_hosts(in_scope=np.zeros(2, dtype=bool)).hosts.usable.any()


def test_the_rows_on_a_host_are_ascending(cluster):
    rows = cluster.rows_on(host_row(cluster, "c1")).tolist()
    assert rows == sorted(instance_row(cluster, name) for name in ("vm1", "vm2"))
    assert cluster.rows_on(host_row(cluster, "c2")).tolist() == []


def test_a_host_is_found_by_name_and_by_uuid(cluster):
    row = host_row(cluster, "c2")
    assert cluster.host_row("c2") == row
    assert cluster.host_row(uuid("c2")) == row


def test_an_unknown_host_is_not_found(cluster):
    with pytest.raises(NotFound, match="Compute host c9 could not be found"):
        cluster.host_row("c9")


def test_a_view_reads_its_row(cluster):
    host = cluster.host(host_row(cluster, "c1"))
    instance = cluster.instance(instance_row(cluster, "vm3"))
    assert (host.name, host.uuid) == ("c1", uuid("c1"))
    assert (instance.name, instance.host) == ("vm3", UNPLACED)
    assert instance.demand.tolist() == [7, 1024, 10]


def test_views_know_their_instances(cluster):
    names = {host.name: {vm.name for vm in host.instances} for host in cluster.each_host()}
    assert names == {"c1": {"vm1", "vm2"}, "c2": set()}
    assert {vm.name for vm in cluster.each_instance()} == {"vm1", "vm2", "vm3"}


def test_replaced_columns_leave_the_old_cluster_and_share_the_rest(cluster):
    moved = cluster.with_instances(host=np.full(3, host_row(cluster, "c2")))
    assert len(moved.rows_on(host_row(cluster, "c2"))) == 3
    assert len(cluster.rows_on(host_row(cluster, "c1"))) == 2
    assert moved.instances.demand is cluster.instances.demand
    assert moved.hosts is cluster.hosts
    assert (moved.taken_at, moved.generation) == (5.0, 3)


def test_no_column_can_be_written(cluster):
    for table in (cluster.hosts, cluster.instances):
        for name in table.__dataclass_fields__:
            with pytest.raises(ValueError, match="read-only"):
                getattr(table, name)[...] = 0
    for derived in (cluster.used, cluster.hosts.capacity, cluster.hosts.usable):
        with pytest.raises(ValueError, match="read-only"):
            derived[...] = 0
    replaced = cluster.with_hosts(up=np.ones(2, dtype=bool)).hosts.up
    with pytest.raises(ValueError, match="read-only"):
        replaced[0] = False


def test_words_keep_tuples_whole():
    column = words([(1, 2), (3, 4)])
    assert column.shape == (2,)
    assert column[1] == (3, 4)


def test_an_empty_cluster_has_no_rows_and_no_surprises():
    cluster = world().cluster()
    assert (len(cluster.hosts), len(cluster.instances)) == (0, 0)
    assert cluster.used.shape == cluster.hosts.capacity.shape == (0, 3)
    assert list(cluster.each_host()) == list(cluster.each_instance()) == []


def test_a_cpu_serves_the_guests_of_those_that_have_nothing_it_lacks():
    old, new = (
        Cpu("x86_64", "Intel", name, frozenset(on)) for name, on in (("", "a"), ("", "ab"))
    )
    assert new.serves(old)
    assert not old.serves(new)
    assert Cpu().serves(new)
    assert not Cpu("x86_64", "AMD").serves(Cpu("x86_64", "Intel"))
