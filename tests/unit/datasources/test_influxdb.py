# SPDX-License-Identifier: Apache-2.0
"""The wire to InfluxDB, against a server that misbehaves as it is told."""

import gzip
import ipaddress
import json
import ssl
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from oslo_config import cfg
from urllib3.exceptions import InsecureRequestWarning

from tests.unit.datasources.server import Act, Store, cut, dribble, reply, serving
from tests.worlds import world
from watcher.core.errors import NoMetrics, ServiceDown
from watcher.core.metrics import Aggregate, Metric, Query
from watcher.datasources import choice, influxdb
from watcher.datasources.influxdb import InfluxDB

CLUSTER = world().host("c1").runs("vm1", vcpus=2).host("c2").runs("vm2").cluster()
QUERY = Query(Metric.HOST_RAM_USAGE)


def rows(*values: tuple[dict[str, str], float | None], time_ms: int | None = None) -> Any:
    at = int(time.time() * 1000) if time_ms is None else time_ms
    return [
        {"name": "m", "tags": tags, "columns": ["time", "value"], "values": [[at, value]]}
        for tags, value in values
    ]


def answer(*results: Any) -> Any:
    return {"results": [{"statement_id": at, "series": one} for at, one in enumerate(results)]}


GOOD = answer(rows(({"host": "c1"}, 1024.0)), rows(({}, 1.0)))


@pytest.fixture
def store() -> Iterator[Store]:
    with serving() as one:
        yield one


@pytest.fixture
def serve(store: Store) -> Callable[..., str]:
    return store.does


def source(url: str, changes: Any = None, **options: Any) -> InfluxDB:
    conf = cfg.ConfigOpts()
    for group in (*choice.OPTIONS(), influxdb.OPTIONS):
        group.register(conf)
    conf([])
    conf.set_override("query_interval", 0, "watcher_datasources")
    for name, value in {"url": url, **options}.items():
        conf.set_override(name, value, "influxdb")
    return InfluxDB(conf, changes)


def test_one_request_carries_the_question_and_the_age(store: Store) -> None:
    fresh = answer(rows(({"host": "c1"}, 1024.0)), rows(({}, 1.0)))
    found, coverage = source(store.does(reply(fresh))).fetch(QUERY, CLUSTER)
    assert found[CLUSTER.host_row("c1")] == 1.0
    assert np.isnan(found[CLUSTER.host_row("c2")])
    assert (coverage.measured, coverage.rows, coverage.source) == (1, 2, "influxdb")
    assert coverage.newest_age_s is not None
    assert 0 <= coverage.newest_age_s < 300
    (seen,) = store.seen
    form = seen["form"]
    assert (seen["path"], form["db"], form["epoch"]) == ("/query", "telegraf", "ms")
    assert form["q"].count("SELECT") == 2


def test_a_counter_on_two_hosts_is_weighed_by_its_samples(store: Store) -> None:
    on = [{"domain_name": "instance-vm1", "host": host} for host in ("c1", "c2")]
    rates = answer(rows((on[0], 2e9), (on[1], 1e9)), rows(({}, 1.0)))
    counts = answer(rows((on[0], 1.0), (on[1], 3.0)))
    influx = source(store.does(reply(rates), reply(counts)))
    found, _ = influx.fetch(Query(Metric.INSTANCE_CPU_USAGE), CLUSTER)
    row = list(CLUSTER.instances.domain_name).index("instance-vm1")
    assert found[row] == pytest.approx((2 * 1 + 1 * 3) / 4 / 2 * 100)
    assert influx.requests == 2
    assert "\"domain_name\" = 'instance-vm1'" in store.seen[1]["form"]["q"]


def test_the_greatest_use_is_asked_as_the_least_idle(store: Store) -> None:
    idle = answer(rows(({"host": "c1"}, 30.0)), rows(({}, 1.0)))
    query = Query(Metric.HOST_CPU_USAGE, aggregate=Aggregate.MAX)
    found, _ = source(store.does(reply(idle))).fetch(query, CLUSTER)
    assert 'min("usage_idle")' in store.seen[0]["form"]["q"]
    assert found[CLUSTER.host_row("c1")] == 70.0


