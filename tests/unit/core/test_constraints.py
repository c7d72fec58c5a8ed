# SPDX-License-Identifier: Apache-2.0
"""Who may move, who may go where, and the reason for each refusal."""

from typing import Any

import numpy as np
import pytest

from tests.worlds import World, host_row, instance_row, world
from watcher.core.cluster import Cluster
from watcher.core.constraints import (
    COLD,
    LIVE,
    Constraints,
    judgeable,
    migrates,
    migration_kind,
    movable,
    touchable,
)
from watcher.core.placement import Load, Placement


def where(cluster: Cluster, instance: str, **options: Any) -> set[str]:
    """The names of the hosts an instance may go to."""
    allowed = Constraints(Placement(cluster), **options).allowed(instance_row(cluster, instance))
    return set(cluster.hosts.name[allowed])


def why(cluster: Cluster, instance: str, host: str, **options: Any) -> str:
    constraints = Constraints(Placement(cluster), **options)
    return str(constraints.why_not(instance_row(cluster, instance))[host_row(cluster, host)])


def reason(cluster: Cluster, instance: str) -> str:
    mask, reasons = movable(cluster)
    row = instance_row(cluster, instance)
    assert bool(mask[row]) == (reasons[row] == "")
    return str(reasons[row])


def one(**fields: Any) -> Cluster:
    return world().host("c1").runs("vm", **fields).host("c2").cluster()


def test_an_active_instance_may_be_moved() -> None:
    assert reason(one(), "vm") == ""


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"locked": True}, "it is locked"),
        ({"state": "suspended"}, "it is suspended"),
        ({"state": "error"}, "it is error"),
        ({"task_state": "migrating"}, "Nova is busy with it"),
        ({"known": False}, "it is new and has not been read yet"),
        (
            {"extra_specs": {"hw:cpu_policy": "dedicated"}},
            "only its hypervisor can judge the extra spec hw:cpu_policy of its flavor",
        ),
    ],
)
def test_an_instance_that_may_not_be_moved_has_its_reason(fields: Any, said: str) -> None:
    assert reason(one(**fields), "vm") == said


def test_an_excluded_instance_may_not_be_moved() -> None:
    cluster = one().with_instances(excluded=np.array([True]))
    assert reason(cluster, "vm") == "it is excluded by the audit's scope"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"up": False}, "its host is down"),
        ({"known": False}, "its host could not be read completely"),
    ],
)
def test_an_instance_on_a_host_that_cannot_send_it_may_not_be_moved(
    fields: Any, said: str
) -> None:
    assert reason(world().host("c1", **fields).runs("vm").host("c2").cluster(), "vm") == said


def test_an_instance_on_a_host_out_of_scope_may_not_be_moved() -> None:
    cluster = one()
    cluster = cluster.with_hosts(in_scope=cluster.hosts.name == "c2")
    assert reason(cluster, "vm") == "its host is outside the audit's scope"


def test_an_instance_on_no_host_may_not_be_moved() -> None:
    assert reason(world().host("c1").unplaced("vm").cluster(), "vm") == "it is on no host"


@pytest.mark.parametrize(
    "specs",
    [
        {"hw:numa_nodes": "2"},
        {"hw:mem_page_size": "large"},
        {"pci_passthrough:alias": "gpu:1"},
        {"resources:VGPU": "1"},
        {"hw:cpu_policy": "mixed"},
    ],
)
def test_what_only_the_hypervisor_can_judge_is_told_apart(specs: Any) -> None:
    cluster = one(extra_specs=specs)
    assert not judgeable(cluster)[0]
    assert touchable(cluster)[0][0]
    assert not movable(cluster)[0][0]


@pytest.mark.parametrize("specs", [{}, {"hw:cpu_policy": "shared"}, {"quota:cpu_shares": "10"}])
def test_ordinary_extra_specs_can_be_judged(specs: Any) -> None:
    assert judgeable(one(extra_specs=specs))[0]


def test_running_instances_migrate_live_and_stopped_ones_cold() -> None:
    cluster = (
        (world().host("c1").runs("a").runs("p", state="paused").runs("s", state="stopped"))
        .runs("e", state="error")
        .cluster()
    )
    kinds = {name: migration_kind(cluster, instance_row(cluster, name)) for name in "apse"}
    assert kinds == {"a": LIVE, "p": LIVE, "s": COLD, "e": None}
    assert set(cluster.instances.name[migrates(cluster, LIVE)]) == {"a", "p"}


