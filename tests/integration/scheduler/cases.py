# SPDX-License-Identifier: Apache-2.0
"""Random clouds, each as a cluster of ours and as what the real scheduler is told of it."""

import random
from typing import Any

from tests.worlds import World, uuid, world
from watcher.core.cluster import Cluster, Cpu
from watcher.core.pools import FILTERS, ISOLATED_AGGREGATES, TENANT_AGGREGATES

TRAITS = ("CUSTOM_GOLD", "CUSTOM_GPU", "HW_CPU_X86_AVX2", "COMPUTE_SECURITY_UEFI_SECURE_BOOT")
DEVICES = {
    ("hw_disk_bus", "virtio"): "COMPUTE_STORAGE_BUS_VIRTIO",
    ("hw_disk_bus", "scsi"): "COMPUTE_STORAGE_BUS_SCSI",
    ("hw_vif_model", "virtio"): "COMPUTE_NET_VIF_MODEL_VIRTIO",
    ("hw_video_model", "vga"): "COMPUTE_GRAPHICS_MODEL_VGA",
    ("hw_architecture", "x86_64"): "HW_ARCH_X86_64",
    ("hw_architecture", "aarch64"): "HW_ARCH_AARCH64",
}
PREFILTER = "image_metadata_prefilter"
SIZES = ((1, 1024, 10), (2, 2048, 20), (4, 8192, 0), (8, 4096, 40), (16, 16384, 10))
POLICIES = ("affinity", "anti-affinity", "soft-affinity", "soft-anti-affinity")
SPECS: tuple[dict[str, str], ...] = (
    {},
    {},
    {},
    {"trait:CUSTOM_GOLD": "required"},
    {"trait:CUSTOM_GPU": "forbidden"},
    {"trait:HW_CPU_X86_AVX2": "required", "trait:CUSTOM_GPU": "forbidden"},
    {"os:secure_boot": "required"},
    {"aggregate_instance_extra_specs:ssd": "true"},
    {"aggregate_instance_extra_specs:tier": ">= 2"},
    {"aggregate_instance_extra_specs:tier": "<or> 1 <or> 3"},
    {"aggregate_instance_extra_specs:rack": "<in> r"},
    {"ssd": "true"},
    {"rack": "s!= r1"},
    {"hw:cpu_policy": "shared", "quota:cpu_shares": "100", "hw:cpu_sockets": "2"},
)
UNJUDGED: tuple[dict[str, str], ...] = (
    {"hw:cpu_policy": "dedicated"},
    {"hw:numa_nodes": "1"},
    {"resources:CUSTOM_FPGA": "1"},
    {"capabilities:hypervisor_type": "s== QEMU"},
)
IMAGES: tuple[dict[str, str], ...] = (
    {},
    {},
    {"hw_disk_bus": "virtio", "hw_vif_model": "virtio"},
    {"hw_disk_bus": "scsi"},
    {"hw_video_model": "vga", "os_distro": "debian"},
    {"os_distro": "ubuntu", "os_require_quiesce": "true"},
    {"hw_architecture": "x86_64", "img_hv_type": "qemu"},
    {"hw_architecture": "aarch64"},
)
METADATA: tuple[dict[str, str], ...] = (
    {"ssd": "true"},
    {"ssd": "false", "tier": "1,2"},
    {"tier": "3", "rack": "r1"},
    {"rack": "r2, r3"},
    {"os_distro": "debian, centos"},
    {"os_distro": "ubuntu"},
    {"os_require_quiesce": "true,True"},
    {"instance_type": "m0, m1, m2"},
    {"filter_tenant_id": "p1"},
    {"filter_tenant_id": "p1,p2", "filter_tenant_id_2": "p3"},
    {"filter_tenant_id_x": "p2"},
    {"trait:CUSTOM_GOLD": "required"},
    {},
)


def case(seed: int) -> tuple[Cluster, dict[str, Any]]:
    """One cloud of 8 to 40 hosts and 12 to 60 instances."""
    return _Case(seed).made()


