# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from tests.shelves import pool_name, shelves, storage_carried_out
from tests.worlds import world
from watcher.core.errors import Invalid
from watcher.core.metrics import Metrics
from watcher.core.parameters import parse
from watcher.planners.weight import Weight
from watcher.strategies.storage_capacity_balance import Parameters, StorageCapacityBalance

SMALL = {"total_gb": 100.0, "free_gb": 100.0}
SERVERS = world().host("c1").runs("vm").runs("off", state="stopped").cluster()


def solve(built, servers=SERVERS, **given):
    cluster = built.beside(servers)
    solution = StorageCapacityBalance().solve(cluster, Metrics(), parse(Parameters, given))
    plan = Weight().order(solution, cluster)
    plan.replay(cluster)
    return solution, plan, cluster


def went(solution):
    return {
        one.parameters["resource_name"]: one.parameters.get("destination_type")
        or one.parameters["destination_node"].partition("#")[2]
        for one in solution.actions
    }


def test_it_reads_the_storage_and_measures_nothing():
    assert StorageCapacityBalance().models(Parameters()) == ("storage",)
    assert StorageCapacityBalance().queries(Parameters()) == ()


def test_the_smallest_detached_volume_goes_first_until_the_pool_is_below():
    built = shelves().pool("full", **SMALL).holds("big", 60).holds("mid", 20).holds("tiny", 6)
    solution, _, _ = solve(built.pool("empty", **SMALL))
    assert went(solution) == {"tiny": "empty", "mid": "empty"}
    assert solution.indicators["pools_over_threshold_before_count"] == 1
    assert solution.indicators["pools_over_threshold_after_count"] == 0
    assert solution.indicators["moved_volumes_size_gb"] == 26
    assert (
        solution.indicators["standard_deviation_after_audit"]
        < solution.indicators["standard_deviation_before_audit"]
    )


def test_attached_volumes_come_after_detached_ones_and_boot_volumes_last():
    built = shelves().pool("full", **SMALL)
    built.holds("boot", 10, servers=["vm"], bootable=True).holds("data", 10, servers=["vm"])
    built.holds("free", 20).holds("rest", 50).pool("empty", **SMALL)
    assert went(solve(built)[0]) == {"free": "empty"}
    assert list(went(solve(built, volume_threshold=70)[0])) == ["free", "data"]
    assert list(went(solve(built, volume_threshold=55)[0])) == ["free", "data", "boot"]


def test_a_balanced_storage_is_left_alone_and_that_is_told():
    solution, _, _ = solve(shelves().pool("a").holds("v"))
    assert solution.actions == ()
    assert solution.notes == ("no pool is used to 80 percent or more",)


def test_each_goes_to_the_pool_that_is_emptiest_afterwards():
    built = shelves().pool("full", **SMALL).holds("a", 40).holds("b", 50)
    built.pool("p", total_gb=200, free_gb=150).pool("q", total_gb=200, free_gb=180)
    assert went(solve(built)[0]) == {"a": "q"}


def test_no_pool_is_filled_beyond_the_threshold():
    built = shelves().pool("full", **SMALL).holds("a", 90).pool("small", **SMALL)
    solution, _, _ = solve(built)
    assert solution.actions == ()
    assert "1 volumes find no pool that serves them and stays below" in solution.notes[0]


def typed():
    built = shelves().type("gold", volume_backend_name="full").type("any")
    built.type("iron", volume_backend_name="empty")
    return built.pool("full", **SMALL)


def test_a_volume_keeps_its_type_where_it_can():
    built = typed().holds("a", 90, volume_type="any").pool("empty", total_gb=200, free_gb=200)
    assert went(solve(built)[0]) == {"a": "empty"}


def test_a_volume_is_retyped_where_no_other_pool_serves_its_type():
    built = typed().holds("a", 90, volume_type="gold").pool("empty", total_gb=200, free_gb=200)
    assert went(solve(built)[0]) == {"a": "iron"}
    assert solve(built, allow_retype=False)[0].actions == ()


