# SPDX-License-Identifier: Apache-2.0
"""Tests of watcher.core.snapshot."""

from dataclasses import replace

import numpy as np

from tests.shelves import shelves
from tests.worlds import uuid, world
from watcher.core.baremetal import MachineRecord, assemble_machines
from watcher.core.metrics import Metric, Query
from watcher.core.scope import check_scope
from watcher.core.snapshot import Answer, Snapshot, within

CPU, HOST_CPU = Query(Metric.INSTANCE_CPU_USAGE), Query(Metric.HOST_CPU_USAGE)


def snapshot():
    cluster = (
        world()
        .host("c1", zone="a")
        .runs("vm1", group="g")
        .runs("vm2")
        .host("c2", zone="b")
        .runs("vm3", group="g")
        .unplaced("vm4")
        .group("g")
        .cluster(taken_at=5.0, filters=frozenset({"x"}), traits=frozenset({"HW"}))
    )
    storage = shelves().pool("fast").holds("v1").pool("slow", zone="b").holds("v2").storage()
    machines = assemble_machines(
        [MachineRecord(uuid("m1"), "c1"), MachineRecord(uuid("m2"), "c2")]
    )
    cluster = replace(cluster, storage=storage, baremetal=machines)
    by_name = {"vm1": 1.0, "vm2": 2.0, "vm3": 3.0, "vm4": np.nan}
    cpu = np.array([by_name[name] for name in cluster.instances.name])
    host_cpu = np.array([10.0 if name == "c1" else 20.0 for name in cluster.hosts.name])
    answers = (Answer(CPU, cpu, "influxdb"), Answer(HOST_CPU, host_cpu), Answer(CPU, why="none"))
    return Snapshot(cluster, answers, notes=("n",))


def cut(*blocks):
    return within(snapshot(), check_scope(list(blocks)))


def test_what_is_out_of_scope_is_left_out_and_numbers_stay_with_their_instances():
    found = cut({"compute": [{"availability_zones": [{"name": "a"}]}]})
    cluster = found.cluster
    assert cluster.hosts.name.tolist() == ["c1"]
    assert sorted(cluster.instances.name) == ["vm1", "vm2", "vm4"]
    assert cluster.groups == snapshot().cluster.groups
    assert (cluster.taken_at, cluster.filters, cluster.traits) == (5.0, {"x"}, {"HW"})
    assert cluster.hosts.in_scope.all()
    values = dict(zip(cluster.instances.name, found.answers[0].column.tolist(), strict=True))
    assert (values["vm1"], values["vm2"]) == (1.0, 2.0)
    assert found.answers[1].column.tolist() == [10.0]
    assert (found.answers[2].column, found.answers[2].why) == (None, "none")
    assert len(cluster.storage.pools) == len(cluster.baremetal) == 2


def test_pools_volumes_and_machines_are_left_out_as_their_blocks_say():
    found = cut(
        {"storage": [{"availability_zones": [{"name": "b"}]}]},
        {"baremetal": [{"exclude": [{"ironic_nodes": [{"uuid": uuid("m1")}]}]}]},
    )
    assert found.cluster.storage.pools.name.tolist() == ["store@slow#slow"]
    assert found.cluster.storage.volumes.name.tolist() == ["v2"]
    assert found.cluster.baremetal.name.tolist() == ["c2"]
    assert len(found.cluster.hosts) == 2


def test_a_name_that_the_cloud_does_not_have_is_noted():
    found = cut({"compute": [{"host_aggregates": [{"name": "nowhere"}]}]})
    assert len(found.cluster.hosts) == 0
    assert any("nowhere" in note for note in found.notes)
    assert found.notes[0] == "n"


def test_a_cloud_without_storage_and_machines_can_be_cut():
    plain = replace(snapshot(), cluster=world().host("c1").runs("vm1").cluster(), answers=())
    assert within(plain, []).cluster.storage is None
