# SPDX-License-Identifier: Apache-2.0
"""Tests of watcher.core.metrics."""

import numpy as np
import pytest

from watcher.core.errors import NoMetrics
from watcher.core.metrics import Aggregate, Coverage, Metric, Metrics, Query, Subject

CPU = Query(Metric.INSTANCE_CPU_USAGE, period_s=600, aggregate=Aggregate.MAX)


@pytest.mark.parametrize("metric", list(Metric))
def test_a_metric_is_found_by_its_public_name(metric):
    assert Metric.named(metric.public_name) is metric


def test_a_metric_nobody_knows_is_a_key_error():
    with pytest.raises(KeyError, match="host_colour"):
        Metric.named("host_colour")


@pytest.mark.parametrize("metric", list(Metric))
def test_the_public_name_says_what_a_metric_is_about(metric):
    about = "host" if metric.subject is Subject.HOST else "instance"
    assert metric.public_name.startswith(about + "_")
    assert metric.unit


def test_an_answer_is_found_by_its_question():
    column = np.array([1.0, np.nan])
    metrics = Metrics({CPU: column})
    assert metrics[CPU] is column
    assert CPU in metrics
    assert Query(Metric.HOST_POWER) not in metrics


def test_the_same_question_twice_is_one_question():
    assert Query(Metric.HOST_POWER) == Query(Metric.HOST_POWER, period_s=300)
    assert len({Query(Metric.HOST_POWER), Query(Metric.HOST_POWER), CPU}) == 2


def test_a_question_nobody_answered_is_no_metrics():
    with pytest.raises(NoMetrics, match=r"instance_cpu_usage \(max over 600 s\) was not deliv"):
        Metrics()[CPU]


def test_a_column_of_nothing_but_gaps_is_no_metrics():
    metrics = Metrics({CPU: np.full(3, np.nan)})
    with pytest.raises(NoMetrics, match="no sample in the last 600 s for any of 3 instances"):
        metrics.require([CPU])


@pytest.mark.parametrize("column", [[0.0, np.nan], [0.0], []])
def test_zero_is_measured_and_so_is_an_empty_cluster(column):
    Metrics({CPU: np.array(column)}).require([CPU])


def test_what_is_required_must_be_there():
    with pytest.raises(NoMetrics):
        Metrics().require([CPU])


def test_coverage_is_one_readable_line():
    assert str(Coverage("influxdb", 3, 5)) == "influxdb: 3 of 5"
    assert str(Coverage("influxdb", 3, 5, 61.4)) == "influxdb: 3 of 5, newest sample 61 s old"
