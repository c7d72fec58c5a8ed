# SPDX-License-Identifier: Apache-2.0
"""Goals, strategies, planners, actions and metrics as pages."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from tools.docs import rst
from watcher import plugins
from watcher.core.metrics import Metric
from watcher.core.parameters import schema

_LIMITS = (
    ("minimum", "at least {}"),
    ("maximum", "at most {}"),
    ("enum", "one of {}"),
    ("pattern", "matching {}"),
    ("minItems", "at least {} entries"),
    ("maxItems", "at most {} entries"),
    ("minLength", "at least {} characters"),
    ("maxLength", "at most {} characters"),
)


def goals() -> str:
    """Each goal with its strategies, its indicators and its global efficacy."""
    parts = []
    for name, goal in plugins.goals().items():
        serving = [one.name for one in plugins.strategies().values() if one.goal == name]
        links = ", ".join(f":ref:`{one} <strategy-{one}>`" for one in serving)
        indicators = [
            (
                rst.code(one.name),
                rst.text(one.description),
                "whole number" if one.whole else "number",
                "yes" if one.required else "no",
            )
            for one in goal.indicators
        ]
        efficacy = [(rst.code(one.name), "%", rst.text(one.description)) for one in goal.formulas]
        parts += [
            f".. _goal-{name}:\n",
            rst.heading(goal.display_name),
            f"Name: {rst.code(name)}. Strategies: {links or 'none in this release'}.\n",
            rst.table(("Indicator", "Meaning", "Value", "Always given"), indicators),
            rst.table(("Global efficacy", "Unit", "Meaning"), efficacy),
        ]
    return rst.page("goals", "Goals", *parts)


def strategies() -> str:
    """Each strategy: its own documentation, then its parameters and what it measures."""
    parts = []
    for name, strategy in plugins.strategies().items():
        spec = schema(strategy.parameters)
        parts += [
            f".. _strategy-{name}:\n",
            rst.heading(strategy.display_name),
            f"Name: {rst.code(name)}. Goal: :ref:`{strategy.goal} <goal-{strategy.goal}>`."
            f" Planner: {rst.code(strategy.planner)}.\n",
            rst.docstring(type(strategy)),
            _parameters(spec) or "It takes no parameters.\n",
        ]
    return rst.page("strategies", "Strategies", *parts)


def strategy_parts() -> dict[str, str]:
    """What the page of each strategy includes: its parameters and metrics; and who serves what."""
    parts = {
        f"strategy_{name}.inc": "\n".join(
            (
                f"Name: {rst.code(name)}. Goal: :ref:`{one.goal} <goal-{one.goal}>`. Planner:"
                f" {rst.code(one.planner)}.\n",
                _parameters(schema(one.parameters)) or "It takes no parameters.\n",
                _metrics(one),
            )
        )
        for name, one in plugins.strategies().items()
    }
    rows = [
        (
            f":ref:`{goal.display_name} <goal-{name}>`",
            ", ".join(
                f":ref:`{one.name} <strategy-{one.name}>`"
                for one in plugins.strategies().values()
                if one.goal == name
            )
            or "none in this release",
        )
        for name, goal in plugins.goals().items()
    ]
    return {**parts, "goals_strategies.inc": rst.table(("Goal", "Strategies"), rows, "30 70")}


def _metrics(strategy: Any) -> str:
    """The metrics it asks for by default, and which of them it cannot do without."""
    if schema(strategy.parameters).get("required"):
        return ""
    asked = strategy.queries(strategy.parameters())
    # A metric may be asked for twice, of two periods.
    needed = {one.metric: one.required for one in reversed(asked)}
    rows = [
        (rst.code(one.public_name), rst.text(one.unit), "yes" if needed[one] else "no")
        for one in sorted(needed, key=lambda metric: metric.public_name)
    ]
    return rst.table(("Metric", "Unit", "Required"), rows) or "It needs no metric.\n"


def _parameters(spec: Mapping[str, Any]) -> str:
    rows = [
        (rst.code(name), _kind(rule), _default(rule, required), _meaning(rule))
        for name, rule, required in _properties(spec)
    ]
    return rst.table(("Parameter", "Type", "Default", "Meaning"), rows, "25 15 15 45")


def _properties(
    spec: Mapping[str, Any], path: str = ""
) -> Iterator[tuple[str, Mapping[str, Any], bool]]:
    for name, rule in spec.get("properties", {}).items():
        yield f"{path}{name}", rule, name in spec.get("required", ())
        yield from _properties(rule, f"{path}{name}.")


def _kind(rule: Mapping[str, Any]) -> str:
    kind = rule.get("type", "any")
    return " or ".join(kind) if isinstance(kind, list) else str(kind)


def _default(rule: Mapping[str, Any], required: bool) -> str:
    if "default" in rule:
        return rst.code(rule["default"])
    return "required" if required else ""


def _meaning(rule: Mapping[str, Any]) -> str:
    limits = [
        words.format(", ".join(map(str, rule[key])) if key == "enum" else rule[key])
        for key, words in _LIMITS
        if key in rule
    ]
    meaning = rst.text(rule.get("description", ""))
    return f"{meaning} ({rst.text('; '.join(limits))})" if limits else meaning


def planners() -> str:
    """Each planner: its own documentation and its options."""
    parts = []
    for name, planner in plugins.load(plugins.PLANNERS).items():
        options = getattr(planner, "Options", None)
        rows = [
            (
                rst.code(one.name),
                rst.code(_field_default(one)),
                rst.text(one.metadata["description"]),
            )
            for one in (dataclasses.fields(options) if options else ())
        ]
        parts += [
            f".. _planner-{name}:\n",
            rst.heading(name),
            rst.docstring(planner),
            f"Options, group ``[{plugins.PLANNERS}.{name}]``:\n" if rows else "",
            rst.table(("Option", "Default", "Meaning"), rows, "25 25 50"),
        ]
    return rst.page("planners", "Planners", *parts)


def _field_default(one: "dataclasses.Field[Any]") -> Any:
    return one.default if one.default_factory is dataclasses.MISSING else one.default_factory()


def actions() -> str:
    """Each action: what it does and what it takes."""
    parts = []
    for name, handler in plugins.actions().items():
        parts += [
            f".. _action-{name}:\n",
            rst.heading(name),
            rst.docstring(handler),
            "It can be broken off.\n" if handler.can_abort else "It cannot be broken off.\n",
            _parameters(handler.schema),
        ]
    return rst.page("actions", "Actions", *parts)


def metrics() -> str:
    """What can be measured, and in which unit."""
    rows = [
        (
            rst.code(one.public_name),
            rst.text(one.subject.value.replace("_", " ")),
            rst.text(one.unit),
        )
        for one in Metric
    ]
    return rst.page("metrics", "Metrics", rst.table(("Metric", "Of a", "Unit"), rows))
