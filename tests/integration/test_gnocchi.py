# SPDX-License-Identifier: Apache-2.0
"""The Gnocchi source on a real server: every value against arithmetic."""

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keystoneauth1 import loading
from oslo_config import cfg

from tests.integration.backends import unique
from tests.integration.conftest import address
from tests.integration.gnocchi import Sample, Store
from tests.integration.relay import Relay
from tests.integration.stores import HOSTILE, HOSTS, configured, measured
from tests.worlds import host_record, instance_record
from watcher.core.cluster import Cluster
from watcher.core.errors import NoMetrics, ServiceDown
from watcher.core.metrics import Aggregate, Metric, Query
from watcher.core.records import assemble
from watcher.datasources.choice import DataSources
from watcher.datasources.gnocchi import Gnocchi

GROUP = "watcher_clients_auth"


@pytest.fixture(scope="module")
def store() -> Store:
    found = Store(address("gnocchi", "gnocchi_url"))
    found.prepare()
    return found


@pytest.fixture
def conf(store: Store, tmp_path: Path) -> Callable[..., cfg.ConfigOpts]:
    """Gnocchi's basic mode wants a name and no password."""

    def made(changes: Any = None, url: str = store.url) -> cfg.ConfigOpts:
        options = {"endpoint_override": url}
        found = configured(tmp_path, "gnocchi", {"gnocchi_client": options}, changes)
        found.register_opts(loading.get_auth_plugin_conf_options("http_basic"), group=GROUP)
        login = {"auth_type": "http_basic", "username": "admin", "password": "", "endpoint": url}
        for name, value in login.items():
            found.set_override(name, value, GROUP)
        return found

    return made


def small(prefix: str) -> Cluster:
    """Hosts of names that no other test has, and six instances vm-0.. likewise."""
    return assemble(
        [host_record(f"{prefix}-{at}") for at in range(HOSTS)],
        [
            instance_record(f"{prefix}-vm{at}", f"{prefix}-{at % HOSTS}", vcpus=1 + at % 4)
            for at in range(HOSTS)
        ],
    )


def uuid_of(cluster: Cluster, name: str) -> str:
    return str(cluster.instances.uuid[list(cluster.instances.name).index(name)])


def moments(step_s: int, count: int) -> list[float]:
    """Regular samples; each bucket has its own, and the last bucket is now's."""
    newest = time.time() // step_s * step_s
    return [newest - step_s * (count - 1 - step) for step in range(count)]


def gauge(times: Iterable[float], value: float) -> list[Sample]:
    return [(at, value) for at in times]


def agents(store: Store, cluster: Cluster, prefix: str, times: list[float]) -> None:
    """What Ceilometer's pollsters write of each host and of one instance on it."""
    for at in range(HOSTS):
        host = f"{prefix}-{at}"
        low = "ceilometer-low"
        store.write(
            "nova_compute",
            f"{host}_{host}",
            low,
            {"compute.node.cpu.percent": gauge(times, 10.0 * at)},
        )
        store.write("host", host, low, {"hardware.memory.used": gauge(times, 1024.0 + at)})
        node = "hardware.ipmi.node."
        ipmi = {
            f"{node}temperature": gauge(times, 20.0 + at),
            f"{node}outlet_temperature": gauge(times, 30.0 + at),
            f"{node}airflow": gauge(times, 40.0 + at),
            f"{node}power": gauge(times, 200.0 + at),
        }
        store.write("ipmi", f"{host}-bmc", low, ipmi)
        instance = uuid_of(cluster, f"{host.rpartition('-')[0]}-vm{at}")
        rate_ns = (10 * at) / 100 * (1 + at % 4) * 1e9
        counter = [(moment, 1e12 + rate_ns * (moment - times[0])) for moment in times]
        more = {
            "memory.resident": gauge(times, at + 1.0),
            "cpu_l3_cache": gauge(times, 1000.0 * at),
        }
        store.write("instance", instance, "ceilometer-low-rate", {"cpu": counter, **more})


