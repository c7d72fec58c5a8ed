# SPDX-License-Identifier: Apache-2.0
"""What an instance asks of a host besides room: the flavor, its image and its scheduler hints.

Sources: Nova's admin guide ("Compute schedulers", "Flavors", "Configure aggregates") and its
extra spec reference. What depends on the inside of a host that no API tells (NUMA, pinned CPUs,
huge pages, PCI, vGPU, capabilities of the driver) is ``unjudged``: it is named, never guessed.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import NamedTuple

Items = frozenset[tuple[str, str]]

AGGREGATE_SCOPE = "aggregate_instance_extra_specs"
_SHARED_CPUS = ("", "shared")
_TRUE = ("1", "true", "t", "yes", "y", "on")

_HARMLESS_HW = (
    *("hw:cpu_sockets", "hw:cpu_cores", "hw:cpu_threads", "hw:watchdog_action", "hw:boot_menu"),
    *("hw:cpu_max_sockets", "hw:cpu_max_cores", "hw:cpu_max_threads", "hw:hide_hypervisor_id"),
    *("hw:vif_multiqueue_enabled", "hw:video_ram_max_mb", "hw:input_bus", "hw:live_migration"),
)
_UNJUDGED_SPECS = ("pci_passthrough:", "resources", "trait", "capabilities:", "accel:", "hw:")
_UNJUDGED_WORDS = ("group_policy", "host", "stats", "num_", "io_workload")
"""Words without a scope that Nova compares with what it knows of a host's state."""
_HOST_STATE = frozenset(
    (
        *(
            "nodename",
            "uuid",
            "total_usable_ram_mb",
            "total_usable_disk_gb",
        ),
        *(
            "disk_mb_used",
            "free_ram_mb",
            "free_disk_mb",
            "vcpus_total",
            "vcpus_used",
        ),
        *(
            "pci_stats",
            "numa_topology",
            "failed_builds",
            "hypervisor_type",
            "updated",
        ),
        *(
            "limits",
            "hypervisor_version",
            "hypervisor_hostname",
            "cpu_info",
        ),
        *(
            "supported_instances",
            "metrics",
            "aggregates",
            "service",
            "instances",
        ),
        *(
            "ram_allocation_ratio",
            "cpu_allocation_ratio",
            "disk_allocation_ratio",
        ),
        *(
            "cell_uuid",
            "allocation_candidates",
        ),
    )
)
_UNJUDGED_IMAGE = (
    *("hw_numa_", "hw_mem_page_size", "hw_cpu_thread_policy", "hw_cpu_realtime", "hw_tpm_"),
    *("hw_emulator_threads_policy", "hw_pci_numa", "hw_mem_encryption", "hw_maxphysaddr"),
    *("hw_ephemeral_encryption", "hw_firmware_stateless", "hw_sound_model", "hw_locked_memory"),
    *("img_hv_requested_version", "hypervisor_version_requires", "hw_viommu_model"),
    *("hw_emulation_architecture",),
)
_GUEST = {"hw_architecture": "architecture", "img_hv_type": "hypervisor_type"} | {
    "hw_vm_mode": "vm_mode"
}
"""Image properties that the image filter compares with the guests a host supports, by old name."""
_HINTS = ("same_host", "different_host", "build_near_host_ip", "query")
_DEVICES = {
    "hw_cdrom_bus": "COMPUTE_STORAGE_BUS",
    "hw_disk_bus": "COMPUTE_STORAGE_BUS",
    "hw_video_model": "COMPUTE_GRAPHICS_MODEL",
    "hw_vif_model": "COMPUTE_NET_VIF_MODEL",
    "hw_architecture": "HW_ARCH",
}


class Asks(NamedTuple):
    """What one instance asks; instances of one flavor and image ask the same."""

    unjudged: str = ""
    """The first thing asked for that only its hypervisor can judge, '' for none."""
    required: frozenset[str] = frozenset()
    """Traits the host must have, and those it must not have."""
    forbidden: frozenset[str] = frozenset()
    devices: frozenset[str] = frozenset()
    """Traits of devices the image names: wanted where its present host has them, for only then
    is Nova's prefilter for them in use."""
    aggregate: tuple[tuple[str, str], ...] = ()
    """Keys that the metadata of the host's aggregates must have, with what their value must be."""
    image: Items = frozenset()
    guest: bool = False
    """Whether the image names an architecture, hypervisor type or mode."""

    @property
    def traits(self) -> frozenset[str]:
        """All the traits that matter to it."""
        return self.required | self.forbidden | self.devices


