# SPDX-License-Identifier: Apache-2.0
"""What a strategy answers: actions without order, indicators, and notes that explain the choice.

Actions are built by named constructors, so the parameter names of contract/actions-and-applier.md
§1 are written once. Host names (never uuids) go into actions.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from watcher.core.placement import Load
from watcher.core.refusals import WhyNot

MIGRATE = "migrate"
CHANGE_SERVICE_STATE = "change_nova_service_state"
NOP = "nop"
SLEEP = "sleep"
STOP = "stop"
VOLUME_MIGRATE = "volume_migrate"
CHANGE_POWER_STATE = "change_node_power_state"
RESIZE = "resize"

DISABLED_BY_CONSOLIDATION = "watcher_disabled"
DISABLED_FOR_MAINTENANCE = "watcher_maintaining"
DISABLED_TO_SAVE_ENERGY = "watcher_saving_energy"
OUR_REASONS = "watcher_"
"""Only hosts disabled with a reason that begins like this may be enabled again by Watcher."""


@dataclass(frozen=True)
class Action:
    """One thing to do to the cloud: its type, the resource it is about, its input parameters."""

    type: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    resource_id: str = ""

    @property
    def input_parameters(self) -> dict[str, Any]:
        """The parameters as stored and shown, with resource_id among them when there is one."""
        resource = {"resource_id": self.resource_id} if self.resource_id else {}
        return {**self.parameters, **resource}


@dataclass(frozen=True)
class Solution:
    """A strategy's answer.

    ``indicators`` are values for the goal's efficacy; names that the goal does not declare are
    shown as extra indicators (lower bounds, gaps). ``notes`` say in sentences why, and why not
    more; the shell logs them and puts the first into a status_message when nothing is to be done.
    ``imaginary`` ones are about instances and hosts that no cloud needs to have: their moves are
    not judged by the cluster when they are planned, and the plan is refused when it is started.
    ``limits`` are on what runs at the same time (``watcher.solvers.lanes``). ``why_not`` is what
    the constraints refused, None where no constraints are asked. ``loads`` are the measured loads
    that no step of the plan may bring above their limits: a move waits for those that free room in
    them as well.
    """

    actions: tuple[Action, ...] = ()
    indicators: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    imaginary: bool = False
    limits: Mapping[str, int] = field(default_factory=dict)
    why_not: WhyNot | None = None
    loads: tuple[Load, ...] = field(default=(), compare=False, repr=False)


class Touched(NamedTuple):
    """The resources an action has to do with, each as ``kind:identifier``."""

    changed: frozenset[str]
    """What it changes: nobody else may, at the same time."""
    used: frozenset[str]
    """What must stay as it is meanwhile: hosts and pools that something leaves or goes to."""


_KINDS = {CHANGE_SERVICE_STATE: "host", CHANGE_POWER_STATE: "host", VOLUME_MIGRATE: "volume"}


def touched(action_type: str, parameters: Mapping[str, Any]) -> Touched:
    """What an action with these input parameters has to do with.

    A host is told by its name where there is one; the resource of a type that is not ours is taken
    for an instance.
    """
    kind = _KINDS.get(action_type, "instance")
    ident = parameters.get("resource_id")
    if kind == "host":
        ident = parameters.get("resource_name") or ident
    changed = frozenset({f"{kind}:{ident}"} if ident else ())
    place = "pool" if kind == "volume" else "host"
    ends = (parameters.get(name) for name in ("source_node", "destination_node"))
    return Touched(changed, frozenset(f"{place}:{end}" for end in ends if end))


def migrate(
    instance_uuid: str,
    source: str,
    destination: str | None = None,
    *,
    kind: str = "live",
    name: str = "",
) -> Action:
    """Move an instance, ``live`` or ``cold``; without a destination Nova's scheduler chooses."""
    parameters = {"migration_type": kind, "source_node": source}
    if destination is not None:
        parameters["destination_node"] = destination
    if name:
        parameters["resource_name"] = name
    return Action(MIGRATE, parameters, instance_uuid)


def disable_host(host_uuid: str, name: str, reason: str) -> Action:
    """Keep Nova's scheduler from a host, with the reason shown to operators."""
    return Action(
        CHANGE_SERVICE_STATE,
        {"state": "disabled", "disabled_reason": reason, "resource_name": name},
        host_uuid,
    )


def enable_host(host_uuid: str, name: str) -> Action:
    """Give a host back to Nova's scheduler."""
    return Action(CHANGE_SERVICE_STATE, {"state": "enabled", "resource_name": name}, host_uuid)


def stop(instance_uuid: str) -> Action:
    """Stop an instance."""
    return Action(STOP, {}, instance_uuid)


def resize(instance_uuid: str, flavor: str) -> Action:
    """Give an instance another flavor, named by its id or name."""
    return Action(RESIZE, {"flavor": flavor}, instance_uuid)


def nop(message: str | None) -> Action:
    """Say a word, do nothing."""
    return Action(NOP, {"message": message})


def sleep(duration_s: float) -> Action:
    """Wait."""
    return Action(SLEEP, {"duration": duration_s})


def migrate_volume(volume_uuid: str, pool: str, *, name: str = "") -> Action:
    """Move a volume to another pool, ``host@backend#pool``, keeping its type."""
    parameters = {"migration_type": "migrate", "destination_node": pool}
    return Action(VOLUME_MIGRATE, {**parameters, **_named(name)}, volume_uuid)


def retype_volume(volume_uuid: str, volume_type: str, *, name: str = "") -> Action:
    """Give a volume another type, by name; Cinder moves it where its pool does not serve that."""
    parameters = {"migration_type": "retype", "destination_type": volume_type}
    return Action(VOLUME_MIGRATE, {**parameters, **_named(name)}, volume_uuid)


def power(machine_uuid: str, host: str, *, on: bool) -> Action:
    """Switch the machine of a compute host on or off."""
    parameters = {"state": "on" if on else "off", "resource_name": host}
    return Action(CHANGE_POWER_STATE, parameters, machine_uuid)


def _named(name: str) -> dict[str, str]:
    return {"resource_name": name} if name else {}
