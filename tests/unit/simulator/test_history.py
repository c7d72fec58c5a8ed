# SPDX-License-Identifier: Apache-2.0
"""The metric history answers InfluxQL from the world's loads."""

import numpy as np
import pytest

from watcher.simulator.columns import loads, to_cluster
from watcher.simulator.generate import generate
from watcher.simulator.influxql import Select, Show, SyntaxRefusal, parse
from watcher.simulator.series import Row, UndefinedFunction, select
from watcher.simulator.telegraf import measurement
from watcher.simulator.world import World

NOW = 1_700_000_000.0
IDLE = 'SELECT mean("usage_idle") AS "v" FROM "cpu" WHERE "cpu" = \'cpu-total\''
RATE = (
    'SELECT {0}("d") AS "v" FROM (SELECT non_negative_derivative("cpu_time",1s) AS "d" FROM'
    ' "libvirt_cpu" WHERE time >= now() - 310s AND time < now() GROUP BY *)'
    ' WHERE time >= now() - 300s AND time < now() GROUP BY "domain_name"'
)


@pytest.fixture(scope="module")
def world() -> World:
    return generate(1, 12, 80)


def ask(world: World, text: str) -> list[Row]:
    (statement,) = parse(text, NOW)
    assert isinstance(statement, Select)
    return select(statement, lambda name: measurement(name, world), NOW)


def by(rows: list[Row], tag: str) -> dict[str, float]:
    return {row.tags[tag]: row.values[0][1] for row in rows}


def test_the_mean_of_a_gauge_over_five_minutes_is_the_load(world: World) -> None:
    rows = ask(world, f'{IDLE} AND time >= now() - 5m AND time < now() GROUP BY "host"')
    cluster, measured = to_cluster(world), loads(world)
    found = by(rows, "host")
    assert len(found) == 12
    for name, idle in found.items():
        assert 100 - idle == pytest.approx(measured.host_cpu_percent[cluster.host_row(name)])


def test_the_rate_of_a_counter_is_vcpus_times_use(world: World) -> None:
    found = by(ask(world, RATE.format("mean")), "domain_name")
    running = [one for one in world.servers.values() if one.vm_state != "stopped"]
    assert len(found) == len(running) < len(world.servers)
    for server in running:
        percent = found[server.instance_name] / 1e9 / server.flavor.vcpus * 100
        assert percent == pytest.approx(server.cpu_load_percent, abs=1e-6)


def test_the_maximum_is_above_the_mean_and_the_minimum_below(world: World) -> None:
    mean, most, least = (
        by(ask(world, RATE.format(word)), "domain_name") for word in ("mean", "max", "min")
    )
    busy = [name for name, value in mean.items() if value]
    assert busy
    for name in busy:
        assert least[name] < mean[name] < most[name] < 1.11 * mean[name]


def test_last_is_one_of_the_samples_and_bears_its_own_time(world: World) -> None:
    (row, *_rest) = ask(
        world, 'SELECT last(rss) FROM libvirt_balloon WHERE time < now() GROUP BY "domain_name"'
    )
    moment, value = row.values[0]
    assert moment == NOW - 10
    server = next(s for s in world.servers.values() if s.instance_name == row.tags["domain_name"])
    assert value / 1024 == pytest.approx(server.rss_mb, rel=0.03)


def test_count_counts_the_samples_of_a_half_open_window(world: World) -> None:
    text = "SELECT count(used) FROM mem WHERE time >= '{}' AND time < '{}' GROUP BY host"
    rows = ask(world, text.format("2023-11-14T22:00:00Z", "2023-11-14T22:05:00Z"))
    assert {row.values[0][1] for row in rows} == {30.0}


def test_buckets_of_time_partition_the_samples(world: World) -> None:
    where = "WHERE time >= now() - 300s AND time < now() GROUP BY host"
    whole = ask(world, f"SELECT sum(used) FROM mem {where}")
    parts = ask(world, f"SELECT sum(used) FROM mem {where}, time(1m) fill(none)")
    assert len(parts[0].values) == 6  # NOW is no full minute: both ends are cut
    assert sum(value for _time, value in parts[0].values) == pytest.approx(whole[0].values[0][1])