def test_what_the_model_knows_needs_no_server() -> None:
    query = Query(Metric.INSTANCE_RAM_ALLOCATED)
    found, coverage = source("http://127.0.0.1:9").fetch(query, CLUSTER)
    assert found.tolist() == CLUSTER.instances.demand[:, 1].tolist()
    assert str(coverage) == "model: 2 of 2"


def test_a_compressed_answer_is_read(store: Store) -> None:
    body = gzip.compress(json.dumps(GOOD).encode())
    found, _ = source(store.does(reply(body, Content_Encoding="gzip"))).fetch(QUERY, CLUSTER)
    assert found[CLUSTER.host_row("c1")] == 1.0
    assert store.seen[0]["headers"]["Accept-Encoding"] == "gzip"


@pytest.mark.parametrize(
    ("options", "header"),
    [
        ({}, None),
        ({"token": "t0"}, "Token t0"),
        ({"username": "reader", "password": "pw"}, "Basic cmVhZGVyOnB3"),
        ({"token": "t0", "username": "reader"}, "Token t0"),
    ],
)
def test_the_credentials_are_a_token_or_a_user_with_a_password(
    store: Store, options: dict[str, str], header: str | None
) -> None:
    source(store.does(reply(GOOD)), **options).fetch(QUERY, CLUSTER)
    assert store.seen[0]["headers"].get("Authorization") == header


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_server_that_is_busy_is_asked_again(serve: Callable[..., str], status: int) -> None:
    influx = source(serve(reply(b"busy", status), reply(b"busy", status), reply(GOOD)))
    influx.fetch(QUERY, CLUSTER)
    assert influx.requests == 3


def test_a_connection_cut_inside_an_answer_is_asked_again(serve: Callable[..., str]) -> None:
    influx = source(serve(cut, reply(GOOD)))
    influx.fetch(QUERY, CLUSTER)
    assert influx.requests == 2


@pytest.mark.parametrize(
    ("act", "text"),
    [
        (reply({"error": "error parsing query: found X"}, 400), "HTTP 400.*found X"),
        (reply({"error": "authorization failed"}, 401), r"credentials are refused.*\[influxdb\]"),
        (reply(b"oops", 500), "HTTP 500: oops"),
        (reply({"results": [{"error": "timeout"}, {}]}), "timeout"),
        (reply({"results": [{"partial": True}, {}]}), "max-row-limit"),
        (reply(b"<html>hello</html>"), "not that of an InfluxDB"),
        (reply({"results": [{}]}), "1 results to 2 statements"),
    ],
)
def test_an_answer_that_says_no_is_an_error_and_not_asked_again(
    serve: Callable[..., str], act: Act, text: str
) -> None:
    influx = source(serve(act))
    with pytest.raises(ServiceDown, match=text) as caught:
        influx.fetch(QUERY, CLUSTER)
    assert "\n" not in str(caught.value)
    assert influx.requests == 1


def test_a_reason_that_the_server_lost_is_asked_for(store: Store) -> None:
    """InfluxDB 1.6 answers two statements, of which the first fails, with this only."""
    lost = reply({"results": [{"statement_id": 0, "error": "not executed"}]})
    told = reply({"results": [{"statement_id": 0, "error": "database not found: telegraf"}]})
    with pytest.raises(ServiceDown, match="it answers: database not found: telegraf"):
        source(store.does(lost, told)).fetch(QUERY, CLUSTER)
    assert store.seen[1]["form"]["q"].count("SELECT") == 1


def test_an_answer_that_never_ends_is_cut_off_at_the_deadline(serve: Callable[..., str]) -> None:
    influx = source(serve(dribble), timeout=1.0)
    begun = time.monotonic()
    with pytest.raises(ServiceDown, match="no complete answer in time"):
        influx.fetch(QUERY, CLUSTER)
    assert time.monotonic() - begun < 3


