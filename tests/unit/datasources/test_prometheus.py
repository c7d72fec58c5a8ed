# SPDX-License-Identifier: Apache-2.0
"""The wire to Prometheus and Aetos, against a server that misbehaves as it is told."""

import base64
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from tests.unit.datasources.keystone import configuration, logged_in, token
from tests.unit.datasources.server import Act, Store, cut, dribble, reply, serving
from tests.worlds import world
from watcher.core.errors import BadParameters, NoMetrics, ServiceDown
from watcher.core.metrics import Metric, Query
from watcher.datasources.prometheus import Aetos, Prometheus

CLUSTER = world().host("c1").runs("vm1", vcpus=2).host("c2").runs("vm2").cluster()
QUERY = Query(Metric.HOST_POWER)


@pytest.fixture
def store() -> Iterator[Store]:
    with serving() as found:
        yield found


def source(url: str, changes: Any = None, **options: Any) -> Prometheus:
    return Prometheus(configuration("prometheus_client", url=url, **options), changes)


def vector(*rows: tuple[dict[str, str], Any], **more: Any) -> Any:
    result = [{"metric": labels, "value": [time.time(), str(value)]} for labels, value in rows]
    return {"status": "success", "data": {"resultType": "vector", "result": result}, **more}


WRITTEN = time.time() - 7
GOOD = vector(({"fqdn": "c1.example.org"}, 250), ({"watcher_newest": "1"}, WRITTEN))


def test_one_request_carries_the_numbers_and_the_age(store: Store) -> None:
    found, coverage = source(store.does(reply(GOOD))).fetch(QUERY, CLUSTER)
    assert found[CLUSTER.host_row("c1")] == 250
    assert np.isnan(found[CLUSTER.host_row("c2")])
    assert (coverage.source, coverage.measured, coverage.rows) == ("prometheus", 1, 2)
    assert coverage.newest_age_s is not None
    assert coverage.newest_age_s == pytest.approx(time.time() - WRITTEN, abs=5)
    (seen,) = store.seen
    assert (seen["method"], seen["path"]) == ("POST", "/api/v1/query")
    assert seen["form"]["query"].startswith("max by (fqdn) (avg_over_time(ipmi_dcmi_power")


def test_a_prefix_is_kept(store: Store) -> None:
    source(store.does(reply(GOOD)) + "/deep/prometheus/").fetch(QUERY, CLUSTER)
    assert store.seen[0]["path"] == "/deep/prometheus/api/v1/query"


@pytest.mark.parametrize(
    ("options", "url"),
    [
        ({"host": "metrics", "port": 9091}, "http://metrics:9091"),
        ({"host": "metrics", "cafile": "/ca.pem"}, "https://metrics:9090"),
        ({"host": "fd00::7"}, "http://[fd00::7]:9090"),
        ({}, ""),
    ],
)
def test_host_and_port_are_an_address_too(options: dict[str, Any], url: str) -> None:
    found = Prometheus(configuration("prometheus_client", **options))
    assert found._url == url
    assert bool(found.metrics) == bool(url)
    if not url:
        assert not found.available()


@pytest.mark.parametrize(
    ("options", "header"),
    [
        ({}, None),
        ({"token": "t0"}, "Bearer t0"),
        (
            {"username": "reader", "password": "größe"},
            "Basic " + base64.b64encode("reader:größe".encode()).decode(),
        ),
        ({"token": "t0", "username": "reader"}, "Bearer t0"),
    ],
)
def test_the_credentials_are_a_token_or_a_user_with_a_password(
    store: Store, options: dict[str, str], header: str | None
) -> None:
    source(store.does(reply(GOOD)), **options).fetch(QUERY, CLUSTER)
    assert store.seen[0]["headers"].get("Authorization") == header


@pytest.mark.parametrize("act", [reply(b"busy", 429), reply(b"", 502), reply(b"", 503), cut])
def test_what_may_pass_is_asked_again(store: Store, act: Act) -> None:
    prometheus = source(store.does(act, reply(GOOD)))
    prometheus.fetch(QUERY, CLUSTER)
    assert prometheus.requests == 2


ERROR = {"status": "error", "errorType": "bad_data", "error": "parse error: found X"}


