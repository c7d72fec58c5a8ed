# SPDX-License-Identifier: Apache-2.0
"""Tests of watcher.core.changes."""

from dataclasses import fields

import numpy as np
import pytest

from tests.worlds import (
    host_record,
    host_row,
    instance_record,
    instance_row,
    random_records,
    uuid,
    world,
)
from watcher.core import records
from watcher.core.changes import (
    HostAdded,
    HostChanged,
    HostRemoved,
    InstanceAdded,
    InstanceChanged,
    InstanceRemoved,
    apply,
)
from watcher.core.cluster import UNPLACED, InstanceState
from watcher.core.records import assemble


@pytest.fixture
def cluster():
    return (
        world()
        .group("g1")
        .host("c1")
        .runs("vm1", group="g1")
        .runs("vm2")
        .host("c2")
        .runs("vm3")
        .cluster(taken_at=1.0, generation=4)
    )


def where(cluster):
    instances = cluster.instances
    return {
        name: None if row == UNPLACED else cluster.hosts.name[row]
        for name, row in zip(instances.name, instances.host, strict=True)
    }


def test_no_news_is_a_new_generation_of_the_same_columns(cluster):
    after = apply(cluster, [])
    assert after.generation == 5
    assert after.taken_at == 1.0
    for before, now in ((cluster.hosts, after.hosts), (cluster.instances, after.instances)):
        assert all(getattr(before, f.name) is getattr(now, f.name) for f in fields(before))


def test_a_move_changes_one_column_and_leaves_the_old_cluster(cluster):
    after = apply(cluster, [InstanceChanged(uuid("vm1"), {"host": "c2"})])
    assert where(after) == {"vm1": "c2", "vm2": "c1", "vm3": "c2"}
    assert where(cluster)["vm1"] == "c1"
    changed = {
        field.name
        for field in fields(cluster.instances)
        if getattr(after.instances, field.name) is not getattr(cluster.instances, field.name)
    }
    assert changed == {"host"}
    assert after.hosts.uuid is cluster.hosts.uuid
    assert after.used[host_row(after, "c2")].tolist() == [2, 2048, 20]


def test_all_fields_of_a_record_can_change(cluster):
    vm3 = records.instance_records(cluster, [instance_row(cluster, "vm3")])[0]
    news = {"vcpus": 4, "state": "stopped", "metadata": {"a": "b"}, "locked": True}
    news |= {"group": uuid("g1"), "task_state": "deleting", "name": "web"}
    after = apply(cluster, [InstanceChanged(vm3.uuid, news)])
    row = instance_row(after, "vm3")
    assert records.instance_records(after, [row])[0] == vm3._replace(**news)
    assert after.instances.state[row] == InstanceState.STOPPED


def test_of_one_instance_the_last_word_counts(cluster):
    vm1, vm9 = uuid("vm1"), uuid("vm9")
    after = apply(
        cluster,
        [
            InstanceChanged(vm1, {"host": "c2"}),
            InstanceChanged(vm1, {"locked": True}),
            InstanceChanged(vm1, {"host": "c1"}),
            InstanceRemoved(uuid("vm2")),
            InstanceChanged(uuid("vm2"), {"host": "c2"}),
            InstanceAdded(instance_record("vm9", "c1")),
            InstanceChanged(vm9, {"host": "c2"}),
            InstanceAdded(instance_record("vm8", "c1")),
            InstanceRemoved(uuid("vm8")),
        ],
    )
    assert where(after) == {"vm1": "c1", "vm3": "c2", "vm9": "c2"}
    assert after.instances.locked[instance_row(after, "vm1")]


def test_an_instance_that_is_gone_and_back_is_the_new_one(cluster):
    again = instance_record("vm1", "c2", vcpus=5)
    after = apply(cluster, [InstanceRemoved(uuid("vm1")), InstanceAdded(again)])
    assert records.instance_records(after, [instance_row(after, "vm1")]) == [again]


def test_news_of_the_unknown_is_passed_over(cluster):
    after = apply(
        cluster,
        [
            InstanceChanged(uuid("vm9"), {"host": "c2"}),
            InstanceRemoved(uuid("vm8")),
            HostChanged("c9", {"up": False}),
            HostRemoved("c8"),
            InstanceChanged(uuid("vm1"), {"host": "c9"}),
        ],
    )
    assert where(after) == {"vm1": None, "vm2": "c1", "vm3": "c2"}
    assert len(after.hosts) == 2


def test_a_host_goes_down(cluster):
    after = apply(cluster, [HostChanged("c1", {"up": False, "disabled_reason": "fire"})])
    row = host_row(after, "c1")
    assert (after.hosts.up[row], after.hosts.disabled_reason[row]) == (False, "fire")
    assert after.hosts.up[host_row(after, "c2")]
    assert cluster.hosts.up.all()
    assert after.instances.host is cluster.instances.host
    assert after.hosts.total is cluster.hosts.total


