# SPDX-License-Identifier: Apache-2.0
"""Which source answers which question."""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oslo_config import cfg

from tests.worlds import world
from watcher.core.cluster import Cluster
from watcher.core.errors import BadParameters, NoMetrics, ServiceDown, Unavailable
from watcher.core.metrics import Coverage, Floats, Metric, Query
from watcher.datasources import influxdb
from watcher.datasources.choice import OPTIONS, DataSources, metric_map

CPU = Query(Metric.HOST_CPU_USAGE)
POWER = Query(Metric.HOST_POWER)
OPTIONAL_POWER = Query(Metric.HOST_POWER, required=False)
CLUSTER = world().host("c1").host("c2").cluster()

Build = Callable[..., DataSources]


class Store:
    """A source that answers what it is told to."""

    def __init__(self, name: str, **told: Any) -> None:
        self.name = name
        self.told: dict[Metric, float | Exception] = {
            Metric[metric]: answer for metric, answer in told.items()
        }
        self.asked: list[Query] = []
        self.up = True

    def __call__(self, _conf: cfg.ConfigOpts, changes: Mapping[str, Any]) -> "Store":
        self.changes = changes
        return self

    @property
    def metrics(self) -> frozenset[Metric]:
        return frozenset(self.told)

    def available(self) -> bool:
        return self.up

    def measures(self, query: Query) -> bool:
        return isinstance(self.told[query.metric], float)

    def fetch(self, query: Query, cluster: Cluster) -> tuple[Floats, Coverage]:
        self.asked.append(query)
        answer = self.told[query.metric]
        if isinstance(answer, Exception):
            raise answer
        return np.full(len(cluster.hosts), answer), Coverage(self.name, 2, 2)


@pytest.fixture
def build(tmp_path: Path) -> Build:
    def made(*stores: Store, text: str = "", changes: str = "") -> DataSources:
        (tmp_path / "map.yaml").write_text(changes)
        names = ", ".join(store.name for store in stores)
        (tmp_path / "watcher.conf").write_text(
            f"[watcher_datasources]\ndatasources = {names}\n"
            f"[watcher_decision_engine]\nmetric_map_path = {tmp_path}/map.yaml\n{text}"
        )
        conf = cfg.ConfigOpts()
        for group in (*OPTIONS(), influxdb.OPTIONS):
            group.register(conf)
        conf(["--config-file", str(tmp_path / "watcher.conf")])
        return DataSources(conf, {store.name: store for store in stores})

    return made


def test_each_metric_comes_from_the_first_source_that_maps_it(build: Build) -> None:
    first, second = (
        Store("one", HOST_CPU_USAGE=1.0),
        Store("two", HOST_CPU_USAGE=2.0, HOST_POWER=9.0),
    )
    metrics = build(first, second).fetch([CPU, POWER], CLUSTER)
    assert metrics[CPU].tolist() == [1.0, 1.0]
    assert metrics[POWER].tolist() == [9.0, 9.0]
    assert [metrics.coverage[query].source for query in (CPU, POWER)] == ["one", "two"]
    assert second.asked == [POWER]


@pytest.mark.parametrize("failure", [NoMetrics("no sample"), ServiceDown("down")])
def test_the_next_source_answers_when_the_first_has_nothing(
    build: Build, failure: Unavailable
) -> None:
    metrics = build(Store("one", HOST_CPU_USAGE=failure), Store("two", HOST_CPU_USAGE=2.0)).fetch(
        [CPU], CLUSTER
    )
    assert metrics[CPU].tolist() == [2.0, 2.0]


def test_a_required_question_that_stays_open_fails_with_every_reason(build: Build) -> None:
    sources = build(
        Store("one", HOST_CPU_USAGE=NoMetrics("measurement cpu is empty")), Store("two")
    )
    with pytest.raises(NoMetrics) as caught:
        sources.fetch([CPU, POWER], CLUSTER)
    assert str(caught.value) == (
        "metric host_cpu_usage: measurement cpu is empty;"
        " metric host_power: none of one, two is configured for it"
    )


def test_an_optional_question_that_stays_open_is_left_out(build: Build) -> None:
    metrics = build(Store("one", HOST_CPU_USAGE=1.0)).fetch([CPU, OPTIONAL_POWER], CLUSTER)
    assert CPU in metrics
    assert OPTIONAL_POWER not in metrics
    assert metrics.notes == (
        "going on without metric host_power: none of one is configured for it",
    )


class Half(Store):
    """A source that measured one of the two hosts."""

    def fetch(self, query: Query, cluster: Cluster) -> tuple[Floats, Coverage]:
        column, found = super().fetch(query, cluster)
        column[0] = np.nan
        return column, found


def test_a_source_that_measured_too_few_is_passed_over_for_the_next(build: Build) -> None:
    metrics = build(Half("one", HOST_CPU_USAGE=1.0), Store("two", HOST_CPU_USAGE=2.0)).fetch(
        [CPU], CLUSTER
    )
    assert metrics.coverage[CPU] == Coverage("two", 2, 2)
    assert metrics.notes == ()


def test_too_few_from_everybody_fail_the_required_question_and_tell_how_many(
    build: Build,
) -> None:
    with pytest.raises(NoMetrics, match="one has it for 1 of 2 running hosts, less than 80 %"):
        build(Half("one", HOST_CPU_USAGE=1.0)).fetch([CPU], CLUSTER)


def test_what_the_operator_allows_to_be_missing_is_a_note(build: Build) -> None:
    text = "[watcher_datasources]\nminimum_coverage_percent = 50\n"
    metrics = build(Half("one", HOST_CPU_USAGE=1.0), text=text).fetch([CPU], CLUSTER)
    assert metrics.coverage[CPU] == Coverage("one", 1, 2)
    assert metrics.notes == ("host_cpu_usage: one measured 1 of 2 running hosts",)


