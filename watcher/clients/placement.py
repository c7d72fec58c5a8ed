# SPDX-License-Identifier: Apache-2.0
"""Placement: which providers there are, and what each has to give.

https://docs.openstack.org/api-ref/placement/ . Placement has no call for the inventories of all
providers; a provider's generation tells whether they changed since they were read.
"""

from collections import Counter
from collections.abc import Mapping
from threading import Lock
from typing import Any, NamedTuple

from tenacity import Retrying

from watcher.clients.session import Clients, retrying, translated

READ_TIMEOUT_S = 60.0


class Provider(NamedTuple):
    """One resource provider; that of a compute host has the hypervisor's uuid."""

    uuid: str
    name: str
    generation: int


class Inventory(NamedTuple):
    """What a provider has of one resource class."""

    total: int
    reserved: int
    ratio: float


class Placement:
    """Typed calls; raises ServiceDown, NotFound, Forbidden, Invalid.

    ``requests`` counts what was sent, by the kind of thing read.
    """

    def __init__(self, clients: Clients, retries: Retrying | None = None) -> None:
        self._clients = clients
        self._retries = retries or retrying(*clients.nova_retries)
        self.requests: Counter[str] = Counter()
        self._counting = Lock()

    def providers(self) -> list[Provider]:
        """Every resource provider."""
        answer = self._get("resource_providers", "/resource_providers")
        return [
            Provider(body["uuid"], body["name"], body["generation"])
            for body in answer["resource_providers"]
        ]

    def inventories(self, uuid: str) -> tuple[int, Mapping[str, Inventory]]:
        """A provider's generation, and its inventories by resource class (VCPU, ...)."""
        answer = self._get("inventories", f"/resource_providers/{uuid}/inventories")
        found = {
            name: Inventory(body["total"], body["reserved"], body["allocation_ratio"])
            for name, body in answer["inventories"].items()
        }
        return answer["resource_provider_generation"], found

    def _get(self, kind: str, path: str) -> Any:
        def once() -> Any:
            with self._counting:
                self.requests[kind] += 1
            with translated("placement"):
                return self._clients.placement.get(path, timeout=READ_TIMEOUT_S)

        return self._retries(once).json()
