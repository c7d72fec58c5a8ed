# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

import numpy as np
import pytest

from tests.shelves import machines
from tests.worlds import uuid, world
from watcher.core.baremetal import MachineRecord, assemble_machines
from watcher.core.errors import Invalid
from watcher.core.metrics import Metrics
from watcher.core.parameters import parse
from watcher.planners.weight import Weight
from watcher.strategies.saving_energy import Parameters, SavingEnergy

OFF = "power off"


def solve(cluster, **given):
    solution = SavingEnergy().solve(cluster, Metrics(), parse(Parameters, given))
    Weight().order(solution, cluster).replay(cluster)
    return solution


def switched(solution):
    return {one.parameters["resource_name"]: one.parameters["state"] for one in solution.actions}


def hosts(**empty):
    """A host in use, c0, and empty ones with these fields; those that are off are down."""
    built = world().host("c0").runs("vm")
    for name, fields in empty.items():
        built.host(name, **fields)
    return built.cluster()


def test_it_reads_the_machines_and_measures_nothing():
    assert SavingEnergy().models(Parameters()) == ("baremetal",)
    assert SavingEnergy().queries(Parameters()) == ()


def test_the_largest_empty_host_stays_on_and_the_others_are_switched_off():
    cluster = machines(hosts(c1={}, c2={"vcpus": 32}, c3={}))
    solution = solve(cluster)
    assert switched(solution) == {"c1": "off", "c3": "off"}
    assert solution.actions[0].resource_id == uuid(
        f"machine {solution.actions[0].parameters['resource_name']}"
    )
    assert solution.indicators["hosts_powered_off_count"] == 2


def test_a_share_of_the_hosts_in_use_is_kept_ready():
    built = world()
    for number in range(10):
        built.host(f"u{number}").runs(f"vm{number}")
    for number in range(5):
        built.host(f"e{number}")
    cluster = machines(built.cluster())
    assert len(solve(cluster, free_used_percent=30).actions) == 2
    assert len(solve(cluster, free_used_percent=39).actions) == 2
    assert len(solve(cluster, free_used_percent=0, min_free_hosts_num=0).actions) == 5


def test_hosts_are_switched_on_when_too_few_are_ready():
    down = {"up": False, "enabled": False, "disabled_reason": "watcher_saving_energy"}
    cluster = machines(hosts(c1=down, c2={**down, "vcpus": 16}), c1=OFF, c2=OFF)
    solution = solve(cluster)
    assert switched(solution) == {"c2": "on"}
    assert solution.indicators["hosts_powered_on_count"] == 1


def test_enough_is_enough():
    solution = solve(machines(hosts(c1={})))
    assert solution.actions == ()


def test_a_host_with_instances_is_never_switched_off():
    assert switched(solve(machines(hosts()), min_free_hosts_num=0)) == {}


@pytest.mark.parametrize("reason", ["new memory", "", "watcher_maintaining"])
def test_a_host_that_people_work_on_is_left_on_and_that_is_told(reason):
    cluster = machines(hosts(c1={"enabled": False, "disabled_reason": reason}))
    solution = solve(cluster, min_free_hosts_num=0)
    assert solution.actions == ()
    assert "1 empty hosts are left on" in solution.notes[0]


def test_a_host_that_a_consolidation_emptied_is_switched_off():
    cluster = machines(hosts(c1={"enabled": False, "disabled_reason": "watcher_disabled"}))
    assert switched(solve(cluster, min_free_hosts_num=0)) == {"c1": "off"}


def test_a_host_that_is_off_and_that_somebody_disabled_stays_off():
    cluster = machines(
        hosts(c1={"up": False, "enabled": False, "disabled_reason": "scrap"}), c1=OFF
    )
    solution = solve(cluster)
    assert solution.actions == ()
    assert solution.notes == (
        "1 empty hosts are wanted, and there are 0 that are on or can be switched on",
    )


def with_machine(cluster, name, /, **fields):
    records = [
        MachineRecord(uuid(f"machine {host}"), str(host), "power on")
        for host in cluster.hosts.name
        if host != name
    ]
    given = {"name": name, "power_state": "power on", **fields}
    records.append(MachineRecord(uuid(f"machine {name}"), **given))
    return replace(cluster, baremetal=assemble_machines(records))


@pytest.mark.parametrize(
    "fields",
    [
        {"maintenance": True},
        {"target_power_state": "power off"},
        {"name": "another"},
    ],
)
def test_a_machine_that_may_not_be_switched_is_left(fields):
    cluster = with_machine(hosts(c1={}), "c1", **fields)
    assert solve(cluster, min_free_hosts_num=0).actions == ()


def test_what_is_outside_the_scope_is_left():
    cluster = machines(hosts(c1={}))
    assert cluster.baremetal is not None
    nothing = np.zeros(len(cluster.hosts), dtype=bool)
    outside = replace(cluster, baremetal=cluster.baremetal.with_scope(nothing.copy()))
    assert solve(outside, min_free_hosts_num=0).actions == ()
    assert solve(cluster.with_hosts(in_scope=nothing), min_free_hosts_num=0).actions == ()


def test_hosts_that_no_machine_is_known_to_be_are_told():
    cluster = replace(hosts(c1={}), baremetal=assemble_machines([]))
    assert "set extra.compute_node_id" in solve(cluster).notes[0]


def test_it_cannot_do_without_the_machines():
    with pytest.raises(Invalid, match="needs the machines"):
        solve(hosts())


def test_the_example_of_its_page():
    """Ten hosts in use, three empty ones: 10 % is one, so two are switched off."""
    built = world()
    for number in range(10):
        built.host(f"c{number:02}").runs(f"vm{number}")
    for number in range(10, 13):
        built.host(f"c{number}", vcpus=8 * (number - 9))
    assert switched(solve(machines(built.cluster()))) == {"c10": "off", "c11": "off"}
