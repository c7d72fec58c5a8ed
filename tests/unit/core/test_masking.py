# SPDX-License-Identifier: Apache-2.0
"""Tests of watcher.core.masking."""

import json
from dataclasses import fields, replace

import numpy as np
import pytest

from tests.shelves import shelves
from tests.worlds import random_metrics, random_world, uuid, world
from watcher.core.baremetal import MachineRecord, assemble_machines
from watcher.core.constraints import Constraints
from watcher.core.lines import plain
from watcher.core.masking import WHY, Masks, masked
from watcher.core.metrics import Metric, Query
from watcher.core.placement import Placement
from watcher.core.records import host_records, instance_records
from watcher.core.snapshot import Answer, Snapshot
from watcher.core.storage import VolumeType, assemble_storage, pool_records, volume_records

SECRETS = ("acme", "secret", "10.1.2.3")
CPU, HOST_CPU = Query(Metric.INSTANCE_CPU_USAGE), Query(Metric.HOST_CPU_USAGE)


def shelf():
    storage = (
        shelves()
        .pool("acme", capabilities={"location_info": "10.1.2.3:acme", "ssd": True, "a": {"b": 1}})
        .holds("acme-disk", servers=["acme-db"], project_id="acme-project", volume_type="acme-t")
        .storage()
    )
    types = (VolumeType("acme-t", uuid("t"), {"capabilities:ssd": "<is> True", "a:b": "1"}),)
    records = pool_records(storage), volume_records(storage, [0])
    return type_aware(records, types)


def full():
    """A snapshot in which everything that names something says "acme" or "secret"."""
    cluster = (
        world()
        .host(
            "acme-1",
            zone="acme-zone",
            aggregates={"acme-rack", "#7"},
            enabled=False,
            disabled_reason="secret works at acme",
            aggregate_metadata={
                "filter_tenant_id": frozenset({"acme-project, other"}),
                "instance_type": frozenset({"acme.large"}),
                "ssd": frozenset({"true"}),
            },
        )
        .runs(
            "acme-db",
            project_id="acme-project",
            metadata={"customer": "acme", "optimize": "no", "watcher-priority": "3"},
            flavor="acme.large",
            extra_specs={"aggregate_instance_extra_specs:ssd": "true"},
            image_properties={"hw_disk_bus": "virtio", "ssd": "true", "owner": "acme"},
            hints={"different_host": [uuid("acme-web")], "query": '["acme"]', "count": 1},
            pinned_zone="acme-zone",
            group="g",
            domain_name="acme-00001",
        )
        .host("acme-2", disabled_reason="watcher_maintaining", enabled=False)
        .runs("acme-web", group="g", metadata={"name": "secret"})
        .group("g")
        .cluster(origin={"unread": {"acme": "secret"}}, taken_at=9.0)
    )
    storage = shelf()
    machines = assemble_machines(
        [
            MachineRecord(uuid("m1"), "acme-1", maintenance_reason="secret"),
            MachineRecord(uuid("m2"), "acme-b", compute_node=uuid("acme-2")),
        ]
    )
    column = np.array([1.0 if name == "acme-db" else 2.0 for name in cluster.instances.name])
    return Snapshot(
        replace(cluster, storage=storage, baremetal=machines),
        (Answer(CPU, column, "influxdb"), Answer(HOST_CPU, why="http://10.1.2.3 is silent")),
        {
            "watcher_strategies.storage_capacity_balance": {"ex_pools": ["acme"]},
            "watcher_applier": {"parallel_total": 6},
        },
        notes=("storage: 10.1.2.3",),
    )


def type_aware(records, types):
    pools, volumes = records
    return assemble_storage(pools, [one._replace(volume_type="acme-t") for one in volumes], types)


def told(snapshot):
    """Everything that a file would tell, as text."""
    cluster = snapshot.cluster
    parts = [
        host_records(cluster, np.arange(len(cluster.hosts))),
        instance_records(cluster, np.arange(len(cluster.instances))),
        cluster.groups,
        pool_records(cluster.storage),
        volume_records(cluster.storage, np.arange(len(cluster.storage.volumes))),
        cluster.storage.types,
        [
            {one.name: getattr(cluster.baremetal, one.name) for one in fields(cluster.baremetal)},
            cluster.origin,
            cluster.storage.origin,
            snapshot.settings,
            snapshot.notes,
            [one.why for one in snapshot.answers],
        ],
    ]
    return json.dumps([[plain(one) for one in part] for part in parts], default=str)


