# SPDX-License-Identifier: Apache-2.0
"""Budgets of the report of a very large plan: keeping what it needs, and telling it."""

import json

import numpy as np
import pytest

from tests.benchmarks.budget import within
from tests.worlds import random_metrics, random_world
from watcher.core.metrics import Metric, Query
from watcher.core.placement import Load
from watcher.core.plan import Plan
from watcher.core.solution import Solution, migrate
from watcher.report.account import Account, Deed, Head
from watcher.report.evidence import gather, pack, unpack
from watcher.report.written import as_json

pytestmark = pytest.mark.slow

HOSTS, INSTANCES, ACTIONS = 5_000, 60_000, 30_000
MOST_BYTES = 3_000_000


@pytest.fixture(scope="module")
def run():
    """A cluster, a plan that moves half of all, its solution with two loads, and metrics."""
    cluster = random_world(1, HOSTS, INSTANCES)
    instances, names = cluster.instances, cluster.hosts.name
    moves = tuple(
        migrate(
            str(instances.uuid[row]),
            str(names[instances.host[row]]),
            str(names[(instances.host[row] + 1) % HOSTS]),
            name=str(instances.name[row]),
        )
        for row in np.flatnonzero(instances.host >= 0)[:ACTIONS]
    )
    plan = Plan(moves, tuple((place - 1,) if place % 3 else () for place in range(ACTIONS)))
    chance = np.random.default_rng(1)
    loads = tuple(
        Load(name, most * chance.random(INSTANCES), np.full(HOSTS, 50.0 * most), np.zeros(HOSTS))
        for name, most in (("cpu load", 4.0), ("memory load", 4000.0))
    )
    metrics = random_metrics(cluster, [Query(Metric.HOST_CPU_USAGE), Query(Metric.HOST_RAM_USAGE)])
    return cluster, plan, Solution(moves, loads=loads), metrics


def test_what_a_report_needs_is_kept_and_told(run):
    size = f"{HOSTS} hosts and {ACTIONS} actions"
    kept = within(f"evidence of {size} gathered and packed", 1.0, lambda: pack(gather(*run, {})))
    print(f"; {len(kept) / 1e6:.1f} MB", end="")
    assert len(kept) < MOST_BYTES
    deeds = [
        Deed(str(number), one.type, one.input_parameters, parents=tuple(map(str, parents)))
        for number, (one, parents) in enumerate(zip(run[1].actions, run[1].parents, strict=True))
    ]

    def told():
        return json.dumps(as_json(Account(Head("p", "RECOMMENDED"), deeds, unpack(kept))))

    within(f"report of {size} as JSON", 4.0, told, rounds=1)
