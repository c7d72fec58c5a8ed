# SPDX-License-Identifier: Apache-2.0
"""The report of an action plan over HTTP: as a page, as a picture, as JSON (microversion 1.11)."""

from microversion_parse import Version

from watcher.api import types
from watcher.api.expose import JSON
from watcher.api.resources.audits import WHY_NOT
from watcher.api.types import Schema, closed, or_null
from watcher.core.states import ACTION, ACTION_PLAN

HTML, SVG = "text/html", "image/svg+xml"
KINDS = (HTML, SVG, JSON)

_TEXT, _UUID = types.text.schema, types.uuid.schema
_NUMBER: Schema = {"type": "number"}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_TEXT_OR_NULL, _NUMBER_OR_NULL = or_null(_TEXT), or_null(_NUMBER)


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


_SIDE = closed(
    {
        "open": {"type": "boolean", "description": "Whether it may take more: up and enabled."},
        "count": {**_COUNT, "description": "The instances, or volumes, on it."},
        "used": {**_list(_NUMBER_OR_NULL), "description": "Of each resource."},
        "measured": {**_list(_NUMBER_OR_NULL), "description": "By each gauge; null: not known."},
    }
)
_PLACE = closed(
    {
        "name": _TEXT,
        "capacity": {**_list(_NUMBER_OR_NULL), "description": "Of each resource."},
        "before": _SIDE,
        "after": _SIDE,
        "limits": {**_list(_NUMBER_OR_NULL), "description": "Of each gauge; null: none."},
    }
)
_MOVE = closed(
    {
        "uuid": _TEXT,
        "name": _TEXT,
        "source": _TEXT_OR_NULL,
        "destination": {**_TEXT_OR_NULL, "description": "Null: Nova's scheduler chooses."},
        "demand": {**_list(_NUMBER_OR_NULL), "description": "Of each resource."},
    }
)
_PLACES = or_null(
    closed(
        {
            "resources": {
                **_list(_TEXT),
                "description": "The names of the resources: vcpus, memory_mb (MiB) and disk_gb"
                " (GiB) of hosts, gb (GiB) of pools.",
            },
            "gauges": {
                **_list(closed({"name": _TEXT, "unit": _TEXT})),
                "description": "What was measured.",
            },
            "places": _list(_PLACE),
            "moves": {**_list(_MOVE), "description": "What ends elsewhere than it was."},
        }
    )
)
_DEED = {
    "uuid": _UUID,
    "action_type": _TEXT,
    "input_parameters": types.objects.schema,
    "state": {"type": "string", "enum": list(ACTION.states)},
    "status_message": _TEXT_OR_NULL,
}
_STEP = closed(
    {
        **_DEED,
        "parents": _list(_TEXT),
        "start": {**_NUMBER, "description": "When it starts, in the timeline's unit."},
        "end": _NUMBER,
        "size_gb": {**_NUMBER_OR_NULL, "description": "GiB that it copies, where known."},
        "why": {**_TEXT, "description": "Why it is in the plan."},
    }
)
_INDICATOR = closed(
    {"name": _TEXT, "description": _TEXT_OR_NULL, "unit": _TEXT_OR_NULL, "value": _NUMBER}
)
_BOUND = closed(
    {"name": _TEXT, "before": _NUMBER_OR_NULL, "after": _NUMBER_OR_NULL, "bound": _NUMBER}
)
_TIMELINE = closed({"unit": _TEXT, "length": _NUMBER, "limits": types.objects.schema})

REPORT = closed(
    {
        "uuid": _UUID,
        "state": {"type": "string", "enum": list(ACTION_PLAN.states)},
        "status_message": _TEXT_OR_NULL,
        "created_at": _TEXT_OR_NULL,
        "updated_at": _TEXT_OR_NULL,
        "goal": _TEXT,
        "strategy": _TEXT,
        "audit_uuid": _UUID,
        "evidence": {
            "type": "boolean",
            "description": "Whether it was kept what the cloud looked like.",
        },
        "cluster_read_at": {**_NUMBER_OR_NULL, "description": "Seconds since the epoch."},
        "parameters": types.objects.schema,
        "notes": _list(_TEXT),
        "hosts": _PLACES,
        "pools": _PLACES,
        "efficacy_indicators": _list(_INDICATOR),
        "global_efficacy": _list(_INDICATOR),
        "bounds": {
            **_list(_BOUND),
            "description": "Indicators beside what no plan can come below.",
        },
        "timeline": _TIMELINE,
        "actions": _list(_STEP),
        "taken_back": _list(closed({**_DEED, "undoes": _UUID})),
        "why_not": or_null(WHY_NOT.schema),
    }
)


def schema(_version: Version) -> Schema:
    """The report as JSON; all microversions that have it show the same."""
    return REPORT