def test_nothing_that_names_something_is_left():
    before = full()
    assert all(secret in told(before) for secret in SECRETS)
    text = told(masked(before, "salt"))
    assert [secret for secret in SECRETS if secret in text] == []
    names = ("acme-1", "acme-2", "acme-db", "acme-web", "g", "m1", "m2", "t", "acme-disk")
    assert [name for name in names if uuid(name) in text] == []


def test_what_rules_compare_is_left_as_it_is():
    cluster = masked(full(), "salt").cluster
    first = next(one for one in host_records(cluster, [0, 1]) if one.aggregate_metadata)
    assert first.aggregate_metadata["ssd"] == {"true"}
    assert "#7" in first.aggregates
    second = next(one for one in host_records(cluster, [0, 1]) if not one.aggregate_metadata)
    assert second.disabled_reason == "watcher_maintaining"
    db = next(one for one in instance_records(cluster, [0, 1]) if one.extra_specs)
    assert db.extra_specs == {"aggregate_instance_extra_specs:ssd": "true"}
    assert db.image_properties == {"hw_disk_bus": "virtio", "ssd": "true"}
    assert (db.metadata["optimize"], db.metadata["watcher-priority"]) == ("no", "3")
    assert db.hints["count"] == 1
    assert cluster.storage.pools.capabilities[0] == {"ssd": True, "a": {"b": 1}}
    assert cluster.taken_at == 9.0


def test_the_same_name_is_the_same_wherever_it_stands():
    found = masked(full(), "salt")
    cluster = found.cluster
    hosts = {one.uuid: one for one in host_records(cluster, [0, 1])}
    first = next(one for one in hosts.values() if one.aggregate_metadata)
    db = next(one for one in instance_records(cluster, [0, 1]) if one.extra_specs)
    assert db.host == first.name
    assert db.pinned_zone == first.zone
    (owners,) = first.aggregate_metadata["filter_tenant_id"]
    assert db.project_id == owners.split(",")[0] == cluster.storage.volumes.project_id[0]
    assert first.aggregate_metadata["instance_type"] == {db.flavor}
    assert cluster.storage.volumes.servers[0] == (db.uuid,)
    assert set(cluster.instances.group) == {0}
    assert cluster.storage.serves.all()
    assert cluster.storage.volumes.type[0] == 0
    assert sorted(cluster.baremetal.host_rows(cluster.hosts)) == [0, 1]
    (pool,) = found.settings["watcher_strategies.storage_capacity_balance"]["ex_pools"]
    assert cluster.storage.pools.name[0].endswith(f"#{pool}")
    assert found.settings["watcher_applier"] == {"parallel_total": 6}


def test_numbers_stay_with_their_instances():
    found = masked(full(), "salt")
    rows = found.cluster.instances.extra_specs
    assert [1.0 if specs else 2.0 for specs in rows] == found.answers[0].column.tolist()
    assert found.answers[1].why == WHY
    assert found.anonymised


def test_a_salt_gives_the_same_names_again_and_another_one_gives_others():
    first, again, other = (told(masked(full(), salt)) for salt in ("a", "a", "b"))
    assert first == again
    assert first != other
    assert Masks("a").uuid(uuid("x")) != Masks("b").uuid(uuid("x"))


@pytest.mark.parametrize("seed", range(3))
def test_the_rules_refuse_the_same(seed):
    """Who may go where is the same question after the masking."""
    cluster = random_world(seed, 8, 60)
    metrics = random_metrics(cluster, [CPU])
    found = masked(Snapshot(cluster, (Answer(CPU, metrics[CPU]),)), "salt").cluster

    def refused(one):
        rules = Constraints(Placement(one))
        rows = range(len(one.instances))
        return sorted(tuple(sorted(rules.allowed(row).tolist())) for row in rows)

    assert refused(found) == refused(cluster)
    assert sorted(map(tuple, found.used.tolist())) == sorted(map(tuple, cluster.used.tolist()))


def test_what_is_empty_stays_empty():
    masks = Masks("salt")
    assert (masks.uuid(""), masks.name("host", ""), masks.pool("")) == ("", "", "")
    assert masks.pool("h@b#p").count("@") == 1
    assert masks.words({"a": None}) == {"a": None}
    bare = masked(Snapshot(world().host("c").cluster()), "salt").cluster
    assert bare.storage is None
    assert bare.baremetal is None
