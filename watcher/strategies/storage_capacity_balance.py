# SPDX-License-Identifier: Apache-2.0
"""``storage_capacity_balance``: moves volumes off pools that are too full."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from watcher.core.cluster import Bools, Cluster, Floats, words
from watcher.core.errors import Invalid
from watcher.core.metrics import Metrics, Query
from watcher.core.parameters import param
from watcher.core.solution import Action, Solution, migrate_volume, retype_volume
from watcher.core.storage import NO_TYPE, Storage
from watcher.core.volume_placement import RETYPE, VolumePlacement, volume_obstacles
from watcher.solvers.bounds import fewest_over

EX_POOLS = ("local_vstorage",)
"""The pools that are left alone where nobody says which."""


@dataclass(frozen=True)
class Parameters:
    """When a pool is too full, and what may be done about it."""

    volume_threshold: float = param(
        80.0, "Use of a pool from which on volumes are moved off it, percent.", minimum=0
    )
    ex_pools: list[str] | None = param(
        None,
        "Pools that are left alone, by full name or by what stands behind the #; without it those"
        " of the option of this name.",
        items={"type": "string"},
    )
    allow_retype: bool = param(
        True,
        "Give a volume another type where no other pool serves its own; its users see that.",
    )


class StorageCapacityBalance:
    """Brings every pool below the threshold with few and small moves of volumes.

    From the fullest pool on, volumes leave pools at or above ``volume_threshold``: detached ones
    first, then attached data volumes, then boot volumes, each time the smallest first, until the
    pool is below. Each goes to the pool that is emptiest afterwards, stays below the threshold
    there and has room by Cinder's own count, in the same zone. A volume keeps its type where
    another pool serves it; otherwise it is retyped, if that is allowed, to the type with the
    roomiest pool.

    Volumes with snapshots, in groups, replicated, in change, excluded, or attached to a server
    that does not run are left. Pools that do not tell their size in numbers are neither sources
    nor destinations. Room that a volume leaves is used by the next audit, not by this one.
    """

    name: ClassVar[str] = "storage_capacity_balance"
    display_name: ClassVar[str] = "Storage Capacity Balance Strategy"
    goal: ClassVar[str] = "workload_balancing"
    planner: ClassVar[str] = "weight"
    parameters = Parameters

    def models(self, parameters: Parameters) -> Sequence[str]:  # noqa: ARG002
        """Block storage, besides compute."""
        return ("storage",)

    def queries(self, parameters: Parameters) -> Sequence[Query]:  # noqa: ARG002
        """Nothing is measured."""
        return ()

    def solve(
        self,
        cluster: Cluster,
        metrics: Metrics,  # noqa: ARG002
        parameters: Parameters,
    ) -> Solution:
        """The plan. Raises Invalid when the block storage was not read."""
        if cluster.storage is None:
            raise Invalid("storage_capacity_balance needs the block storage")
        case = _Case(cluster, cluster.storage, parameters)
        before, least = case.used_percent(), case.fewest_over()
        actions = tuple(case.actions())
        after = case.used_percent()
        known = case.known
        over = (before >= parameters.volume_threshold) & known
        still = (after >= parameters.volume_threshold) & known
        indicators = {
            "instance_migrations_count": 0,
            "instances_count": 0,
            "standard_deviation_before_audit": _spread(before[known]),
            "standard_deviation_after_audit": _spread(after[known]),
            "volume_migrations_count": len(actions),
            "moved_volumes_size_gb": case.moved_gb,
            "pools_over_threshold_before_count": int(over.sum()),
            "pools_over_threshold_after_count": int(still.sum()),
            "pools_over_threshold_lower_bound": least,
        }
        return Solution(actions, indicators, case.notes(over, still, after))


def _spread(values: Floats) -> float:
    return float(np.std(values)) if values.size else 0.0


class _Case:
    """The pools and volumes of one audit, and what was decided so far."""

    def __init__(self, cluster: Cluster, storage: Storage, parameters: Parameters) -> None:
        self.storage, self._parameters = storage, parameters
        self._placement = VolumePlacement(storage)
        pools = storage.pools
        out = set(EX_POOLS if parameters.ex_pools is None else parameters.ex_pools)
        listed = (
            name not in out and str(name).partition("#")[2] not in out for name in pools.name
        )
        self.known: Bools = pools.known & pools.in_scope
        self.known &= np.fromiter(listed, np.bool_, len(pools))
        self._obstacles = {
            False: volume_obstacles(cluster),
            True: volume_obstacles(cluster, RETYPE),
        }
        self._moved: set[int] = set()
        self.moved_gb = 0

    def used_percent(self) -> Floats:
        """Use of each pool as it would be now; 0 where it is not known."""
        pools = self.storage.pools
        total_gb = np.where(pools.known, pools.total_gb, 1.0)
        return np.where(self.known, 100.0 * self._placement.used_gb / total_gb, 0.0)

    def fewest_over(self) -> int:
        """How many pools stay at the threshold or above it at least, by what they hold now."""
        pools, pool = self.storage.pools, self._placement.pool
        held = self._obstacles[False] != ""
        if self._parameters.allow_retype:
            held &= self._obstacles[True] != ""
        loose = np.flatnonzero(~held & (pool >= 0))
        gb = np.array([self._placement.weight_gb(int(row)) for row in loose], dtype=np.float64)
        leaving_gb: Floats = np.bincount(pool[loose], gb, len(pools)).astype(np.float64)
        line_gb = pools.total_gb * self._parameters.volume_threshold / 100
        known = self.known
        return fewest_over(self._placement.used_gb[known], leaving_gb[known], line_gb[known])

    def actions(self) -> Iterator[Action]:
        """The moves, the fullest pool first."""
        used = self.used_percent()
        full = np.flatnonzero(self.known & (used >= self._parameters.volume_threshold))
        for pool in full[np.lexsort((full, -used[full]))]:
            for row in self._candidates(int(pool)):
                if self.used_percent()[pool] < self._parameters.volume_threshold:
                    break
                action = self._action(row)
                if action is not None:
                    yield action

    def _candidates(self, pool: int) -> list[int]:
        volumes = self.storage.volumes
        rows = np.flatnonzero(self._placement.pool == pool)
        rows = np.array([row for row in rows if row not in self._moved], dtype=np.int64)
        kind = volumes.attached[rows].astype(np.int64) + (
            volumes.attached[rows] & volumes.bootable[rows]
        )
        return [int(row) for row in rows[np.lexsort((rows, volumes.size_gb[rows], kind))]]

    def _action(self, row: int) -> Action | None:
        """The move of one volume, taken down; None when it cannot be moved."""
        volumes, kind = self.storage.volumes, int(self.storage.volumes.type[row])
        uuid, name = str(volumes.uuid[row]), str(volumes.name[row])
        if not self._obstacles[False][row]:
            target = self._best(row, self._placement.serves(kind))
            if target is not None:
                self._move(row, target)
                return migrate_volume(uuid, str(self.storage.pools.name[target]), name=name)
        retypes = self._parameters.allow_retype and kind != NO_TYPE
        if retypes and not self._obstacles[True][row]:
            choices = [
                (self._after(row, target), index, target)
                for index in range(len(self.storage.types))
                if index != kind
                # Where the pool itself serves the type, Cinder leaves the volume where it is.
                and not self.storage.serves[index, self._placement.pool[row]]
                and (target := self._best(row, self._placement.serves(index))) is not None
            ]
            if choices:
                _, index, target = min(choices)
                self._move(row, target)
                return retype_volume(uuid, self.storage.types[index].name, name=name)
        return None

    def _after(self, row: int, pool: int) -> float:
        """Use of a pool with one more volume, percent."""
        used_gb = self._placement.used_gb[pool] + self._placement.weight_gb(row)
        return float(100.0 * used_gb / self.storage.pools.total_gb[pool])

    def _best(self, row: int, served: Bools) -> int | None:
        """The pool that is emptiest with this volume and below the threshold, if any."""
        rows = np.flatnonzero(self._placement.fits(row) & served & self.known)
        choices = [(self._after(row, int(pool)), int(pool)) for pool in rows]
        below = [one for one in choices if one[0] < self._parameters.volume_threshold]
        return min(below)[1] if below else None

    def _move(self, row: int, target: int) -> None:
        self._moved.add(row)
        self.moved_gb += int(self.storage.volumes.size_gb[row])
        self._placement.move(row, target)

    def notes(self, over: Bools, still: Bools, after: Floats) -> tuple[str, ...]:
        """What is too full, before and after, and what was not looked at."""
        pools = self.storage.pools
        threshold = self._parameters.volume_threshold
        said = []
        if not over.any():
            said.append(f"no pool is used to {threshold:g} percent or more")
        said += [
            f"pool {pools.name[row]} stays at {after[row]:.1f} percent: {self._why(int(row))}"
            for row in np.flatnonzero(still)
        ]
        unknown = pools.name[pools.in_scope & ~pools.known]
        if unknown.size:
            said.append(f"pools without a size in numbers are left alone: {', '.join(unknown)}")
        return tuple(said)

    def _why(self, pool: int) -> str:
        left = self._candidates(pool)
        texts = words([self._obstacles[False][row] for row in left])
        held = int((texts != "").sum())
        rest = len(left) - held
        parts = []
        if held:
            first = next(text for text in texts if text)
            parts.append(f"{held} volumes may not be moved (the first one {first})")
        if rest:
            parts.append(f"{rest} volumes find no pool that serves them and stays below")
        return ", ".join(parts) or "what fills it are not its volumes"
