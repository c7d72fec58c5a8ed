# SPDX-License-Identifier: Apache-2.0
"""The data model: the cluster as the decision engine sees it, as a list of rows (rest-api 20)."""

from typing import Any

from watcher.api import microversions, paging
from watcher.api.expose import Call, expose
from watcher.core.errors import Invalid, NotFound
from watcher.db import models, store

NODE = frozenset(
    {
        *("node_uuid", "node_hostname", "node_status", "node_disabled_reason", "node_state"),
        *("node_memory", "node_memory_mb_reserved", "node_disk", "node_disk_gb_reserved"),
        *("node_vcpus", "node_vcpu_reserved", "node_memory_ratio", "node_vcpu_ratio"),
        "node_disk_ratio",
    }
)
SERVER = frozenset(
    {
        *("server_uuid", "server_name", "server_state", "server_watcher_exclude"),
        *("server_memory", "server_disk", "server_vcpus", "server_metadata"),
        *("server_project_id", "server_locked"),
    }
)
EXTENDED = frozenset({"server_pinned_az", "server_flavor_extra_specs"})


@expose("GET", "data_model", "data_model:get_all", query=("data_model_type", "audit_uuid"))
def show(call: Call) -> dict[str, Any]:
    """One row per node and server; with an audit, only what is in its scope."""
    call.needs(microversions.DATA_MODEL, "the data model")
    audit = paging.by_uuid(call, "audit_uuid")
    kind = call.query.get("data_model_type", "compute")
    if kind != "compute":
        raise NotFound("Data model", kind[:80] or "without a name")
    if audit is not None:
        _require_audit(call, audit)
    call.session.close()  # the answer may take seconds: others may have the connection
    rows = call.api.engine.get_data_model_info(call.context, kind, audit)
    fields = NODE | SERVER | (EXTENDED if call.version >= microversions.EXTENDED else frozenset())
    return {
        "context": [
            {key: value for key, value in row.items() if key in fields}
            for row in sorted(rows, key=lambda row: (row["node_uuid"], row.get("server_uuid", "")))
        ]
    }


def _require_audit(call: Call, uuid: str) -> None:
    try:
        store.get(call.session, models.Audit, uuid)
    except NotFound as error:
        raise Invalid(f"audit_uuid: {error}") from error
