# SPDX-License-Identifier: Apache-2.0
"""Placement: one resource provider per host, and what is allocated on it.

Usage follows moves as in the real service: the destination is claimed when a move begins, the
source is held under the migration's uuid until it ends.
See https://docs.openstack.org/api-ref/placement/.
"""

from collections.abc import Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Any

from watcher.simulator.cloud import Cloud
from watcher.simulator.keystone import Keystone
from watcher.simulator.web import (
    App,
    Refusal,
    Request,
    Response,
    Route,
    negotiate,
    written,
)
from watcher.simulator.world import RESOURCE_CLASSES, Host, Resources

_LOW, _HIGH = (1, 0), (1, 39)


class Placement(App):
    """The placement service; everything is for admins."""

    name = "placement"

    def __init__(self, cloud: Cloud, keystone: Keystone) -> None:
        self._keystone = keystone
        self._hosts = {host.uuid: host for host in cloud.world.hosts.values()}
        super().__init__(cloud)

    def routes(self) -> Sequence[Route]:
        """What collectors read."""
        provider = "/resource_providers/{provider_id}"
        return [
            ("GET", "/", self._versions),
            ("GET", "/resource_providers", self._providers),
            ("GET", provider, self._provider),
            ("GET", f"{provider}/inventories", self._inventories),
            ("GET", f"{provider}/usages", self._usages),
            ("GET", f"{provider}/allocations", self._provider_allocations),
            ("GET", f"{provider}/traits", self._traits),
            ("GET", f"{provider}/aggregates", self._aggregates),
            ("GET", "/allocations/{consumer_id}", self._allocations),
        ]

    def prepare(self, request: Request) -> Request:
        """Token, role, microversion."""
        if request.path == "/":
            return request
        request = negotiate(request, self.name, _LOW, _HIGH)
        identity = self._keystone.identify(request)
        if not identity.admin:
            raise Refusal(403, "Access was denied to this resource.")
        return replace(request, identity=identity)

    def error(self, request: Request, refusal: Refusal) -> Any:
        """The errors of the API working group."""
        return {
            "errors": [
                {
                    "status": refusal.status,
                    "title": HTTPStatus(refusal.status).phrase,
                    "detail": refusal.message,
                    "code": "placement.undefined_code",
                    "request_id": request.request_id,
                }
            ]
        }

    def finish(self, request: Request, response: Response) -> None:
        """The microversion of the answer."""
        if request.version >= _LOW:
            response.headers["OpenStack-API-Version"] = f"placement {written(request.version)}"
        response.headers["Vary"] = "OpenStack-API-Version"

    def _host(self, provider_id: str) -> Host:
        host = self._hosts.get(provider_id)
        if host is None:
            raise Refusal(404, f"No resource provider with uuid {provider_id} found")
        return host

    def _versions(self, request: Request) -> Response:
        document = {
            "id": "v1.0",
            "status": "CURRENT",
            "min_version": written(_LOW),
            "max_version": written(_HIGH),
            "links": [{"rel": "self", "href": request.origin}],
        }
        return Response({"versions": [document]})

    def _providers(self, request: Request) -> Response:
        wanted = request.arg("uuid") or request.arg("in_tree")
        name, required = request.arg("name"), request.arg("required")
        known = set().union(*(_traits_of(host) for host in self.cloud.world.hosts.values()))
        if required is not None and required not in known:
            raise Refusal(400, f"Invalid query string parameters: No such trait(s): {required}.")
        found = [
            _provider(host, request)
            for host in self.cloud.world.hosts.values()
            if wanted in (None, host.uuid)
            and name in (None, host.hypervisor_hostname)
            and (required is None or required in _traits_of(host))
        ]
        return Response({"resource_providers": found})

    def _provider(self, request: Request, provider_id: str) -> Response:
        return Response(_provider(self._host(provider_id), request))

    def _inventories(self, request: Request, provider_id: str) -> Response:
        del request
        host = self._host(provider_id)
        return Response(
            {
                "resource_provider_generation": host.generation,
                "inventories": {
                    kind: {
                        "total": total,
                        "reserved": reserved,
                        "allocation_ratio": ratio,
                        "min_unit": 1,
                        "max_unit": total,
                        "step_size": 1,
                    }
                    for kind, total, reserved, ratio in zip(
                        RESOURCE_CLASSES, host.total, host.reserved, host.ratios, strict=True
                    )
                },
            }
        )

    def _usages(self, request: Request, provider_id: str) -> Response:
        del request
        host = self._host(provider_id)
        return Response(
            {
                "resource_provider_generation": host.generation,
                "usages": dict(zip(RESOURCE_CLASSES, host.used, strict=True)),
            }
        )

    def _provider_allocations(self, request: Request, provider_id: str) -> Response:
        del request
        host = self._host(provider_id)
        return Response(
            {
                "resource_provider_generation": host.generation,
                "allocations": {
                    consumer: _allocation(amount) for consumer, amount in host.consumers.items()
                },
            }
        )

    def _allocations(self, request: Request, consumer_id: str) -> Response:
        found = {
            host.uuid: {
                "generation": host.generation,
                **_allocation(host.consumers[consumer_id]),
            }
            for host in self.cloud.world.hosts.values()
            if consumer_id in host.consumers
        }
        body: dict[str, Any] = {"allocations": found}
        server = self.cloud.world.servers.get(consumer_id)
        if found and server and request.version >= (1, 12):
            body |= {"project_id": server.project_id, "user_id": server.user_id}
        return Response(body)

    def _traits(self, request: Request, provider_id: str) -> Response:
        del request
        host = self._host(provider_id)
        found = sorted(_traits_of(host))
        return Response({"resource_provider_generation": host.generation, "traits": found})

    def _aggregates(self, request: Request, provider_id: str) -> Response:
        host = self._host(provider_id)
        found = [one.uuid for one in self.cloud.world.aggregates if host.name in one.hosts]
        body: dict[str, Any] = {"aggregates": found}
        if request.version >= (1, 19):
            body["resource_provider_generation"] = host.generation
        return Response(body)


def _traits_of(host: Host) -> frozenset[str]:
    return host.traits | (frozenset() if host.enabled else {"COMPUTE_STATUS_DISABLED"})


def _provider(host: Host, request: Request) -> dict[str, Any]:
    here = f"/placement/resource_providers/{host.uuid}"
    names = ("inventories", "usages", "aggregates", "traits", "allocations")
    body: dict[str, Any] = {
        "uuid": host.uuid,
        "name": host.hypervisor_hostname,
        "generation": host.generation,
        "links": [
            {"rel": "self", "href": here},
            *({"rel": name, "href": f"{here}/{name}"} for name in names),
        ],
    }
    if request.version >= (1, 14):
        body |= {"parent_provider_uuid": None, "root_provider_uuid": host.uuid}
    return body


def _allocation(amount: Resources) -> dict[str, Any]:
    kinds = {kind: units for kind, units in zip(RESOURCE_CLASSES, amount, strict=True) if units}
    return {"resources": kinds}
