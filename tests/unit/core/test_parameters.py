# SPDX-License-Identifier: Apache-2.0
"""Tests of watcher.core.parameters."""

from dataclasses import dataclass

import jsonschema
import pytest

from watcher.core.errors import BadParameters
from watcher.core.parameters import REQUIRED, check, param, parse, schema, with_defaults


@dataclass(frozen=True)
class Periods:
    instance: int = param(720, "History of instances, seconds.", minimum=0)
    compute_node: int = param(600, "History of hosts, seconds.", minimum=0)


@dataclass(frozen=True)
class Given:
    node: str = param(REQUIRED, "The host.")
    threshold: float = param(25.0, "Load, percent.", minimum=0, maximum=100)
    backup: str | None = param(None, "Another host, or none.")
    only_live: bool = param(False, "Whether to move live only.")
    metrics: list[str] = param(["cpu"], "What to look at.", items={"type": "string"})
    weights: dict[str, float] = param({"cpu": 1.0}, "How much each counts.")
    periods: Periods = param(Periods(), "How far to look back.")


@dataclass(frozen=True)
class Nothing:
    pass


SPEC = schema(Given)


def test_a_line_becomes_a_property_with_type_default_meaning_and_limits():
    assert SPEC["properties"]["threshold"] == {
        "type": "number",
        "description": "Load, percent.",
        "minimum": 0,
        "maximum": 100,
        "default": 25.0,
    }
    assert SPEC["properties"]["only_live"]["type"] == "boolean"
    assert SPEC["properties"]["weights"]["type"] == "object"


def test_a_parameter_without_default_is_required():
    assert SPEC["required"] == ["node"]
    assert "default" not in SPEC["properties"]["node"]
    assert "required" not in schema(Periods)


def test_what_may_be_none_is_null_in_json():
    assert SPEC["properties"]["backup"]["type"] == ["string", "null"]
    assert SPEC["properties"]["backup"]["default"] is None


def test_a_nested_dataclass_is_a_nested_object():
    nested = SPEC["properties"]["periods"]
    assert nested["type"] == "object"
    assert nested["description"] == "How far to look back."
    assert nested["properties"]["instance"]["default"] == 720


def test_the_published_schema_is_a_json_schema_of_draft_4():
    jsonschema.Draft4Validator.check_schema(SPEC)


def test_a_keyword_json_schema_does_not_know_is_a_type_error():
    with pytest.raises(TypeError, match="JSON Schema has no keyword minimun"):
        param(1, "A number.", minimun=0)


def test_parsing_fills_defaults_also_inside():
    given = parse(Given, {"node": "c1", "periods": {"instance": 5}})
    assert given == Given(node="c1", periods=Periods(instance=5))
    assert given.periods.compute_node == 600


def test_a_default_list_is_nobody_elses():
    one, other = parse(Given, {"node": "c1"}), parse(Given, {"node": "c1"})
    one.metrics.append("ram")
    assert other.metrics == ["cpu"]


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({}, "parameters: 'node' is a required property"),
        ({"node": 5}, "node: 5 is not of type 'string'"),
        ({"node": "c1", "threshold": 101}, "threshold: 101 is greater than the maximum of 100"),
        ({"node": "c1", "colour": 1, "age": 2}, "parameter age, colour is not known; the param"),
        ({"node": "c1", "periods": {"instance": -1}}, "periods.instance: -1 is less than"),
        ({"node": "c1", "periods": {"x": 1}}, "periods: Additional properties"),
        ({"node": "c1", "metrics": ["cpu", 1]}, "metrics.1: 1 is not of type 'string'"),
        ({"node": "c1", "only_live": 1}, "only_live: 1 is not of type 'boolean'"),
    ],
)
def test_what_does_not_fit_is_named(values, complaint):
    with pytest.raises(BadParameters) as raised:
        parse(Given, values)
    assert str(raised.value).startswith(complaint)


def test_parameters_are_an_object():
    with pytest.raises(BadParameters, match="must be a JSON object, not list"):
        check(SPEC, [1])


def test_a_strategy_without_parameters_takes_none():
    check(schema(Nothing), {})
    assert parse(Nothing, {}) == Nothing()
    with pytest.raises(BadParameters, match="there are no parameters, so"):
        check(schema(Nothing), {"a": 1})


def test_a_template_may_give_a_part():
    check(SPEC, {"threshold": 5}, partial=True)
    with pytest.raises(BadParameters, match="threshold"):
        check(SPEC, {"threshold": -5}, partial=True)


def test_defaults_are_filled_in_also_inside_and_given_ones_stay():
    filled = with_defaults(SPEC, {"node": "c1", "periods": {"instance": 5}, "threshold": 1})
    assert filled == {
        "node": "c1",
        "threshold": 1,
        "backup": None,
        "only_live": False,
        "metrics": ["cpu"],
        "weights": {"cpu": 1.0},
        "periods": {"instance": 5, "compute_node": 600},
    }


def test_what_is_wrong_stays_wrong_when_defaults_are_filled_in():
    assert with_defaults(SPEC, {"periods": 5})["periods"] == 5


def test_a_spec_without_properties_has_no_defaults():
    assert with_defaults({}, {"a": 1}) == {"a": 1}
