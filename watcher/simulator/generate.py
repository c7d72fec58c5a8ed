# SPDX-License-Identifier: Apache-2.0
"""A world from a seed: the same arguments give the same cloud, down to uuids and loads."""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count

import numpy as np
from numpy.typing import NDArray

from watcher.core import errors
from watcher.simulator.world import (
    Aggregate,
    Flavor,
    Group,
    Host,
    Project,
    Resources,
    Server,
    World,
)

# threads, GiB of memory, GB of disk
_HOSTS = (
    (32, 128, 2000),
    (48, 192, 2000),
    (64, 256, 4000),
    (64, 384, 4000),
    (96, 512, 6000),
    (128, 768, 8000),
)
# vcpus, GiB of memory, GB of disk, how often in a hundred
_FLAVORS = (
    (1, 2, 10, 22),
    (2, 4, 20, 24),
    (2, 8, 20, 12),
    (4, 8, 40, 16),
    (4, 16, 40, 10),
    (8, 16, 80, 6),
    (8, 32, 80, 6),
    (16, 32, 160, 2),
    (16, 64, 160, 2),
)
_CPU_RATIO, _RAM_RATIO, _DISK_RATIO = 4.0, 1.0, 1.0
_RESERVED = Resources(0, 4096, 100)
_ZONES = ("az1", "az2")
_BORN = datetime(2025, 1, 1, tzinfo=UTC).timestamp()
_PROJECTS = ("admin", "service", "shop", "search", "batch", "lab")

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


def generate(
    seed: int = 1,
    hosts: int = 24,
    instances: int = 200,
    *,
    placement: str = "fragmented",
    cpu_median_percent: float = 15.0,
    disabled_percent: float = 4.0,
    stopped_percent: float = 5.0,
    paused_percent: float = 2.0,
) -> World:
    """A cloud of the given size.

    :param placement: ``fragmented`` (spread over all hosts, most of them half empty) or
        ``skewed`` (the same servers, crowded on some hosts)
    :param cpu_median_percent: median use of a server's vcpus; the distribution has a long tail
    :raises errors.Invalid: when the servers do not fit, or the placement is unknown
    """
    rng = np.random.default_rng(seed)
    shapes = np.array(_HOSTS)[rng.integers(0, len(_HOSTS), hosts)]
    weights = np.array([row[3] for row in _FLAVORS], dtype=float)
    sizes = rng.choice(len(_FLAVORS), instances, p=weights / weights.sum())
    cpu = np.clip(rng.lognormal(np.log(cpu_median_percent), 1.0, instances), 0.2, 95.0).round(2)
    chance = rng.random(instances)
    states = np.where(
        chance < stopped_percent / 100,
        "stopped",
        np.where(chance < (stopped_percent + paused_percent) / 100, "paused", "active"),
    )
    flavor_rows = np.array(_FLAVORS)[sizes]
    home = _place(rng, placement, shapes, flavor_rows, cpu)
    uuids = _uuids(rng)
    flavors = _flavors()
    world = World(
        seed=seed,
        hosts=_hosts(rng, uuids, shapes, disabled_percent),
        servers={},
        flavors={flavor.id: flavor for flavor in flavors},
        aggregates=[],
        groups=[],
        projects=[Project(next(uuids).replace("-", ""), name) for name in _PROJECTS],
    )
    _servers(world, rng, uuids, [flavors[size] for size in sizes], home, cpu, states)
    _aggregates(world, uuids)
    _groups(world, rng, uuids)
    return world


def _uuids(rng: np.random.Generator) -> Iterator[str]:
    """An endless row of version 4 uuids out of the generator's bytes."""
    while True:
        block = rng.bytes(16 * 1024)
        for start in range(0, len(block), 16):
            yield str(uuid.UUID(bytes=block[start : start + 16], version=4))


def _place(
    rng: np.random.Generator, placement: str, shapes: Ints, flavors: Ints, cpu: Floats
) -> Ints:
    """The host of each instance.

    In rounds: each open host is offered one instance and takes it if it fits, by allocation and
    by measured CPU. How often a host is open makes the placement even or uneven.
    """
    if placement == "fragmented":
        openness, fill = 0.4 + 0.6 * rng.random(len(shapes)), 0.85
    elif placement == "skewed":
        openness, fill = np.where(rng.random(len(shapes)) < 0.25, 1.0, 0.12), 1.0
    else:
        raise errors.Invalid(f"Unknown placement {placement!r}: use fragmented or skewed")
    free = np.empty((len(shapes), 4))
    free[:, 0] = (shapes[:, 0] - _RESERVED.vcpus) * _CPU_RATIO
    free[:, 1] = shapes[:, 1] * 1024 - _RESERVED.ram_mb
    free[:, 2] = shapes[:, 2] - _RESERVED.disk_gb
    free[:, 3] = shapes[:, 0] * 0.9
    free *= fill
    need = np.column_stack(
        [flavors[:, 0], flavors[:, 1] * 1024, flavors[:, 2], flavors[:, 0] * cpu / 100]
    )
    home = np.full(len(flavors), -1)
    pending, misses = np.arange(len(flavors)), 0
    while pending.size:
        order = rng.permutation(len(shapes))
        order = order[rng.random(len(order)) < openness[order]]
        batch, where = pending[: order.size], order[: pending.size]
        fits = (need[batch] <= free[where]).all(axis=1)
        home[batch[fits]] = where[fits]
        free[where[fits]] -= need[batch[fits]]
        pending = np.concatenate([pending[batch.size :], batch[~fits]])
        misses = 0 if fits.any() else misses + 1
        if misses > 300:
            raise errors.Invalid(
                f"{pending.size} of {len(flavors)} instances fit on none of {len(shapes)} hosts:"
                " ask for more hosts or fewer instances"
            )
    return home


