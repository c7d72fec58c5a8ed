# SPDX-License-Identifier: Apache-2.0
"""The InfluxDB source on a real server: every value against arithmetic."""

import itertools
import json
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oslo_config import cfg

from tests.integration.backends import Influx
from tests.integration.stores import HOSTILE, HOSTS, INSTANCES, cluster
from watcher import config
from watcher.core.errors import NoMetrics, ServiceDown
from watcher.core.metrics import Aggregate, Metric, Query
from watcher.datasources.choice import DataSources
from watcher.datasources.influxdb import InfluxDB

STEP_S, STEPS = 10, 60
Configured = Callable[..., cfg.ConfigOpts]


def moments() -> list[int]:
    """The times of the samples: the last one is two seconds ago."""
    newest = int(time.time()) - 2
    return [newest - STEP_S * (STEPS - 1 - step) for step in range(STEPS)]


def idle_percent(host: int, step: int) -> float:
    return 90.0 - 10 * host + step % 3


def rate_ns(instance: int) -> int:
    """CPU time per second: instance i uses (5 i) % 100 % of its vCPUs."""
    return (5 * instance) % 100 * (1 + instance % 4) * 10_000_000


def lines(times: list[int]) -> Iterable[str]:
    for step, at in enumerate(times):
        for host in range(HOSTS):
            tags = f"host=node-{host}.example.org"
            idle = idle_percent(host, step)
            yield f"cpu,cpu=cpu-total,{tags} usage_idle={idle} {at}"
            yield f"cpu,cpu=cpu0,{tags} usage_idle=1 {at}"
            yield f"mem,{tags} used={(host + 1) * 1024**3}i {at}"
            for name, value in (("inlet_temp", 20 + host), ("ambient_temp", 25 + host)):
                yield f"ipmi_sensor,{tags},name={name},unit=degrees_c value={value} {at}"
            for supply in (1, 2):
                name = f"ps{supply}_input_power"
                yield f"ipmi_sensor,{tags},name={name},unit=watts value={100 * supply + host} {at}"
        for instance in range(INSTANCES):
            tags = f"domain_name=instance-{instance:08x},host=node-{instance % HOSTS}"
            used = rate_ns(instance) * (at - times[0]) + 1_000 * instance
            yield f"libvirt_cpu,{tags} cpu_time={used}i {at}"
            yield f"libvirt_balloon,{tags} rss={(instance + 1) * 1024}i {at}"


@pytest.fixture
def configured(tmp_path: Path) -> Configured:
    def conf(server: Influx, changes: str = "", **options: Any) -> cfg.ConfigOpts:
        (tmp_path / "map.yaml").write_text(changes)
        found = cfg.ConfigOpts()
        config.register(found)
        found([], default_config_files=[])
        # The tests write as few samples as make their point.
        found.set_override("minimum_coverage_percent", 0.0, "watcher_datasources")
        found.set_override(
            "metric_map_path", str(tmp_path / "map.yaml"), "watcher_decision_engine"
        )
        given = {
            "url": server.url,
            "database": server.database,
            "username": server.username or None,
            "password": server.password or None,
            **options,
        }
        for name, value in given.items():
            found.set_override(name, value, "influxdb")
        return found

    return conf


def columns(sources: DataSources, metric: Metric, **more: Any) -> dict[str, float]:
    """Name -> value, for those that were measured."""
    there = cluster()
    query = Query(metric, **more)
    metrics = sources.fetch([query], there)
    names = there.hosts.name if metric.value[0].startswith("host") else there.instances.name
    return {
        name: float(value)
        for name, value in zip(names, metrics[query], strict=True)
        if not np.isnan(value)
    }


