# SPDX-License-Identifier: Apache-2.0
"""Whether enough was measured, and lately."""

import numpy as np
import pytest

from tests.worlds import host_row, instance_row, world
from watcher.core.cluster import Cluster
from watcher.core.metrics import Coverage, Metric, Query, Subject
from watcher.datasources import coverage

HOSTS, INSTANCES = Query(Metric.HOST_POWER), Query(Metric.INSTANCE_CPU_USAGE)


def cluster() -> Cluster:
    """Two hosts that are up and one that is down; an instance that is stopped, one nowhere."""
    return (
        world()
        .host("c1")
        .runs("vm1")
        .runs("vm2", state="stopped")
        .host("c2")
        .runs("vm3")
        .host("c3", up=False)
        .runs("vm4")
        .unplaced("vm5")
        .cluster()
    )


def test_a_host_that_is_down_is_not_expected_to_be_measured() -> None:
    there = cluster()
    found = coverage.expected(there, Subject.HOST)
    assert sorted(there.hosts.name[found]) == ["c1", "c2"]


def test_only_instances_that_run_on_a_host_that_is_up_are_expected() -> None:
    there = cluster()
    found = coverage.expected(there, Subject.INSTANCE)
    assert sorted(there.instances.name[found]) == ["vm1", "vm3"]


def test_what_is_out_of_scope_is_not_expected() -> None:
    there = cluster()
    scope = np.array([name == "c1" for name in there.hosts.name])
    there = there.with_hosts(in_scope=scope)
    assert there.hosts.name[coverage.expected(there, Subject.HOST)].tolist() == ["c1"]
    found = coverage.expected(there, Subject.INSTANCE)
    assert there.instances.name[found].tolist() == ["vm1"]


def test_an_empty_cluster_lacks_nothing() -> None:
    empty = world().unplaced("vm1").cluster()
    found = coverage.counted(Coverage("one", 0, 1), np.array([np.nan]), INSTANCES, empty)
    assert (found.measured, found.rows) == (0, 0)
    assert coverage.lacking(found, INSTANCES, 100.0, 0.0) == ""


def test_the_count_is_of_those_that_are_expected() -> None:
    there = cluster()
    column = np.full(len(there.instances), np.nan)
    column[instance_row(there, "vm1")] = 0.0
    column[instance_row(there, "vm2")] = 5.0
    found = coverage.counted(Coverage("one", 2, 5, 7.0), column, INSTANCES, there)
    assert found == Coverage("one", 1, 2, 7.0)
    hosts = np.full(len(there.hosts), 1.0)
    hosts[host_row(there, "c2")] = np.nan
    assert coverage.counted(Coverage("one", 2, 3), hosts, HOSTS, there) == Coverage("one", 1, 2)


@pytest.mark.parametrize(
    ("measured", "least", "lacks"), [(8, 80.0, False), (7, 80.0, True), (0, 0.0, False)]
)
def test_too_few_are_told_with_the_option(measured: int, least: float, lacks: bool) -> None:
    text = coverage.lacking(Coverage("one", measured, 10), HOSTS, least, 0.0)
    assert bool(text) == lacks
    if lacks:
        assert text.startswith(f"one has it for {measured} of 10 running hosts, less than 80 %")
        assert "minimum_coverage_percent" in text


@pytest.mark.parametrize(
    ("age", "most", "lacks"), [(61.0, 60.0, True), (60.0, 60.0, False), (900.0, 0.0, False)]
)
def test_samples_that_are_too_old_are_told_with_the_option(
    age: float, most: float, lacks: bool
) -> None:
    text = coverage.lacking(Coverage("one", 1, 1, age), HOSTS, 80.0, most)
    assert bool(text) == lacks
    if lacks:
        assert "newest sample of one is 61 s old, more than 60 s" in text
        assert "maximum_age" in text


def test_an_age_that_is_not_known_is_not_too_old() -> None:
    assert coverage.lacking(Coverage("one", 1, 1), HOSTS, 80.0, 1.0) == ""


def test_the_operator_reads_what_is_missing_and_nothing_when_all_is_there() -> None:
    assert coverage.note(Coverage("one", 9, 9), HOSTS) == ""
    text = coverage.note(Coverage("one", 8, 9), INSTANCES)
    assert text == "instance_cpu_usage: one measured 8 of 9 running instances"
