# SPDX-License-Identifier: Apache-2.0
"""The audit scope: which hosts an audit may use and which instances it must leave alone.

A scope is a list of blocks, one per model: ``[{"compute": [rule, ...]}, {"storage": ...}]``. Rules
are those of contract rest-api §22. Included aggregates and zones are united; what is excluded is
out, whatever includes it; an empty list says nothing. Names that match nothing are noted, never
an error.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import jsonschema
import numpy as np

from watcher.core import storage_scope
from watcher.core.cluster import Bools, Cluster
from watcher.core.errors import BadScope
from watcher.core.storage_scope import Rules, entries, mask, note_unknown, projects_among


def _list(items: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


def _object(properties: Mapping[str, Any], *, keys: int | None = None) -> dict[str, Any]:
    limits = (
        {"minProperties": 1} if keys is None else {"minProperties": keys, "maxProperties": keys}
    )
    return {
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        **limits,
    }


_TEXT = {"type": "string", "minLength": 1, "maxLength": 255}
_NAMES = _list(_object({"name": _TEXT}, keys=1))
_UUIDS = _list(_object({"uuid": _TEXT}, keys=1))
_ID = {
    "anyOf": [{"type": "integer"}, {"enum": ["*"]}],
    "description": 'the number of an aggregate or "*"',
}
_AGGREGATES = _list(_object({"id": _ID, "name": _TEXT}, keys=1))
_PAIRS = _list(
    {
        "type": "object",
        "minProperties": 1,
        "additionalProperties": {"type": ["string", "number", "boolean"]},
    }
)

COMPUTE = _list(
    _object(
        {
            "host_aggregates": _AGGREGATES,
            "availability_zones": _NAMES,
            "exclude": _list(
                _object(
                    {
                        "instances": _UUIDS,
                        "compute_nodes": _NAMES,
                        "host_aggregates": _AGGREGATES,
                        "instance_metadata": _PAIRS,
                        "projects": _UUIDS,
                    }
                )
            ),
        }
    )
)
"""JSON Schema (draft 4) of the rules about hosts and instances."""
STORAGE = _list(
    _object(
        {
            "availability_zones": _NAMES,
            "volume_types": _NAMES,
            "exclude": _list(
                _object({"storage_pools": _NAMES, "volumes": _UUIDS, "projects": _UUIDS})
            ),
        }
    )
)
"""JSON Schema (draft 4) of the rules about volumes."""
BAREMETAL = _list(_object({"exclude": _list(_object({"ironic_nodes": _UUIDS}))}))
"""JSON Schema (draft 4) of the rules about bare metal."""

_VALIDATORS = {
    "compute": jsonschema.Draft4Validator(COMPUTE),
    "storage": jsonschema.Draft4Validator(STORAGE),
    "baremetal": jsonschema.Draft4Validator(BAREMETAL),
}
_SELECTORS = ("host_aggregates", "availability_zones", "volume_types")


def check_scope(scope: Any) -> list[dict[str, Any]]:
    """The scope in its one stored form, a list of blocks of one key each; ``[]`` is everything.

    None and ``{}`` mean everything; a bare list of compute rules is wrapped. Raises BadScope with
    the place of the first fault, such as ``[0].compute[1].exclude[0]: ...``.
    """
    if scope is None or scope in ({}, []):
        return []
    if not isinstance(scope, list):
        raise BadScope(f"scope must be a list of blocks, not {type(scope).__name__}")
    first = scope[0]
    wrapped = isinstance(first, Mapping) and not set(first).isdisjoint(_VALIDATORS)
    blocks = scope if wrapped else [{"compute": scope}]
    for index, block in enumerate(blocks):
        if not isinstance(block, Mapping) or len(block) != 1 or set(block) - set(_VALIDATORS):
            raise BadScope(
                f"scope [{index}]: must be an object with one key, one of {', '.join(_VALIDATORS)}"
            )
        ((kind, rules),) = block.items()
        _check_rules(f"[{index}].{kind}", _VALIDATORS[kind], rules)
    return [dict(block) for block in blocks]


def _check_rules(where: str, validator: Any, rules: Any) -> None:
    fault = min(validator.iter_errors(rules), key=lambda found: list(found.path), default=None)
    if fault is not None:
        place = where + _path(fault.absolute_path)
        meant = fault.schema.get("description")
        text = f"{fault.instance!r} is not {meant}" if meant else fault.message
        raise BadScope(f"scope {place}: {text[:200]}")
    for index, rule in enumerate(rules):
        _check_wildcards(f"{where}[{index}]", rule)
        for inner, excluded in enumerate(rule.get("exclude", ())):
            _check_wildcards(f"{where}[{index}].exclude[{inner}]", excluded)


def _check_wildcards(where: str, rule: Mapping[str, Any]) -> None:
    for key in _SELECTORS:
        chosen = rule.get(key, ())
        if len(chosen) > 1 and any("*" in item.values() for item in chosen):
            raise BadScope(f'scope {where}.{key}: "*" means all and must be the only entry')


def _path(parts: Iterable[str | int]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)


class Scoped(NamedTuple):
    """A cluster with its masks set, and what a person should know about how they came about."""

    cluster: Cluster
    notes: tuple[str, ...]


def apply(cluster: Cluster, scope: Sequence[Mapping[str, Any]]) -> Scoped:
    """Mark the hosts that are in scope and the instances that must not be moved.

    Pools and volumes, and machines, are marked in the same way where the cluster has them.
    ``scope`` is what ``check_scope`` returned. Hosts outside get ``in_scope`` False; instances on
    them and instances that the scope excludes get ``excluded`` True and still take room. Marks
    that are already there stay. A scope that matches no host gives an empty scope and a note.
    """
    notes: list[str] = []
    blocks: dict[str, Rules] = {}
    for block in scope:
        ((kind, rules),) = block.items()
        if kind in blocks:
            notes.append(f"the scope has a second {kind} block, which is ignored")
        blocks.setdefault(kind, rules)
    cluster = storage_scope.apply(cluster, blocks, notes)
    rules = blocks.get("compute", ())
    if not rules:
        return Scoped(cluster, tuple(notes))
    in_scope = cluster.hosts.in_scope & _included(cluster, rules, notes)
    in_scope &= ~_excluded_hosts(cluster, rules, notes)
    if not in_scope.any():
        notes.append("the scope matches no host: nothing can be done")
    instances = cluster.instances
    excluded = instances.excluded | _excluded_instances(cluster, rules, notes)
    # UNPLACED is -1, so it picks the appended True: what is on no host is outside of none.
    excluded |= ~np.append(in_scope, True)[instances.host]
    scoped = cluster.with_hosts(in_scope=in_scope).with_instances(excluded=excluded)
    return Scoped(scoped, tuple(notes))


def _included(cluster: Cluster, rules: Rules, notes: list[str]) -> Bools:
    aggregates = list(entries(rules, "host_aggregates"))
    zones = list(entries(rules, "availability_zones"))
    if not aggregates and not zones:
        return np.ones(len(cluster.hosts), dtype=np.bool_)
    chosen = _in_aggregates(cluster, aggregates, notes)
    names = {item["name"] for item in zones}
    if "*" in names:
        return np.ones(len(cluster.hosts), dtype=np.bool_)
    note_unknown(notes, "availability zone", names - set(cluster.hosts.zone))
    return chosen | mask(zone in names for zone in cluster.hosts.zone)


def _in_aggregates(
    cluster: Cluster, items: Sequence[Mapping[str, Any]], notes: list[str]
) -> Bools:
    # The hosts' column holds names, and "#<id>" for each id (core.records).
    wanted = {f"#{item['id']}" if "id" in item else item["name"] for item in items}
    if wanted & {"*", "#*"}:
        return np.ones(len(cluster.hosts), dtype=np.bool_)
    known = frozenset().union(*cluster.hosts.aggregates)
    note_unknown(notes, "host aggregate", wanted - known)
    return mask(not wanted.isdisjoint(held) for held in cluster.hosts.aggregates)


def _excluded_hosts(cluster: Cluster, rules: Rules, notes: list[str]) -> Bools:
    excludes = list(entries(rules, "exclude"))
    names = {item["name"] for item in entries(excludes, "compute_nodes")}
    note_unknown(notes, "compute host", names - set(cluster.hosts.row_by_name))
    named = mask(name in names for name in cluster.hosts.name)
    return named | _in_aggregates(cluster, list(entries(excludes, "host_aggregates")), notes)


def _excluded_instances(cluster: Cluster, rules: Rules, notes: list[str]) -> Bools:
    instances = cluster.instances
    excludes = list(entries(rules, "exclude"))
    uuids = {item["uuid"].lower() for item in entries(excludes, "instances")}
    note_unknown(notes, "instance", uuids - instances.row_by_uuid.keys())
    excluded = np.zeros(len(instances), dtype=np.bool_)
    excluded[[instances.row_by_uuid[uuid] for uuid in uuids if uuid in instances.row_by_uuid]] = (
        True
    )
    projects = {item["uuid"] for item in entries(excludes, "projects")}
    excluded |= projects_among(instances.project_id, projects, notes)
    wanted = [
        {(key, str(value).lower()) for key, value in item.items()}
        for item in entries(excludes, "instance_metadata")
    ]
    if wanted:
        excluded |= mask(_has_any(held, wanted) for held in instances.metadata)
    return excluded


def _has_any(held: Mapping[str, str], wanted: Sequence[set[tuple[str, str]]]) -> bool:
    if not held:
        return False
    pairs = {(key, str(value).lower()) for key, value in held.items()}
    return any(entry <= pairs for entry in wanted)
