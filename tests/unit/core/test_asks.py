# SPDX-License-Identifier: Apache-2.0
"""What flavors, images and hints ask of a host, and Nova's syntax of extra specs."""

import pytest

from watcher.core.asks import Asks, asks, matches


def test_an_ordinary_instance_asks_nothing() -> None:
    assert asks({}) == Asks()
    assert asks({"hw:cpu_policy": "shared", "quota:cpu_shares": "9", "hw:cpu_sockets": "2"}) == (
        Asks()
    )


@pytest.mark.parametrize(
    ("specs", "image", "hints", "said"),
    [
        ({"hw:numa_nodes": "2"}, {}, {}, "extra spec hw:numa_nodes of its flavor"),
        ({"hw:cpu_policy": "mixed"}, {}, {}, "extra spec hw:cpu_policy of its flavor"),
        ({"hw:new_thing": "1"}, {}, {}, "extra spec hw:new_thing of its flavor"),
        ({"resources:VGPU": "1"}, {}, {}, "extra spec resources:VGPU of its flavor"),
        ({"resources1:VGPU": "1"}, {}, {}, "extra spec resources1:VGPU of its flavor"),
        ({"trait1:X": "required"}, {}, {}, "extra spec trait1:X of its flavor"),
        ({"trait:X": "wanted"}, {}, {}, "extra spec trait:X of its flavor"),
        ({"pci_passthrough:alias": "a"}, {}, {}, "extra spec pci_passthrough:alias of its flavor"),
        ({"capabilities:x": "1"}, {}, {}, "extra spec capabilities:x of its flavor"),
        ({"free_ram_mb": ">= 5"}, {}, {}, "extra spec free_ram_mb of its flavor"),
        ({"num_instances": "< 5"}, {}, {}, "extra spec num_instances of its flavor"),
        ({}, {"hw_cpu_policy": "dedicated"}, {}, "property hw_cpu_policy of its image"),
        ({}, {"hw_mem_page_size": "1GB"}, {}, "property hw_mem_page_size of its image"),
        ({}, {}, {"same_host": ["a"]}, "scheduler hint same_host"),
    ],
)
def test_what_nobody_can_judge_from_outside_is_named(
    specs: dict[str, str], image: dict[str, str], hints: dict[str, object], said: str
) -> None:
    assert asks(specs, image, hints).unjudged == said


@pytest.mark.parametrize("hints", [{"different_host": []}, {"group": "g"}, None])
def test_hints_that_bind_nothing_are_passed_over(hints: dict[str, object] | None) -> None:
    assert asks({}, None, hints) == Asks()


def test_traits_come_from_flavor_and_image() -> None:
    found = asks(
        {"trait:A": "required", "trait:B": "forbidden", "os:secure_boot": "required"},
        {"trait:C": "required", "hw_virtio_packed_ring": "true", "hw_disk_bus": "virtio-blk"},
    )
    assert found.required == {
        *("A", "C", "COMPUTE_SECURITY_UEFI_SECURE_BOOT", "COMPUTE_NET_VIRTIO_PACKED")
    }
    assert found.forbidden == {"B"}
    assert found.devices == {"COMPUTE_STORAGE_BUS_VIRTIO_BLK"}
    assert found.traits == found.required | found.forbidden | found.devices


def test_aggregates_are_asked_for_by_scope_or_by_a_word_without_one() -> None:
    specs = {"aggregate_instance_extra_specs:ssd": "true", "tier": "gold", "other:x": "1"}
    assert asks(specs).aggregate == (("ssd", "true"), ("tier", "gold"))


def test_an_image_for_one_kind_of_guest_says_so() -> None:
    assert asks({}, {"hw_architecture": "x86_64"}).guest
    assert asks({}, {"hypervisor_type": "qemu"}).guest
    assert not asks({}, {"os_type": "linux"}).guest


@pytest.mark.parametrize(
    ("value", "wanted", "verdict"),
    [
        ("a", "a", True),
        ("a", "b", False),
        ("", "", True),
        ("5", "= 4", True),
        ("3", ">= 4", False),
        ("3", "<= 4", True),
        ("4.0", "== 4", True),
        ("4", "!= 4", False),
        ("four", ">= 4", False),
        ("abc", "<in> b", True),
        ("abc", "<all-in> a c", True),
        ("abc", "<all-in> a d", False),
        ("b", "<or> a <or> b", True),
        ("<or>", "<or> a <or> b", False),
        ("c", "<or> a", False),
        ("a", "s== a", True),
        ("a", "s!= a", False),
        ("a", "s< b", True),
        ("b", "s<= b", True),
        ("c", "s> b", True),
        ("b", "s>= c", False),
        ("a", "s==", False),
    ],
)
def test_novas_operators(value: str, wanted: str, verdict: bool) -> None:
    assert matches(value, wanted) is verdict
