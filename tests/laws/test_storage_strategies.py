# SPDX-License-Identifier: Apache-2.0
"""What holds for the strategies that read block storage or bare metal, on every cluster."""

from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.answers import ordered
from tests.plans import LIVELY, carried_out
from tests.shelves import Shelves, machined, powered, storage_carried_out, stores
from tests.worlds import worlds
from watcher.core.cluster import Cluster
from watcher.core.metrics import Metrics
from watcher.core.parameters import parse
from watcher.core.plan import Plan
from watcher.core.solution import MIGRATE, VOLUME_MIGRATE, Solution
from watcher.core.storage import Storage
from watcher.core.volume_placement import VolumePlacement, volume_obstacles
from watcher.strategies.saving_energy import SavingEnergy
from watcher.strategies.storage_capacity_balance import StorageCapacityBalance
from watcher.strategies.zone_migration import ZoneMigration

LAW = settings(deadline=None, max_examples=60)
SERVERS = st.one_of(LIVELY, worlds(min_hosts=1, max_hosts=4, max_instances=8))
CHOICES = st.integers(0, 11)


@st.composite
def stored(draw: st.DrawFn) -> tuple[Cluster, Shelves]:
    """A cluster with its storage, and the records that were assembled."""
    cluster = draw(SERVERS)
    built = draw(stores(cluster))
    return built.beside(cluster), built


def storage_of(cluster: Cluster) -> Storage:
    assert cluster.storage is not None
    return cluster.storage


def balanced(cluster: Cluster, choice: int) -> Solution:
    threshold = (80.0, 50.0, 20.0)[choice % 3]
    strategy = StorageCapacityBalance()
    values = {"volume_threshold": threshold, "allow_retype": choice % 2 == 0}
    return strategy.solve(cluster, Metrics(), parse(strategy.parameters, values))


def migrated(cluster: Cluster, choice: int) -> Solution:
    """Hosts and pools of a zone are emptied, to what is named or to what Nova and Cinder choose."""
    names, pools = cluster.hosts.name, storage_of(cluster).pools.name
    server: dict[str, Any] = {"src_node": str(names[choice % len(names)])}
    if choice % 2 and len(names) > 1:
        server["dst_node"] = str(names[(choice + 1) % len(names)])
    volume = {"src_pool": str(pools[choice % len(pools)])}
    if choice % 3 and len(pools) > 1:
        volume["dst_pool"] = str(pools[(choice + 1) % len(pools)])
    else:
        volume["dst_type"] = ("gold", "any")[choice % 2]
    strategy = ZoneMigration()
    values = {
        "compute_nodes": [server],
        "storage_pools": [volume],
        "with_attached_volume": choice % 4 == 0,
        "priority": {"storage": ("size", "created_at")[choice % 2]},
    }
    return strategy.solve(cluster, Metrics(), parse(strategy.parameters, values))


def saved(cluster: Cluster, choice: int) -> Solution:
    values = {"free_used_percent": (10.0, 50.0, 0.0)[choice % 3], "min_free_hosts_num": choice % 4}
    strategy = SavingEnergy()
    return strategy.solve(cluster, Metrics(), parse(strategy.parameters, values))


def planned(solution: Solution, cluster: Cluster) -> Plan:
    return ordered(StorageCapacityBalance(), solution, cluster)  # all three have the same planner


@LAW
@given(both=stored(), choice=CHOICES)
def test_the_same_input_gives_the_same_solution_and_leaves_the_snapshot_alone(
    both: tuple[Cluster, Shelves], choice: int
) -> None:
    cluster, _ = both
    storage = storage_of(cluster)
    before = storage.volumes.pool.copy(), storage.pools.free_gb.copy()
    for solve in (balanced, migrated):
        assert solve(cluster, choice) == solve(cluster, choice)
    assert (before[0] == storage.volumes.pool).all()
    assert (before[1] == storage.pools.free_gb).all()


@LAW
@given(both=stored(), choice=CHOICES, chance=st.randoms(use_true_random=False))
def test_the_order_in_which_volumes_and_pools_were_collected_changes_nothing(
    both: tuple[Cluster, Shelves], choice: int, chance: Any
) -> None:
    cluster, built = both
    for records in (built.pools, built.volumes, built.types):
        chance.shuffle(records)
    for solve in (balanced, migrated):
        assert solve(built.beside(cluster), choice) == solve(cluster, choice)


