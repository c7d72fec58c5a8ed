# SPDX-License-Identifier: Apache-2.0
"""Small block storages written in one line, beside the worlds of ``tests.worlds``.

::

    storage = shelves().pool("fast").holds("v1", size_gb=10, servers=["vm1"]).storage()

Pools are called ``store@fast#fast``; uuids come from names.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from tests.worlds import uuid
from watcher.core.baremetal import MachineRecord, assemble_machines
from watcher.core.cluster import Cluster, words
from watcher.core.plan import Plan
from watcher.core.solution import DISABLED_TO_SAVE_ENERGY, VOLUME_MIGRATE
from watcher.core.storage import (
    PoolRecord,
    Storage,
    VolumeRecord,
    VolumeType,
    assemble_storage,
)
from watcher.core.volume_placement import VolumePlacement


def pool_name(name: str) -> str:
    """The full name of a pool: one back end for each."""
    return f"store@{name}#{name}"


class Shelves:
    """A storage under construction: ``holds`` puts a volume into the pool named last."""

    def __init__(self) -> None:
        self.pools: list[PoolRecord] = []
        self.volumes: list[VolumeRecord] = []
        self.types: list[VolumeType] = []

    def pool(self, name: str, **fields: Any) -> "Shelves":
        """Add a pool of 1000 GiB, all of it free but for what it will hold."""
        given = {"total_gb": 1000.0, "free_gb": 1000.0, "provisioned_gb": 0.0, **fields}
        given.setdefault("capabilities", {"volume_backend_name": name})
        self.pools.append(PoolRecord(pool_name(name), **given))
        return self

    def holds(self, name: str, size_gb: int = 10, **fields: Any) -> "Shelves":
        """Add a volume to the last pool; ``servers`` are names, its size is used up there."""
        given = {"name": name, **fields}
        servers: Sequence[str] = given.pop("servers", ())
        given["servers"] = tuple(map(uuid, servers))
        if servers:
            given.setdefault("status", "in-use")
        pool = self.pools[-1]
        self.volumes.append(VolumeRecord(uuid(name), size_gb=size_gb, pool=pool.name, **given))
        self.pools[-1] = pool._replace(
            free_gb=pool.free_gb - size_gb, provisioned_gb=pool.provisioned_gb + size_gb
        )
        return self

    def type(self, name: str, **extra_specs: str) -> "Shelves":
        """Add a volume type."""
        self.types.append(VolumeType(name, uuid(f"type {name}"), extra_specs))
        return self

    def storage(self, **about: Any) -> Storage:
        """The storage; ``about`` are taken_at, origin."""
        return assemble_storage(self.pools, self.volumes, self.types, **about)

    def beside(self, cluster: Cluster) -> Cluster:
        """A cluster with this storage."""
        return replace(cluster, storage=self.storage())


def shelves() -> Shelves:
    """An empty storage."""
    return Shelves()


def machines(cluster: Cluster, **states: str) -> Cluster:
    """A cluster with a machine for each host: powered on, unless ``c1="power off"`` says else."""
    records = [
        MachineRecord(
            uuid(f"machine {name}"), name, states.get(str(name), "power on"), compute_node=host
        )
        for host, name in zip(cluster.hosts.uuid, cluster.hosts.name, strict=True)
    ]
    return replace(cluster, baremetal=assemble_machines(records))


def storage_carried_out(plan: Plan, storage: Storage) -> Storage:
    """The storage after every volume of a plan has arrived, each pool with its new use."""
    moved = [action for action in plan.actions if action.type == VOLUME_MIGRATE]
    columns = storage.volumes
    pool, kind = columns.pool.copy(), columns.type.copy()
    placement = VolumePlacement(storage)
    for action in moved:
        row = columns.row_by_uuid[action.resource_id]
        target = action.parameters.get("destination_node")
        if action.parameters.get("destination_type"):
            kind[row] = storage.type_row(action.parameters["destination_type"])
            served = placement.fits(row) & placement.serves(int(kind[row]))
            here = storage.serves[kind[row], pool[row]]
            to = pool[row] if here else int(served.argmax())
        else:
            to = storage.pool_row(str(target))
        if to != pool[row]:
            placement.move(row, to)
            pool[row] = to
    moved_gb = placement.used_gb - VolumePlacement(storage).used_gb
    pools = storage.pools
    after = storage.with_volumes(pool=pool, type=kind)
    return after.with_pools(
        free_gb=pools.free_gb - moved_gb, provisioned_gb=pools.provisioned_gb + moved_gb
    )


@st.composite
def stores(draw: st.DrawFn, cluster: Cluster) -> Shelves:
    """Any small storage for a cluster, its volumes attached to instances or not."""
    built = Shelves().type("gold", volume_backend_name="p0").type("any")
    names = [str(name) for name in cluster.instances.name]
    for number in range(draw(st.integers(1, 4))):
        built.pool(
            f"p{number}",
            total_gb=draw(st.sampled_from((100.0, 200.0, 50.0))),
            up=draw(st.sampled_from((True, True, True, False))),
            zone=draw(st.sampled_from(("nova", "nova", "west"))),
        )
        pool = built.pools[-1]
        built.pools[-1] = pool._replace(free_gb=pool.total_gb)
        for index in range(draw(st.integers(0, 5))):
            size_gb = draw(st.sampled_from((1, 5, 10, 20)))
            if built.pools[-1].free_gb < size_gb:
                break
            attached = draw(st.booleans()) and bool(names)
            built.holds(
                f"v{number}.{index}",
                size_gb,
                servers=[draw(st.sampled_from(names))] if attached else [],
                volume_type=draw(st.sampled_from(("", "gold", "any"))),
                snapshots=draw(st.sampled_from((False, False, True))),
                bootable=draw(st.booleans()),
                created_at=f"2026-01-0{index + 1}T00:00:00",
                project_id=draw(st.sampled_from(("p1", "p2"))),
            )
    return built


@st.composite
def machined(draw: st.DrawFn, cluster: Cluster) -> Cluster:
    """A cluster with machines in any state of power, some in maintenance, some of no host."""
    records = []
    for host, name, up in zip(
        cluster.hosts.uuid, cluster.hosts.name, cluster.hosts.up, strict=True
    ):
        state = "power on" if up else draw(st.sampled_from(("power off", "power off", "power on")))
        records.append(
            MachineRecord(
                uuid(f"machine {name}"),
                str(name),
                draw(st.sampled_from((state, state, state, "error"))),
                maintenance=draw(st.sampled_from((False, False, False, True))),
                compute_node=draw(st.sampled_from((str(host), str(host), str(name), "nobody"))),
            )
        )
    return replace(cluster, baremetal=assemble_machines(draw(st.permutations(records))))


def powered(plan: Plan, cluster: Cluster) -> Cluster:
    """The cluster after every machine of a plan is switched, each host as the action leaves it."""
    hosts, table = cluster.hosts, cluster.baremetal
    assert table is not None
    up, enabled, reasons = hosts.up.copy(), hosts.enabled.copy(), hosts.disabled_reason.copy()
    power = table.power_state.copy()
    for action in plan.actions:
        row = hosts.row_by_name[action.parameters["resource_name"]]
        on = action.parameters["state"] == "on"
        up[row] = enabled[row] = on
        reasons[row] = "" if on else DISABLED_TO_SAVE_ENERGY
        power[list(table.uuid).index(action.resource_id)] = "power on" if on else "power off"
    after = cluster.with_hosts(up=up, enabled=enabled, disabled_reason=reasons)
    return replace(after, baremetal=replace(table, power_state=words(power)))
