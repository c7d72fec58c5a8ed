# SPDX-License-Identifier: Apache-2.0
"""What a plan was made from, as far as its report needs it: kept with the plan from the start on.

Hosts and pools as they were, the sizes of what the plan moves, what was measured, the limits, the
parameters and the strategy's words. What the cloud looks like after the plan follows from these
and from the plan's actions (``watcher.report.sides``), so it is not kept.
"""

import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

import numpy as np

from watcher.core.cluster import RESOURCES, UNPLACED, Bools, Cluster, Floats, Ints, frozen
from watcher.core.metrics import Metrics, Subject
from watcher.core.placement import Load, Placement
from watcher.core.plan import Plan
from watcher.core.solution import Solution
from watcher.core.storage import Storage
from watcher.core.volume_placement import VolumePlacement

FORM = 1
"""Which form of the kept bytes this is; another one is not read."""

UNITS = {"cpu load": "threads", "memory load": "MiB", "instance_cpu_usage": "threads"}
UNITS |= {"instance_ram_usage": "MiB"}
"""Units of the loads that strategies work with, by name."""


class Item(NamedTuple):
    """Something the plan moves: its name, the place it is on, its demand and its loads.

    ``place`` is a row of its places or -1, ``demand`` in the units of their resources, ``loads``
    in those of their gauges that follow.
    """

    name: str
    place: int
    demand: tuple[float, ...]
    loads: tuple[float, ...] = ()


@dataclass(frozen=True, eq=False)
class Gauge:
    """Something measured of each place, ``nan`` where it was not, with the limit it was held to.

    ``follows`` says that it is the sum of what its items bring, so that it is known after a move.
    """

    name: str
    unit: str
    value: Floats
    limit: Floats
    follows: bool = False


@dataclass(frozen=True, eq=False)
class Places:
    """Hosts, or storage pools: each column has one entry (or row of the matrix) per place.

    ``capacity`` and ``used`` are places x resources, ``nan`` for a capacity that is not known;
    ``open`` marks those that may take more, ``count`` is the number of things on each (of pools:
    the volumes that are known). ``items`` are those things that the plan moves, by uuid.
    """

    kind: str
    resources: tuple[str, ...]
    name: tuple[str, ...]
    open: Bools
    capacity: Floats
    used: Floats
    count: Ints
    gauges: tuple[Gauge, ...] = ()
    items: Mapping[str, Item] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.name)


@dataclass(frozen=True, eq=False)
class Evidence:
    """What a plan was made from.

    ``taken_at`` is when the cloud was read, seconds since the epoch; ``limits`` those of the
    applier (``total``, ``source``, ``destination``) when the plan was recorded; ``why_not`` a
    ``watcher.core.refusals.WhyNot`` as a dictionary.
    """

    hosts: Places
    pools: Places | None = None
    taken_at: float = 0.0
    limits: Mapping[str, int] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    why_not: Mapping[str, Any] | None = None


def gather(
    cluster: Cluster, plan: Plan, solution: Solution, metrics: Metrics, marks: Mapping[str, float]
) -> Evidence:
    """The evidence of a plan, without the words: those are for the caller to add.

    ``marks`` are those of ``watcher.core.protocols.marks_of``.
    """
    moved = {action.resource_id for action in plan.actions if action.resource_id}
    gauges = (
        *_of_loads(cluster, solution.loads, marks),
        *_of_metrics(cluster, metrics, marks),
    )
    return Evidence(
        hosts=_hosts(cluster, gauges, solution.loads, moved),
        pools=None if cluster.storage is None else _pools(cluster.storage, moved),
        taken_at=cluster.taken_at,
        why_not=None if solution.why_not is None else asdict(solution.why_not),
    )


def _hosts(
    cluster: Cluster, gauges: tuple[Gauge, ...], loads: Sequence[Load], moved: set[str]
) -> Places:
    hosts, instances = cluster.hosts, cluster.instances
    rows = [(uuid, row) for uuid in moved if (row := instances.row_by_uuid.get(uuid)) is not None]
    placed = instances.host[instances.host != UNPLACED]
    return Places(
        kind="host",
        resources=RESOURCES,
        name=tuple(map(str, hosts.name)),
        open=frozen(hosts.up & hosts.enabled),
        capacity=frozen(hosts.capacity.astype(np.float64)),
        used=frozen(cluster.used.astype(np.float64)),
        count=frozen(np.bincount(placed, minlength=len(hosts)).astype(np.int64)),
        gauges=gauges,
        items={
            uuid: Item(
                str(instances.name[row]),
                int(instances.host[row]),
                tuple(map(float, instances.demand[row])),
                tuple(float(load.demand[row]) for load in loads),
            )
            for uuid, row in sorted(rows)
        },
    )


