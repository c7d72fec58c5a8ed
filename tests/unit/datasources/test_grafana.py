# SPDX-License-Identifier: Apache-2.0
"""The wire to Grafana's proxy, against a server that misbehaves as it is told."""

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from tests.unit.datasources.keystone import configuration
from tests.unit.datasources.server import Act, Store, cut, dribble, reply, serving
from tests.worlds import instance_row, uuid, world
from watcher.core.errors import BadParameters, NoMetrics, ServiceDown
from watcher.core.metrics import Aggregate, Metric, Query
from watcher.datasources import grafana
from watcher.datasources.grafana import Grafana

CLUSTER = world().host("c1").runs("vm1").runs("it's").host("c2").runs("vm2").cluster()
CPU = Query(Metric.HOST_CPU_USAGE)
EACH = 'SELECT {0}("v") FROM {4}.cpu WHERE "host" =~ /^{1}$/ AND time > now() - {2}s'
ALL = 'SELECT {0}("v") AS "v" FROM cpu WHERE time > now() - {2}s GROUP BY "host"'
PANEL = {"project": 7, "db": "telegraf"}


@pytest.fixture
def store() -> Iterator[Store]:
    with serving() as found:
        yield found


def source(url: str, changes: Any, **options: Any) -> Grafana:
    base = f"{url}/api/datasources/proxy/" if url else None
    return Grafana(configuration("grafana_client", base_url=base, **options), changes)


def series(value: Any, column: str = "mean", **tags: str) -> Any:
    return {
        "columns": ["time", column],
        "values": [[0, value]],
        **({"tags": tags} if tags else {}),
    }


def answer(*statements: Any) -> Act:
    return reply({"results": [{"series": list(one)} for one in statements]})


def test_a_query_about_one_host_is_a_statement_for_each_in_one_request(store: Store) -> None:
    url = store.does(answer([series(12.5)], []))
    found = source(url, {"host_cpu_usage": {**PANEL, "query": EACH}}, token="t0")
    column, coverage = found.fetch(CPU, CLUSTER)
    assert (coverage.source, coverage.measured, coverage.rows) == ("grafana", 1, 2)
    assert np.nansum(column) == 12.5
    (seen,) = store.seen
    assert (seen["method"], seen["path"]) == ("GET", "/api/datasources/proxy/7/query")
    assert seen["headers"]["Authorization"] == "Bearer t0"
    assert (seen["form"]["db"], seen["form"]["epoch"]) == ("telegraf", "ms")
    first, second = seen["form"]["q"].split(";")
    hosts = list(CLUSTER.hosts.name)
    assert f"/^{hosts[0]}$/" in first
    assert f"/^{hosts[1]}$/" in second
    assert first.startswith('SELECT mean("v") FROM one_week.cpu')


def test_a_query_that_groups_by_a_tag_is_one_statement(store: Store) -> None:
    url = store.does(answer([series(1.0, "v", host="c1.example"), series(0.0, "v", host="c2")]))
    found = source(url, {"host_cpu_usage": {**PANEL, "query": ALL}})
    column, _ = found.fetch(CPU, CLUSTER)
    assert column[CLUSTER.host_row("c1")] == 1.0
    assert column[CLUSTER.host_row("c2")] == 0.0
    assert found.requests == 1


def test_a_long_question_goes_in_the_body_and_a_longer_one_in_parts(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grafana, "BATCH", 2)
    query = f"SELECT {{0}}(\"v\") FROM m WHERE uuid = '{{1}}' AND pad = '{'x' * 1500}'"
    url = store.does(answer([series(1.0)], [series(1.0)]), answer([series(1.0)]))
    found = source(url, {"instance_cpu_usage": {**PANEL, "query": query}})
    column, _ = found.fetch(Query(Metric.INSTANCE_CPU_USAGE), CLUSTER)
    assert column.tolist() == [1.0, 1.0, 1.0]
    assert [seen["method"] for seen in store.seen] == ["POST", "GET"]


def test_a_name_that_could_be_more_than_a_name_is_not_asked_about(store: Store) -> None:
    panel = {**PANEL, "query": EACH, "attribute": "name"}
    url = store.does(answer([series(1.0)], [series(1.0)]))
    found = source(url, {"instance_cpu_usage": panel})
    column, coverage = found.fetch(Query(Metric.INSTANCE_CPU_USAGE), CLUSTER)
    assert np.isnan(column[instance_row(CLUSTER, "it's")])
    assert coverage.measured == 2
    assert "it's" not in store.seen[0]["form"]["q"]
    assert uuid("vm1") not in store.seen[0]["form"]["q"]


def test_the_options_say_the_same_as_the_map_and_the_map_goes_before(store: Store) -> None:
    url = store.does(answer([series(1.0, host="c1")]))
    maps = {
        "project_id_map": {"host_cpu_usage": "5", "host_power": "6"},
        "database_map": {"host_cpu_usage": "a", "host_power": "b"},
        "attribute_map": {"host_cpu_usage": "hostname"},
        "translator_map": {"host_cpu_usage": "influxdb"},
        "query_map": {"host_cpu_usage": ALL, "host_power": ALL},
    }
    found = source(url, {"host_cpu_usage": {"db": "c"}}, **maps)
    assert found.metrics == {Metric.HOST_CPU_USAGE, Metric.HOST_POWER}
    found.fetch(CPU, CLUSTER)
    assert store.seen[0]["path"].endswith("/5/query")
    assert store.seen[0]["form"]["db"] == "c"


