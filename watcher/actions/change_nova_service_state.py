# SPDX-License-Identifier: Apache-2.0
"""Enable or disable a compute service, with the reason operators see."""

from collections.abc import Mapping
from threading import Event
from typing import Any, ClassVar

from watcher.clients.nova import ComputeService, Nova
from watcher.clients.session import Clients, translated
from watcher.core.errors import ActionFailed, NotFound, Skip
from watcher.core.protocols import Progress
from watcher.core.solution import (
    CHANGE_SERVICE_STATE,
    DISABLED_BY_CONSOLIDATION,
    OUR_REASONS,
    Action,
    disable_host,
    enable_host,
)


class ChangeNovaServiceState:
    """Gives a host to Nova's scheduler or takes it away.

    The host is ``resource_name``, or ``resource_id`` when there is no name. A host that somebody
    else disabled (its reason does not begin with ``watcher_``) is never enabled.
    """

    type = CHANGE_SERVICE_STATE
    description = (
        "Enables or disables the nova-compute service of a host. A disabled host gets no new"
        " instances; those on it stay."
    )
    can_abort = False
    schema: ClassVar[Mapping[str, Any]] = {
        "type": "object",
        "properties": {
            "resource_id": {"type": "string", "minLength": 1},
            "resource_name": {"type": "string", "minLength": 1},
            "state": {"type": "string", "enum": ["up", "down", "enabled", "disabled"]},
            "disabled_reason": {"type": "string", "minLength": 1, "maxLength": 255},
        },
        "required": ["resource_id", "state"],
        "additionalProperties": False,
    }

    def __init__(self, clients: Clients, parameters: Mapping[str, Any], stop: Event) -> None:
        del stop
        self._clients = clients
        self._nova = Nova(clients)
        self._host_id = parameters["resource_id"]
        self._host = parameters.get("resource_name") or self._host_id
        self._state = parameters["state"]
        self._reason = parameters.get("disabled_reason") or DISABLED_BY_CONSOLIDATION
        self._begun = False

    def check(self) -> Mapping[str, Any]:
        """The present status and reason; see the class for what is refused."""
        if self._state in ("up", "down"):
            raise ActionFailed(
                f"state {self._state} of host {self._host} is what its nova-compute reports and"
                " cannot be set; use enabled or disabled"
            )
        try:
            service = self._nova.service(self._host)
        except NotFound as error:
            raise Skip(f"{error}") from error
        if self._is_there(service):
            raise Skip(f"the compute service of host {self._host} is {self._state} already")
        if self._state == "enabled" and not service.disabled_reason.startswith(OUR_REASONS):
            raise ActionFailed(
                f"host {self._host} was not disabled by Watcher"
                f" (reason: {service.disabled_reason or 'none given'}); enable it yourself if it"
                " may take instances again"
            )
        self._service = service
        return {"enabled": service.enabled, "disabled_reason": service.disabled_reason}

    def _is_there(self, service: ComputeService) -> bool:
        """Whether nothing is to be done.

        A host that we disabled for one reason may be needed for another, which decides who may
        enable it again; the reason of somebody else is left alone.
        """
        if service.enabled != (self._state == "enabled"):
            return False
        ours = service.disabled_reason.startswith(OUR_REASONS)
        return service.enabled or not ours or service.disabled_reason == self._reason

    def perform(self) -> None:
        """Set it, and see that Nova has it so."""
        self._begun = True
        if self._state == "enabled":
            self._nova.enable_service(self._service.uuid)
        else:
            self._nova.disable_service(self._service.uuid, self._reason)
        if self._nova.service(self._host).enabled != (self._state == "enabled"):
            raise ActionFailed(
                f"Nova accepted the change, but host {self._host} is not {self._state}",
                phase="post_condition",
            )

    def observe(self, before: Mapping[str, Any]) -> Progress:
        """One request does it: it is there, or was not begun."""
        try:
            service = self._nova.service(self._host)
        except NotFound as error:
            raise ActionFailed(f"{error}") from error
        self._begun = True
        self._service = service._replace(
            enabled=before.get("enabled", True), disabled_reason=before.get("disabled_reason", "")
        )
        return Progress.DONE if self._is_there(service) else Progress.NOT_BEGUN

    def undo(self) -> str:
        """Set the former status, with its reason, if that is not what Nova has."""
        before = self._service
        if not self._begun:
            return ""
        now = self._nova.service(self._host)
        if (now.enabled, now.disabled_reason) == (before.enabled, before.disabled_reason):
            return ""
        if before.enabled:
            self._nova.enable_service(before.uuid)
            return f"host {self._host} was enabled again"
        self._nova.disable_service(before.uuid, before.disabled_reason)
        return f"host {self._host} was disabled again"

    def abort(self) -> None:
        """It is over before that."""

    def reverse(self, before: Mapping[str, Any]) -> Action | None:
        """The former status, with its reason."""
        if before.get("enabled") == (self._state == "enabled"):
            return None
        if self._state == "disabled":
            return enable_host(self._host_id, self._host)
        reason = before.get("disabled_reason") or DISABLED_BY_CONSOLIDATION
        return disable_host(self._host_id, self._host, reason)

    def compensation(self) -> Action | None:
        """Enable a host again that was to be emptied and was not.

        Disabled and half full it would do no good to anybody. One that is disabled for maintenance
        stays so: somebody is coming to work on it; and so does one that is enabled by now.
        """
        if self._state != "disabled" or self._reason != DISABLED_BY_CONSOLIDATION:
            return None
        query = {"all_tenants": "1", "host": self._host, "limit": "1"}
        with translated("nova"):
            answer = self._clients.compute.get("/servers", params=query)
        if not answer.json()["servers"] or self._nova.service(self._host).enabled:
            return None
        return enable_host(self._host_id, self._host)