def test_of_one_kind_of_migration_the_others_have_their_reason() -> None:
    cluster = world().host("c1").runs("a").runs("s", state="stopped").cluster()
    mask, reasons = movable(cluster, LIVE)
    assert set(cluster.instances.name[mask]) == {"a"}
    said = reasons[instance_row(cluster, "s")]
    assert said == "Nova does not migrate it live as it is"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"up": False}, "down"),
        ({"enabled": False}, "disabled"),
        ({"known": False}, "not read completely"),
        ({"hypervisor_type": "VMware"}, "another hypervisor type"),
        ({"vcpus": 1}, "not enough vcpus left"),
        ({"memory_mb": 1024}, "not enough memory_mb left"),
        ({"disk_gb": 5}, "not enough disk_gb left"),
        ({"memory_mb": 4096, "memory_mb_reserved": 3072}, "not enough memory_mb left"),
        ({}, ""),
    ],
)
def test_each_refusal_of_a_host_has_its_reason(fields: Any, said: str) -> None:
    built = world().host("c1").runs("vm", vcpus=2, memory_mb=2048, disk_gb=10)
    cluster = built.host("c2", **fields).cluster()
    assert why(cluster, "vm", "c2") == said
    assert where(cluster, "vm") == (set() if said else {"c2"})


def test_the_allocation_ratio_makes_room() -> None:
    built = world().host("c1").runs("vm", vcpus=4)
    assert where(built.host("c2", vcpus=4, vcpus_ratio=0.5).cluster(), "vm") == set()
    assert where(built.host("c3", vcpus=4).cluster(), "vm") == {"c3"}


def test_one_instance_may_not_be_larger_than_the_host_whatever_the_ratio() -> None:
    built = world().host("c1").runs("vm", vcpus=4).host("c2", vcpus=2, vcpus_ratio=16.0)
    cluster = built.host("c3", max_unit=(3, 99999, 99999)).cluster()
    assert where(cluster, "vm") == set()
    assert why(cluster, "vm", "c2") == "more vcpus than the host gives to one instance"
    assert why(cluster, "vm", "c3") == "more vcpus than the host gives to one instance"


def test_what_is_held_by_others_takes_room() -> None:
    built = world().host("c1").runs("vm", vcpus=4).host("c2", held=(5, 0, 0))
    assert why(built.cluster(), "vm", "c2") == "not enough vcpus left"


def test_a_host_that_is_full_by_load_is_refused() -> None:
    cluster = world().host("c1").runs("vm").host("c2").runs("busy").cluster()
    limit = np.zeros(2)
    limit[[host_row(cluster, "c1"), host_row(cluster, "c2")]] = 8.0, 3.0
    load = Load("cpu load", np.full(2, 2.0), limit, np.zeros(2))
    constraints = Constraints(Placement(cluster, [load]))
    vm, c2 = instance_row(cluster, "vm"), host_row(cluster, "c2")
    assert not constraints.allowed(vm)[c2]
    assert constraints.why_not(vm)[c2] == "not enough cpu load left"


def test_an_instance_pinned_to_a_zone_stays_in_it() -> None:
    built = world().host("c1", zone="az1").runs("vm", pinned_zone="az1").runs("free")
    cluster = built.host("c2", zone="az2").host("c3", zone="az1").cluster()
    assert where(cluster, "vm") == {"c3"}
    assert where(cluster, "free") == {"c2", "c3"}
    assert why(cluster, "vm", "c2") == "outside availability zone az1"


def test_a_host_out_of_scope_is_refused() -> None:
    cluster = one()
    cluster = cluster.with_hosts(in_scope=cluster.hosts.name == "c1")
    assert why(cluster, "vm", "c2") == "outside the audit's scope"


def test_a_strategy_may_offer_fewer_hosts_or_a_disabled_one() -> None:
    cluster = world().host("c1").runs("vm").host("c2").host("c3", enabled=False).cluster()
    targets = cluster.hosts.name == "c3"
    assert where(cluster, "vm", targets=targets) == {"c3"}
    assert why(cluster, "vm", "c2", targets=targets) == "not offered by the strategy"