@LAW
@given(both=stored(), choice=CHOICES, data=st.data())
def test_only_what_may_be_moved_is_touched(
    both: tuple[Cluster, Shelves], choice: int, data: st.DataObject
) -> None:
    cluster, _ = both
    storage = storage_of(cluster)
    flags = st.sampled_from((False, False, True))
    servers = np.array([data.draw(flags) for _ in cluster.instances.uuid], dtype=np.bool_)
    volumes = np.array([data.draw(flags) for _ in storage.volumes.uuid], dtype=np.bool_)
    cluster = replace(
        cluster.with_instances(excluded=servers), storage=storage.with_volumes(excluded=volumes)
    )
    for solve in (balanced, migrated):
        for action in solve(cluster, choice).actions:
            if action.type == MIGRATE:
                row = cluster.instances.row_by_uuid[action.resource_id]
                assert not servers[row]
                assert not cluster.instances.locked[row]
            else:
                row = storage.volumes.row_by_uuid[action.resource_id]
                kind = action.parameters["migration_type"]
                assert volume_obstacles(cluster, kind)[row] == ""


@LAW
@given(both=stored(), choice=CHOICES)
def test_every_plan_replays_and_no_pool_is_promised_more_than_it_has(
    both: tuple[Cluster, Shelves], choice: int
) -> None:
    cluster, _ = both
    storage = storage_of(cluster)
    for solve in (balanced, migrated):
        plan = planned(solve(cluster, choice), cluster)
        plan.replay(cluster)
        moved = [one.resource_id for one in plan.actions if one.type == VOLUME_MIGRATE]
        assert len(moved) == len(set(moved))
        after = storage_carried_out(plan, storage)
        assert (VolumePlacement(after).free_gb >= 0).all()
        gone = np.flatnonzero(after.volumes.pool != storage.volumes.pool)
        assert set(after.volumes.uuid[gone]) <= set(moved)
        for row in gone:
            pool, kind = int(after.volumes.pool[row]), int(after.volumes.type[row])
            assert after.pools.usable[pool]
            assert VolumePlacement(after).serves(kind)[pool]


@LAW
@given(both=stored(), choice=CHOICES)
def test_balancing_leaves_no_more_pools_too_full_and_comes_to_rest(
    both: tuple[Cluster, Shelves], choice: int
) -> None:
    """What a volume leaves is room for the next audit: it may take as many as there are volumes."""
    cluster, _ = both
    for _ in range(len(storage_of(cluster).volumes) + 1):
        solution = balanced(cluster, choice)
        told = solution.indicators
        assert (
            told["pools_over_threshold_lower_bound"]
            <= told["pools_over_threshold_after_count"]
            <= told["pools_over_threshold_before_count"]
        )
        if not solution.actions:
            break
        after = storage_carried_out(planned(solution, cluster), storage_of(cluster))
        cluster = replace(cluster, storage=after)
    assert balanced(cluster, choice).actions == ()


@LAW
@given(both=stored(), choice=CHOICES)
def test_emptying_a_zone_comes_to_rest(both: tuple[Cluster, Shelves], choice: int) -> None:
    cluster, _ = both
    for _ in range(len(storage_of(cluster).volumes) + len(cluster.instances) + 1):
        solution = migrated(cluster, choice)
        if not solution.actions:
            break
        plan = planned(solution, cluster)
        after = storage_carried_out(plan, storage_of(cluster))
        cluster = replace(carried_out(plan, cluster), storage=after)
    assert migrated(cluster, choice).actions == ()


@LAW
@given(cluster=SERVERS.flatmap(machined), choice=CHOICES)
def test_saving_energy_is_deterministic_and_at_rest_on_its_own_result(
    cluster: Cluster, choice: int
) -> None:
    solution = saved(cluster, choice)
    assert saved(cluster, choice) == solution
    again = saved(powered(planned(solution, cluster), cluster), choice)
    assert again.actions == ()


@LAW
@given(cluster=SERVERS.flatmap(machined), choice=CHOICES)
def test_only_empty_hosts_whose_machine_is_theirs_are_switched(
    cluster: Cluster, choice: int
) -> None:
    machines, hosts = cluster.baremetal, cluster.hosts
    assert machines is not None
    owners = machines.host_rows(hosts)
    for action in saved(cluster, choice).actions:
        row = hosts.row_by_name[action.parameters["resource_name"]]
        machine = list(machines.uuid).index(action.resource_id)
        assert owners[machine] == row
        assert machines.settled[machine]
        assert not cluster.rows_on(row).size
        ours = str(hosts.disabled_reason[row]).startswith("watcher_")
        assert hosts.enabled[row] or ours
        assert machines.power_state[machine] != f"power {action.parameters['state']}"