def test_every_metric_is_what_ceilometer_said_in_our_unit(
    store: Store, conf: Callable[..., cfg.ConfigOpts]
) -> None:
    prefix, times = unique("n").replace("_", "-"), moments(300, 5)
    cluster = small(prefix)
    agents(store, cluster, prefix, times)
    store.settle()
    names = {f"{prefix}-{at}-bmc": f"{prefix}-{at}" for at in range(HOSTS)}
    said = ("inlet_temp", "outlet_temp", "airflow", "power")
    sources = DataSources(conf({"gnocchi": {f"host_{one}": {"names": names} for one in said}}))
    each = range(HOSTS)
    expected = {
        Metric.HOST_CPU_USAGE: {f"{prefix}-{at}": 10.0 * at for at in each},
        Metric.HOST_RAM_USAGE: {f"{prefix}-{at}": 1024.0 + at for at in each},
        Metric.HOST_INLET_TEMP: {f"{prefix}-{at}": 20.0 + at for at in each},
        Metric.HOST_OUTLET_TEMP: {f"{prefix}-{at}": 30.0 + at for at in each},
        Metric.HOST_AIRFLOW: {f"{prefix}-{at}": 10 * (40.0 + at) for at in each},
        Metric.HOST_POWER: {f"{prefix}-{at}": 200.0 + at for at in each},
        Metric.INSTANCE_CPU_USAGE: {
            f"{prefix}-vm{at}": pytest.approx(10.0 * at, abs=1e-6) for at in each
        },
        Metric.INSTANCE_RAM_USAGE: {f"{prefix}-vm{at}": at + 1.0 for at in each},
        Metric.INSTANCE_L3_CACHE_USAGE: {f"{prefix}-vm{at}": 1000.0 * at for at in each},
        Metric.INSTANCE_RAM_ALLOCATED: dict.fromkeys((f"{prefix}-vm{at}" for at in each), 1024),
        Metric.INSTANCE_ROOT_DISK_SIZE: dict.fromkeys((f"{prefix}-vm{at}" for at in each), 10),
    }
    assert {one: measured(sources, one, cluster) for one in expected} == expected
    assert set(Metric) - set(expected) == {Metric.INSTANCE_CPU_STEAL}  # Ceilometer has none


@pytest.fixture
def one(store: Store) -> tuple[Cluster, str]:
    """A cluster and the uuid of its first instance."""
    prefix = unique("n").replace("_", "-")
    cluster = small(prefix)
    return cluster, uuid_of(cluster, f"{prefix}-vm0")


def test_a_number_is_over_the_whole_period_of_the_archives_finest_buckets(
    store: Store, conf: Callable[..., cfg.ConfigOpts], one: tuple[Cluster, str]
) -> None:
    cluster, uuid = one
    times = moments(60, 30)
    samples = [(at, 1.0 + step % 2 * 2) for step, at in enumerate(times)]
    store.write("instance", uuid, "minutes", {"memory.resident": samples})
    store.settle()
    source, query = Gnocchi(conf()), {"period_s": 1200, "granularity_s": 300}
    expected = ((Aggregate.MEAN, 2.0), (Aggregate.MIN, 1.0), (Aggregate.MAX, 3.0))
    for aggregate, value in expected:
        asked = Query(Metric.INSTANCE_RAM_USAGE, aggregate=aggregate, **query)
        column, coverage = source.fetch(asked, cluster)
        assert np.nanmax(column) == pytest.approx(value, abs=0.06)
    assert (coverage.measured, coverage.rows) == (1, HOSTS)
    assert coverage.newest_age_s == pytest.approx(0, abs=60)
    asked = Query(Metric.INSTANCE_RAM_USAGE, aggregate=Aggregate.COUNT, **query)
    assert np.nanmax(source.fetch(asked, cluster)[0]) in (20, 21)


def test_a_counter_may_be_read_without_the_rates_of_the_archive(
    store: Store, conf: Callable[..., cfg.ConfigOpts], one: tuple[Cluster, str]
) -> None:
    cluster, uuid = one
    times = moments(60, 30)
    used = [(at, 0.5e9 * 60 * (step % 20)) for step, at in enumerate(times)]  # with a restart
    store.write("instance", uuid, "minutes", {"cpu": used})
    store.settle()
    counter = {"kind": "counter", "aggregation": "mean"}
    for change in (counter, {"step_s": 60}):
        sources = DataSources(conf({"gnocchi": {"instance_cpu_usage": change}}))
        found = measured(sources, Metric.INSTANCE_CPU_USAGE, cluster, period_s=240)
        assert list(found.values()) == [pytest.approx(50.0)]