def pair(policy: str, **fields: Any) -> World:
    """Two of a group on c1 and c2, and an empty host c3."""
    built = world().group("g", policy, **fields).host("c1").runs("vm1", group="g")
    return built.host("c2").runs("vm2", group="g").host("c3")


def test_anti_affinity_keeps_members_apart() -> None:
    assert where(pair("anti-affinity").cluster(), "vm1") == {"c3"}
    assert why(pair("anti-affinity").cluster(), "vm1", "c2") == (
        "against its server group's policy anti-affinity"
    )


def test_anti_affinity_may_allow_several_per_host() -> None:
    assert where(pair("anti-affinity", max_per_host=2).cluster(), "vm1") == {"c2", "c3"}


def test_affinity_sends_an_instance_only_where_the_others_are() -> None:
    assert where(pair("affinity").cluster(), "vm1") == {"c2"}


def test_an_instance_beside_its_affinity_group_stays() -> None:
    built = world().group("g", "affinity").host("c1").runs("vm1", group="g").runs("vm2", group="g")
    assert where(built.host("c2").cluster(), "vm1") == set()


def test_an_instance_alone_in_its_affinity_group_stays_as_nova_counts_itself() -> None:
    built = world().group("g", "affinity").host("c1").runs("vm1", group="g").host("c2")
    assert where(built.cluster(), "vm1") == set()


def test_an_instance_on_no_host_begins_its_affinity_group_anywhere() -> None:
    built = world().group("g", "affinity").host("c1").unplaced("vm1", group="g").host("c2")
    assert where(built.cluster(), "vm1") == {"c1", "c2"}


def test_soft_anti_affinity_is_never_made_worse() -> None:
    assert where(pair("soft-anti-affinity").cluster(), "vm1") == {"c3"}
    assert where(pair("soft-anti-affinity").cluster(), "vm1", soft=False) == {"c2", "c3"}


def test_soft_affinity_is_never_made_worse() -> None:
    built = (
        world().group("g", "soft-affinity").host("c1").runs("a", group="g").runs("b", group="g")
    )
    cluster = built.host("c2").runs("c", group="g").host("c3").cluster()
    assert where(cluster, "a") == {"c2"}
    assert where(cluster, "a", soft=False) == {"c2", "c3"}


def test_groups_follow_the_placement_as_it_changes() -> None:
    cluster = pair("anti-affinity").cluster()
    placement = Placement(cluster)
    constraints = Constraints(placement)
    vm1, vm2 = instance_row(cluster, "vm1"), instance_row(cluster, "vm2")
    placement.move(vm2, host_row(cluster, "c3"))
    assert set(cluster.hosts.name[constraints.allowed(vm1)]) == {"c2"}


def test_one_host_is_judged_as_all_are() -> None:
    cluster = pair("anti-affinity").runs("vm3", vcpus=8).cluster()
    constraints = Constraints(Placement(cluster))
    for row in range(len(cluster.instances)):
        allowed = constraints.allowed(row)
        assert [constraints.permits(row, host) for host in range(3)] == list(allowed)
        assert (allowed == (constraints.why_not(row) == "")).all()


def test_the_summary_counts_hosts_by_reason() -> None:
    built = world().host("c1").runs("vm", vcpus=4)
    for name in ("c2", "c3"):
        built.host(name, vcpus=1)
    cluster = built.host("c4", up=False).cluster()
    summary = Constraints(Placement(cluster)).summary(instance_row(cluster, "vm"))
    assert summary == "2 hosts: not enough vcpus left, 1 host: down"


def test_the_summary_says_when_there_is_no_other_host() -> None:
    cluster = world().host("c1").runs("vm").cluster()
    assert Constraints(Placement(cluster)).summary(0) == "there is no other host"


def test_the_scale_is_an_average_host_and_never_zero() -> None:
    cluster = world().host("c1", vcpus=8, disk_gb=0).host("c2", vcpus=24, disk_gb=0).cluster()
    vcpus, _, disk_gb = Constraints(Placement(cluster)).scale
    assert vcpus == 16
    assert 0 < disk_gb < 1