def test_a_new_host_shifts_rows_and_instances_stay_where_they_are(cluster):
    news = [HostAdded(host_record(f"n{number}")) for number in range(9)]
    news.append(InstanceAdded(instance_record("vm9", "n3")))
    after = apply(cluster, news)
    assert where(after) == {**where(cluster), "vm9": "n3"}
    assert after.hosts.uuid.tolist() == sorted(after.hosts.uuid)


def test_the_instances_of_a_host_that_is_gone_are_on_no_host(cluster):
    after = apply(cluster, [HostRemoved("c1"), InstanceChanged(uuid("vm2"), {"locked": True})])
    assert after.hosts.name.tolist() == ["c2"]
    assert where(after) == {"vm1": None, "vm2": None, "vm3": "c2"}


def test_a_host_made_anew_under_its_name_replaces_the_old_one(cluster):
    anew = host_record("c1", vcpus=3)._replace(uuid=uuid("c1 again"))
    after = apply(cluster, [HostAdded(anew), HostChanged("c1", {"enabled": False})])
    assert sorted(after.hosts.name) == ["c1", "c2"]
    (found,) = records.host_records(after, [host_row(after, "c1")])
    assert found == anew._replace(enabled=False)


def test_marks_of_a_scope_stay_on_changed_rows(cluster):
    marked = cluster.with_hosts(in_scope=np.zeros(2, dtype=bool))
    marked = marked.with_instances(excluded=np.ones(3, dtype=bool))
    after = apply(
        marked,
        [
            HostChanged("c1", {"up": False}),
            InstanceChanged(uuid("vm1"), {"locked": True}),
            InstanceAdded(instance_record("vm9", "c1")),
        ],
    )
    assert not after.hosts.in_scope.any()
    assert {vm.name for vm in after.each_instance() if vm.excluded} == {"vm1", "vm2", "vm3"}


def test_a_cluster_can_grow_from_nothing():
    after = apply(
        world().cluster(),
        [
            InstanceChanged(uuid("vm2"), {}),
            InstanceAdded(instance_record("vm1", "c1")),
            HostAdded(host_record("c1")),
        ],
    )
    assert where(after) == {"vm1": "c1"}


def test_no_column_can_be_written_after_changes(cluster):
    after = apply(
        cluster,
        [
            HostAdded(host_record("c3")),
            InstanceRemoved(uuid("vm2")),
            InstanceChanged(uuid("vm1"), {"host": "c3"}),
        ],
    )
    for table in (after.hosts, after.instances):
        for field in fields(table):
            assert not getattr(table, field.name).flags.writeable, field.name


def test_changes_lead_to_the_same_cluster_as_collecting_anew():
    hosts, instances, groups = random_records(3, 20, 200)
    new_host = host_record("new", zone="az1")
    moved = {one.uuid: one._replace(host="new") for one in instances[:40]}
    changed = {one.uuid: one._replace(state="stopped", vcpus=9) for one in instances[40:80]}
    after = apply(
        assemble(hosts[1:], instances[20:], groups),
        [
            HostAdded(new_host),
            HostRemoved(hosts[1].name),
            HostAdded(hosts[0]),
            *(InstanceAdded(one) for one in instances[:20]),
            *(InstanceChanged(uuid, {"host": "new"}) for uuid in moved),
            *(InstanceChanged(uuid, {"state": "stopped", "vcpus": 9}) for uuid in changed),
            *(InstanceRemoved(one.uuid) for one in instances[80:120]),
        ],
    )
    kept = [{**moved, **changed}.get(one.uuid, one) for one in instances[:80] + instances[120:]]
    # An instance that was on a host without a row has lost its place for good.
    lost = {one.uuid for one in instances[20:] if one.host == hosts[0].name} - set(moved)
    kept = [one._replace(host="") if one.uuid in lost else one for one in kept]
    anew = assemble([hosts[0], *hosts[2:], new_host], kept, groups)
    for one, other in ((after.hosts, anew.hosts), (after.instances, anew.instances)):
        for field in fields(one):
            ours, theirs = getattr(one, field.name), getattr(other, field.name)
            assert (ours == theirs).all(), field.name
            assert ours.dtype == theirs.dtype, field.name


def test_everything_can_go_and_something_else_come(cluster):
    gone = [InstanceRemoved(uuid(name)) for name in ("vm1", "vm2", "vm3")]
    assert len(apply(cluster, gone).instances) == 0
    after = apply(cluster, [*gone, InstanceAdded(instance_record("vm9", "c2"))])
    assert where(after) == {"vm9": "c2"}
