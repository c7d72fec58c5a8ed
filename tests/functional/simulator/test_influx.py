# SPDX-License-Identifier: Apache-2.0
"""The simulated InfluxDB 1.x, with influxdb-client as its transport."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import pytest
import requests
from influxdb_client import InfluxDBClient

from watcher.simulator.columns import loads, to_cluster
from watcher.simulator.generate import generate
from watcher.simulator.server import Simulator

MEAN_IDLE = (
    'SELECT mean("usage_idle") AS "v" FROM "cpu" WHERE "cpu" = \'cpu-total\''
    ' AND time >= now() - 5m AND time < now() GROUP BY "host"'
)


@pytest.fixture
def client(simulator: Simulator) -> Iterator[InfluxDBClient]:
    with InfluxDBClient(simulator.urls.influxdb, token="any", org="-") as client:
        yield client


def ask(simulator: Simulator, text: str, **more: str) -> Any:
    query = {"db": "telegraf", "q": text, **more}
    answer = requests.post(f"{simulator.urls.influxdb}/query", data=query, timeout=5)
    return answer.json() if answer.status_code == 200 else (answer.status_code, answer.json())


def test_the_client_pings_and_reads_the_version(client: InfluxDBClient) -> None:
    assert client.ping()
    assert client.version() == "1.6.7"


def test_influxql_goes_through_the_client(simulator: Simulator, client: InfluxDBClient) -> None:
    answer = client.api_client.request(
        "POST",
        f"{simulator.urls.influxdb}/query?{urlencode({'db': 'telegraf'})}",
        post_params={"q": MEAN_IDLE, "epoch": "s"},
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )
    (result,) = json.loads(answer.data)["results"]
    cluster, measured = to_cluster(simulator.world), loads(simulator.world)
    assert len(result["series"]) == 12
    for series in result["series"]:
        assert series["columns"] == ["time", "v"]
        row = cluster.host_row(series["tags"]["host"])
        (_time, idle), = series["values"]  # fmt: skip
        assert 100 - idle == pytest.approx(measured.host_cpu_percent[row])


def test_get_and_post_give_the_same(simulator: Simulator) -> None:
    text = "SELECT mean(total) FROM mem WHERE time < '2026-01-01T00:00:00Z' GROUP BY host"
    query = {"db": "telegraf", "q": text}
    got = requests.get(f"{simulator.urls.influxdb}/query", params=query, timeout=5).json()
    assert got == ask(simulator, text)


def test_loads_follow_a_server_to_its_new_host(simulator: Simulator) -> None:
    def idle() -> dict[str, float]:
        series = ask(simulator, MEAN_IDLE)["results"][0]["series"]
        return {one["tags"]["host"]: one["values"][0][1] for one in series}

    server = max(
        simulator.world.servers.values(), key=lambda s: s.cpu_load_percent * s.flavor.vcpus
    )
    source = server.host
    dest = next(name for name in simulator.world.hosts if name != source)
    before = idle()
    with simulator.cloud.lock:
        server.host = dest
    after = idle()
    assert after[source] > before[source]
    assert after[dest] < before[dest]


def test_errors_of_a_statement_are_inside_a_200(simulator: Simulator) -> None:
    (result,) = ask(simulator, "SELECT frobnicate(used) FROM mem")["results"]
    assert result == {"statement_id": 0, "error": "undefined function frobnicate()"}
    (result,) = ask(simulator, "SELECT mean(used) FROM mem", db="other")["results"]
    assert result["error"] == "database not found: other"
    (result,) = ask(simulator, "SELECT mean(used) FROM mem", db="")["results"]
    assert result["error"] == "database name required"


def test_a_syntax_error_is_a_400(simulator: Simulator) -> None:
    status, body = ask(simulator, "SELECT mean(used FROM mem")
    assert status == 400
    assert body["error"].startswith("error parsing query: found FROM")
    assert ask(simulator, "")[0] == 400


def test_an_unknown_or_hidden_measurement_has_no_series(simulator: Simulator) -> None:
    assert ask(simulator, "SELECT mean(x) FROM nothing")["results"] == [{"statement_id": 0}]
    simulator.faults.hide("cpu")
    assert ask(simulator, MEAN_IDLE)["results"] == [{"statement_id": 0}]
    (shown,) = ask(simulator, "SHOW MEASUREMENTS")["results"][0]["series"]
    assert ["mem"] in shown["values"]
    assert ["cpu"] not in shown["values"]


def test_several_statements_are_answered_until_one_fails(simulator: Simulator) -> None:
    text = "SELECT mean(used) FROM mem; SELECT nope(used) FROM mem; SELECT max(used) FROM mem"
    results = ask(simulator, text)["results"]
    assert ["series" in one for one in results] == [True, False]
    assert "error" in results[1]


def test_show_tells_names_tags_and_fields(simulator: Simulator) -> None:
    (databases,) = ask(simulator, "SHOW DATABASES")["results"][0]["series"]
    assert ["telegraf"] in databases["values"]
    text = 'SHOW TAG VALUES FROM "cpu" WITH KEY = "host"'
    (hosts,) = ask(simulator, text)["results"][0]["series"]
    assert [value for _key, value in hosts["values"]] == sorted(simulator.world.hosts)
    (fields,) = ask(simulator, 'SHOW FIELD KEYS FROM "mem"')["results"][0]["series"]
    assert ["used", "float"] in fields["values"]
    (tags,) = ask(simulator, 'SHOW TAG KEYS FROM "libvirt_cpu"')["results"][0]["series"]
    assert tags["values"] == [["domain_name"], ["host"]]


@pytest.mark.parametrize("unit", ["ns", "ms", "s", ""])
def test_times_come_in_the_unit_asked_for(simulator: Simulator, unit: str) -> None:
    text = "SELECT mean(used) FROM mem WHERE time >= '{}' GROUP BY host"
    moment = ask(simulator, "SELECT last(used) FROM mem", epoch="s")["results"][0]["series"][0]
    start = moment["values"][0][0] - 600
    result = ask(simulator, text.format(iso(start)), epoch=unit)["results"][0]
    expected = {"ns": start * 10**9, "ms": start * 1000, "s": start, "": iso(start)}[unit]
    assert result["series"][0]["values"][0][0] == expected


def iso(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_users_are_asked_for_their_password_when_there_are_any() -> None:
    with Simulator(generate(1, 2, 2), influx_users={"reader": "secret"}) as simulator:
        url, query = f"{simulator.urls.influxdb}/query", {"q": "SHOW DATABASES"}
        assert requests.get(url, params=query, timeout=5).status_code == 401
        assert requests.get(url, params=query, auth=("reader", "x"), timeout=5).status_code == 401
        good = requests.get(url, params=query, auth=("reader", "secret"), timeout=5)
        assert good.status_code == 200
        in_query = {**query, "u": "reader", "p": "secret"}
        assert requests.get(url, params=in_query, timeout=5).status_code == 200
        assert requests.get(f"{simulator.urls.influxdb}/ping", timeout=5).status_code == 204


def test_points_may_be_written(simulator: Simulator) -> None:
    url, line = f"{simulator.urls.influxdb}/write", "mem,host=a used=1"
    answer = requests.post(url, params={"db": "telegraf"}, data=line, timeout=5)
    assert answer.status_code == 204
    assert requests.post(url, params={"db": "x"}, data=line, timeout=5).status_code == 404


def test_flux_is_not_there_as_in_1_6(simulator: Simulator) -> None:
    url = f"{simulator.urls.influxdb}/api/v2/query"
    assert requests.post(url, data="from()", timeout=5).status_code == 404