@pytest.mark.parametrize("server", ["influxdb", "influxdb_auth"])
def test_every_metric_and_aggregate_is_what_was_written(
    server: str, request: pytest.FixtureRequest, configured: Configured
) -> None:
    influx: Influx = request.getfixturevalue(server)
    influx.write(lines(moments()))
    sources = DataSources(configured(influx))
    hosts, instances = range(HOSTS), range(INSTANCES)
    # The period is longer than the samples span: on a slow machine none falls out of it.
    assert columns(sources, Metric.HOST_CPU_USAGE, period_s=900) == {
        f"node-{at}": pytest.approx(100 - np.mean([idle_percent(at, s) for s in range(STEPS)]))
        for at in hosts
    }
    for aggregate, idle in ((Aggregate.MAX, 0), (Aggregate.MIN, 2)):
        found = columns(sources, Metric.HOST_CPU_USAGE, aggregate=aggregate)
        assert found == {f"node-{at}": pytest.approx(100 - (90 - 10 * at + idle)) for at in hosts}
    counted = columns(sources, Metric.HOST_CPU_USAGE, aggregate=Aggregate.COUNT, period_s=100)
    # Ten, less those that fell out of the period while a slow machine was writing.
    assert set(counted.values()) <= {8.0, 9.0, 10.0}
    assert columns(sources, Metric.HOST_RAM_USAGE) == {
        f"node-{at}": (at + 1) * 1024**2 for at in hosts
    }
    assert columns(sources, Metric.HOST_INLET_TEMP) == {f"node-{at}": 25 + at for at in hosts}
    for aggregate in (Aggregate.MEAN, Aggregate.MIN, Aggregate.MAX):
        assert columns(sources, Metric.INSTANCE_CPU_USAGE, aggregate=aggregate) == {
            f"vm{at}": pytest.approx((5 * at) % 100) for at in instances
        }
    assert columns(sources, Metric.INSTANCE_RAM_USAGE) == {f"vm{at}": at + 1 for at in instances}


def test_the_answer_tells_how_many_and_how_old(influxdb: Influx, configured: Configured) -> None:
    influxdb.write(lines(moments()))
    query = Query(Metric.INSTANCE_CPU_USAGE)
    found = DataSources(configured(influxdb)).fetch([query], cluster()).coverage[query]
    assert (found.measured, found.rows) == (INSTANCES, INSTANCES)
    assert found.newest_age_s is not None
    assert 1 < found.newest_age_s < 30


def test_power_supplies_are_summed_when_the_map_says_so(
    influxdb: Influx, configured: Configured
) -> None:
    influxdb.write(lines(moments()))
    changes = "influxdb: {host_power: {where: {name: '/^ps[12]_input/'}, combine: sum}}"
    found = columns(DataSources(configured(influxdb, changes)), Metric.HOST_POWER)
    assert found == {f"node-{at}": 300 + 2 * at for at in range(HOSTS)}


def test_an_instance_that_moved_is_two_counters_and_one_number(
    influxdb: Influx, configured: Configured
) -> None:
    """40 samples at 20 % on one host; the next 20 at 80 % on another, its counter from 0."""
    times = moments()
    name = "domain_name=instance-00000000"
    influxdb.write(
        f"libvirt_cpu,{name},host=node-0 cpu_time={10**12 + 200_000_000 * (at - times[0])}i {at}"
        for at in times[:40]
    )
    influxdb.write(
        f"libvirt_cpu,{name},host=node-1 cpu_time={800_000_000 * (at - times[40])}i {at}"
        for at in times[40:]
    )
    source = InfluxDB(configured(influxdb))
    query = Query(Metric.INSTANCE_CPU_USAGE, period_s=3600)
    found, _ = source.fetch(query, cluster())
    row = list(cluster().instances.name).index("vm0")
    assert found[row] == pytest.approx((39 * 20 + 19 * 80) / 58)
    assert source.requests == 2


def test_a_restart_is_no_negative_rate(influxdb: Influx, configured: Configured) -> None:
    times = moments()
    counter = [5 * 10**12 + 500_000_000 * STEP_S * step for step in range(30)]
    counter += [500_000_000 * STEP_S * step for step in range(30)]
    name = "domain_name=instance-00000000,host=node-0"
    influxdb.write(
        f"libvirt_cpu,{name} cpu_time={used}i {at}"
        for at, used in zip(times, counter, strict=True)
    )
    for aggregate in (Aggregate.MEAN, Aggregate.MIN, Aggregate.MAX):
        query = {"aggregate": aggregate, "period_s": 3600}
        found = columns(DataSources(configured(influxdb)), Metric.INSTANCE_CPU_USAGE, **query)
        assert found == {"vm0": pytest.approx(50.0)}