def asks(
    extra_specs: Mapping[str, str],
    image_properties: Mapping[str, str] | None = None,
    hints: Mapping[str, object] | None = None,
) -> Asks:
    """What these say together."""
    hint = next((name for name in _HINTS if (hints or {}).get(name)), "")
    image = {key: str(value) for key, value in (image_properties or {}).items()}
    return _asks(frozenset(extra_specs.items()), frozenset(image.items()), hint)


@lru_cache(maxsize=4096)
def _asks(specs: Items, image: Items, hint: str) -> Asks:
    wanted = dict(image)
    required = {key[6:] for key, value in specs if key[:6] == "trait:" and value == "required"}
    required |= {key[6:] for key, value in image if key[:6] == "trait:" and value == "required"}
    if "required" in (dict(specs).get("os:secure_boot"), wanted.get("os_secure_boot")):
        required.add("COMPUTE_SECURITY_UEFI_SECURE_BOOT")
    packed = dict(specs).get("hw:virtio_packed_ring"), wanted.get("hw_virtio_packed_ring")
    if any(str(value).lower() in _TRUE for value in packed):
        required.add("COMPUTE_NET_VIRTIO_PACKED")
    return Asks(
        unjudged=_unjudged(specs, image) or (f"scheduler hint {hint}" if hint else ""),
        required=frozenset(required),
        forbidden=frozenset(k[6:] for k, v in specs if k[:6] == "trait:" and v == "forbidden"),
        devices=frozenset(
            f"{prefix}_{wanted[key].replace('-', '_').upper()}"
            for key, prefix in _DEVICES.items()
            if wanted.get(key)
        ),
        aggregate=tuple(sorted(_aggregate_keys(specs))),
        image=image,
        guest=any(wanted.get(new) or wanted.get(old) for new, old in _GUEST.items()),
    )


def _unjudged(specs: Items, image: Items) -> str:
    of_flavor = (key for key, value in sorted(specs) if _is_unjudged_spec(key, value))
    of_image = (key for key, value in sorted(image) if _is_unjudged_property(key, value))
    for key in of_flavor:
        return f"extra spec {key} of its flavor"
    for key in of_image:
        return f"property {key} of its image"
    return ""


def _is_unjudged_spec(key: str, value: str) -> bool:
    if key == "hw:cpu_policy":
        return value not in _SHARED_CPUS
    if key.startswith("trait:"):
        return value not in ("required", "forbidden")
    if ":" not in key:
        return key in _HOST_STATE or key.startswith(_UNJUDGED_WORDS)
    if key in _HARMLESS_HW or key == "hw:virtio_packed_ring":
        return False
    return key.startswith(_UNJUDGED_SPECS)


def _is_unjudged_property(key: str, value: str) -> bool:
    if key == "hw_cpu_policy":
        return value not in _SHARED_CPUS
    return key.startswith(_UNJUDGED_IMAGE)


def _aggregate_keys(specs: Items) -> Iterable[tuple[str, str]]:
    """What AggregateInstanceExtraSpecsFilter reads: its scope, and words without any scope."""
    for key, value in specs:
        scope, colon, rest = key.partition(":")
        if not colon:
            yield key, value
        elif scope == AGGREGATE_SCOPE:
            yield rest, value


def _number(compare: Callable[[float, float], bool]) -> Callable[[str, str], bool]:
    def judged(value: str, wanted: str) -> bool:
        try:
            return compare(float(value), float(wanted))
        except ValueError:
            return False

    return judged


_OPERATORS: Mapping[str, Callable[[str, str], bool]] = {
    "=": _number(lambda value, wanted: value >= wanted),
    ">=": _number(lambda value, wanted: value >= wanted),
    "<=": _number(lambda value, wanted: value <= wanted),
    "==": _number(lambda value, wanted: value == wanted),
    "!=": _number(lambda value, wanted: value != wanted),
    "<in>": lambda value, wanted: wanted in value,
    "s==": lambda value, wanted: value == wanted,
    "s!=": lambda value, wanted: value != wanted,
    "s<": lambda value, wanted: value < wanted,
    "s<=": lambda value, wanted: value <= wanted,
    "s>": lambda value, wanted: value > wanted,
    "s>=": lambda value, wanted: value >= wanted,
}


def matches(value: str, wanted: str) -> bool:
    """Whether a value of an aggregate's metadata is what an extra spec wants.

    ``wanted`` may begin with an operator of Nova's extra spec syntax (``>= 3``, ``s== a``,
    ``<in> a``, ``<all-in> a b``, ``<or> a <or> b``); without one the two must be equal.
    """
    operator, *rest = wanted.split() or [""]
    if operator == "<or>":
        return value in rest[::2]
    if operator == "<all-in>":
        return bool(rest) and all(word in value for word in rest)
    if operator in _OPERATORS:
        return bool(rest) and _OPERATORS[operator](value, rest[0])
    return value == wanted
