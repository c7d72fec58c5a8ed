# SPDX-License-Identifier: Apache-2.0
"""Flux as text, and what annotated CSV says."""

import pytest

from watcher.core.errors import ServiceDown
from watcher.core.metrics import Aggregate, Metric
from watcher.datasources import flux
from watcher.datasources.influxql import Answer, Window
from watcher.datasources.mapping import DEFAULTS, Series

WINDOW = Window(1_700_000_000_000_000_000, 1_700_000_300_000_000_000)
SPAN = "range(start: 2023-11-14T22:13:20.000000000Z, stop: 2023-11-14T22:18:19.999999999Z)"


def test_a_gauge_is_one_number_for_each_value_of_the_tag() -> None:
    series = Series("mem", "used", where={"dc": "a"}, database="telegraf/short")
    assert flux.select(series, Aggregate.MEAN, WINDOW, 0) == (
        'from(bucket: "telegraf/short")\n'
        f"  |> {SPAN}\n"
        '  |> filter(fn: (r) => r._measurement == "mem" and r._field == "used"'
        ' and r["dc"] == "a")\n'
        "  |> toFloat()\n"
        '  |> group(columns: ["host"])\n'
        "  |> mean()\n"
        "  |> toFloat()\n"
        "  |> group()"
    )


def test_the_greatest_use_is_the_least_idle() -> None:
    idle = DEFAULTS[Metric.HOST_CPU_USAGE]
    assert isinstance(idle, Series)
    assert "|> min()" in flux.select(idle, Aggregate.MAX, WINDOW, 0)


def test_the_rate_of_a_counter_is_taken_by_series_and_begins_a_step_early() -> None:
    series = Series("libvirt_cpu", "cpu_time", tag="domain_name", kind="counter")
    text = flux.select(series, Aggregate.MEAN, WINDOW, 60 * 10**9, among=("a", 'b"'))
    assert "start: 2023-11-14T22:12:20.000000000Z" in text
    assert '(r["domain_name"] == "a" or r["domain_name"] == "b\\"")' in text
    assert "|> derivative(unit: 1s, nonNegative: true)\n  |> mean()" in text
    assert "group(columns" not in text


def test_a_pattern_is_a_regular_expression_and_a_value_is_a_string() -> None:
    series = Series("ipmi_sensor", "value", where={"name": "/a/b|c/", "unit": 'w"${x}\\'})
    text = flux.newest(series, WINDOW)
    assert r'r["name"] =~ /a\/b|c/' in text
    assert r'r["unit"] == "w\"\x24{x}\\"' in text
    assert text.endswith("limit(n: 1)")


def test_several_questions_are_one_script_and_the_library_comes_first() -> None:
    series = Series("m", "f", database="b")
    text = flux.joined([flux.fields(series), flux.newest(series, WINDOW)])
    assert text.startswith('import "influxdata/influxdb/schema"\n')
    assert text.count("yield(name:") == 2
    assert 'yield(name: "1")' in text
    assert "import" not in flux.joined([flux.newest(series, WINDOW)])


ANNOTATED = """\
#datatype,string,long,string,double
#group,false,false,false,false
#default,0,,,
,result,table,host,_value
,,0,c1,12.5
,,0,"c 2,x",0
,,0,c3,

#datatype,string,long,dateTime:RFC3339,double
#group,false,false,false,false
#default,1,,,
,result,table,_time,_value
,,0,2023-11-14T22:18:00Z,7
"""


def test_annotated_csv_is_read_by_result() -> None:
    first, second = flux.results(ANNOTATED, 2)
    assert flux.answers(first) == [
        Answer({"host": "c1"}, 0, 12.5),
        Answer({"host": "c 2,x"}, 0, 0),
    ]
    assert flux.answers(second) == [Answer({}, 1_700_000_280_000, 7.0)]


def test_csv_without_annotations_and_with_other_line_ends_is_read_too() -> None:
    text = ",result,table,_measurement,_field,_value,host\r\n,0,0,mem,used,3,c1\r\n\r\n"
    assert flux.answers(flux.results(text, 1)[0]) == [Answer({"host": "c1"}, 0, 3.0)]


def test_an_empty_answer_is_no_row_for_anybody() -> None:
    assert flux.results("\r\n", 2) == [[], []]


def test_the_fields_are_named() -> None:
    text = "#default,0,,\n,result,table,_value\n,,0,free\n,,0,used\n"
    assert flux.field_names(flux.results(text, 1)[0]) == ["free", "used"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "#datatype,string,string\n#group,true,true\n#default,,\n,error,reference\n"
            ",query terminated: reached limit,897\n",
            "it answers: query terminated: reached limit",
        ),
        (",result,table,_value\n,0,0,1\n,0,0\n", "a row of the answer is cut"),
        (",result,table,_value\n,_result,0,1\n", "result '_result' that was not asked for"),
        (",result,table,_value\n,7,0,1\n", "result '7' that was not asked for"),
    ],
)
def test_an_answer_that_says_no_or_is_not_ours_is_an_error(text: str, words: str) -> None:
    with pytest.raises(ServiceDown, match=words):
        flux.results(text, 2)


def test_an_answer_without_a_value_is_an_error() -> None:
    with pytest.raises(ServiceDown, match="no _value"):
        flux.answers([{"host": "c1"}])