def test_a_sum_of_means_takes_several_series_of_one_host_together(world: World) -> None:
    inner = 'SELECT mean("value") AS "v" FROM "ipmi_sensor" WHERE "unit" = \'{}\' GROUP BY *'
    rows = ask(world, f'SELECT sum("v") AS "v" FROM ({inner.format("degrees_c")}) GROUP BY "host"')
    assert len(rows) == 12
    for row in rows:
        assert 49 <= row.values[0][1] < 49 + 25


def test_a_forgotten_filter_shows_in_the_figures(world: World) -> None:
    where = "time >= now() - 5m GROUP BY host"
    total = by(ask(world, f"{IDLE} AND {where}"), "host")
    mixed = by(ask(world, f"SELECT mean(usage_idle) FROM cpu WHERE {where}"), "host")
    assert all(mixed[name] < 0.8 * total[name] for name in total)


@pytest.mark.parametrize(
    ("where", "hosts"),
    [
        ("host = 'node-01' OR host = 'node-02'", {"node-01", "node-02"}),
        ("(host = 'node-01' OR host = 'node-02') AND host != 'node-01'", {"node-02"}),
        ("host =~ /^node-0[12]$/", {"node-01", "node-02"}),
        ("host !~ /^node-0/", {"node-10", "node-11", "node-12"}),
        (r"host = 'it\'s not there'", set()),
        ("nosuchtag = 'x'", set()),
    ],
)
def test_conditions_on_tags_select_series(world: World, where: str, hosts: set[str]) -> None:
    rows = ask(world, f"SELECT mean(used) FROM mem WHERE {where} AND time < now() GROUP BY host")
    assert {row.tags["host"] for row in rows} == hosts


@pytest.mark.parametrize(
    "text",
    [
        "SELECT mean(used) FROM nosuchmeasurement GROUP BY host",
        "SELECT mean(nosuchfield) FROM mem GROUP BY host",
        "SELECT mean(used) FROM mem WHERE time >= now() + 1h GROUP BY host",
    ],
)
def test_what_is_not_there_gives_no_series(world: World, text: str) -> None:
    assert ask(world, text) == []


def test_a_host_without_power_has_no_series() -> None:
    world = generate(1, 12, 80)
    world.hosts["node-03"].up = False
    rows = ask(world, f'{IDLE} GROUP BY "host"')
    assert {row.tags["host"] for row in rows} == set(world.hosts) - {"node-03"}
    domains = ask(world, RATE.format("mean"))
    there = {s.instance_name for s in world.servers.values() if s.host == "node-03"}
    assert there
    assert not there & {row.tags["domain_name"] for row in domains}


def test_an_unknown_function_is_named(world: World) -> None:
    with pytest.raises(UndefinedFunction, match=r"undefined function frobnicate\(\)"):
        ask(world, "SELECT frobnicate(used) FROM mem")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SHOW MEASUREMENTS", Show("MEASUREMENTS")),
        ('SHOW TAG VALUES FROM "cpu" WITH KEY = "host"', Show("TAG VALUES", "cpu", "host")),
        ("show field keys from mem", Show("FIELD KEYS", "mem")),
    ],
)
def test_show_statements_are_understood(text: str, expected: Show) -> None:
    assert parse(text, NOW) == [expected]


def test_several_statements_are_parsed_in_order() -> None:
    found = parse("SELECT mean(a) FROM b; SHOW DATABASES;", NOW)
    assert [type(one) for one in found] == [Select, Show]


@pytest.mark.parametrize(
    "text",
    ["SELECT", "SELEC mean(a) FROM b", "SELECT mean(a FROM b", "SELECT mean(a) FROM b WHERE c = ",
     "SELECT mean(a) FROM b WHERE time > 'yesterday'", "SELECT mean(a) FROM b §"],
)  # fmt: skip
def test_what_is_no_query_is_refused(text: str) -> None:
    with pytest.raises(SyntaxRefusal):
        parse(text, NOW)


def test_the_window_is_half_open_and_reads_every_form_of_time() -> None:
    forms = (
        "time >= '2023-11-14T22:13:20Z' AND time < '2023-11-14 22:18:20'",
        "time >= 1700000000000000000 AND time < 1700000300s",
        "time >= now() AND time < now() + 5m",
    )
    for form in forms:
        (query,) = parse(f"SELECT mean(a) FROM b WHERE {form}", NOW)
        assert isinstance(query, Select)
        assert np.allclose([query.start, query.end], [NOW, NOW + 300], rtol=0)
