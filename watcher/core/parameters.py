# SPDX-License-Identifier: Apache-2.0
"""Parameters said once: a dataclass of ``param()`` lines gives the JSON Schema and the parser.

::

    @dataclass(frozen=True)
    class Parameters:
        threshold: float = param(25.0, "Load of an overloaded host, percent.", minimum=0)

``schema(Parameters)`` is the ``parameters_spec`` the API publishes (JSON Schema draft 4, contract
goals-and-strategies §2.2), ``parse(Parameters, values)`` turns an audit's JSON into the dataclass.
Nested dataclasses are nested objects; a part of one may be given, the rest takes its defaults.
"""

import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, Field, field, fields, is_dataclass
from typing import Any, TypeVar

import jsonschema

from watcher.core.errors import BadParameters

T = TypeVar("T")

_KEYWORDS = frozenset(
    {
        *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "enum", "pattern"),
        *("minLength", "maxLength", "minItems", "maxItems", "uniqueItems", "items", "properties"),
        *("additionalProperties", "required", "format", "oneOf", "anyOf"),
    }
)
_TYPES: Mapping[object, str] = {
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    list: "array",
    tuple: "array",
    dict: "object",
}

REQUIRED: Any = MISSING
"""Default of a parameter that must be given."""


def param(default: Any, description: str, **keywords: Any) -> Any:
    """One parameter: its default (REQUIRED for none), its meaning with unit, JSON Schema keywords.

    Raises TypeError for a keyword that JSON Schema does not know, so a typo cannot pass silently.
    """
    unknown = set(keywords) - _KEYWORDS
    if unknown:
        raise TypeError(f"JSON Schema has no keyword {', '.join(sorted(unknown))}")
    metadata = {"description": description, "keywords": keywords}
    if default is MISSING:
        return field(metadata=metadata, kw_only=True)
    if isinstance(default, list | dict | set):
        value = default
        return field(default_factory=lambda: type(value)(value), metadata=metadata, kw_only=True)
    return field(default=default, metadata=metadata, kw_only=True)


def schema(declared: type) -> dict[str, Any]:
    """The JSON Schema (draft 4) of a dataclass of ``param()`` lines; no unknown names allowed."""
    hints = typing.get_type_hints(declared)
    members = fields(declared)
    properties = {member.name: _property(hints[member.name], member) for member in members}
    required = [member.name for member in members if _is_required(member)]
    spec: dict[str, Any] = {
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
    }
    return {**spec, "required": required} if required else spec


def _is_required(member: Field[Any]) -> bool:
    return member.default is MISSING and member.default_factory is MISSING


def _property(hint: Any, member: Field[Any]) -> dict[str, Any]:
    nested = _dataclass_of(hint)
    meaning = {"description": member.metadata["description"]}
    if nested is not None:
        return {**schema(nested), **meaning}
    optional = isinstance(hint, types.UnionType) and type(None) in typing.get_args(hint)
    kind = _json_type(hint)
    spec = {"type": [kind, "null"] if optional else kind, **meaning, **member.metadata["keywords"]}
    if member.default is not MISSING:
        spec["default"] = member.default
    elif member.default_factory is not MISSING:
        spec["default"] = member.default_factory()
    return spec


def _json_type(hint: Any) -> str:
    if isinstance(hint, types.UnionType):
        (hint,) = (part for part in typing.get_args(hint) if part is not type(None))
    return _TYPES[typing.get_origin(hint) or hint]


def _dataclass_of(hint: Any) -> type | None:
    return hint if isinstance(hint, type) and is_dataclass(hint) else None


def check(spec: Mapping[str, Any], values: Any, *, partial: bool = False) -> None:
    """Raise BadParameters, naming the parameter, when the values do not fit a parameters_spec.

    ``partial`` leaves out whether required ones are there: default parameters of an audit template
    may be given in part.
    """
    if not isinstance(values, Mapping):
        raise BadParameters(f"parameters must be a JSON object, not {type(values).__name__}")
    allowed = spec.get("properties", {})
    if values and not allowed:
        raise BadParameters(f"there are no parameters, so {next(iter(values))} is not one")
    unknown = sorted(set(values) - set(allowed))
    if unknown:
        raise BadParameters(
            f"parameter {', '.join(unknown)} is not known; the parameters are"
            f" {', '.join(sorted(allowed))}"
        )
    applied = {key: value for key, value in spec.items() if not (partial and key == "required")}
    validator = jsonschema.Draft4Validator(applied)
    for error in sorted(validator.iter_errors(values), key=lambda found: list(found.path)):
        where = ".".join(map(str, error.absolute_path)) or "parameters"
        raise BadParameters(f"{where}: {error.message}")


def with_defaults(spec: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """The values with the spec's defaults filled in, also inside nested objects."""
    filled = dict(values)
    for name, rule in spec.get("properties", {}).items():
        if "properties" in rule and rule.get("type") == "object":
            given = filled.get(name, {})
            filled[name] = with_defaults(rule, given) if isinstance(given, Mapping) else given
        elif name not in filled and "default" in rule:
            filled[name] = rule["default"]
    return filled


def parse(declared: type[T], values: Mapping[str, Any]) -> T:
    """An instance of the dataclass from an audit's JSON; BadParameters says which one is wrong."""
    check(schema(declared), values)
    hints = typing.get_type_hints(declared)
    arguments: dict[str, Any] = {}
    for name, value in values.items():
        nested = _dataclass_of(hints[name])
        arguments[name] = parse(nested, value) if nested is not None else value
    return declared(**arguments)