def test_a_type_that_its_own_pool_serves_would_not_move_it():
    built = typed().holds("a", 90, volume_type="gold").pool("other", total_gb=200, free_gb=200)
    assert solve(built)[0].actions == ()


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"snapshots": True}, "has snapshots"),
        ({"servers": ["off"]}, "which is stopped"),
        ({"grouped": True}, "is in a group of volumes"),
    ],
)
def test_what_may_not_be_moved_stays_with_its_reason(fields, why):
    solution, _, _ = solve(
        shelves().pool("full", **SMALL).holds("a", 90, **fields).pool("empty", total_gb=500)
    )
    assert solution.actions == ()
    assert "1 volumes may not be moved (the first one" in solution.notes[0]
    assert why in solution.notes[0]


def test_a_pool_that_is_full_of_other_things_is_told_so():
    solution, _, _ = solve(shelves().pool("full", total_gb=100, free_gb=5))
    assert solution.notes == (
        "pool store@full#full stays at 95.0 percent: what fills it are not its volumes",
    )


@pytest.mark.parametrize("size", [np.inf, np.nan])
def test_a_pool_without_a_size_in_numbers_harms_nobody(size):
    built = shelves().pool("full", **SMALL).holds("a", 90)
    solution, _, _ = solve(built.pool("odd", total_gb=size, free_gb=size))
    assert solution.actions == ()
    assert "pools without a size in numbers are left alone: store@odd#odd" in solution.notes


@pytest.mark.parametrize("name", ["full", pool_name("full")])
def test_pools_can_be_left_alone(name):
    built = shelves().pool("full", **SMALL).holds("a", 90).pool("empty", total_gb=500)
    assert solve(built, ex_pools=[name])[0].actions == ()
    assert went(solve(built, ex_pools=[])[0]) == {"a": "empty"}


def test_a_thin_pool_is_judged_by_what_is_written():
    thin = {"thin": True, "oversubscription": 10.0, "total_gb": 100.0}
    built = shelves().pool("full", **thin, free_gb=10, provisioned_gb=300)
    built.volumes.append(shelves().pool("full").holds("a", 60).volumes[0])
    solution, _, _ = solve(built.pool("empty", **SMALL))
    assert went(solution) == {"a": "empty"}
    assert solution.indicators["pools_over_threshold_after_count"] == 0


def test_a_second_run_on_the_result_has_nothing_to_do():
    built = shelves().pool("full", **SMALL)
    for number in range(9):
        built.holds(f"v{number}", 10)
    solution, plan, cluster = solve(built.pool("empty", **SMALL))
    assert len(solution.actions) == 2
    after = storage_carried_out(plan, cluster.storage)
    again = StorageCapacityBalance().solve(
        type(cluster)(cluster.hosts, cluster.instances, storage=after), Metrics(), Parameters()
    )
    assert again.actions == ()


def test_it_cannot_do_without_the_storage():
    with pytest.raises(Invalid, match="needs the block storage"):
        StorageCapacityBalance().solve(SERVERS, Metrics(), Parameters())


def test_a_storage_without_pools_needs_nothing():
    assert solve(shelves())[0].indicators["standard_deviation_before_audit"] == 0


def test_where_nobody_says_which_pools_are_left_alone_the_usual_ones_are():
    built = shelves().pool("local_vstorage", **SMALL).holds("a", 90).pool("empty", total_gb=500)
    assert solve(built)[0].actions == ()


def test_the_plan_says_how_many_pools_stay_over_the_threshold_at_least():
    built = shelves().pool("full", **SMALL).holds("one", 60).holds("two", 30)
    alone, _, _ = solve(built)
    assert alone.indicators["pools_over_threshold_lower_bound"] == 1
    solution, _, _ = solve(built.pool("empty", **SMALL))
    assert solution.indicators["pools_over_threshold_lower_bound"] == 0
    assert solution.indicators["pools_over_threshold_after_count"] == 0