def test_zero_is_zero_and_what_ended_or_was_never_measured_is_not(
    store: Store, conf: Callable[..., cfg.ConfigOpts], one: tuple[Cluster, str]
) -> None:
    cluster, uuid = one
    times, low = moments(300, 3), "ceilometer-low"
    ids = [str(found) for found in cluster.instances.uuid if found != uuid]
    store.write("instance", uuid, low, {"memory.resident": gauge(times, 0.0)})
    store.write("instance", ids[0], low, {"memory.resident": gauge(times, 5.0)})
    store.write("instance", ids[1], low, {"memory.resident": []})
    store.write("instance", ids[2], low, {"memory.resident": gauge([times[0] - 9000], 1.0)})
    store.end(ids[0])
    store.settle()
    found = measured(DataSources(conf()), Metric.INSTANCE_RAM_USAGE, cluster)
    assert list(found.values()) == [0.0]


def test_hostile_names_stay_names(
    store: Store, conf: Callable[..., cfg.ConfigOpts], one: tuple[Cluster, str]
) -> None:
    """As the id of a resource, and as the name of a metric that the map asks for."""
    cluster, _ = one
    host, times = str(cluster.hosts.name[3]), moments(300, 2)
    changes = []
    for number, value in enumerate(HOSTILE):
        # Gnocchi itself takes no slash, and *?[] are its own wildcards in the names of metrics.
        plain = value.replace("/", "|")
        resource = f"{plain} of {host}"
        metric = f"m {plain}".translate(dict.fromkeys(map(ord, "*?[]"), "-"))
        store.write("host", resource, "ceilometer-low", {metric: gauge(times, number + 1.0)})
        changes.append({"metric": metric, "resource_type": "host", "names": {resource: host}})
    store.settle()
    for number, change in enumerate(changes):
        sources = DataSources(conf({"gnocchi": {"host_power": change}}))
        assert measured(sources, Metric.HOST_POWER, cluster) == {host: number + 1.0}


def test_what_is_missing_is_told_apart(
    store: Store, conf: Callable[..., cfg.ConfigOpts], one: tuple[Cluster, str]
) -> None:
    cluster, uuid = one
    old = gauge([time.time() - 9000], 1.0)
    store.write(
        "instance", uuid, "ceilometer-low", {"memory.resident": old, "cpu": old, "vcpus": old}
    )
    store.settle()
    changes = {
        "instance_l3_cache_usage": "no.such.metric",
        "host_power": {"resource_type": "no_such_type"},
    }
    sources = DataSources(conf({"gnocchi": changes}))
    for metric, text in (
        (Metric.INSTANCE_L3_CACHE_USAGE, "no resource of type instance with metric no.such"),
        (Metric.INSTANCE_RAM_USAGE, "1 resources of type instance .* no measure in the last 300"),
        (Metric.INSTANCE_CPU_USAGE, "archive policy of metric cpu in Gnocchi does not keep rate:"),
        (Metric.HOST_POWER, "Gnocchi has no resource type no_such_type"),
    ):
        with pytest.raises(NoMetrics, match=text):
            sources.fetch([Query(metric)], cluster)
    state = sources.state([Query(Metric.INSTANCE_L3_CACHE_USAGE)])
    assert state == ("gnocchi: available", [{"instance_l3_cache_usage": "not available"}])


def test_a_gnocchi_that_goes_away_is_named_with_its_address(
    store: Store, conf: Callable[..., cfg.ConfigOpts], one: tuple[Cluster, str]
) -> None:
    relay = Relay("127.0.0.1", int(store.url.rpartition(":")[2]))
    url = f"http://127.0.0.1:{relay.port}"
    found = conf(url=url)
    found.set_override("query_interval", 0, "watcher_datasources")
    source = Gnocchi(found)
    assert source.available()
    relay.cut()
    with pytest.raises(ServiceDown, match=f"Gnocchi at {url}: no answer"):
        source.fetch(Query(Metric.INSTANCE_RAM_USAGE), one[0])
    assert not source.available()
