# SPDX-License-Identifier: Apache-2.0
"""The machines behind the compute hosts, from Ironic."""

import time
from typing import ClassVar

from oslo_config import cfg

from watcher.clients.metal import Metal, Node
from watcher.clients.session import Clients, retrying
from watcher.core.baremetal import MachineRecord, Machines, assemble_machines


class BaremetalCollector:
    """Reads every node of Ironic, page by page."""

    name: ClassVar[str] = "baremetal"

    def __init__(self, clients: Clients, conf: cfg.ConfigOpts) -> None:
        self._clients = clients
        self._conf = conf

    def collect(self) -> Machines:
        """Read everything. Raises Absent when there is no Ironic, ServiceDown when it is down.

        A node whose power state Ironic does not know is there, and is never switched.
        """
        taken_at = time.time()
        options = self._conf.collector
        retries = options.api_query_max_retries, options.api_query_interval
        metal = Metal(self._clients, retrying(*retries))
        records = {one.uuid: _machine(one) for one in metal.nodes()}
        origin = {"requests": dict(metal.requests)}
        return assemble_machines(list(records.values()), taken_at=taken_at, origin=origin)


def _machine(one: Node) -> MachineRecord:
    return MachineRecord(
        uuid=one.uuid,
        name=one.name,
        power_state=one.power_state,
        target_power_state=one.target_power_state,
        provision_state=one.provision_state,
        maintenance=one.maintenance,
        maintenance_reason=one.maintenance_reason,
        compute_node=one.compute_node,
    )
