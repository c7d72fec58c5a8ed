# SPDX-License-Identifier: Apache-2.0
"""The rules that stand still: who may use which hosts, and in what words they are refused."""

from typing import Any

import pytest

from tests.worlds import host_row, instance_row, world
from watcher.core.cluster import Cluster, Cpu
from watcher.core.pools import (
    EXTRA_SPECS,
    FILTERS,
    FLAVORS,
    IMAGES,
    ISOLATED_AGGREGATES,
    TENANCY,
    TENANT_AGGREGATES,
    Pools,
    pools_of,
)


def meta(**metadata: str) -> dict[str, Any]:
    return {"aggregate_metadata": {key: frozenset({text}) for key, text in metadata.items()}}


def refused(cluster: Cluster) -> str:
    """Why vm may not use c2; ''."""
    pools, row, host = Pools(cluster), instance_row(cluster, "vm"), host_row(cluster, "c2")
    said = [text for text, hosts in pools.refusals(row) if hosts[host]]
    assert bool(pools.masks[pools.of[row], host]) == (not said)
    return "".join(said)


def pair(instance: dict[str, Any], there: dict[str, Any], here: dict[str, Any] | None = None):
    return world().host("c1", **(here or {})).runs("vm", **instance).host("c2", **there)


TRAIT = {"traits": frozenset({"X"})}
NEEDS_X = {"extra_specs": {"trait:X": "required"}}
FORBIDS_X = {"extra_specs": {"trait:X": "forbidden"}}
SSD = {"extra_specs": {"aggregate_instance_extra_specs:ssd": "<in> fast"}}
P1 = {"project_id": "p1"}
BUS = {"image_properties": {"hw_disk_bus": "scsi"}}
HAS_BUS = {"traits": frozenset({"COMPUTE_STORAGE_BUS_SCSI"})}
LINUX = {"image_properties": {"os_distro": "debian"}}
QUIET = {"image_properties": {"os_require_quiesce": "true"}}
GUEST = {"image_properties": {"hw_architecture": "x86_64"}}


@pytest.mark.parametrize(
    ("instance", "there", "here", "said"),
    [
        ({}, {}, {}, ""),
        ({"pinned_zone": "az1"}, {"zone": "az2"}, {}, "outside availability zone az1"),
        ({}, {"hypervisor_type": "VMware"}, {}, "another hypervisor type"),
        ({}, {"hypervisor_version": 6}, {"hypervisor_version": 7}, "an older hypervisor"),
        ({}, {"hypervisor_version": 7}, {"hypervisor_version": 6}, ""),
        (
            {"state": "stopped"},
            {"hypervisor_version": 6},
            {"hypervisor_version": 7},
            "",
        ),
        (
            {},
            {"cpu": Cpu("x86_64", "Intel", "Haswell")},
            {"cpu": Cpu("x86_64", "Intel", "Skylake")},
            "a CPU without all that its present one has",
        ),
        (
            {},
            {"cpu": Cpu("x86_64", "Intel", "Haswell", frozenset({"a"}))},
            {"cpu": Cpu("x86_64", "Intel", "Haswell", frozenset({"a", "b"}))},
            "a CPU without all that its present one has",
        ),
        ({}, {"cpu": Cpu("x86_64", "Intel", "Haswell", frozenset("ab"))}, {}, ""),
        (
            {**GUEST, "state": "stopped"},
            {"cpu": Cpu("aarch64")},
            {"cpu": Cpu("x86_64")},
            "another CPU architecture",
        ),
        (NEEDS_X, {}, {}, "without trait X"),
        (NEEDS_X, TRAIT, {}, ""),
        (FORBIDS_X, TRAIT, {}, "with trait X, which it forbids"),
        (FORBIDS_X, {}, {}, ""),
        (BUS, {}, HAS_BUS, "without trait COMPUTE_STORAGE_BUS_SCSI"),
        (BUS, {}, {}, ""),
        (SSD, {}, {}, "in no aggregate with ssd <in> fast"),
        (SSD, meta(ssd="slow, fast"), {}, ""),
        (P1, meta(filter_tenant_id="p2,p3"), {}, "in an aggregate for other projects"),
        (P1, meta(filter_tenant_id="p2, p1"), {}, ""),
        (P1, {}, meta(filter_tenant_id_2="p1"), "outside the aggregates of its project"),
        (P1, {}, meta(filter_tenant_id="p1,p2"), ""),
        (LINUX, meta(os_distro="ubuntu"), {}, "in an aggregate for images with another os_distro"),
        (LINUX, meta(os_distro="debian,ubuntu"), {}, ""),
        (
            QUIET,
            meta(os_require_quiesce="true"),
            {},
            "in an aggregate for images with another os_require_quiesce",
        ),
        (QUIET, meta(os_require_quiesce="true,True"), {}, ""),
        ({"flavor": "m1"}, meta(instance_type="m2"), {}, "in an aggregate for other flavors"),
        ({"flavor": "m1"}, meta(instance_type="m2, m1"), {}, ""),
        (
            {},
            meta(**{"trait:X": "required"}),
            {},
            "in an aggregate for instances that require trait X",
        ),
        (NEEDS_X, {**TRAIT, **meta(**{"trait:X": "required"})}, {}, ""),
    ],
)
def test_each_rule_and_its_words(
    instance: dict[str, Any], there: dict[str, Any], here: dict[str, Any], said: str
) -> None:
    assert refused(pair(instance, there, here).cluster()) == said


