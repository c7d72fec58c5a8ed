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
from watcher.core.errors import Invalid

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
    largest: int | None = None
    """The most one consumer may have; None for all, 0 where amounts come in steps."""


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
            name: Inventory(
                body["total"], body["reserved"], body["allocation_ratio"], _largest(body)
            )
            for name, body in answer["inventories"].items()
        }
        return answer["resource_provider_generation"], found

    def usages(self, uuid: str) -> Mapping[str, int]:
        """What is allocated of a provider, by resource class, to whomever."""
        answer = self._get("usages", f"/resource_providers/{uuid}/usages")
        return dict(answer["usages"])

    def providers_with(self, trait: str) -> frozenset[str]:
        """The uuids of all providers that have a trait; none when Placement has no such trait."""
        try:
            answer = self._get("traits", "/resource_providers", required=trait)
        except Invalid:
            return frozenset()
        return frozenset(body["uuid"] for body in answer["resource_providers"])

    def _get(self, kind: str, path: str, **query: str) -> Any:
        def once() -> Any:
            with self._counting:
                self.requests[kind] += 1
            with translated("placement"):
                return self._clients.placement.get(path, params=query, timeout=READ_TIMEOUT_S)

        return self._retries(once).json()


def _largest(body: Mapping[str, Any]) -> int | None:
    # Watcher counts in ones: where amounts come in steps of more, nothing is offered.
    if body.get("step_size", 1) != 1 or body.get("min_unit", 1) > 1:
        return 0
    largest = body.get("max_unit")
    return None if largest is None else int(largest)
