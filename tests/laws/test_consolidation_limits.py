# SPDX-License-Identifier: Apache-2.0
"""The limits of a consolidation hold: least gain, instances per host, disks, migrations."""

from typing import Any

import pytest

from tests.plans import carried_out, moves, switched
from tests.unit.strategies.test_vm_workload_consolidation import solve, sparse
from tests.worlds import world
from watcher.core.errors import BadParameters
from watcher.core.parameters import parse, schema
from watcher.planners.weight import Weight
from watcher.strategies.vm_workload_consolidation import Parameters


def test_with_a_limit_of_migrations_the_most_that_could_be_released_is_told() -> None:
    solution = solve(sparse().cluster(), max_migrations=2)
    assert len(moves(solution)) == 2
    assert solution.indicators["released_hosts_upper_bound"] == 2


def test_disks_are_filled_only_up_to_their_limit() -> None:
    built = world().host("c1").runs("a", disk_gb=60).host("c2").runs("b", disk_gb=60)
    assert len(moves(solve(built.cluster()))) == 1
    assert not moves(solve(built.cluster(), disk_limit_percent=50))


def test_its_parameters_are_those_of_the_contract_and_ours() -> None:
    properties = schema(Parameters)["properties"]
    assert {name: spec["default"] for name, spec in properties.items()} == {
        "period": 3600,
        "granularity": 300,
        "cpu_limit_percent": 80.0,
        "ram_limit_percent": 100.0,
        "disk_limit_percent": 100.0,
        "max_migrations": 0,
        "max_migrations_per_host": 0,
        "min_released_hosts": 1,
    }
    with pytest.raises(BadParameters):
        parse(Parameters, {"cpu_limit_percent": 101})


@pytest.mark.parametrize(
    "other", [{"zone": "az2"}, {"hypervisor_type": "ironic"}, {"aggregates": {"ssd"}}]
)
def test_of_each_kind_of_host_one_stays_in_use(other: dict[str, Any]) -> None:
    """New instances of a zone, a hypervisor type or an aggregate must find a host."""
    built = world().host("c1").runs("a").host("c2").runs("b")
    cluster = built.host("d1", **other).runs("c").host("d2", **other).runs("d").cluster()
    solution = solve(cluster)
    assert sorted(name[0] for name in switched(solution)) == ["c", "d"]
    assert solution.indicators["hosts_in_use_after"] == 2
    assert solution.indicators["released_compute_nodes_count"] == 2
    after = carried_out(Weight().order(solution, cluster), cluster)
    assert solve(after).actions == ()


def test_each_host_is_disabled_before_its_instances_leave() -> None:
    cluster = sparse().cluster()
    plan = Weight().order(solve(cluster), cluster)
    for place, action in enumerate(plan.actions):
        if action.type == "migrate":
            waited = [plan.actions[parent] for parent in plan.parents[place]]
            hosts = [one.parameters["resource_name"] for one in waited]
            assert hosts == [action.parameters["source_node"]]


def test_the_emptied_hosts_are_disabled_with_our_reason_in_the_end() -> None:
    cluster = sparse().cluster()
    after = carried_out(Weight().order(solve(cluster), cluster), cluster)
    assert sorted(after.hosts.disabled_reason) == ["", *["watcher_disabled"] * 3]
    assert (after.used[:, 0] > 0).sum() == 1