def _flavors() -> list[Flavor]:
    """The sizes of _FLAVORS under names like c4.m16."""
    return [
        Flavor(str(number), f"c{vcpus}.m{ram}", int(vcpus), ram * 1024, disk)
        for number, (vcpus, ram, disk, _often) in enumerate(_FLAVORS, start=1)
    ]


def _hosts(
    rng: np.random.Generator, uuids: Iterator[str], shapes: Ints, disabled_percent: float
) -> dict[str, Host]:
    """The hosts by name: an equal share to each zone, a few of them disabled."""
    off = set(rng.permutation(len(shapes))[: round(len(shapes) * disabled_percent / 100)].tolist())
    overhead = rng.uniform(0.005, 0.02, len(shapes))
    width = max(2, len(str(len(shapes))))
    hosts = {}
    for row, (threads, ram_gb, disk) in enumerate(shapes.tolist()):
        name = f"node-{row + 1:0{width}d}"
        hosts[name] = Host(
            name=name,
            uuid=next(uuids),
            service_uuid=next(uuids),
            zone=_ZONES[row % len(_ZONES)],
            total=Resources(threads, ram_gb * 1024, disk),
            reserved=_RESERVED,
            ratios=(_CPU_RATIO, _RAM_RATIO, _DISK_RATIO),
            ip=f"10.0.{row // 250}.{row % 250 + 1}",
            overhead_vcpus=round(threads * float(overhead[row]), 3),
            enabled=row not in off,
            disabled_reason="disk to be replaced" if row in off else None,
        )
    return hosts


def _servers(
    world: World,
    rng: np.random.Generator,
    uuids: Iterator[str],
    flavors: list[Flavor],
    home: Ints,
    cpu: Floats,
    states: NDArray[np.str_],
) -> None:
    """Make the servers and what they allocate."""
    amount = len(flavors)
    ram = rng.uniform(30, 95, amount).round(1).tolist()
    chance = rng.random((amount, 4)).tolist()
    owner = rng.integers(2, len(world.projects), amount).tolist()
    age = rng.integers(0, 200 * 86400, amount).tolist()
    image, names = next(uuids), list(world.hosts)
    for row, (where, load, state) in enumerate(
        zip(home.tolist(), cpu.tolist(), states.tolist(), strict=True)
    ):
        host = world.hosts[names[where]]
        locked, by_volume, pinned, prod = chance[row]
        project = world.projects[owner[row]]
        volumes = (next(uuids),) if by_volume < 0.15 else ()
        server = Server(
            uuid=next(uuids),
            number=row + 1,
            name=f"{project.name}-{row + 1}",
            project_id=project.id,
            user_id=f"u-{project.name}",
            flavor=flavors[row],
            host=host.name,
            created=_BORN + age[row],
            updated=_BORN + age[row],
            cpu_percent=load,
            ram_percent=ram[row],
            vm_state=state,
            locked=locked < 0.01,
            volumes=volumes,
            image_id="" if volumes else image,
            pinned_zone=host.zone if pinned < 0.1 else None,
            metadata={"env": "prod"} if prod < 0.2 else {},
        )
        world.servers[server.uuid] = server
        host.consumers[server.uuid] = server.needs()


def _aggregates(world: World, uuids: Iterator[str]) -> None:
    """One aggregate for each zone, and one that makes no zone."""
    for zone in _ZONES:
        hosts = [host.name for host in world.hosts.values() if host.zone == zone]
        meta = {"availability_zone": zone}
        world.aggregates.append(
            Aggregate(len(world.aggregates) + 1, next(uuids), zone, hosts, meta)
        )
    third = list(world.hosts)[::3]
    world.aggregates.append(Aggregate(len(_ZONES) + 1, next(uuids), "ssd", third, {"ssd": "true"}))


def _groups(world: World, rng: np.random.Generator, uuids: Iterator[str]) -> None:
    """A few server groups that the placement keeps: members were chosen after it."""
    free = list(world.servers.values())
    order, numbers = rng.permutation(len(free)).tolist(), count(1)
    by_host: dict[str, list[Server]] = {}
    for row in order[: max(40, len(order) // 4)]:
        by_host.setdefault(free[row].host, []).append(free[row])
    together = [here[:2] for here in by_host.values() if len(here) >= 2][::4]
    used = {server.uuid for pair in together for server in pair}
    alone = [next((s for s in here if s.uuid not in used), None) for here in by_host.values()]
    apart_from = [server for server in alone if server is not None]
    apart = [apart_from[start : start + 3] for start in range(0, len(apart_from) - 2, 12)]
    wanted = max(2, len(free) // 100)
    for policy, sets in (("affinity", together), ("anti-affinity", apart)):
        for members in sets[:wanted]:
            world.groups.append(
                Group(
                    id=next(uuids),
                    name=f"{policy}-{next(numbers)}",
                    policy=policy,
                    members=[server.uuid for server in members],
                    project_id=members[0].project_id,
                )
            )