@pytest.mark.parametrize(
    ("act", "text"),
    [
        (reply(ERROR, 400), "it answers: parse error: found X"),
        (reply(ERROR), "it answers: parse error: found X"),
        (reply({"status": "error", "error": "query timed out"}, 422), "query timed out"),
        (reply(b"no", 401), r"credentials are refused \(HTTP 401\).*\[prometheus_client\]"),
        (reply(b"<h1>here</h1>"), "no JSON; check the address"),
        (reply(b"", 302, Location="http://elsewhere/"), "HTTP 302"),
        (reply([]), "not that of a Prometheus"),
        (reply(vector(warnings=["partial response: 1 store"])), "only a part of the answer"),
        (reply({"status": "success", "data": {"resultType": "matrix"}}), "no instant vector"),
    ],
)
def test_an_answer_that_says_no_is_an_error_and_not_asked_again(
    store: Store, act: Act, text: str
) -> None:
    prometheus = source(store.does(act))
    with pytest.raises(ServiceDown, match=text) as caught:
        prometheus.fetch(QUERY, CLUSTER)
    assert str(caught.value).startswith(f"Prometheus at {store.url}: ")
    assert prometheus.requests == 1
    assert not prometheus.measures(QUERY)
    assert not prometheus.available()


def test_an_answer_that_never_ends_is_cut_off_at_the_deadline(store: Store) -> None:
    prometheus = source(store.does(dribble), timeout=1.0)
    begun = time.monotonic()
    with pytest.raises(ServiceDown, match=r"no complete answer in time \(\[prometheus_client\]"):
        prometheus.fetch(QUERY, CLUSTER)
    assert time.monotonic() - begun < 4


def test_a_server_that_is_not_there_is_named_with_its_address() -> None:
    prometheus = source("http://127.0.0.1:1")
    with pytest.raises(ServiceDown, match=r"Prometheus at http://127.0.0.1:1: .*refused"):
        prometheus.fetch(QUERY, CLUSTER)
    assert prometheus.requests == 10


def test_several_rows_of_one_resource_are_refused(store: Store) -> None:
    twice = vector(({"fqdn": "c1", "a": "1"}, 1), ({"fqdn": "c1", "a": "2"}, 2))
    with pytest.raises(ServiceDown, match="several rows for c1"):
        source(store.does(reply(twice)), {"host_power": "hw + 1"}).fetch(QUERY, CLUSTER)


def test_a_query_without_a_row_is_explained(store: Store) -> None:
    with pytest.raises(NoMetrics, match=r"the query of prometheus.host_power has no row at"):
        source(store.does(reply(vector())), {"host_power": "hw + 1"}).fetch(QUERY, CLUSTER)


def test_a_label_that_cannot_be_is_refused_when_it_is_configured() -> None:
    with pytest.raises(BadParameters, match=r"\[prometheus_client\]: 'host-name' is no name of"):
        source("http://127.0.0.1:1", fqdn_label="host-name")


def aetos(store: Store, **options: Any) -> Aetos:
    return Aetos(logged_in(store.url, "aetos_client", **options))


def test_aetos_is_asked_with_a_token_of_keystone(store: Store) -> None:
    store.does(token(), reply(GOOD))
    found, coverage = aetos(store, endpoint_override=f"{store.url}/m").fetch(QUERY, CLUSTER)
    assert found[CLUSTER.host_row("c1")] == 250
    assert coverage.source == "aetos"
    login, question = store.seen
    assert login["path"] == "/v3/auth/tokens"
    assert (question["method"], question["path"]) == ("GET", "/m/api/v1/query")
    assert question["headers"]["X-Auth-Token"] == "a-token"


def test_aetos_is_passed_over_where_the_catalog_has_none(store: Store) -> None:
    store.does(token())
    source = aetos(store)
    assert source.metrics == frozenset()
    assert not source.available()
    assert len(store.seen) == 1  # and not looked for each time


def test_what_aetos_says_of_an_error_is_told(store: Store) -> None:
    """As Aetos 3.0 answered to a query that Prometheus refused."""
    said = {"faultcode": "Client", "faultstring": "[400] parse error", "debuginfo": None}
    store.does(token(), reply({"error_message": said}, 400))
    source = aetos(store, endpoint_override=store.url)
    with pytest.raises(ServiceDown, match=r"it answers with HTTP 400: \[400\] parse error$"):
        source.fetch(QUERY, CLUSTER)


def test_aetos_is_found_in_the_catalog(store: Store) -> None:
    store.does(token(("metric-storage", f"{store.url}/m/")), reply(GOOD))
    source = aetos(store)
    assert Metric.HOST_POWER in source.metrics
    assert source.fetch(QUERY, CLUSTER)[1].measured == 1
    assert store.seen[1]["path"] == "/m/api/v1/query"


def test_aetos_without_credentials_is_not_configured() -> None:
    assert Aetos(configuration("aetos_client")).metrics == frozenset()


def test_a_keystone_that_is_down_is_told_when_the_metric_is_wanted(store: Store) -> None:
    source = aetos(store, endpoint_override=f"{store.url}/m")
    store.does(reply({"error": {"message": "down", "code": 500}}, 500))
    with pytest.raises(ServiceDown, match=r"Aetos at .*: no token from Keystone for it: "):
        source.fetch(QUERY, CLUSTER)
