# SPDX-License-Identifier: Apache-2.0
"""Text of questions, and what answers say."""

from typing import Any

import pytest

from watcher.core.errors import ServiceDown
from watcher.core.metrics import Aggregate
from watcher.datasources import influxql
from watcher.datasources.influxql import Answer, Window
from watcher.datasources.mapping import Series

WINDOW = Window(1_000_000_000_000, 1_300_000_000_000)
STEP_NS = 60_000_000_000
TIME = "time >= 1000000000000 AND time < 1300000000000"


def select(series: Series, aggregate: Aggregate = Aggregate.MEAN, **more: Any) -> str:
    return influxql.select(series, aggregate, WINDOW, STEP_NS, **more)


def test_a_gauge_is_one_number_per_value_of_the_tag() -> None:
    assert select(Series("mem", "used")) == (
        f'SELECT mean("used") AS "value" FROM "mem" WHERE {TIME} GROUP BY "host"'
    )


def test_the_maximum_of_a_turned_metric_asks_for_the_minimum() -> None:
    idle = Series("cpu", "usage_idle", where={"cpu": "cpu-total"}, scale=-1.0)
    assert select(idle, Aggregate.MAX) == (
        'SELECT min("usage_idle") AS "value" FROM "cpu"'
        f' WHERE "cpu" = \'cpu-total\' AND {TIME} GROUP BY "host"'
    )


def test_the_rate_of_a_counter_is_taken_per_series_and_begins_one_step_early() -> None:
    assert select(Series("libvirt_cpu", "t", "domain_name", kind="counter")) == (
        'SELECT mean("rate") AS "value" FROM ('
        'SELECT non_negative_derivative("t", 1s) AS "rate" FROM "libvirt_cpu"'
        " WHERE time >= 940000000000 AND time < 1300000000000 GROUP BY *) GROUP BY *"
    )


def test_series_that_are_summed_are_asked_for_one_by_one() -> None:
    assert select(Series("psu", "watts", combine="sum")).endswith(" GROUP BY *")


def test_a_regular_expression_and_a_retention_policy_are_in_their_places() -> None:
    series = Series(
        "ipmi", "value", where={"name": "/(in|out)let/temp/"}, retention_policy="short"
    )
    assert r'FROM "short"."ipmi" WHERE "name" =~ /(in|out)let\/temp/ AND' in select(series)


def test_a_question_about_some_names_them() -> None:
    text = select(Series("m", "f"), Aggregate.COUNT, among=["a", "it's"])
    assert r"""("host" = 'a' OR "host" = 'it\'s') AND time""" in text


@pytest.mark.parametrize(
    ("value", "as_name", "as_value"),
    [
        ("plain", '"plain"', "'plain'"),
        ("it's", '"it\'s"', r"'it\'s'"),
        ('say "hi"', r'"say \"hi\""', "'say \"hi\"'"),
        ("back\\slash", r'"back\\slash"', r"'back\\slash'"),
        ("'; DROP DATABASE t; --", '"\'; DROP DATABASE t; --"', r"'\'; DROP DATABASE t; --'"),
        ("two\nlines", r'"two\nlines"', r"'two\nlines'"),
    ],
)
def test_names_and_values_cannot_leave_their_quotes(
    value: str, as_name: str, as_value: str
) -> None:
    assert influxql.quoted(value) == as_name
    assert influxql.literal(value) == as_value


def series(value: Any, **tags: str) -> dict[str, Any]:
    return {"name": "m", "tags": tags, "columns": ["time", "value"], "values": [[5, value]]}


def test_a_complete_answer_gives_the_rows_of_each_statement() -> None:
    payload = {
        "results": [
            {"statement_id": 0, "series": [series(1, host="a"), series(None, host="b")]},
            {"statement_id": 1},
        ]
    }
    first, second = influxql.results(payload, 2)
    assert influxql.answers(first) == [Answer({"host": "a"}, 5, 1.0)]
    assert influxql.answers(second) == []


@pytest.mark.parametrize(
    ("payload", "text"),
    [
        ({"error": "error parsing query"}, "error parsing query"),
        ({"results": [{"error": "database not found: x"}, {}]}, "database not found: x"),
        ({"results": [{}, {"error": "timeout"}]}, "timeout"),
        ({"results": [{"partial": True}, {}]}, "raise max-row-limit"),
        ({"results": [{"series": [{"partial": True}]}, {}]}, "raise max-row-limit"),
        ({"results": [{}]}, "1 results to 2 statements"),
        ({"status": "ok"}, "not that of an InfluxDB"),
        (["results"], "not that of an InfluxDB"),
        (None, "not that of an InfluxDB"),
    ],
)
def test_an_error_inside_a_200_and_a_part_of_an_answer_are_errors(payload: Any, text: str) -> None:
    with pytest.raises(ServiceDown, match=text):
        influxql.results(payload, 2)


def test_columns_that_were_not_asked_for_are_an_error() -> None:
    databases = {"name": "databases", "columns": ["name"], "values": [["_internal"]]}
    with pytest.raises(ServiceDown, match="pretend to know InfluxQL"):
        influxql.answers([databases])


def test_field_names_are_the_first_column() -> None:
    shown = {"columns": ["fieldKey", "fieldType"], "values": [["a", "float"], ["b", "integer"]]}
    assert influxql.field_names([shown]) == ["a", "b"]
