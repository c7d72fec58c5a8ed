# SPDX-License-Identifier: Apache-2.0
"""The Prometheus source on a real server: every value against arithmetic."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pytest

from tests.integration.backends import unique
from tests.integration.conftest import address
from tests.integration.prometheus import Sample, Store
from tests.integration.stores import HOSTILE, HOSTS, INSTANCES, cluster, configured, measured
from tests.worlds import uuid
from watcher.core.errors import NoMetrics, ServiceDown
from watcher.core.metrics import Aggregate, Metric, Query
from watcher.datasources.choice import DataSources
from watcher.datasources.prometheus import Prometheus

STEP_S, STEPS = 10, 90
Series = tuple[str, Mapping[str, str], Iterable[Sample]]


@pytest.fixture
def store() -> Store:
    return Store(address("prometheus", "prometheus_url"), unique())


@pytest.fixture
def sources(store: Store, tmp_path: Any) -> Callable[..., DataSources]:
    def made(changes: Any = None, **options: Any) -> DataSources:
        given = {"url": store.url, "where": {"test": store.test}, **options}
        return DataSources(
            configured(tmp_path, "prometheus", {"prometheus_client": given}, changes)
        )

    return made


def moments() -> list[float]:
    """Some are still to come, so that every window is full however long a test takes."""
    newest = time.time() + 60
    return [newest - STEP_S * (STEPS - 1 - step) for step in range(STEPS)]


def counter(times: list[float], rate: float, begin: float = 1e6) -> list[Sample]:
    return [(at, begin + rate * (at - times[0])) for at in times]


def gauge(times: list[float], *values: float) -> list[Sample]:
    return [(at, values[step % len(values)]) for step, at in enumerate(times)]


def agents(times: list[float]) -> Iterator[Series]:
    """What node_exporter, ipmi_exporter, Ceilometer and a libvirt exporter say."""
    for host in range(HOSTS):
        labels = {"fqdn": f"node-{host}.example.org", "instance": f"10.0.0.{host}:9100"}
        for cpu in range(4):
            for mode, share in (("idle", 0.9 - host / 10), ("user", 0.1 + host / 10)):
                name = "node_cpu_seconds_total"
                yield name, {**labels, "cpu": str(cpu), "mode": mode}, counter(times, share)
        free = [(64 - host) * 2.0**30, (60 - host) * 2.0**30]
        yield "node_memory_MemTotal_bytes", labels, gauge(times, 64 * 2.0**30)
        yield "node_memory_MemAvailable_bytes", labels, gauge(times, *free)
        for name, celsius in (("Inlet Temp", 20), ("Ambient Temp", 25), ("Exhaust Temp", 35)):
            found = gauge(times, celsius + host)
            yield "ipmi_temperature_celsius", {**labels, "name": name, "id": "1"}, found
        yield "ipmi_dcmi_power_consumption_watts", labels, gauge(times, 200.0 + host)
        yield "ipmi_sensor_value", {**labels, "name": "System Airflow"}, gauge(times, 40.0 + host)
    for instance in range(INSTANCES):
        labels = {"resource": uuid(f"vm{instance}"), "publisher": f"node-{instance % HOSTS}"}
        busy = (5 * instance) % 100 / 100 * (1 + instance % 4)
        yield "ceilometer_cpu", labels, counter(times, busy * 1e9, 1e12)
        yield "ceilometer_memory_usage", labels, gauge(times, instance + 1.0)
        for vcpu in range(1 + instance % 4):
            domain = {"domain": f"instance-{instance:08x}", "vcpu": str(vcpu)}
            found = counter(times, instance / 100 * (1 + vcpu % 2))
            yield "libvirt_domain_vcpu_delay_seconds_total", domain, found


def steal(instance: int) -> float:
    return float(np.mean([instance * (1 + vcpu % 2) for vcpu in range(1 + instance % 4)]))


Sources = Callable[..., DataSources]


def test_every_metric_is_what_the_exporters_said_in_our_unit(
    store: Store, sources: Sources
) -> None:
    store.write(agents(moments()))
    found, hosts, instances = sources(), range(HOSTS), range(INSTANCES)
    near = lambda value: pytest.approx(value, rel=0.04, abs=0.01)  # noqa: E731
    expected = {
        Metric.HOST_CPU_USAGE: {f"node-{at}": near(10 + 10 * at) for at in hosts},
        Metric.HOST_RAM_USAGE: {f"node-{at}": near((2 + at) * 2**20) for at in hosts},
        Metric.HOST_INLET_TEMP: {f"node-{at}": 25 + at for at in hosts},
        Metric.HOST_OUTLET_TEMP: {f"node-{at}": 35 + at for at in hosts},
        Metric.HOST_POWER: {f"node-{at}": 200 + at for at in hosts},
        Metric.HOST_AIRFLOW: {f"node-{at}": 10 * (40 + at) for at in hosts},
        Metric.INSTANCE_CPU_USAGE: {f"vm{at}": near((5 * at) % 100) for at in instances},
        Metric.INSTANCE_RAM_USAGE: {f"vm{at}": at + 1 for at in instances},
        Metric.INSTANCE_CPU_STEAL: {f"vm{at}": near(steal(at)) for at in instances},
        Metric.INSTANCE_RAM_ALLOCATED: dict.fromkeys((f"vm{at}" for at in instances), 1024),
        Metric.INSTANCE_ROOT_DISK_SIZE: dict.fromkeys((f"vm{at}" for at in instances), 10),
    }
    assert {metric: measured(found, metric, period_s=600) for metric in expected} == expected
    missing = set(Metric) - set(expected)
    assert missing == {Metric.INSTANCE_L3_CACHE_USAGE}  # no exporter has it; the map may


def test_the_age_of_the_newest_sample_comes_in_the_same_request(
    store: Store, sources: Sources, tmp_path: Any
) -> None:
    store.write(agents(moments()))
    options = {"prometheus_client": {"url": store.url, "where": {"test": store.test}}}
    source = Prometheus(configured(tmp_path, "prometheus", options))
    _, coverage = source.fetch(Query(Metric.INSTANCE_CPU_USAGE), cluster())
    assert (coverage.measured, coverage.rows, source.requests) == (INSTANCES, INSTANCES, 1)
    assert coverage.newest_age_s is not None
    assert 0 <= coverage.newest_age_s <= STEP_S


def test_the_least_and_the_greatest_are_of_windows_for_counters_and_of_samples_for_gauges(
    store: Store, sources: Sources
) -> None:
    times = moments()
    middle = len(times) - 36  # 5 minutes ago the load rises from 20 % to 60 %
    idle = [(at, 0.8 * (at - times[0])) for at in times[:middle]]
    idle += [(at, idle[-1][1] + 0.4 * (at - times[middle - 1])) for at in times[middle:]]
    labels = {"fqdn": "node-0", "mode": "idle", "cpu": "0"}
    store.write(
        [
            ("node_cpu_seconds_total", labels, idle),
            ("node_memory_MemTotal_bytes", {"fqdn": "node-0"}, gauge(times, 4096.0)),
            ("node_memory_MemAvailable_bytes", {"fqdn": "node-0"}, gauge(times, 1024.0, 3072.0)),
        ]
    )
    found = sources()
    cpu = {"period_s": 600, "granularity_s": 60}
    for aggregate, percent, kib in ((Aggregate.MAX, 60, 3), (Aggregate.MIN, 20, 1)):
        assert measured(found, Metric.HOST_CPU_USAGE, aggregate=aggregate, **cpu) == {
            "node-0": pytest.approx(percent, abs=1)
        }
        assert measured(found, Metric.HOST_RAM_USAGE, aggregate=aggregate) == {"node-0": kib}
    assert measured(found, Metric.HOST_RAM_USAGE) == {"node-0": pytest.approx(2)}
    counted = measured(found, Metric.HOST_RAM_USAGE, aggregate=Aggregate.COUNT, period_s=100)
    assert counted["node-0"] in (9, 10)


def test_an_instance_that_moved_has_the_mean_of_both_hosts(store: Store, sources: Sources) -> None:
    times = moments()
    half = len(times) - 36
    name, moved = {"resource": uuid("vm0")}, times[half]
    first = [(at, 1e12 + 0.2e9 * (at - times[0])) for at in times[:half]]
    second = [(at, 0.8e9 * (at - moved)) for at in times[half:]]
    store.write(
        [
            ("ceilometer_cpu", {**name, "publisher": "node-0"}, first),
            ("ceilometer_cpu", {**name, "publisher": "node-1"}, second),
        ]
    )
    found = measured(sources(), Metric.INSTANCE_CPU_USAGE, period_s=600)
    assert found == {"vm0": pytest.approx(50, abs=2)}


def test_a_restart_is_no_negative_rate(store: Store, sources: Sources) -> None:
    times = moments()
    used = [0.5e9 * STEP_S * (step % 45) for step in range(STEPS)]
    store.write([("ceilometer_cpu", {"resource": uuid("vm0")}, zip(times, used, strict=True))])
    found = measured(sources(), Metric.INSTANCE_CPU_USAGE, period_s=600)
    assert found == {"vm0": pytest.approx(50, abs=2)}


def test_a_host_scraped_twice_is_one_host(store: Store, sources: Sources) -> None:
    times = moments()
    for job in ("node", "node-again"):
        labels = {"fqdn": "node-0", "job": job}
        store.write(
            [
                ("node_memory_MemTotal_bytes", labels, gauge(times, 4096.0)),
                ("node_memory_MemAvailable_bytes", labels, gauge(times, 1024.0)),
                (
                    "node_cpu_seconds_total",
                    {**labels, "mode": "idle", "cpu": "0"},
                    counter(times, 0.75),
                ),
            ]
        )
    assert measured(sources(), Metric.HOST_RAM_USAGE) == {"node-0": 3.0}
    assert measured(sources(), Metric.HOST_CPU_USAGE) == {"node-0": pytest.approx(25, abs=0.5)}


def test_zero_is_zero_and_what_is_missing_is_not(store: Store, sources: Sources) -> None:
    times = moments()
    store.write(
        [
            ("ceilometer_cpu", {"resource": uuid("vm0")}, gauge(times, 7.0)),
            ("ceilometer_cpu", {"resource": "a-stranger"}, counter(times, 1e9)),
            ("ceilometer_memory_usage", {"resource": uuid("vm1")}, gauge(times, 0.0)),
            ("ceilometer_memory_usage", {"resource": uuid("vm2")}, gauge(times, float("nan"))),
        ]
    )
    assert measured(sources(), Metric.INSTANCE_CPU_USAGE) == {"vm0": 0.0}
    assert measured(sources(), Metric.INSTANCE_RAM_USAGE) == {"vm1": 0.0}


@pytest.mark.parametrize("value", HOSTILE)
def test_hostile_label_values_stay_values(store: Store, sources: Sources, value: str) -> None:
    times = moments()
    series = "node_hwmon_power_watt"
    store.write(
        [
            (series, {"chip": value, "who": value}, gauge(times, 7.0)),
            (series, {"chip": "another", "who": value}, gauge(times, 1000.0)),
        ]
    )
    where = {} if value.startswith("/") else {"chip": value}
    change = {"metric": series, "label": "who", "where": where, "names": {value: "node-3"}}
    if not where:
        change["where"] = {"chip": "/^[^a]/"}  # in slashes it would be a regular expression
    found = measured(sources({"prometheus": {"host_power": change}}), Metric.HOST_POWER)
    assert found == {"node-3": 7.0}


def test_the_labels_may_be_others_and_an_instance_label_has_a_port(
    store: Store, sources: Sources
) -> None:
    times = moments()
    store.write(
        [
            ("node_memory_MemTotal_bytes", {"instance": "node-2:9100"}, gauge(times, 4096.0)),
            ("node_memory_MemAvailable_bytes", {"instance": "node-2:9100"}, gauge(times, 0.0)),
            ("ceilometer_memory_usage", {"uuid": uuid("vm3")}, gauge(times, 5.0)),
        ]
    )
    found = sources(fqdn_label="instance", instance_uuid_label="uuid")
    assert measured(found, Metric.HOST_RAM_USAGE) == {"node-2": 4.0}
    assert measured(found, Metric.INSTANCE_RAM_USAGE) == {"vm3": 5.0}


def test_a_query_of_the_map_stands_for_all(store: Store, sources: Sources) -> None:
    times = moments()
    store.write(
        ("hw_power", {"fqdn": "node-1", "supply": str(at)}, gauge(times, 100.0 * at))
        for at in (1, 2)
    )
    text = f'sum by ($host) ($${{aggregate}}_over_time(hw_power{{test="{store.test}"}}[$${{period}}s]))'
    text = text.replace("$$", "$")
    found = measured(sources({"prometheus": {"host_power": text}}), Metric.HOST_POWER)
    assert found == {"node-1": 300.0}
    several = {"prometheus": {"host_power": f'hw_power{{test="{store.test}"}} * 1'}}
    with pytest.raises(NoMetrics, match=r"several rows for node-1; .* aggregate by \(fqdn\)"):
        measured(sources(several), Metric.HOST_POWER)


def test_what_is_missing_is_told_apart(store: Store, sources: Sources) -> None:
    old = [time.time() - 1800 + at for at in range(5)]
    lone = {"resource": "nobody"}
    store.write(
        [
            ("ipmi_dcmi_power_consumption_watts", {"fqdn": "node-1"}, gauge(old, 1.0)),
            ("ceilometer_memory_usage", lone, gauge(moments(), 1.0)),
            ("node_hwmon", {"host": "node-1"}, gauge(moments(), 1.0)),
        ]
    )
    unlabelled = {"metric": "node_hwmon", "where": {}}
    changes = {"prometheus": {"host_airflow": "no_such_metric", "host_inlet_temp": unlabelled}}
    found = sources(changes)
    for metric, text in (
        (Metric.HOST_AIRFLOW, "has no metric no_such_metric; check that its exporter runs"),
        (Metric.HOST_POWER, "no sample of ipmi_dcmi_power_consumption_watts with test="),
        (
            Metric.INSTANCE_RAM_USAGE,
            r"1 values of label resource .* \(such as nobody\) is the uuid",
        ),
        (Metric.HOST_INLET_TEMP, "no series of node_hwmon at .* has a label fqdn"),
    ):
        with pytest.raises(NoMetrics, match=text):
            found.fetch([Query(metric)], cluster())
    state = found.state([Query(Metric.INSTANCE_RAM_USAGE), Query(Metric.HOST_POWER)])
    assert state == (
        "prometheus: available",
        [{"instance_ram_usage": "available"}, {"host_power": "not available"}],
    )


def test_a_query_that_the_server_refuses_is_told_in_its_words(store: Store, tmp_path: Any) -> None:
    options = {"prometheus_client": {"url": store.url}}
    conf = configured(tmp_path, "prometheus", options)
    source = Prometheus(conf, {"host_power": "sum by ("})
    with pytest.raises(ServiceDown, match=r"it answers: .*parse error"):
        source.fetch(Query(Metric.HOST_POWER), cluster())
    assert source.requests == 1