@pytest.mark.parametrize("value", HOSTILE)
def test_hostile_tag_values_and_names_stay_values_and_names(
    influxdb: Influx, configured: Configured, value: str
) -> None:
    def escaped(text: str, signs: str) -> str:
        return "".join(f"\\{sign}" if sign in signs else sign for sign in text)

    at = int(time.time()) - 2
    tag, key = escaped(value, ",= "), f"tag {value}"
    head = f"{escaped(value, ', ')},{escaped(key, ',= ')}"
    field = escaped(f"field {value}", ",= ")
    influxdb.write([f"{head}={tag} {field}=7 {at}", f"{head}=other {field}=1000 {at}"])
    change = {"measurement": value, "field": f"field {value}", "tag": key, "combine": "pool"}
    # What stands in slashes is a regular expression, by the map's own rule.
    where = {} if value.startswith("/") else {key: value}
    changes = json.dumps(
        {"influxdb": {"host_power": {**change, "where": where, "names": {value: "node-3"}}}},
        ensure_ascii=False,
    )
    found = columns(DataSources(configured(influxdb, changes)), Metric.HOST_POWER)
    assert found == {"node-3": 7.0}


def test_missing_parts_are_not_measured(influxdb: Influx, configured: Configured) -> None:
    at = int(time.time()) - 2
    influxdb.write([f"mem,host=node-1 used=1024i {at}", f"mem,host=stranger used=1i {at}"])
    assert columns(DataSources(configured(influxdb)), Metric.HOST_RAM_USAGE) == {"node-1": 1.0}


def test_what_is_missing_is_told_apart(influxdb: Influx, configured: Configured) -> None:
    old = int(time.time()) - 7200
    influxdb.write([f"libvirt_cpu,domain_name=x user=1i {old}", f"mem,host=node-1 used=1i {old}"])
    sources = DataSources(configured(influxdb))
    for metric, text in (
        (Metric.HOST_CPU_USAGE, f"measurement cpu has no series in database {influxdb.database}"),
        (Metric.INSTANCE_CPU_USAGE, r"has no field cpu_time \(it has user\)"),
        (Metric.HOST_RAM_USAGE, "no sample of used in the last 300 s"),
    ):
        with pytest.raises(NoMetrics, match=text):
            sources.fetch([Query(metric)], cluster())
    assert sources.state(
        [Query(Metric.HOST_RAM_USAGE, period_s=10_000), Query(Metric.HOST_POWER)]
    ) == (
        "influxdb: available",
        [{"host_ram_usage": "available"}, {"host_power": "not available"}],
    )


def test_a_database_that_does_not_exist_is_named(influxdb: Influx, configured: Configured) -> None:
    source = InfluxDB(configured(influxdb, database="nowhere"))
    with pytest.raises(ServiceDown, match="database not found: nowhere"):
        source.fetch(Query(Metric.HOST_RAM_USAGE), cluster())
    assert source.available()
    assert not source.measures(Query(Metric.HOST_RAM_USAGE))


def test_a_retention_policy_that_does_not_exist_is_named(
    influxdb: Influx, configured: Configured
) -> None:
    source = InfluxDB(configured(influxdb, retention_policy="nowhere"))
    with pytest.raises(ServiceDown, match="retention policy not found: nowhere"):
        source.fetch(Query(Metric.HOST_RAM_USAGE), cluster())


@pytest.mark.parametrize(
    "options", [{"password": "wrong"}, {"username": None, "password": None}, {"token": "t"}]
)
def test_refused_credentials_are_told_as_such(
    influxdb_auth: Influx, configured: Configured, options: dict[str, Any]
) -> None:
    source = InfluxDB(configured(influxdb_auth, **options))
    with pytest.raises(ServiceDown, match=r"credentials are refused .*\[influxdb\]"):
        source.fetch(Query(Metric.HOST_RAM_USAGE), cluster())
    assert source.requests == 1


def test_a_statement_that_fails_inside_a_200_is_an_error(
    influxdb: Influx, configured: Configured
) -> None:
    times = moments()
    influxdb.write(f'mem,host=node-1 used="text" {at}' for at in times)
    with pytest.raises(ServiceDown, match="unsupported mean iterator"):
        InfluxDB(configured(influxdb)).fetch(Query(Metric.HOST_RAM_USAGE), cluster())


def test_all_questions_of_an_audit_are_one_request_each(
    influxdb: Influx, configured: Configured
) -> None:
    influxdb.write(lines(moments()))
    source = InfluxDB(configured(influxdb))
    asked = [Metric.HOST_CPU_USAGE, Metric.HOST_RAM_USAGE, Metric.INSTANCE_CPU_USAGE]
    for count, metric in zip(itertools.count(1), asked, strict=False):
        source.fetch(Query(metric), cluster())
        assert source.requests == count
