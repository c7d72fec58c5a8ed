# SPDX-License-Identifier: Apache-2.0
"""The data model: the cluster as the decision engine sees it, as a list of rows (rest-api 20)."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from microversion_parse import Version

from watcher.api import microversions, paging, types
from watcher.api.expose import Call, expose
from watcher.core.errors import Invalid, NotFound
from watcher.db import models, store

_TEXT = {"type": "string"}
_TEXT_OR_NULL = {"type": ["string", "null"]}
_COUNT = {"type": "integer", "minimum": 0}
_RATIO = {"type": "number"}
_BOOLEAN = {"type": "boolean"}
_OBJECT = {"type": "object"}

NODE: types.Schema = {
    "node_uuid": _TEXT,
    "node_hostname": _TEXT,
    "node_status": {"type": "string", "enum": ["enabled", "disabled"]},
    "node_disabled_reason": _TEXT_OR_NULL,
    "node_state": {"type": "string", "enum": ["up", "down"]},
    "node_memory": _COUNT,
    "node_memory_mb_reserved": _COUNT,
    "node_disk": _COUNT,
    "node_disk_gb_reserved": _COUNT,
    "node_vcpus": _COUNT,
    "node_vcpu_reserved": _COUNT,
    "node_memory_ratio": _RATIO,
    "node_vcpu_ratio": _RATIO,
    "node_disk_ratio": _RATIO,
}
SERVER: types.Schema = {
    "server_uuid": _TEXT,
    "server_name": _TEXT,
    "server_state": _TEXT,
    "server_watcher_exclude": _BOOLEAN,
    "server_memory": _COUNT,
    "server_disk": _COUNT,
    "server_vcpus": _COUNT,
    "server_metadata": _OBJECT,
    "server_project_id": _TEXT,
    "server_locked": _BOOLEAN,
}
EXTENDED: types.Schema = {"server_pinned_az": _TEXT_OR_NULL, "server_flavor_extra_specs": _OBJECT}

_WHEN = types.timestamp.schema
MODEL: types.Schema = {
    "read_at": _WHEN,
    "age": {"type": "number", "minimum": 0},
    "failure": _TEXT_OR_NULL,
    "notifications": {"type": "string", "enum": ["heard", "lost", "off"]},
    "events": _COUNT,
    "changes": _COUNT,
    "changed_at": types.or_null(_WHEN),
    "lag": {"type": "number", "minimum": 0},
    "unread": _COUNT,
    "origin": _OBJECT,
}
"""How the model came about: ``age`` and ``lag`` in seconds."""


def _fields(version: Version) -> types.Schema:
    """The columns of a row that has a server."""
    return {**NODE, **SERVER, **(EXTENDED if version >= microversions.EXTENDED else {})}


def answer(version: Version) -> types.Schema:
    """The schema of the rows: a node with one of its servers, or alone when it has none."""
    row = {"anyOf": [types.closed(_fields(version)), types.closed(NODE)]}
    about = {"model": types.closed(MODEL)} if version >= microversions.MODEL else {}
    return types.closed({"context": {"type": "array", "items": row}, **about})


@expose(
    "GET",
    "data_model",
    "data_model:get_all",
    answer,
    query=("data_model_type", "audit_uuid"),
    since=microversions.DATA_MODEL,
    finds=True,
)
def show(call: Call) -> dict[str, Any]:
    """One row per node and server; with an audit, only what is in its scope."""
    audit = paging.by_uuid(call, "audit_uuid")
    kind = call.query.get("data_model_type", "compute")
    if kind != "compute":
        raise NotFound("Data model", kind[:80] or "without a name")
    if audit is not None:
        _require_audit(call, audit)
    call.session.close()  # the answer may take seconds: others may have the connection
    found = call.api.engine.get_data_model_info(call.context, kind, audit)
    about = {"model": _state(found["model"])} if call.version >= microversions.MODEL else {}
    return {"context": _shown(found["context"], call.version), **about}


def _shown(rows: Sequence[Mapping[str, Any]], version: Version) -> list[dict[str, Any]]:
    fields = _fields(version)
    return [
        {key: value for key, value in row.items() if key in fields}
        for row in sorted(rows, key=lambda row: (row["node_uuid"], row.get("server_uuid", "")))
    ]


def _state(said: Mapping[str, Any]) -> dict[str, Any]:
    """The state of the model on the wire; a model that follows no notifications has had none."""
    return {
        "read_at": _moment(said["read_at"]),
        "age": max(0.0, round(said["age_s"], 3)),
        "failure": said["failure"] or None,
        "notifications": said["notifications"],
        "events": said.get("events", 0),
        "changes": said.get("changes", 0),
        "changed_at": _moment(said["changed_at"]) if said.get("changed_at") else None,
        "lag": said.get("lag_s", 0.0),
        "unread": said.get("unread", 0),
        "origin": said["origin"],
    }


def _moment(epoch_s: float) -> str:
    moment = datetime.fromtimestamp(int(epoch_s), UTC).replace(tzinfo=None)
    return types.timestamp.tobasetype(moment)


def _require_audit(call: Call, uuid: str) -> None:
    try:
        store.get(call.session, models.Audit, uuid)
    except NotFound as error:
        raise Invalid(f"audit_uuid: {error}") from error