@pytest.mark.parametrize(
    ("period_s", "policy"), [(300, "one_week"), (604801, "one_month"), (10**9, "five_years")]
)
def test_the_retention_is_the_shortest_that_has_the_period(
    store: Store, period_s: int, policy: str
) -> None:
    url = store.does(answer([series(1.0)], [series(1.0)]))
    found = source(url, {"host_cpu_usage": {**PANEL, "query": EACH}})
    found.fetch(Query(Metric.HOST_CPU_USAGE, period_s=period_s), CLUSTER)
    assert f"FROM {policy}.cpu" in store.seen[0]["form"]["q"]


@pytest.mark.parametrize(
    ("act", "text"),
    [
        (reply({"results": [{"error": "timeout"}, {}]}), "it answers: timeout"),
        (reply({"results": [{}]}), "1 results to 2 statements"),
        (reply({"results": [{"partial": True}, {}]}), "only a part"),
        (reply({"message": "Invalid API key"}, 401), r"refused \(HTTP 401\).*\[grafana_client\]"),
        (reply({"message": "Data source not found"}, 404), "HTTP 404: Data source not found"),
        (reply(b"<html>login</html>"), "no JSON"),
        (reply(b"", 302, Location="/login"), "HTTP 302"),
        (answer([{"columns": ["time", "a", "b"], "values": [[0, 1, 2]]}], []), "has columns"),
    ],
)
def test_an_answer_that_says_no_is_an_error_and_not_asked_again(
    store: Store, act: Act, text: str
) -> None:
    found = source(store.does(act), {"host_cpu_usage": {**PANEL, "query": EACH}})
    with pytest.raises(ServiceDown, match=text):
        found.fetch(CPU, CLUSTER)
    assert found.requests == 1


@pytest.mark.parametrize("act", [reply(b"busy", 502), cut])
def test_what_may_pass_is_asked_again(store: Store, act: Act) -> None:
    url = store.does(act, answer([series(1.0)], []))
    found = source(url, {"host_cpu_usage": {**PANEL, "query": EACH}})
    found.fetch(CPU, CLUSTER)
    assert found.requests == 2


def test_an_answer_that_never_ends_is_cut_off_at_the_deadline(store: Store) -> None:
    panel = {"host_cpu_usage": {**PANEL, "query": EACH}}
    found = source(store.does(dribble), panel, http_timeout=1)
    begun = time.monotonic()
    with pytest.raises(ServiceDown, match="no complete answer in time"):
        found.fetch(CPU, CLUSTER)
    assert time.monotonic() - begun < 4


def test_nothing_at_all_is_explained(store: Store) -> None:
    found = source(store.does(answer([], [])), {"host_cpu_usage": {**PANEL, "query": EACH}})
    with pytest.raises(NoMetrics, match=r"the query of grafana.host_cpu_usage has no value"):
        found.fetch(CPU, CLUSTER)


def test_a_query_with_two_tags_says_how_it_should_be(store: Store) -> None:
    url = store.does(answer([series(1.0, host="c1", cpu="0")]))
    with pytest.raises(ServiceDown, match="must GROUP BY one tag"):
        source(url, {"host_cpu_usage": {**PANEL, "query": ALL}}).fetch(CPU, CLUSTER)


def test_whether_it_is_there_and_has_a_metric(store: Store) -> None:
    exact = "SELECT {0}(v) FROM m WHERE uuid = '{1}'"
    url = store.does(answer([series(1)]), answer([series(1)]), answer([]), answer([]))
    panels = {
        "host_cpu_usage": {**PANEL, "query": EACH},
        "instance_cpu_usage": {**PANEL, "query": exact},
    }
    found = source(url, panels)
    assert found.available()
    assert found.measures(Query(Metric.HOST_CPU_USAGE, aggregate=Aggregate.MAX))
    assert not found.measures(CPU)
    assert found.measures(Query(Metric.INSTANCE_CPU_USAGE))  # it gets an answer
    assert "/^.*$/" in store.seen[1]["form"]["q"]
    store.does(reply(b"", 404))
    assert not found.available()
    assert not found.measures(CPU)


def test_without_an_address_or_a_query_there_is_nothing() -> None:
    found = source("", {"host_cpu_usage": {**PANEL, "query": EACH}})
    assert found.metrics == frozenset()
    assert not found.available()
    assert source("http://127.0.0.1:1", {}).metrics == frozenset()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"cpu": PANEL}, "grafana: no metric 'cpu'"),
        ({"host_power": PANEL}, "grafana.host_power: query is missing"),
        ({"host_power": "SELECT 1"}, "grafana.host_power: project, db is missing"),
        ({"host_power": {**PANEL, "query": "{5}"}}, "grafana.host_power.query: IndexError"),
        ({"host_power": {**PANEL, "query": "{a}"}}, "grafana.host_power.query: KeyError"),
        ({"host_power": {**PANEL, "query": "a{"}}, "grafana.host_power.query: ValueError"),
        ({"host_power": {**PANEL, "query": "x", "attribute": "ip"}}, "one of hostname, uuid"),
        ({"host_power": {**PANEL, "query": "x", "translator": "sql"}}, "translator: 'sql'"),
        ({"instance_cpu_usage": {**PANEL, "query": "x", "attribute": "name"}}, "not unique"),
        ({"host_power": 7}, "grafana.host_power: 7 is not of type 'object'"),
        ([], "a mapping from metric names is wanted"),
    ],
)
def test_a_wrong_panel_is_refused_in_one_line_that_says_where(change: Any, words: str) -> None:
    with pytest.raises(BadParameters, match=words) as caught:
        source("http://127.0.0.1:1", change or [1])
    assert "\n" not in str(caught.value)


def test_wrong_retention_periods_are_refused() -> None:
    conf = configuration("grafana_translators", retention_periods={"a": "long"})
    with pytest.raises(BadParameters, match="retention_periods: could not convert"):
        Grafana(conf)
