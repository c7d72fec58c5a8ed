# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from tests.worlds import uuid, world
from watcher.core.baremetal import NO_HOST, MachineRecord, assemble_machines, machine_records


def record(name, **fields):
    return MachineRecord(uuid(name), name, **{"power_state": "power on", **fields})


@pytest.fixture
def cluster():
    return world().host("c1").host("c2").cluster()


def row(machines, name):
    return machines.uuid.tolist().index(uuid(name))


def test_a_machine_is_the_host_whose_uuid_or_exact_name_it_says(cluster):
    machines = assemble_machines(
        [record("m1", compute_node=uuid("c1")), record("c2"), record("c2.example")]
    )
    rows = machines.host_rows(cluster.hosts)
    names = cluster.hosts.row_by_name
    assert rows[row(machines, "m1")] == names["c1"]
    assert rows[row(machines, "c2")] == names["c2"]
    assert rows[row(machines, "c2.example")] == NO_HOST


def test_a_host_that_two_machines_claim_to_be_is_neither(cluster):
    machines = assemble_machines([record("c1"), record("m", compute_node="c1")])
    assert machines.host_rows(cluster.hosts).tolist() == [NO_HOST, NO_HOST]


def test_power_is_switched_where_nothing_is_against_it():
    machines = assemble_machines(
        [
            record("calm"),
            record("busy", target_power_state="power off"),
            record("served", maintenance=True),
            record("lost", power_state=""),
        ]
    )
    assert machines.uuid[machines.settled].tolist() == [uuid("calm")]
    outside = machines.with_scope(np.zeros(4, dtype=bool))
    assert not outside.settled.any()
    assert len(outside) == 4


def test_no_machines_are_no_machines(cluster):
    assert assemble_machines([]).host_rows(cluster.hosts).tolist() == []


def test_machines_can_be_made_records_again():
    records = [record("a", maintenance=True), record("b", compute_node="c1")]
    assert machine_records(assemble_machines(records)) == sorted(records)