class _Case:
    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.filters = {one for one in (*FILTERS, PREFILTER) if self.chance.random() < 0.5}
        self.hosts: list[dict[str, Any]] = []
        self.aggregates: list[dict[str, Any]] = []
        self.groups: dict[str, dict[str, Any]] = {}
        self.instances: list[dict[str, Any]] = []

    def made(self) -> tuple[Cluster, dict[str, Any]]:
        chance = self.chance
        for number in range(chance.randint(8, 40)):
            self._host(number)
        for number, metadata in enumerate(chance.sample(METADATA, chance.randint(0, 4))):
            self._aggregate(f"a{number}", metadata, [one["name"] for one in self.hosts])
        for zone in ("az1", "az2"):
            members = [one["name"] for one in self.hosts if one["zone"] == zone]
            self._aggregate(zone, {"availability_zone": zone}, members, share=1.0)
        for number in range(chance.randint(0, 2)):
            name = f"g{number}"
            most = chance.choice((1, 1, 2))
            policy = chance.choice(POLICIES)
            self.groups[name] = {"uuid": uuid(name), "policy": policy, "max_per_host": most}
        for number in range(chance.randint(12, 60)):
            self._instance(number)
        self._as_nova_would_have_them()
        told = {
            "hosts": self.hosts,
            "aggregates": self.aggregates,
            "groups": self.groups,
            "instances": self.instances,
            "filters": sorted(self.filters),
        }
        return self._cluster(), told

    def _host(self, number: int) -> None:
        chance, name = self.chance, f"c{number}"
        arch = chance.choice(("x86_64",) * 5 + ("aarch64",))
        kind = chance.choice(("QEMU",) * 6 + ("ironic-like",))
        total = {
            "VCPU": chance.choice((4, 8, 16, 32)),
            "MEMORY_MB": chance.choice((8192, 16384, 65536)),
            "DISK_GB": chance.choice((100, 500)),
        }
        ratios = {"VCPU": chance.choice((1.0, 1.5, 4.0)), "MEMORY_MB": 1.0, "DISK_GB": 1.0}
        self.hosts.append(
            {
                "name": name,
                "uuid": uuid(name),
                "enabled": chance.random() > 0.1,
                "up": chance.random() > 0.07,
                "type": kind,
                "version": chance.choice((8002000, 8002000, 8002000, 9001000)),
                "zone": chance.choice(("az1", "az2")),
                "cpu_info": {"arch": arch},
                "supported_instances": [(arch, "qemu" if kind == "QEMU" else "lxc", "hvm")],
                "traits": [one for one in TRAITS if chance.random() < 0.4]
                + [one for one in DEVICES.values() if chance.random() < 0.7],
                "inventories": {
                    kind: {
                        "total": amount,
                        "reserved": chance.choice((0, amount // 16)),
                        "allocation_ratio": ratios[kind],
                        "min_unit": 1,
                        "max_unit": amount if chance.random() < 0.8 else max(1, amount // 4),
                        "step_size": 1,
                    }
                    for kind, amount in total.items()
                },
                "holder": uuid(f"holder of {name}"),
                "held": chance.choice(({}, {}, {"VCPU": 1, "MEMORY_MB": 512, "DISK_GB": 5})),
            }
        )

    def _aggregate(
        self, name: str, metadata: dict[str, str], hosts: list[str], share: float = 0.5
    ) -> None:
        inside = [one for one in hosts if self.chance.random() < share]
        row = {"name": name, "uuid": uuid(f"aggregate {name}"), "metadata": metadata}
        self.aggregates.append({**row, "hosts": inside})

    def _instance(self, number: int) -> None:
        chance, name = self.chance, f"vm{number}"
        size = chance.choice(SIZES)
        resources = dict(zip(("VCPU", "MEMORY_MB", "DISK_GB"), size, strict=True))
        places = [host for host in self.hosts if self._has_room(host, resources)]
        if not places:
            return
        host = chance.choice(places)
        specs = chance.choice(SPECS) if chance.random() < 0.93 else chance.choice(UNJUDGED)
        image = chance.choice(IMAGES)
        self.instances.append(
            {
                "uuid": uuid(name),
                "name": name,
                "host": host["name"],
                "resources": resources,
                "flavor": f"m{chance.randint(0, 4)}",
                "extra_specs": specs,
                "image_properties": image if self._supports(host, image) else {},
                "project_id": chance.choice(("p1", "p2", "p3", "p4")),
                "zone": host["zone"] if chance.random() < 0.2 else "",
                "group": chance.choice(("", "", *self.groups)),
                "live": chance.random() < 0.75,
            }
        )

    def _has_room(self, host: dict[str, Any], resources: dict[str, int]) -> bool:
        here = [one["resources"] for one in self.instances if one["host"] == host["name"]]
        for kind, amount in resources.items():
            row = host["inventories"][kind]
            used = sum(one[kind] for one in here) + host["held"].get(kind, 0)
            if used + amount > (row["total"] - row["reserved"]) * row["allocation_ratio"]:
                return False
            if amount > row["max_unit"]:
                return False
        return True

    def _supports(self, host: dict[str, Any], image: dict[str, str]) -> bool:
        arch, guest, _ = host["supported_instances"][0]
        wanted = image.get("hw_architecture", arch), image.get("img_hv_type", guest)
        return wanted == (arch, guest)

    def _as_nova_would_have_them(self) -> None:
        """Where the rules of ours conclude from an instance's present host, let it be there.

        With the prefilter for devices a host has the devices of its instances; with that for
        projects an instance is in the aggregates of its project when there are any.
        """
        for one in self.instances:
            host = next(each for each in self.hosts if each["name"] == one["host"])
            if PREFILTER in self.filters:
                wanted = [DEVICES.get(item) for item in one["image_properties"].items()]
                missing = {trait for trait in wanted if trait} - set(host["traits"])
                host["traits"] += sorted(missing)
            if TENANT_AGGREGATES in self.filters:
                self._at_home(one)

    def _at_home(self, one: dict[str, Any]) -> None:
        own = [
            each
            for each in self.aggregates
            for key, text in each["metadata"].items()
            if key.startswith("filter_tenant_id") and text == one["project_id"]
        ]
        if own and not any(one["host"] in each["hosts"] for each in own):
            own[0]["hosts"].append(one["host"])

    def _cluster(self) -> Cluster:
        built = world()
        for name, group in self.groups.items():
            built.group(name, group["policy"], group["max_per_host"])
        for host in self.hosts:
            self._add_host(built, host)
            for one in self.instances:
                if one["host"] == host["name"]:
                    self._add_instance(built, one)
        filters = frozenset(self.filters & {*FILTERS, ISOLATED_AGGREGATES})
        return built.cluster(filters=filters)

    def _add_host(self, built: World, host: dict[str, Any]) -> None:
        rows = [host["inventories"][kind] for kind in ("VCPU", "MEMORY_MB", "DISK_GB")]
        metadata: dict[str, set[str]] = {}
        for one in self.aggregates:
            if host["name"] in one["hosts"]:
                for key, text in one["metadata"].items():
                    metadata.setdefault(key, set()).add(text)
        held = tuple(host["held"].get(kind, 0) for kind in ("VCPU", "MEMORY_MB", "DISK_GB"))
        names = ("vcpus", "memory_mb", "disk_gb"), ("vcpus", "memory", "disk")
        built.host(
            host["name"],
            **{name: row["total"] for name, row in zip(names[0], rows, strict=True)},
            **{
                f"{name}_reserved": row["reserved"]
                for name, row in zip(names[0], rows, strict=True)
            },
            **{
                f"{name}_ratio": row["allocation_ratio"]
                for name, row in zip(names[1], rows, strict=True)
            },
            max_unit=tuple(row["max_unit"] for row in rows),
            held=held,
            up=host["up"],
            enabled=host["enabled"],
            zone=host["zone"],
            hypervisor_type=host["type"],
            hypervisor_version=host["version"],
            cpu=Cpu(host["cpu_info"]["arch"]),
            traits=frozenset(host["traits"]),
            aggregate_metadata={key: frozenset(texts) for key, texts in metadata.items()},
        )

    def _add_instance(self, built: World, one: dict[str, Any]) -> None:
        built.runs(
            one["name"],
            vcpus=one["resources"]["VCPU"],
            memory_mb=one["resources"]["MEMORY_MB"],
            disk_gb=one["resources"]["DISK_GB"],
            flavor=one["flavor"],
            extra_specs=one["extra_specs"],
            image_properties=one["image_properties"],
            project_id=one["project_id"],
            pinned_zone=one["zone"],
            group=one["group"],
            state="active" if one["live"] else "stopped",
        )
