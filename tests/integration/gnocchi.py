# SPDX-License-Identifier: Apache-2.0
"""Resources and measures in a real Gnocchi, laid out as Ceilometer does."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import requests

Sample = tuple[float, float]
"""Time in seconds, value."""
TYPES: Mapping[str, Mapping[str, Any]] = {
    "nova_compute": {"host_name": {"type": "string", "required": False, "max_length": 255}},
    "ipmi": {"node": {"type": "string", "required": False, "max_length": 255}},
    "host": {"host_name": {"type": "string", "required": False, "max_length": 255}},
    "instance": {"display_name": {"type": "string", "required": False, "max_length": 255}},
}
POLICIES: Mapping[str, tuple[Iterable[str], Iterable[str]]] = {
    # As Ceilometer's gnocchi_resources.yaml has them, and one that is finer.
    "ceilometer-low": (["mean"], ["300s"]),
    "ceilometer-low-rate": (["mean", "rate:mean"], ["300s"]),
    "minutes": (["mean", "rate:mean", "count"], ["60s", "3600s"]),
}


@dataclass(frozen=True)
class Store:
    """A Gnocchi with ``auth_mode = basic``: whoever is called admin may do everything."""

    url: str

    def post(self, path: str, body: Any, *also: int, **params: str) -> Any:
        """POST to the API; ``also`` are statuses that are fine besides success."""
        url = f"{self.url}/v1/{path}"
        reply = requests.post(url, json=body, params=params, auth=("admin", ""), timeout=60)
        assert reply.ok or reply.status_code in also, reply.text
        return reply.json() if reply.ok and reply.text else None

    def prepare(self) -> None:
        """Make Ceilometer's resource types and archive policies unless they are there."""
        for name, attributes in TYPES.items():
            self.post("resource_type", {"name": name, "attributes": attributes}, 409)
        for name, (methods, granularities) in POLICIES.items():
            definition = [{"granularity": one, "points": 100} for one in granularities]
            body = {"name": name, "aggregation_methods": methods, "definition": definition}
            self.post("archive_policy", body, 409)

    def write(
        self, kind: str, resource: str, policy: str, metrics: Mapping[str, Sequence[Sample]]
    ) -> None:
        """Make a resource with these metrics and their samples."""
        named = {name: {"archive_policy_name": policy} for name in metrics}
        made = self.post(f"resource/{kind}", {"id": resource, "metrics": named})
        measures = {
            name: [
                {"timestamp": datetime.fromtimestamp(at, UTC).isoformat(), "value": value}
                for at, value in samples
            ]
            for name, samples in metrics.items()
            if samples  # metricd trips over an empty list, and over it again for ever
        }
        self.post("batch/resources/metrics/measures", {made["id"]: measures})

    def settle(self) -> None:
        """Wait until gnocchi-metricd has worked off what was written."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            reply = requests.get(f"{self.url}/v1/status", auth=("admin", ""), timeout=60)
            if reply.json()["storage"]["summary"]["measures"] == 0:
                return
            threading.Event().wait(0.2)
        raise AssertionError("gnocchi-metricd does not come to an end")

    def end(self, resource: str, kind: str = "instance") -> None:
        """Say that a resource is gone, as Ceilometer does when an instance is deleted."""
        reply = requests.patch(
            f"{self.url}/v1/resource/{kind}/{resource}",
            json={"ended_at": datetime.now(UTC).isoformat()},
            auth=("admin", ""),
            timeout=60,
        )
        assert reply.ok, reply.text
