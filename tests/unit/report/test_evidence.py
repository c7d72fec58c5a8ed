# SPDX-License-Identifier: Apache-2.0
"""What is kept with a plan, and how it is kept."""

import json
import zlib

import numpy as np

from tests.shelves import pool_name
from tests.unit.report.stories import CPU, REFUSED, cluster, gathered, volume_cluster
from tests.worlds import uuid
from watcher.core.metrics import Metrics
from watcher.core.plan import Plan
from watcher.core.solution import Solution, migrate_volume
from watcher.report import evidence


def test_hosts_are_kept_as_they_were_and_of_instances_those_that_move() -> None:
    of = cluster()
    found = gathered(of).hosts
    assert found.name == tuple(of.hosts.name)
    assert (found.used == of.used).all()
    assert (found.capacity == of.hosts.capacity).all()
    assert dict(zip(found.name, found.open, strict=True))["c4"] == np.False_
    assert dict(zip(found.name, found.count, strict=True)) == {"c1": 2, "c2": 1, "c3": 1, "c4": 0}
    assert sorted(one.name for one in found.items.values()) == ["<vm3>", "vm1", "vm2"]
    item = found.items[uuid("vm2")]
    assert item.demand == (2.0, 4096.0, 10.0)
    assert found.name[item.place] == "c1"
    assert item.loads == (2.0,)


def test_loads_and_what_is_measured_of_hosts_are_gauges() -> None:
    load, measured = gathered().hosts.gauges
    of = cluster()
    assert (load.name, load.unit, load.follows) == ("cpu load", "threads", True)
    assert load.value[of.hosts.row_by_name["c1"]] == 0.25 + 2.0 + 2.0
    assert (load.limit == 2.0).all()
    assert (measured.name, measured.follows) == ("host_cpu_usage", False)
    assert np.isnan(measured.limit).all()


def test_a_mark_is_the_limit_of_what_is_measured() -> None:
    of = cluster()
    metrics = Metrics({CPU: np.full(4, 50.0)})
    found = evidence.gather(of, Plan(), Solution(), metrics, {"host_cpu_usage": 40.0})
    assert (found.hosts.gauges[0].limit == 40.0).all()


def test_it_survives_being_packed() -> None:
    before = gathered()
    after = evidence.unpack(evidence.pack(before))
    assert after is not None
    assert after.hosts.items == before.hosts.items
    assert (after.hosts.used == before.hosts.used).all()
    assert after.hosts.open.tolist() == before.hosts.open.tolist()
    for one, other in zip(after.hosts.gauges, before.hosts.gauges, strict=True):
        assert np.array_equal(one.value, other.value, equal_nan=True)
        assert np.array_equal(one.limit, other.limit, equal_nan=True)
    assert (after.limits, after.parameters) == (before.limits, before.parameters)
    assert after.notes == before.notes
    assert after.taken_at == 1767225600.0
    assert after.why_not is not None
    assert after.why_not["instances"][0]["reason"] == REFUSED.instances[0].reason
    assert after.pools is None


def test_another_form_is_not_read() -> None:
    assert evidence.unpack(zlib.compress(json.dumps({"form": 99}).encode())) is None


def test_pools_are_kept_where_the_storage_was_read() -> None:
    storage = volume_cluster()
    action = migrate_volume(uuid("v1"), pool_name("two"))
    plan = Plan((action,), ((),))
    found = evidence.gather(storage, plan, Solution((action,)), Metrics(), {})
    kept = evidence.unpack(evidence.pack(found))
    assert kept is not None
    assert kept.pools is not None
    assert kept.pools.resources == ("gb",)
    assert kept.pools.used[:, 0].tolist() == [40.0, 0.0]
    assert kept.pools.items[uuid("v1")].demand == (40.0,)


def test_numbers_are_written_short_and_what_is_not_known_is_null() -> None:
    values = np.array([[1.0, 2.5], [np.nan, np.inf]])
    assert evidence.numbers(values) == [[1, 2.5], [None, None]]
    assert evidence.numbers([1 / 3]) == [0.333333]
    assert evidence.numbers([]) == []
