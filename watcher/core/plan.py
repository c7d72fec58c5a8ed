# SPDX-License-Identifier: Apache-2.0
"""A plan: actions in order, each with the earlier ones it must wait for; and its replay."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from watcher.core.cluster import Cluster
from watcher.core.errors import ImpossiblePlan, NotFound
from watcher.core.placement import Placement
from watcher.core.solution import MIGRATE, VOLUME_MIGRATE, Action
from watcher.core.volume_placement import VolumePlacement


@dataclass(frozen=True)
class Plan:
    """Actions in order; ``parents[i]`` are the indexes of those that action i waits for.

    Every parent's index is smaller than its child's, so a plan has no cycles by construction.
    Raises ImpossiblePlan otherwise.
    """

    actions: tuple[Action, ...] = ()
    parents: tuple[tuple[int, ...], ...] = ()

    def __post_init__(self) -> None:
        if len(self.actions) != len(self.parents):
            raise ImpossiblePlan(
                f"{len(self.actions)} actions but parents for {len(self.parents)}"
            )
        for index, parents in enumerate(self.parents):
            if any(not 0 <= parent < index for parent in parents):
                raise ImpossiblePlan(f"action {index} waits for one that does not come before it")

    def replay(self, cluster: Cluster) -> Placement:
        """Carry the plan out on a what-if copy, in order, and return where everything ends.

        Raises ImpossiblePlan when an instance is not where its action says or is not known, when a
        host is not known, or when a host would be filled beyond what may be allocated. A migration
        without destination leaves its instance UNPLACED in the copy: Nova will choose. Volumes are
        judged likewise where the block storage was read.
        """
        placement = Placement(cluster)
        volumes = None if cluster.storage is None else VolumePlacement(cluster.storage)
        hosts = cluster.hosts.row_by_name
        for action in self.actions:
            if action.type == MIGRATE:
                _replay_migration(placement, hosts, action)
            elif action.type == VOLUME_MIGRATE and volumes is not None:
                _replay_volume(volumes, action)
        return placement


def _replay_migration(placement: Placement, hosts: Mapping[str, int], action: Action) -> None:
    uuid, parameters = action.resource_id, action.parameters
    row = placement.cluster.instances.row_by_uuid.get(uuid)
    if row is None:
        raise ImpossiblePlan(f"instance {uuid} is not in the cluster")
    named = parameters.get("source_node")
    source = hosts.get(named) if named else None
    if source is None or placement.host[row] != source:
        raise ImpossiblePlan(f"instance {uuid} is not on its source host {named}")
    target = parameters.get("destination_node")
    if target is None:
        placement.move(row, -1)
        return
    if target not in hosts:
        raise ImpossiblePlan(f"destination host {target} of instance {uuid} is not known")
    if not placement.has_room(row, hosts[target]):
        raise ImpossiblePlan(f"host {target} has no room for instance {uuid} at that moment")
    placement.move(row, hosts[target])


def _replay_volume(placement: VolumePlacement, action: Action) -> None:
    """Move a volume to the pool that is named; of a retype Cinder chooses the pool, if any."""
    storage, uuid, parameters = placement.storage, action.resource_id, action.parameters
    row = storage.volumes.row_by_uuid.get(uuid)
    if row is None:
        raise ImpossiblePlan(f"volume {uuid} is not in the block storage")
    try:
        if parameters.get("destination_type"):
            served = placement.serves(storage.type_row(str(parameters["destination_type"])))
            stays = bool(np.append(served, False)[placement.pool[row]])
            if not stays and not (served & placement.fits(row)).any():
                raise ImpossiblePlan(f"no pool that serves its new type takes volume {uuid}")
            return
        target = storage.pool_row(str(parameters.get("destination_node")))
    except NotFound as error:
        raise ImpossiblePlan(f"volume {uuid} cannot be moved: {error}") from error
    why = placement.why_not(row, target, int(storage.volumes.type[row]))
    if why:
        raise ImpossiblePlan(f"volume {uuid} cannot be moved at that moment: {why}")
    placement.move(row, target)