def _of_loads(
    cluster: Cluster, loads: Sequence[Load], marks: Mapping[str, float]
) -> Iterable[Gauge]:
    carried = Placement(cluster, loads).used
    for column, load in enumerate(loads, start=len(RESOURCES)):
        limit = load.limit * marks.get(load.name, 100.0) / 100.0
        yield Gauge(load.name, UNITS.get(load.name, ""), carried[:, column], limit, follows=True)


def _of_metrics(cluster: Cluster, metrics: Metrics, marks: Mapping[str, float]) -> Iterable[Gauge]:
    """What was measured of hosts themselves."""
    for query, column in metrics.columns.items():
        if query.metric.subject is Subject.HOST:
            name = query.metric.public_name
            limit = np.full(len(cluster.hosts), marks.get(name, np.nan))
            yield Gauge(name, query.metric.unit, column, limit)


def _pools(storage: Storage, moved: set[str]) -> Places:
    pools, volumes = storage.pools, storage.volumes
    placement = VolumePlacement(storage)
    rows = [(uuid, row) for uuid in moved if (row := volumes.row_by_uuid.get(uuid)) is not None]
    placed = volumes.pool[volumes.pool >= 0]
    return Places(
        kind="pool",
        resources=("gb",),
        name=tuple(map(str, pools.name)),
        open=frozen(pools.up & pools.enabled),
        capacity=frozen(np.where(pools.known, pools.total_gb, np.nan)[:, None]),
        used=frozen(placement.used_gb[:, None].copy()),
        count=frozen(np.bincount(placed, minlength=len(pools)).astype(np.int64)),
        items={
            uuid: Item(str(volumes.name[row]), int(volumes.pool[row]), (placement.weight_gb(row),))
            for uuid, row in sorted(rows)
        },
    )


def pack(evidence: Evidence) -> bytes:
    """The evidence as bytes: compressed JSON, about 30 bytes per action and 40 per host."""
    value = {
        "form": FORM,
        "hosts": _written(evidence.hosts),
        "pools": evidence.pools and _written(evidence.pools),
        "taken_at": evidence.taken_at,
        "limits": dict(evidence.limits),
        "parameters": dict(evidence.parameters),
        "notes": list(evidence.notes),
        "why_not": evidence.why_not,
    }
    text = json.dumps(value, separators=(",", ":"), allow_nan=False, default=str)
    return zlib.compress(text.encode(), level=6)


def unpack(kept: bytes) -> Evidence | None:
    """The evidence out of ``pack``'s bytes; None for a form that this version does not know."""
    value = json.loads(zlib.decompress(kept))
    if value.get("form") != FORM:
        return None
    return Evidence(
        hosts=_read(value["hosts"]),
        pools=value["pools"] and _read(value["pools"]),
        taken_at=value["taken_at"],
        limits=value["limits"],
        parameters=value["parameters"],
        notes=tuple(value["notes"]),
        why_not=value["why_not"],
    )


def _written(places: Places) -> dict[str, Any]:
    return {
        "kind": places.kind,
        "resources": places.resources,
        "name": places.name,
        "open": places.open.astype(np.int64).tolist(),
        "capacity": numbers(places.capacity),
        "used": numbers(places.used),
        "count": places.count.tolist(),
        "gauges": [
            {
                "name": gauge.name,
                "unit": gauge.unit,
                "value": numbers(gauge.value),
                "limit": numbers(gauge.limit),
                "follows": gauge.follows,
            }
            for gauge in places.gauges
        ],
        "items": {
            "uuid": list(places.items),
            "name": [one.name for one in places.items.values()],
            "place": [one.place for one in places.items.values()],
            "demand": numbers([one.demand for one in places.items.values()]),
            "loads": numbers([one.loads for one in places.items.values()]),
        },
    }


def _read(value: Mapping[str, Any]) -> Places:
    shape = (len(value["name"]), len(value["resources"]))
    return Places(
        kind=value["kind"],
        resources=tuple(value["resources"]),
        name=tuple(value["name"]),
        open=np.array(value["open"], dtype=np.bool_),
        capacity=np.array(value["capacity"], dtype=np.float64).reshape(shape),
        used=np.array(value["used"], dtype=np.float64).reshape(shape),
        count=np.array(value["count"], dtype=np.int64),
        gauges=tuple(
            Gauge(
                one["name"],
                one["unit"],
                np.array(one["value"], dtype=np.float64),
                np.array(one["limit"], dtype=np.float64),
                one["follows"],
            )
            for one in value["gauges"]
        ),
        items={
            uuid: Item(name, place, tuple(demand), tuple(loads))
            for uuid, name, place, demand, loads in zip(*value["items"].values(), strict=True)
        },
    )


def numbers(values: Any) -> Any:
    """Numbers of an array of any shape as JSON: at most 6 decimals, whole ones as integers.

    What is not finite, so not known, is null.
    """
    array = np.round(np.asarray(values, dtype=np.float64), 6)
    written = array.astype(object)
    whole = np.isfinite(array) & (array == np.floor(array))
    written[whole] = array[whole].astype(np.int64).astype(object)
    written[~np.isfinite(array)] = None
    return written.tolist()