def test_the_same_question_is_asked_once(build: Build) -> None:
    store = Store("one", HOST_CPU_USAGE=1.0)
    build(store).fetch([CPU, Query(Metric.HOST_CPU_USAGE)], CLUSTER)
    assert store.asked == [CPU]


def test_a_bug_in_a_source_is_not_taken_for_missing_data(build: Build) -> None:
    broken = Store("one", HOST_CPU_USAGE=ZeroDivisionError("a bug"))
    with pytest.raises(ZeroDivisionError, match="a bug"):
        build(broken, Store("two", HOST_CPU_USAGE=2.0)).fetch([CPU], CLUSTER)


def test_a_source_that_is_not_installed_is_said_once_and_left_aside(
    build: Build, caplog: pytest.LogCaptureFixture
) -> None:
    sources = build(
        Store("two", HOST_CPU_USAGE=2.0),
        text="[watcher_strategies.dummy]\ndatasources = gnocchi, two\n",
    )
    for _ in range(3):
        assert sources.fetch([CPU], CLUSTER, strategy="dummy")[CPU].tolist() == [2.0, 2.0]
    assert [record.getMessage() for record in caplog.records] == [
        "data source gnocchi is not installed; there are: two"
    ]


def test_without_any_source_the_reason_says_so(build: Build) -> None:
    with pytest.raises(NoMetrics, match="no data source is installed"):
        build().fetch([CPU], CLUSTER)


def test_a_strategy_may_have_its_own_order(build: Build) -> None:
    stores = Store("one", HOST_CPU_USAGE=1.0), Store("two", HOST_CPU_USAGE=2.0)
    sources = build(*stores, text="[watcher_strategies.mine]\ndatasources = two, one\n")
    assert sources.fetch([CPU], CLUSTER, strategy="mine")[CPU][0] == 2.0
    assert sources.fetch([CPU], CLUSTER, strategy="another")[CPU][0] == 1.0
    assert sources.fetch([CPU], CLUSTER)[CPU][0] == 1.0


def test_a_failing_source_is_logged_when_it_begins_and_when_it_is_back(
    build: Build, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    store = Store("one", HOST_CPU_USAGE=ServiceDown("InfluxDB does not answer"))
    sources = build(store)
    for _ in range(3):
        with pytest.raises(NoMetrics):
            sources.fetch([CPU], CLUSTER)
    store.told[Metric.HOST_CPU_USAGE] = 1.0
    for _ in range(2):
        sources.fetch([CPU], CLUSTER)
    assert [record.getMessage() for record in caplog.records] == [
        "data source one: InfluxDB does not answer",
        "data source one answers again",
    ]


def test_whether_a_metric_is_mapped_at_all(build: Build) -> None:
    sources = build(Store("one", HOST_CPU_USAGE=NoMetrics("empty")))
    assert sources.maps(Metric.HOST_CPU_USAGE)
    assert not sources.maps(Metric.HOST_POWER)


def test_the_state_tells_the_source_in_use_and_each_metric(build: Build) -> None:
    down, up = (
        Store("one", HOST_CPU_USAGE=1.0),
        Store("two", HOST_CPU_USAGE=NoMetrics("empty"), HOST_POWER=1.0),
    )
    down.up = False
    source, metrics = build(down, up).state([CPU, POWER])
    assert source == "two: available"
    assert build(Store("unset"), up).state([CPU])[0] == "two: available"
    assert metrics == [{"host_cpu_usage": "not available"}, {"host_power": "available"}]


def test_the_state_shows_the_source_that_measures_rather_than_the_first(build: Build) -> None:
    empty, full = Store("one", HOST_CPU_USAGE=NoMetrics("empty")), Store("two", HOST_CPU_USAGE=1.0)
    assert build(empty, full).state([CPU]) == (
        "two: available",
        [{"host_cpu_usage": "available"}],
    )


def test_the_state_without_a_source_that_answers(build: Build) -> None:
    down = Store("one", HOST_CPU_USAGE=1.0)
    down.up = False
    assert build(down).state([CPU]) == (
        "one: not available",
        [{"host_cpu_usage": "not available"}],
    )
    assert build().state([CPU]) == ("none: not available", [{"host_cpu_usage": "not available"}])


def test_the_state_of_a_strategy_that_needs_no_metric(build: Build) -> None:
    assert build(Store("one")).state([]) == ("This strategy needs no data source", [])


def test_the_metric_map_reaches_the_source_it_is_for(build: Build) -> None:
    store = Store("one", HOST_CPU_USAGE=1.0)
    build(store, changes="one: {host_cpu_usage: busy}\nother: {}\n")
    assert store.changes == {"host_cpu_usage": "busy"}


def test_a_section_of_the_metric_map_for_nobody_is_warned_about(
    build: Build, caplog: pytest.LogCaptureFixture
) -> None:
    build(Store("one"), changes="influx: {host_cpu_usage: busy}\n")
    assert "data source influx is not installed" in caplog.text


def test_no_metric_map_is_no_change(tmp_path: Path) -> None:
    assert metric_map(str(tmp_path / "absent.yaml")) == {}


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"influxdb: [", "metric map .*map.yaml: "),
        (b"- influxdb", "data source names are wanted at the top"),
        (b"\xff\xfe\x00", "cannot be read"),
    ],
)
def test_a_broken_metric_map_is_refused_in_one_line_with_its_path(
    tmp_path: Path, content: bytes, text: str
) -> None:
    path = tmp_path / "map.yaml"
    path.write_bytes(content)
    with pytest.raises(BadParameters, match=text) as caught:
        metric_map(str(path))
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)
