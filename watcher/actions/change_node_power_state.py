# SPDX-License-Identifier: Apache-2.0
"""Switch the machine of a compute host on or off, together with its compute service."""

import contextlib
from collections.abc import Callable, Mapping
from threading import Event
from typing import Any, ClassVar

from watcher.clients.metal import Metal, Node
from watcher.clients.nova import ComputeService, Nova
from watcher.clients.session import Clients, translated
from watcher.core.baremetal import OFF, ON
from watcher.core.errors import ActionFailed, Conflict, Invalid, NotFound, ServiceDown, Skip
from watcher.core.protocols import Progress
from watcher.core.solution import (
    CHANGE_POWER_STATE,
    DISABLED_FOR_MAINTENANCE,
    DISABLED_TO_SAVE_ENERGY,
    OUR_REASONS,
    Action,
    power,
)

SOFT_OFF = "soft power off"


class ChangeNodePowerState:
    """Switches a machine; ``resource_id`` is Ironic's node, ``resource_name`` the compute host.

    Off: the host is disabled first (reason ``watcher_saving_energy``), so that nothing comes to
    it, must be empty, and its operating system is asked to shut down before power is cut. On: it
    is over when nova-compute reports again, and the host is enabled if Watcher had disabled it.
    Without a ``resource_name`` the machine is taken for no compute host, and only switched.
    """

    type = CHANGE_POWER_STATE
    description = (
        "Switches a bare metal machine on or off through Ironic. A compute host is disabled and"
        " must be empty before it is switched off, and reports and is enabled before it counts"
        " as on."
    )
    can_abort = False
    schema: ClassVar[Mapping[str, Any]] = {
        "type": "object",
        "properties": {
            "resource_id": {"type": "string", "minLength": 1},
            "resource_name": {"type": "string", "minLength": 1},
            "state": {"type": "string", "enum": ["on", "off"]},
        },
        "required": ["resource_id", "state"],
        "additionalProperties": False,
    }

    def __init__(self, clients: Clients, parameters: Mapping[str, Any], stop: Event) -> None:
        self._clients = clients
        self._metal = Metal(clients)
        self._nova = Nova(clients)
        self._looks, self._interval_s = clients.power_polls
        self._uuid: str = parameters["resource_id"]
        self._host: str = parameters.get("resource_name", "")
        self._on = parameters["state"] == "on"
        self._target = ON if self._on else OFF
        self._stop = stop
        self._before: Mapping[str, Any] = {}
        self._begun = False
        self._old_error = ""

    @property
    def _name(self) -> str:
        return f"node {self._uuid}" + (f" ({self._host})" if self._host else "")

    def check(self) -> Mapping[str, Any]:
        """The node may be switched, and its host is empty if it is to be switched off."""
        try:
            node = self._metal.node(self._uuid)
        except NotFound as error:
            raise ActionFailed(f"{self._name} does not exist in Ironic") from error
        if node.maintenance:
            why = node.maintenance_reason or "no reason given"
            raise ActionFailed(f"{self._name} is in maintenance in Ironic ({why})")
        if node.target_power_state:
            raise ActionFailed(f"{self._name} is on its way to {node.target_power_state}")
        self._old_error = node.last_error
        service = self._service()
        if node.power_state == self._target and not (self._on and self._is_ours(service)):
            raise Skip(f"{self._name} is {self._target} already")
        if not self._on:
            self._check_empty()
            if service is not None and not service.enabled and not self._is_ours(service):
                why = service.disabled_reason or "no reason given"
                raise ActionFailed(
                    f"host {self._host} was disabled by somebody else ({why}); it is left on"
                )
        self._before = {
            "power_state": node.power_state,
            "enabled": service.enabled if service else None,
            "disabled_reason": service.disabled_reason if service else "",
        }
        return self._before

    def _service(self) -> ComputeService | None:
        if not self._host:
            return None
        try:
            return self._nova.service(self._host)
        except NotFound as error:
            raise ActionFailed(f"{self._name}: {error}") from error

    @staticmethod
    def _is_ours(service: ComputeService | None) -> bool:
        """Whether Watcher disabled it, and not for people who came to work on it."""
        if service is None or service.enabled:
            return False
        reason = service.disabled_reason
        return reason.startswith(OUR_REASONS) and reason != DISABLED_FOR_MAINTENANCE

    def _check_empty(self) -> None:
        if not self._host:
            return
        query = {"all_tenants": "1", "host": self._host, "limit": "1"}
        with translated("nova"):
            answer = self._clients.compute.get("/servers", params=query)
        if answer.json()["servers"]:
            raise ActionFailed(f"host {self._host} has instances; it is not switched off")

    def perform(self) -> None:
        """Switch it, and wait until it is so; see the class for what comes with it."""
        self._begun = True
        if self._on:
            self._switch_on()
        else:
            self._switch_off()

    def _switch_off(self) -> None:
        service = self._service()
        if service is not None and service.enabled:
            self._nova.disable_service(service.uuid, DISABLED_TO_SAVE_ENERGY)
        # Whoever was on the way to this host before it was disabled has arrived by now or fails.
        self._check_empty()
        # A change that was begun before (by an applier that is no more) comes to its end first.
        self._until(lambda node: not node.target_power_state, patient=False)
        if self._metal.node(self._uuid).power_state == OFF:
            return
        if self._asked(SOFT_OFF) and self._until(self._is_off, patient=False):
            return
        self._asked(OFF)
        if not self._until(self._is_off):
            raise ActionFailed(self._late("is not powered off"))

    def _asked(self, target: str) -> bool:
        """Ask Ironic; False when its driver cannot do this softly."""
        limit_s = self._looks * self._interval_s
        try:
            self._metal.set_power(self._uuid, target, limit_s if target == SOFT_OFF else None)
        except (Invalid, Conflict):
            if target == SOFT_OFF:
                return False
            raise
        return True

    def _is_off(self, node: Node) -> bool:
        return node.power_state == OFF

    def _switch_on(self) -> None:
        if self._metal.node(self._uuid).power_state != ON:
            self._asked(ON)
        if not self._until(lambda node: node.power_state == ON):
            raise ActionFailed(self._late("is not powered on"))
        service = self._service()
        if service is None:
            return
        if not self._until(lambda _node: self._nova.service(self._host).up):
            raise ActionFailed(
                self._late(f"is powered on, but nova-compute of {self._host} does not report")
            )
        if self._is_ours(service):
            self._nova.enable_service(service.uuid)

    def _until(self, reached: Callable[[Node], bool], *, patient: bool = True) -> bool:
        """Whether the end is reached within the looks there are.

        Raises ActionFailed with Ironic's reason when it gave up (unless not ``patient``: then it
        is False), and when the wait is to end.
        """
        for _look in range(self._looks):
            with contextlib.suppress(ServiceDown):
                node = self._metal.node(self._uuid)
                if reached(node):
                    return True
                failed = node.last_error and node.last_error != self._old_error
                if failed and not node.target_power_state:
                    if not patient:
                        return False
                    raise ActionFailed(f"{self._name}: Ironic says {node.last_error}")
            if self._stop.wait(self._interval_s):
                raise ActionFailed(f"{self._name} was left on its way to {self._target}")
        return False

    def _late(self, what: str) -> str:
        return f"{self._name} {what} after {self._looks * self._interval_s:g} s"

    def observe(self, before: Mapping[str, Any]) -> Progress:
        """By the node's power, and for ``on`` by its compute service."""
        try:
            node = self._metal.node(self._uuid)
        except NotFound as error:
            raise ActionFailed(f"{self._name} does not exist in Ironic") from error
        self._before, self._begun = before, True
        if node.target_power_state:
            return Progress.RUNNING
        if node.power_state != self._target:
            return Progress.NOT_BEGUN
        service = self._service() if self._on else None
        waiting = service is not None and (not service.up or self._is_ours(service))
        return Progress.RUNNING if waiting else Progress.DONE

    def undo(self) -> str:
        """Give back what was there: power first where it was on, and the service as it was."""
        if not self._begun:
            return ""
        done = []
        node = self._metal.node(self._uuid)
        was = str(self._before.get("power_state", ""))
        if was in (ON, OFF) and (node.power_state != was or node.target_power_state):
            self._old_error = node.last_error
            self._metal.set_power(self._uuid, was)
            if not self._until(lambda one: one.power_state == was and not one.target_power_state):
                raise ActionFailed(self._late(f"is not back to {was}"))
            done.append(f"the machine is {was} again")
        service = self._service()
        if service is not None and self._before.get("enabled") and not service.enabled:
            self._nova.enable_service(service.uuid)
            done.append(f"host {self._host} was enabled again")
        elif service is not None and service.enabled and self._before.get("enabled") is False:
            reason = str(self._before.get("disabled_reason") or DISABLED_TO_SAVE_ENERGY)
            self._nova.disable_service(service.uuid, reason)
            done.append(f"host {self._host} was disabled again")
        return " and ".join(done)

    def reverse(self, before: Mapping[str, Any]) -> Action | None:
        """The other way."""
        if before.get("power_state") == self._target:
            return None
        if not self._host:
            raise ActionFailed(f"{self._name} was switched as no compute host, by hand")
        return power(self._uuid, self._host, on=not self._on)

    def abort(self) -> None:
        """A change of power is not broken off half-way."""
        raise ActionFailed(f"the power change of {self._name} cannot be aborted")

    def compensation(self) -> Action | None:
        """It does no harm."""
        return None
