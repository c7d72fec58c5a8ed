# SPDX-License-Identifier: Apache-2.0
"""Ironic: the power of machines. The seam for another bare metal service.

https://docs.openstack.org/api-ref/baremetal/
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from threading import Lock
from typing import Any, NamedTuple

from tenacity import Retrying

from watcher.clients.session import Clients, retrying, translated
from watcher.core.errors import Conflict

READ_TIMEOUT_S = 60.0
LOCK_TRIES, LOCK_PAUSE_S = 6, 2.0
"""Ironic locks a node for a moment when it looks at its power, and refuses changes meanwhile."""
FIELDS = (
    *("uuid", "name", "power_state", "target_power_state", "provision_state", "maintenance"),
    *("maintenance_reason", "last_error", "extra"),
)
COMPUTE_NODE = "compute_node_id"
"""Key in a node's ``extra``: which compute host it is."""


class Node(NamedTuple):
    """One node as Ironic tells it."""

    uuid: str
    name: str
    power_state: str
    """``power on``, ``power off``, ``error``, or '' when Ironic does not know."""
    target_power_state: str
    """What it is on the way to, or ''."""
    provision_state: str
    maintenance: bool
    maintenance_reason: str
    last_error: str
    compute_node: str
    """``extra.compute_node_id``: uuid or name of its compute host, or ''."""

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> "Node":
        """From an entry of GET /v1/nodes with FIELDS."""
        extra = body.get("extra") or {}
        return cls(
            uuid=body["uuid"],
            name=body.get("name") or "",
            power_state=body.get("power_state") or "",
            target_power_state=body.get("target_power_state") or "",
            provision_state=body.get("provision_state") or "",
            maintenance=bool(body.get("maintenance")),
            maintenance_reason=body.get("maintenance_reason") or "",
            last_error=body.get("last_error") or "",
            compute_node=str(extra.get(COMPUTE_NODE) or ""),
        )


class Metal:
    """Typed calls; raises Absent, ServiceDown, NotFound, Forbidden, Conflict, Invalid."""

    def __init__(self, clients: Clients, retries: Retrying | None = None) -> None:
        self._clients = clients
        self._retries = retries or retrying(*clients.nova_retries)
        self.requests: Counter[str] = Counter()
        self._counting = Lock()

    def nodes(self) -> Iterator[Node]:
        """Every node, page by page."""
        query = {"fields": ",".join(FIELDS), "limit": "1000"}
        while True:
            page = self._get("nodes", query)
            yield from map(Node.of, page["nodes"])
            if not page.get("next") or not page["nodes"]:
                return
            query["marker"] = page["nodes"][-1]["uuid"]

    def node(self, uuid: str) -> Node:
        """One node. Raises NotFound."""
        return Node.of(self._get(f"nodes/{uuid}", {"fields": ",".join(FIELDS)}))

    def set_power(self, uuid: str, target: str, timeout_s: float | None = None) -> None:
        """Ask for ``power on``, ``power off`` or ``soft power off``; Ironic carries it out later.

        Ironic gives up after ``timeout_s``, by its own default otherwise. Raises Conflict when
        the node stays locked.
        """
        body: dict[str, Any] = {"target": target}
        if timeout_s is not None:
            body["timeout"] = max(1, int(timeout_s))
        # To ask twice for the same state does no harm, so it may be repeated.
        again = retrying(LOCK_TRIES, LOCK_PAUSE_S, passing=Conflict)
        again(self._send, "PUT", f"nodes/{uuid}/states/power", json=body)

    def _get(self, path: str, query: Mapping[str, str] | None = None) -> Any:
        return self._send("GET", path, params=query).json()

    def _send(self, method: str, path: str, **more: Any) -> Any:
        def once() -> Any:
            with self._counting:
                self.requests[path.partition("/")[0]] += 1
            with translated("ironic"):
                return self._clients.bare_metal.request(
                    f"/{path}", method, timeout=READ_TIMEOUT_S, **more
                )

        return self._retries(once)
