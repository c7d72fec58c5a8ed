# SPDX-License-Identifier: Apache-2.0
"""Budgets of watcher.core at 5,000 hosts and 100,000 instances (design/targets)."""

import random
import subprocess
import sys

import pytest

from tests.benchmarks.budget import within
from tests.worlds import instance_record, random_records, uuid
from watcher.core import changes, scope
from watcher.core.changes import HostChanged, InstanceAdded, InstanceChanged, InstanceRemoved
from watcher.core.metrics import Metric, Query
from watcher.core.placement import Placement
from watcher.core.plan import Plan
from watcher.core.records import assemble
from watcher.core.solution import migrate

HOSTS, INSTANCES = 5_000, 100_000
MEMORY_MB = 500

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def records():
    return random_records(1, HOSTS, INSTANCES)


@pytest.fixture(scope="module")
def cluster(records):
    return assemble(*records)


def long_plan(cluster, moves):
    """A plan of so many moves, each of which fits when its turn comes; some rows move twice."""
    chance = random.Random(1)
    placement = Placement(cluster)
    actions = []
    while len(actions) < moves:
        row, host = chance.randrange(len(cluster.instances)), chance.randrange(HOSTS)
        source = int(placement.host[row])
        if host != source and placement.has_room(row, host):
            names = cluster.hosts.name
            actions.append(migrate(cluster.instances.uuid[row], names[source], names[host]))
            placement.move(row, host)
    return Plan(tuple(actions), tuple((index - 1,) if index else () for index in range(moves)))


def news(cluster, kinds):
    """A thousand changes: one in five of each kind, or moves only."""
    chance = random.Random(2)
    uuids = cluster.instances.uuid
    names = cluster.hosts.name
    made = {
        "move": lambda n: InstanceChanged(chance.choice(uuids), {"host": chance.choice(names)}),
        "change": lambda n: InstanceChanged(
            chance.choice(uuids), {"state": "stopped", "locked": True, "metadata": {"a": str(n)}}
        ),
        "add": lambda n: InstanceAdded(instance_record(f"new{n}", chance.choice(names))),
        "remove": lambda n: InstanceRemoved(chance.choice(uuids)),
        "host": lambda n: HostChanged(chance.choice(names), {"enabled": False}),
    }
    return [made[kinds[number % len(kinds)]](number) for number in range(1000)]


def test_a_cluster_is_assembled_in_a_second(records):
    cluster = within("assemble 5,000 x 100,000", 1.0, lambda: assemble(*records))
    assert len(cluster.instances) == INSTANCES


def test_what_is_used_is_summed_in_milliseconds(cluster):
    used = within("used of 5,000 hosts", 0.02, lambda: cluster.with_instances().used)
    assert (used <= cluster.hosts.capacity).all()


def test_a_what_if_copy_takes_milliseconds(cluster):
    cluster.used  # noqa: B018 - part of the snapshot, computed once
    within("what-if copy", 0.01, lambda: Placement(cluster))


def test_what_fits_is_answered_a_thousand_times(cluster):
    placement = Placement(cluster)
    within("1,000 x fits", 0.2, lambda: [placement.fits(row) for row in range(1000)])


def test_a_plan_of_ten_thousand_moves_is_replayed_in_a_second(cluster):
    plan = long_plan(cluster, 10_000)
    placement = within("replay of 10,000 moves", 1.0, lambda: plan.replay(cluster))
    assert len(placement.moves()) > 9_000


@pytest.mark.parametrize(
    "kinds", [("move",), ("move", "change", "add", "remove", "host")], ids=["moves", "all kinds"]
)
def test_a_thousand_changes_take_less_than_fifty_milliseconds(cluster, kinds):
    batch = news(cluster, kinds)
    after = within(
        f"1,000 changes ({', '.join(kinds)})",
        0.05,
        lambda: changes.apply(cluster, batch),
        rounds=7,
    )
    assert after.generation == cluster.generation + 1
    assert (after.instances.host != cluster.instances.host[: len(after.instances)]).any()


def test_a_scope_with_every_rule_is_applied_in_a_quarter_of_a_second(cluster):
    rules = scope.check_scope(
        [
            {"availability_zones": [{"name": "az1"}], "host_aggregates": [{"id": 2}]},
            {
                "exclude": [
                    {"instances": [{"uuid": uuid(f"vm{number:06d}")} for number in range(1000)]},
                    {"compute_nodes": [{"name": f"host{number:05d}"} for number in range(100)]},
                    {"instance_metadata": [{"env": "prod"}]},
                    {"projects": [{"uuid": uuid(f"project{number}")} for number in range(10)]},
                ]
            },
        ]
    )
    scoped = within("scope with every rule", 0.25, lambda: scope.apply(cluster, rules))
    assert scoped.cluster.instances.excluded.any()
    assert scoped.cluster.hosts.in_scope.any()


ALL_OF_IT = """
import resource
from tests.worlds import random_metrics, random_records
from watcher.core import changes
from watcher.core.placement import Placement
from watcher.core.records import assemble
from tests.benchmarks import test_core

cluster = assemble(*random_records(1, test_core.HOSTS, test_core.INSTANCES))
metrics = random_metrics(cluster, test_core.QUERIES)
what_if = [Placement(cluster) for _ in range(4)]
test_core.long_plan(cluster, 1000).replay(cluster)
after = changes.apply(cluster, test_core.news(cluster, ("move", "add")))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""
QUERIES = tuple(Query(metric) for metric in (Metric.INSTANCE_CPU_USAGE, Metric.HOST_CPU_USAGE))


def test_all_of_it_fits_into_half_a_gigabyte():
    # The records are in the figure too: a collector holds them while it assembles.
    child = subprocess.run(
        [sys.executable, "-c", ALL_OF_IT], capture_output=True, text=True, check=True
    )
    used_mb = float(child.stdout)
    print(f"\nmemory of a process with all of it: {used_mb:.0f} MB, budget {MEMORY_MB} MB", end="")
    assert used_mb < MEMORY_MB
