# SPDX-License-Identifier: Apache-2.0
"""The wire to Gnocchi, against a server that misbehaves as it is told."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from tests.unit.datasources.keystone import configuration, logged_in, token
from tests.unit.datasources.server import Act, Store, cut, dribble, reply, serving
from tests.worlds import instance_row, uuid, world
from watcher.core.errors import NoMetrics, ServiceDown
from watcher.core.metrics import Metric, Query
from watcher.datasources import gnocchi
from watcher.datasources.gnocchi import Gnocchi

CLUSTER = world().host("c1").runs("vm1", vcpus=2).host("c2").runs("vm2").cluster()
RAM = Query(Metric.INSTANCE_RAM_USAGE)


@pytest.fixture
def store() -> Iterator[Store]:
    with serving() as found:
        yield found


def source(store: Store, *acts: Act, changes: Any = None, **options: Any) -> Gnocchi:
    """Logged in at once, then the acts."""
    store.does(token(("metric", store.url)), *acts)
    return Gnocchi(logged_in(store.url, "gnocchi_client", **options), changes)


def rows(metric: str, *values: tuple[str, float], granularity: float = 300.0) -> Any:
    at = datetime.fromtimestamp(time.time() // granularity * granularity, UTC).isoformat()
    points = {name: {metric: {"mean": [[at, granularity, value]]}} for name, value in values}
    about = [{"id": name, "original_resource_id": f"{name}_{name}"} for name, _ in values]
    return {"measures": points, "references": about}


def test_the_instances_are_asked_for_by_id_and_read_by_row(store: Store) -> None:
    found = source(store, reply(rows("memory.resident", (uuid("vm1"), 5.0))))
    column, coverage = found.fetch(RAM, CLUSTER)
    assert column[instance_row(CLUSTER, "vm1")] == 5.0
    assert np.isnan(column[instance_row(CLUSTER, "vm2")])
    assert (coverage.source, coverage.measured, coverage.rows) == ("gnocchi", 1, 2)
    asked = store.seen[1]
    assert (asked["method"], asked["path"]) == ("POST", "/v1/aggregates")
    assert asked["headers"]["X-Auth-Token"] == "a-token"
    body = json.loads(asked["body"])
    assert body["operations"] == ["metric", "memory.resident", "mean"]
    assert body["resource_type"] == "instance"
    assert sorted(body["search"]["and"][1]["in"]["id"]) == sorted([uuid("vm1"), uuid("vm2")])


def test_many_instances_are_several_requests(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gnocchi, "BATCH", 1)
    monkeypatch.setattr(gnocchi, "AT_ONCE", 1)
    acts = [reply(rows("memory.resident", (str(one), 5.0))) for one in CLUSTER.instances.uuid]
    found = source(store, *acts)
    column, coverage = found.fetch(RAM, CLUSTER)
    assert column.tolist() == [5.0, 5.0]
    assert (coverage.measured, found.requests) == (2, 2)


def test_a_host_is_asked_for_with_all_others_and_has_its_name_twice(store: Store) -> None:
    answer = reply(rows("compute.node.cpu.percent", ("c1", 12.0)))
    column, _ = source(store, answer).fetch(Query(Metric.HOST_CPU_USAGE), CLUSTER)
    assert column[CLUSTER.host_row("c1")] == 12.0
    assert json.loads(store.seen[1]["body"])["search"] == {"=": {"ended_at": None}}


MISSING = {"description": {"cause": "Granularities are missing", "reason": "x"}, "code": 400}


def test_an_archive_of_another_granularity_is_asked_for_what_it_has(store: Store) -> None:
    good = reply(rows("memory.resident", (uuid("vm1"), 5.0), granularity=60.0))
    found = source(store, reply(MISSING, 400), good)
    assert found.fetch(RAM, CLUSTER)[1].measured == 1
    assert found.requests == 2


@pytest.mark.parametrize(
    ("act", "text"),
    [
        (
            reply({"description": "Metrics not found", "code": 404}, 404),
            "no resource of type instance",
        ),
        (reply(rows("memory.resident")), "no resource of type instance with metric memory.resid"),
        (
            reply({"description": {"cause": "Metrics with unknown aggregation"}}, 404),
            "does not keep mean",
        ),
        (
            reply({"description": "Resource type instance does not exist"}, 400),
            "no resource type instance",
        ),
        (reply(rows("memory.resident", ("x", 1.0))), r"1 resources .* none \(such as x\) is the"),
    ],
)
def test_what_is_not_there_is_explained(store: Store, act: Act, text: str) -> None:
    found = source(store, act)
    with pytest.raises(NoMetrics, match=text):
        found.fetch(RAM, CLUSTER)


@pytest.mark.parametrize(
    ("act", "text"),
    [
        (reply({"description": "oops"}, 500), "HTTP 500: oops"),
        (reply({"description": "no"}, 403), r"credentials are refused.*\[gnocchi_client\]"),
        (reply({"description": "bad"}, 400), "HTTP 400: bad"),
        (reply({"measures": []}), "not that of a Gnocchi"),
        (reply([]), "not that of a Gnocchi"),
        (reply(b"<html>"), "no JSON"),
    ],
)
def test_an_answer_that_says_no_is_an_error_and_not_asked_again(
    store: Store, act: Act, text: str
) -> None:
    found = source(store, act)
    with pytest.raises(ServiceDown, match=text):
        found.fetch(RAM, CLUSTER)
    assert found.requests == 1
    assert not found.measures(RAM)


@pytest.mark.parametrize("act", [reply(b"busy", 503), cut])
def test_what_may_pass_is_asked_again(store: Store, act: Act) -> None:
    found = source(store, act, reply(rows("memory.resident", (uuid("vm1"), 5.0))))
    assert found.fetch(RAM, CLUSTER)[1].measured == 1
    assert found.requests == 2


def test_an_answer_that_never_ends_is_cut_off_at_the_deadline(store: Store) -> None:
    found = source(store, dribble, timeout=1)
    begun = time.monotonic()
    with pytest.raises(ServiceDown, match=r"no complete answer in time|no answer in time"):
        found.fetch(RAM, CLUSTER)
    assert time.monotonic() - begun < 4


def test_what_the_model_knows_needs_no_server() -> None:
    found = Gnocchi(configuration("gnocchi_client"))
    column, coverage = found.fetch(Query(Metric.INSTANCE_RAM_ALLOCATED), CLUSTER)
    assert column.tolist() == CLUSTER.instances.demand[:, 1].tolist()
    assert coverage.source == "model"
    assert found.measures(Query(Metric.INSTANCE_RAM_ALLOCATED))


def test_without_credentials_or_a_catalog_entry_it_is_not_configured(store: Store) -> None:
    assert Gnocchi(configuration("gnocchi_client")).metrics == frozenset()
    store.does(token(("compute", store.url)))
    found = Gnocchi(logged_in(store.url, "gnocchi_client"))
    assert found.metrics == frozenset()
    assert not found.available()


def test_whether_it_is_there_and_has_a_metric(store: Store) -> None:
    good = rows("memory.resident", (uuid("vm1"), 5.0))
    found = source(store, reply({"aggregation_methods": ["mean"]}), reply(good), reply(rows("x")))
    assert found.available()
    assert found.measures(RAM)
    assert not found.measures(RAM)
