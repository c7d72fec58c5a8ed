# SPDX-License-Identifier: Apache-2.0
"""Answers to the API's questions: what a strategy needs, and what the cluster looks like."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from watcher import plugins
from watcher.core import scope
from watcher.core.cluster import Cluster, InstanceState
from watcher.core.errors import NotFound, StaleCluster
from watcher.core.protocols import models_of
from watcher.datasources.choice import DataSources
from watcher.db import models, store
from watcher.db.engine import Database
from watcher.decision_engine.snapshots import KINDS, Snapshots


@dataclass(frozen=True)
class Questions:
    """What the decision engine can be asked over RPC without running an audit."""

    database: Database
    snapshots: Snapshots
    sources: DataSources

    def strategy_info(self, name: str) -> list[dict[str, Any]]:
        """The requirements of a strategy and whether they are met (contract rest-api 13.1)."""
        strategy = plugins.strategy(name)
        required = parameters_of(strategy)
        queries = [] if required is None else list(strategy.queries(required))
        source, metrics = self.sources.state(queries, strategy=name)
        needed = models_of(strategy, required)
        there = {kind: self.snapshots.available(kind, wanted=kind in needed) for kind in KINDS}
        models_state = [
            {f"{kind}_model": "available" if found else "not available"}
            for kind, found in there.items()
        ]
        rows = (
            ("Datasource", source, True),
            ("Metrics", metrics, False),
            ("CDM", models_state, True),
            ("Name", name, ""),
        )
        return [
            {"type": kind, "state": state, "mandatory": mandatory, "comment": ""}
            for kind, state, mandatory in rows
        ]

    def data_model(self, kind: str, audit_uuid: str | None) -> list[dict[str, Any]]:
        """The compute model as flat rows (contract rest-api 20); never causes a collection.

        Raises NotFound for another kind and StaleCluster when nothing has been read yet.
        """
        if kind != "compute":
            raise NotFound("Data model", kind)
        cluster = self.snapshots.latest
        if cluster is None:
            raise StaleCluster("the cluster has not been read yet; try again in a moment")
        if audit_uuid is not None:
            with self.database.reading() as session:
                audit = store.get(session, models.Audit, audit_uuid)
            cluster, _ = scope.apply(cluster, audit.scope or [])
        return rows_of(cluster)

    def model_state(self, kind: str) -> dict[str, Any]:
        """How old a model that has been read is, and how it came about; plain values."""
        return self.snapshots.about(kind) or {}


def parameters_of(strategy: Any) -> Any | None:
    """The strategy's parameters at their defaults; None when it has some without default."""
    try:
        return strategy.parameters()
    except TypeError:
        return None


def rows_of(cluster: Cluster) -> list[dict[str, Any]]:
    """One row per (host, instance) in scope, a host without instances one row of its own."""
    rows = []
    for host_row in np.flatnonzero(cluster.hosts.in_scope):
        node = _node_columns(cluster, int(host_row))
        servers = [_server_columns(cluster, int(row)) for row in cluster.rows_on(int(host_row))]
        rows.extend([{**node, **server} for server in servers] or [node])
    return rows


def _node_columns(cluster: Cluster, row: int) -> dict[str, Any]:
    hosts = cluster.hosts
    total, reserved, ratio = hosts.total[row], hosts.reserved[row], hosts.ratio[row]
    return {
        "node_uuid": hosts.uuid[row],
        "node_hostname": hosts.name[row],
        "node_status": "enabled" if hosts.enabled[row] else "disabled",
        "node_disabled_reason": hosts.disabled_reason[row] or None,
        "node_state": "up" if hosts.up[row] else "down",
        "node_vcpus": int(total[0]),
        "node_memory": int(total[1]),
        "node_disk": int(total[2]),
        "node_vcpu_reserved": int(reserved[0]),
        "node_memory_mb_reserved": int(reserved[1]),
        "node_disk_gb_reserved": int(reserved[2]),
        "node_vcpu_ratio": float(ratio[0]),
        "node_memory_ratio": float(ratio[1]),
        "node_disk_ratio": float(ratio[2]),
    }


def _server_columns(cluster: Cluster, row: int) -> dict[str, Any]:
    instances = cluster.instances
    vcpus, memory_mb, disk_gb = (int(value) for value in instances.demand[row])
    return {
        "server_uuid": instances.uuid[row],
        "server_name": instances.name[row],
        "server_state": InstanceState(int(instances.state[row])).public,
        "server_watcher_exclude": bool(instances.excluded[row]),
        "server_vcpus": vcpus,
        "server_memory": memory_mb,
        "server_disk": disk_gb,
        "server_metadata": dict(instances.metadata[row]),
        "server_project_id": instances.project_id[row],
        "server_locked": bool(instances.locked[row]),
        "server_pinned_az": instances.pinned_zone[row] or None,
        "server_flavor_extra_specs": dict(instances.extra_specs[row]),
    }
