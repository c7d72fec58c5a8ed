# SPDX-License-Identifier: Apache-2.0
"""PromQL as text, the exporters' layout, and what an operator may change about it."""

from typing import Any

import pytest

from watcher.core.errors import BadParameters
from watcher.core.metrics import Aggregate, Metric, Query
from watcher.datasources import exporters, promql
from watcher.datasources.exporters import Expression
from watcher.datasources.promql import Labels

LABELS = Labels("fqdn", "resource", {})
CPU = Query(Metric.HOST_CPU_USAGE, period_s=600, granularity_s=60)


def text(metric: Metric, said: Any = None, labels: Labels = LABELS, **more: Any) -> str:
    changes = {} if said is None else {metric.public_name: said}
    found = exporters.mapping("prometheus", changes)[metric]
    assert isinstance(found, Expression)
    return promql.question(found, Query(metric, **more), labels).partition(" or label_rep")[0]


@pytest.mark.parametrize(
    ("metric", "more", "expected"),
    [
        (
            Metric.HOST_CPU_USAGE,
            {},
            'avg by (fqdn) (rate(node_cpu_seconds_total{mode="idle"}[300s]))',
        ),
        (
            Metric.HOST_CPU_USAGE,
            {"aggregate": Aggregate.MAX, "period_s": 600, "granularity_s": 60},
            'min_over_time((avg by (fqdn) (rate(node_cpu_seconds_total{mode="idle"}[60s])))'
            "[540s:60s])",
        ),
        (
            Metric.HOST_CPU_USAGE,
            {"aggregate": Aggregate.MAX},
            'avg by (fqdn) (rate(node_cpu_seconds_total{mode="idle"}[300s]))',
        ),
        (
            Metric.HOST_RAM_USAGE,
            {"aggregate": Aggregate.MAX},
            "max by (fqdn) (max_over_time(node_memory_MemTotal_bytes[300s]))"
            " - min by (fqdn) (min_over_time(node_memory_MemAvailable_bytes[300s]))",
        ),
        (
            Metric.INSTANCE_CPU_USAGE,
            {"period_s": 720},
            "sum by (resource) (rate(ceilometer_cpu[720s]))",
        ),
        (
            Metric.INSTANCE_RAM_USAGE,
            {"aggregate": Aggregate.COUNT},
            "max by (resource) (count_over_time(ceilometer_memory_usage[300s]))",
        ),
        (
            Metric.HOST_OUTLET_TEMP,
            {},
            "max by (fqdn) (avg_over_time(ipmi_temperature_celsius"
            '{name=~"(?i).*(?:(exhaust|outlet).*temp).*"}[300s]))',
        ),
    ],
)
def test_the_question_for_each_kind_of_metric(
    metric: Metric, more: dict[str, Any], expected: str
) -> None:
    assert text(metric, **more) == expected


def test_conditions_for_every_series_come_first_and_values_are_quoted() -> None:
    labels = Labels("host", "uuid", {"cloud": 'e"a\\st'})
    found = text(Metric.HOST_POWER, labels=labels)
    assert found == (
        "max by (host) (avg_over_time(ipmi_dcmi_power_consumption_watts"
        '{cloud="e\\"a\\\\st"}[300s]))'
    )


def test_a_plain_word_is_another_name_and_anything_else_is_a_query() -> None:
    assert "rate(my_cpu{mode=" in text(Metric.HOST_CPU_USAGE, "my_cpu")
    query = "sum by ($host) ($aggregate(x[${period}s:${granularity}s])) + $unknown + $1"
    assert text(Metric.HOST_POWER, query) == "sum by (fqdn) (avg(x[300s:300s])) + $unknown + $1"


def test_a_query_gives_our_unit_unless_it_says_how_to_come_there() -> None:
    found = exporters.mapping("aetos", {"host_cpu_usage": "1 - x"})[Metric.HOST_CPU_USAGE]
    assert isinstance(found, Expression)
    assert (found.scale, found.offset, found.join) == (1.0, 0.0, "hostname")
    assert found.asked(Aggregate.MAX) is Aggregate.MAX
    said = {"query": "x", "scale": -2, "join": "domain_name", "label": "domain"}
    found = exporters.mapping("aetos", {"instance_cpu_usage": said})[Metric.INSTANCE_CPU_USAGE]
    assert isinstance(found, Expression)
    assert (found.scale, found.label) == (-2, "domain")
    assert found.asked(Aggregate.MAX) is Aggregate.MAX


def test_a_metric_without_a_default_is_by_host_or_by_uuid() -> None:
    found = text(Metric.INSTANCE_L3_CACHE_USAGE, "l3_bytes")
    assert found == "avg by (resource) (avg_over_time(l3_bytes[300s]))"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"cpu": "x"}, "prometheus: no metric 'cpu'; there are"),
        ({"host_power": {"metric": "a b"}}, "'a b' is no name of a Prometheus metric"),
        ({"host_power": {"whole": "a-b"}}, "'a-b' is no name of a Prometheus metric"),
        ({"host_power": {"label": "a-b"}}, "'a-b' is no name of a Prometheus label"),
        ({"host_power": {"where": {"a b": "c"}}}, "'a b' is no name of a Prometheus label"),
        ({"host_power": {"where": {"a": "/(/"}}}, "is no regular expression"),
        ({"host_power": {"metrik": "x"}}, "prometheus.host_power: .*'metrik'"),
        ({"instance_l3_cache_usage": {"scale": 2}}, "a metric or a query is wanted"),
        ({"host_power": 7}, "prometheus.host_power: 7 is not of type 'object'"),
        ({"host_power": {"join": "uuid"}}, "uuid does not name a compute_node"),
    ],
)
def test_a_wrong_change_is_refused_in_one_line_that_says_where(change: Any, words: str) -> None:
    with pytest.raises(BadParameters, match=words) as caught:
        exporters.mapping("prometheus", change)
    assert "\n" not in str(caught.value)


def test_another_name_of_a_host_is_taken_for_it_and_strangers_without_a_label_are_nobodys() -> (
    None
):
    rows = [promql.Sample({"fqdn": "10.0.0.7"}, 1.0), promql.Sample({}, 2.0)]
    found = promql.by_name(rows, "fqdn", Expression("x", names={"10.0.0.7": "n1"}))
    assert found == {"n1": 1.0}


def test_a_scalar_is_an_answer_without_a_name_and_what_is_no_number_is_left_out() -> None:
    scalar = {"status": "success", "data": {"resultType": "scalar", "result": [0, "1"]}}
    assert promql.samples(scalar) == [promql.Sample({}, 1.0)]
    rows = [{"metric": {}, "value": [0, value]} for value in ("NaN", "+Inf", "0")]
    vector = {"status": "success", "data": {"resultType": "vector", "result": rows}}
    assert [row.value for row in promql.samples(vector)] == [0.0]