@pytest.mark.parametrize(
    ("name", "instance", "there", "here"),
    [
        (EXTRA_SPECS, SSD, {}, {}),
        (TENANCY, P1, meta(filter_tenant_id="p2"), {}),
        (IMAGES, LINUX, meta(os_distro="ubuntu"), {}),
        (FLAVORS, {"flavor": "m1"}, meta(instance_type="m2"), {}),
        (TENANT_AGGREGATES, P1, {}, meta(filter_tenant_id="p1")),
        (ISOLATED_AGGREGATES, {}, meta(**{"trait:X": "required"}), {}),
    ],
)
def test_a_filter_that_nova_has_not_refuses_nothing(
    name: str, instance: dict[str, Any], there: dict[str, Any], here: dict[str, Any]
) -> None:
    built = pair(instance, there, here)
    assert refused(built.cluster())
    assert not refused(built.cluster(filters=frozenset(FILTERS) - {name}))


def test_an_instance_on_no_host_is_bound_by_no_hypervisor() -> None:
    cluster = world().unplaced("vm").host("c2", hypervisor_type="VMware").cluster()
    assert refused(cluster) == ""


def test_a_trait_that_was_not_read_cannot_be_judged() -> None:
    built = pair(NEEDS_X, {})
    assert Pools(built.cluster(traits=frozenset())).why_unjudged(0) == "trait X, not read yet"
    assert Pools(built.cluster(traits=frozenset("X"))).why_unjudged(0) == ""
    assert not Pools(built.cluster(traits=frozenset("X"))).unjudged[0]


def test_hosts_that_differ_in_what_nobody_asks_for_are_of_one_kind() -> None:
    built = world()
    for number in range(5):
        built.host(f"c{number}", **meta(rack=str(number)), traits=frozenset({f"T{number}"}))
    pools = Pools(built.runs("vm").cluster())
    assert len(set(pools.kind.tolist())) == 1


def test_a_way_leads_to_a_host_that_is_not_older() -> None:
    cluster = (
        (world().host("c1", hypervisor_version=6).host("c2", hypervisor_version=7))
        .host("c3", hypervisor_version=7, hypervisor_type="VMware")
        .cluster()
    )
    leads = pools_of(cluster).leading_to(host_row(cluster, "c2"))
    assert set(cluster.hosts.name[leads]) == {"c1", "c2"}
    assert pools_of(cluster) is pools_of(cluster)
