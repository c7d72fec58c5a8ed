# SPDX-License-Identifier: Apache-2.0
"""Flux on the wire, against a server that gives the documented answers of an InfluxDB 2."""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from tests.unit.datasources.keystone import configuration
from tests.unit.datasources.server import Store, reply, serving
from tests.worlds import instance_row, world
from watcher.core.errors import NoMetrics, ServiceDown
from watcher.core.metrics import Metric, Query
from watcher.datasources.influxdb import InfluxDB

CLUSTER = world().host("c1").runs("vm1", vcpus=2).host("c2").runs("vm2").cluster()
RAM = Query(Metric.HOST_RAM_USAGE)
EMPTY = b"\r\n"


def table(result: int, header: str, *rows: str) -> str:
    """One table of annotated CSV, as InfluxDB 2 documents it."""
    columns = header.split(",")
    kinds = {"_value": "double", "_time": "dateTime:RFC3339"}
    lines = [
        "#datatype,string,long," + ",".join(kinds.get(name, "string") for name in columns),
        "#group,false,false," + ",".join("false" for _ in columns),
        f"#default,{result},," + "," * (len(columns) - 1),
        f",result,table,{header}",
        *(f",,0,{row}" for row in rows),
    ]
    return "\r\n".join(lines) + "\r\n\r\n"


NEWEST = table(1, "_time,_value", "2023-11-14T22:18:00Z,1")
GOOD = (table(0, "host,_value", "c1,2048", "stranger,9") + NEWEST).encode()


@pytest.fixture
def store() -> Iterator[Store]:
    with serving() as found:
        yield found


def source(url: str, changes: Any = None, **options: Any) -> InfluxDB:
    given = {"url": url, "dialect": "flux", "org": "ops", "bucket": "tele", "token": "t0"}
    return InfluxDB(configuration("influxdb", **{**given, **options}), changes)


def test_one_script_carries_the_question_and_the_age(store: Store) -> None:
    found = source(store.does(reply(GOOD)))
    column, coverage = found.fetch(RAM, CLUSTER)
    assert column[CLUSTER.host_row("c1")] == 2.0
    assert np.isnan(column[CLUSTER.host_row("c2")])
    assert (coverage.source, coverage.measured) == ("influxdb", 1)
    assert coverage.newest_age_s is not None
    (seen,) = store.seen
    assert (seen["method"], seen["path"]) == ("POST", "/api/v2/query")
    assert seen["headers"]["Authorization"] == "Token t0"
    body = json.loads(seen["body"])
    assert body["type"] == "flux"
    assert body["query"].count('from(bucket: "tele")') == 2
    assert body["query"].count("yield(") == 2


def test_a_counter_on_two_hosts_is_weighed_by_its_samples(store: Store) -> None:
    header = "domain_name,host,_value"
    rates = table(0, header, "instance-vm1,c1,2e9", "instance-vm1,c2,1e9") + NEWEST
    counts = table(0, header, "instance-vm1,c1,1", "instance-vm1,c2,3")
    url = store.does(reply(rates.encode()), reply(counts.encode()))
    column, _ = source(url).fetch(Query(Metric.INSTANCE_CPU_USAGE), CLUSTER)
    assert column[instance_row(CLUSTER, "vm1")] == pytest.approx((2 + 3) / 4 / 2 * 100)
    asked = json.loads(store.seen[1]["body"])["query"]
    assert '(r["domain_name"] == "instance-vm1")' in asked


def test_an_empty_answer_is_explained(store: Store) -> None:
    fields = table(0, "_value", "free").encode()
    with pytest.raises(NoMetrics, match=r"measurement mem has no field used \(it has free\)"):
        source(store.does(reply(EMPTY), reply(fields))).fetch(RAM, CLUSTER)
    with pytest.raises(NoMetrics, match="measurement mem has no series in database tele of"):
        source(store.does(reply(EMPTY))).fetch(RAM, CLUSTER)


ERROR = (
    b"#datatype,string,string\r\n#group,true,true\r\n#default,,\r\n,error,reference\r\n,oops,7\r\n"
)


@pytest.mark.parametrize(
    ("payload", "status", "text"),
    [
        (ERROR, 200, "it answers: oops"),
        (
            {"code": "invalid", "message": "error @1:8: undefined identifier x"},
            400,
            "undefined id",
        ),
        ({"code": "unauthorized", "message": "no"}, 401, "credentials are refused"),
        (b"\xff\xfe", 200, "not that of an InfluxDB"),
    ],
)
def test_an_answer_that_says_no_is_an_error_and_not_asked_again(
    store: Store, payload: Any, status: int, text: str
) -> None:
    found = source(store.does(reply(payload, status)))
    with pytest.raises(ServiceDown, match=text):
        found.fetch(RAM, CLUSTER)
    assert found.requests == 1
    assert not found.measures(RAM)


def test_a_metric_may_have_its_own_bucket_and_the_database_is_one_too(store: Store) -> None:
    url = store.does(reply(GOOD))
    source(url, {"host_ram_usage": {"database": "own"}}).fetch(RAM, CLUSTER)
    assert 'bucket: "own"' in json.loads(store.seen[0]["body"])["query"]
    source(store.does(reply(GOOD)), bucket=None).fetch(RAM, CLUSTER)
    assert 'bucket: "telegraf"' in json.loads(store.seen[0]["body"])["query"]
