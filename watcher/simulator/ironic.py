# SPDX-License-Identifier: Apache-2.0
"""Bare metal v1, microversions 1.1 to 1.90: one node for each compute host, and its power.

See https://docs.openstack.org/api-ref/baremetal/. A change of power takes its time; a host whose
machine is off is down, one whose machine was switched on is up when it has booted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from watcher.simulator import migrations
from watcher.simulator.clock import iso
from watcher.simulator.cloud import Cloud
from watcher.simulator.keystone import Keystone
from watcher.simulator.web import (
    App,
    Refusal,
    Request,
    Response,
    Route,
    need_admin,
    negotiate,
    page,
    written,
)

_LOW, _HIGH = (1, 1), (1, 90)
ON, OFF, SOFT_OFF, REBOOT = "power on", "power off", "soft power off", "rebooting"
SECONDS = {ON: 5.0, OFF: 5.0, SOFT_OFF: 20.0}
"""Simulated seconds of a change of power."""
BOOT_S = 40.0
"""Simulated seconds from power on until nova-compute reports."""


@dataclass(slots=True)
class Node:
    """A machine; ``host`` is the compute host it is.

    :ivar soft: whether its driver can ask the operating system to shut down
    :ivar due: when the change of power that is under way ends; None while it is stuck
    :ivar boots: when its compute service reports again
    """

    uuid: str
    host: str
    power_state: str = ON
    target: str | None = None
    maintenance: bool = False
    maintenance_reason: str | None = None
    last_error: str | None = None
    soft: bool = True
    extra: dict[str, Any] = field(default_factory=dict)
    due: float | None = None
    failure: str = ""
    boots: float | None = None


class Ironic(App):
    """The bare metal service."""

    name = "baremetal"

    def __init__(self, cloud: Cloud, keystone: Keystone) -> None:
        self._keystone = keystone
        self.nodes = {one.uuid: one for one in _nodes(cloud)}
        cloud.ticks.append(self.advance)
        super().__init__(cloud)

    def node_of(self, host: str) -> Node:
        """The machine of a compute host."""
        return next(one for one in self.nodes.values() if one.host == host)

    def routes(self) -> Sequence[Route]:
        """Nodes and their power."""
        return [
            ("GET", "/", self._versions),
            ("GET", "/v1", self._version),
            ("GET", "/v1/nodes", self._list),
            ("GET", "/v1/nodes/detail", self._list),
            ("GET", "/v1/nodes/{node_id}", self._show),
            ("GET", "/v1/nodes/{node_id}/states", self._states),
            ("PUT", "/v1/nodes/{node_id}/states/power", self._power),
            ("PUT", "/v1/nodes/{node_id}/maintenance", self._maintenance),
            ("DELETE", "/v1/nodes/{node_id}/maintenance", self._maintenance),
        ]

    def prepare(self, request: Request) -> Request:
        """Token and microversion."""
        if request.path.strip("/") in ("", "v1"):
            return request
        identity = self._keystone.identify(request)
        request = replace(negotiate(request, self.name, _LOW, _HIGH), identity=identity)
        need_admin(request, "baremetal:node:get")
        return request

    def error(self, request: Request, refusal: Refusal) -> Any:
        """Ironic's envelope."""
        del request
        fault = "Server" if refusal.status >= 500 else "Client"
        return {
            "error_message": {
                "faultcode": fault,
                "faultstring": refusal.message,
                "debuginfo": None,
            }
        }

    def finish(self, request: Request, response: Response) -> None:
        """Ironic's headers."""
        response.headers["X-OpenStack-Ironic-API-Minimum-Version"] = written(_LOW)
        response.headers["X-OpenStack-Ironic-API-Maximum-Version"] = written(_HIGH)
        if request.version >= _LOW:
            response.headers["X-OpenStack-Ironic-API-Version"] = written(request.version)
            response.headers["OpenStack-API-Version"] = f"baremetal {written(request.version)}"

    def _document(self, request: Request) -> dict[str, Any]:
        return {
            "id": "v1",
            "status": "CURRENT",
            "version": written(_HIGH),
            "min_version": written(_LOW),
            "links": [{"rel": "self", "href": f"{request.origin}/v1/"}],
        }

    def _versions(self, request: Request) -> Response:
        one = self._document(request)
        return Response(
            {"name": "OpenStack Ironic API", "versions": [one], "default_version": one}
        )

    def _version(self, request: Request) -> Response:
        one = self._document(request)
        return Response({"id": "v1", "links": one["links"], "version": one, "media_types": []})

    def _list(self, request: Request) -> Response:
        rows = sorted(self.nodes.values(), key=lambda one: one.uuid)
        part, following = page(request, rows, lambda one: one.uuid)
        brief = ("uuid", "name", "instance_uuid", "power_state", "provision_state", "maintenance")
        asked = request.arg("fields")
        detail = request.path.rstrip("/").endswith("detail")
        fields = tuple(asked.split(",")) if asked else () if detail else brief
        body: dict[str, Any] = {"nodes": [_shown(one, fields) for one in part]}
        if following is not None:
            body["next"] = f"{request.origin}{request.path}?{following}"
        return Response(body)

    def find(self, node_id: str) -> Node:
        """A node by its uuid or name.

        :raises Refusal: 404
        """
        for one in self.nodes.values():
            if node_id in (one.uuid, one.host):
                return one
        raise Refusal(404, f"Node {node_id} could not be found.")

    def _show(self, request: Request, node_id: str) -> Response:
        asked = request.arg("fields")
        return Response(_shown(self.find(node_id), asked.split(",") if asked else ()))

    def _states(self, request: Request, node_id: str) -> Response:
        del request
        names = ("power_state", "target_power_state", "provision_state", "last_error")
        return Response(_shown(self.find(node_id), names))

    def _power(self, request: Request, node_id: str) -> Response:
        """Accepted at once, carried out later; busy nodes and unknown states are refused."""
        one, target = self.find(node_id), request.json().get("target")
        if target not in SECONDS or (target == SOFT_OFF and request.version < (1, 27)):
            raise Refusal(400, f"The requested action {target!r} can not be performed.")
        if one.target is not None:
            raise Refusal(
                409, f"Node {one.uuid} is locked by host conductor-1, please retry after it."
            )
        if target == SOFT_OFF and not one.soft:
            raise Refusal(400, "The driver does not support the power state: soft power off.")
        fault = self.cloud.faults.take_move(one.uuid)
        if fault and fault.outcome == "refused":
            raise Refusal(409, fault.text)
        one.target, one.last_error = target, None
        stuck = fault is not None and fault.outcome == "stuck"
        one.failure = fault.text if fault and fault.outcome == "error" else ""
        seconds = self.cloud.clock.lasting(SECONDS[target])
        one.due = None if stuck else self.cloud.clock.now() + seconds
        if stuck and "timeout" in request.json():
            limit_s = self.cloud.clock.lasting(float(request.json()["timeout"]))
            one.due = self.cloud.clock.now() + limit_s
            one.failure = f"Timed out after {request.json()['timeout']} secs waiting for {target}"
        return Response(None, 202)

    def _maintenance(self, request: Request, node_id: str) -> Response:
        one = self.find(node_id)
        one.maintenance = request.method == "PUT"
        body = request.json() if request.body else {}
        one.maintenance_reason = body.get("reason") if one.maintenance else None
        return Response(None, 202)

    def advance(self, now: float) -> None:
        """Carry out what was due until now."""
        for one in self.nodes.values():
            if one.target is not None and one.due is not None and one.due <= now:
                self._switched(one, now)
            if one.boots is not None and one.boots <= now:
                self.cloud.world.hosts[one.host].up, one.boots = True, None

    def _switched(self, one: Node, now: float) -> None:
        wanted = ON if one.target == ON else OFF
        one.target, one.due = None, None
        if one.failure:
            one.last_error, one.failure = one.failure, ""
            return
        changed, one.power_state = one.power_state != wanted, wanted
        if changed and wanted == OFF:
            one.boots = None
            migrations.host_down(self.cloud.world, one.host, now)
        elif changed:
            one.boots = now + self.cloud.clock.lasting(BOOT_S)


def _nodes(cloud: Cloud) -> list[Node]:
    """A node for each host; it is powered as its host is."""
    return [
        Node(
            uuid=str(uuid5(NAMESPACE_OID, f"{cloud.world.seed}/node/{host.name}")),
            host=host.name,
            power_state=ON if host.up else OFF,
            extra={"compute_node_id": host.uuid},
        )
        for host in cloud.world.hosts.values()
    ]


def _shown(one: Node, names: Sequence[str]) -> Mapping[str, Any]:
    body = {
        "uuid": one.uuid,
        "name": one.host,
        "instance_uuid": None,
        "power_state": one.power_state,
        "target_power_state": one.target,
        "provision_state": "active",
        "target_provision_state": None,
        "maintenance": one.maintenance,
        "maintenance_reason": one.maintenance_reason,
        "last_error": one.last_error,
        "driver": "ipmi",
        "extra": one.extra,
        "properties": {},
        "created_at": iso(0.0, zone="+00:00"),
    }
    return {name: body[name] for name in names if name in body} if names else body
