# SPDX-License-Identifier: Apache-2.0
"""A plan against the cloud as it is now, before its first action: is it still worth beginning?

What no longer fits is skipped or fails by itself when its turn comes; this look keeps a plan of
which not much is left from doing half a work.
"""

from collections.abc import Iterable, Sequence
from threading import Event
from typing import Any

from watcher.applier.attempts import patiently, words
from watcher.applier.wires import Wires
from watcher.clients.nova import Nova
from watcher.core.solution import CHANGE_SERVICE_STATE, MIGRATE
from watcher.db.models import Action


def refusal(wires: Wires, actions: Sequence[Action], stop: Event) -> str:
    """Why a plan is not begun; '' when it is. After ``stop`` a cloud is not waited for.

    It is not when more than ``wires.stale_percent`` of its migrations have lost their instance,
    their source or their destination since the plan was made, or when Nova cannot be asked.
    Asks for the services once, and once per source host for the instances that are there.
    """
    moves = [
        one.input_parameters
        for one in actions
        if one.action_type == MIGRATE and one.state == "PENDING"
    ]
    if not moves:
        return ""
    nova = Nova(wires.clients)
    stale, error = patiently(
        lambda: _stale(nova, moves, _enabled_by(actions)), wires.patience_s, stop
    )
    if error is not None:
        return f"the cloud cannot be asked whether the plan still fits: {words(error)}"
    if not stale or 100 * len(stale) <= wires.stale_percent * len(moves):
        return ""
    return (
        f"{len(stale)} of {len(moves)} migrations do not fit the cloud any more (the first:"
        f" {stale[0]}); run the audit again"
    )


def _enabled_by(actions: Iterable[Action]) -> set[str]:
    """Hosts that the plan itself enables."""
    return {
        str(one.input_parameters.get("resource_name") or one.input_parameters["resource_id"])
        for one in actions
        if one.action_type == CHANGE_SERVICE_STATE
        and one.input_parameters.get("state") == "enabled"
    }


def _stale(nova: Nova, moves: Sequence[dict[str, Any]], enabled: set[str]) -> list[str]:
    """One sentence for each migration that does not fit any more."""
    there = {host: nova.uuids_on(host) for host in sorted({move["source_node"] for move in moves})}
    usable = {one.host for one in nova.services() if one.up and one.enabled} | enabled
    stale = []
    for move in moves:
        instance, source = move["resource_id"], move["source_node"]
        destination = move.get("destination_node")
        if instance not in there[source]:
            stale.append(f"instance {instance} is not on {source} any more")
        elif destination and destination not in usable:
            stale.append(f"destination host {destination} is not there, down or disabled")
    return stale