def test_a_server_that_says_nothing_is_given_up_at_the_deadline(serve: Callable[..., str]) -> None:
    released = threading.Event()
    influx = source(serve(lambda _handler: (released.wait(10), None)[1]), timeout=1.0)
    begun = time.monotonic()
    with pytest.raises(ServiceDown, match="no answer in time"):
        influx.fetch(QUERY, CLUSTER)
    released.set()
    assert time.monotonic() - begun < 3


def test_a_server_that_is_not_there_is_named_with_its_address(serve: Callable[..., str]) -> None:
    influx = source("http://127.0.0.1:1")
    with pytest.raises(ServiceDown, match=r"InfluxDB at http://127.0.0.1:1: .*refused; check"):
        influx.fetch(QUERY, CLUSTER)
    assert influx.requests == 10
    assert not influx.available()
    assert not influx.measures(QUERY)


EMPTY = answer([], [])


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ([], "measurement mem has no series in database telegraf of InfluxDB at http"),
        (["free", "total"], r"measurement mem has no field used \(it has free, total\)"),
        (["used"], "measurement mem has no sample of used in the last 300 s"),
    ],
)
def test_an_empty_answer_is_explained(
    serve: Callable[..., str], fields: list[str], text: str
) -> None:
    columns = ["fieldKey", "fieldType"]
    shown = answer([{"name": "mem", "columns": columns, "values": [[f, "float"] for f in fields]}])
    with pytest.raises(NoMetrics, match=text):
        source(serve(reply(EMPTY), reply(shown))).fetch(QUERY, CLUSTER)


def test_an_answer_about_others_is_explained(serve: Callable[..., str]) -> None:
    strangers = answer(rows(({"host": "x9"}, 1.0)), rows(({}, 1.0)))
    with pytest.raises(NoMetrics, match=r"1 values of tag host, but none \(such as x9\) is the"):
        source(serve(reply(strangers))).fetch(QUERY, CLUSTER)


def test_nulls_are_not_measured(serve: Callable[..., str]) -> None:
    some = answer(rows(({"host": "c1"}, None), ({"host": "c2"}, 0.0)), rows(({}, 1.0)))
    found, coverage = source(serve(reply(some))).fetch(QUERY, CLUSTER)
    assert np.isnan(found[CLUSTER.host_row("c1")])
    assert found[CLUSTER.host_row("c2")] == 0.0
    assert coverage.measured == 1


def test_without_a_url_nothing_is_mapped_and_nothing_is_asked() -> None:
    influx = source(None)  # type: ignore[arg-type]
    assert influx.metrics == frozenset()
    assert not influx.available()


def test_a_metric_may_have_its_own_database_and_retention_policy(
    store: Store,
) -> None:
    change = {"database": "bmc", "retention_policy": "short", "join": "hostname"}
    source(store.does(reply(GOOD)), {"host_ram_usage": change}).fetch(QUERY, CLUSTER)
    assert store.seen[0]["form"]["db"] == "bmc"
    assert 'FROM "short"."mem"' in store.seen[0]["form"]["q"]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 that signs itself, with its key, in one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "influxdb of a test")])
    now = datetime.now(UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "influxdb.pem"
    plain = serialization.NoEncryption()
    encoded = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain
    )
    path.write_bytes(encoded + signed.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
def secure_url(certificate: Path) -> Iterator[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with serving(context) as one:
        yield one.does(reply(GOOD))


def test_a_certificate_of_a_known_authority_is_trusted(secure_url: str, certificate: Path) -> None:
    found, _ = source(secure_url, cafile=str(certificate)).fetch(QUERY, CLUSTER)
    assert found[CLUSTER.host_row("c1")] == 1.0


def test_a_certificate_of_nobody_known_is_refused_unless_told_otherwise(secure_url: str) -> None:
    with pytest.raises(ServiceDown, match=r"no secure connection: .*check \[influxdb\] cafile"):
        source(secure_url).fetch(QUERY, CLUSTER)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InsecureRequestWarning)
        assert source(secure_url, insecure=True).fetch(QUERY, CLUSTER)[1].measured == 1
