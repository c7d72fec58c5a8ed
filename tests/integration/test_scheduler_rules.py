# SPDX-License-Identifier: Apache-2.0
"""No surprise: what Watcher offers, the real Nova scheduler and the real Placement accept.

Random cases of (cloud, instance, host); 100,000 with WATCHER_LONG set, a sample otherwise. What
Watcher refuses and Nova accepts is counted and printed by Watcher's reason: these are the hosts
that it leaves out to be safe.
"""

import json
import os
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cloud.settings import HOME
from tests.integration.conftest import missing
from tests.integration.scheduler.cases import case
from tests.worlds import uuid
from watcher.core.cluster import Cluster
from watcher.core.constraints import Constraints, movable
from watcher.core.placement import Placement

CASES = 100_000 if os.environ.get("WATCHER_LONG") else 10_000
JUDGE = Path(__file__).parent / "scheduler" / "judge.py"
SAFE = (
    "against its server group's policy soft",
    "a CPU without",
    "outside availability zone",
    "without trait COMPUTE",
    "without trait HW_ARCH",
    "outside the aggregates of its project",
    "another CPU architecture",
    "another hypervisor type",
)
"""Refusals that are stricter than Nova on purpose, each with its reason in core.pools."""


@pytest.fixture
def judge() -> Iterator[subprocess.Popen[str]]:
    python = HOME / "venv" / "bin" / "python"
    if not python.exists():
        missing("the cloud's Python", "tools/cloud install")
    with subprocess.Popen(
        [str(python), "-W", "ignore", str(JUDGE)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


def test_no_host_that_watcher_offers_is_refused_by_nova(judge: subprocess.Popen[str]) -> None:
    assert judge.stdin is not None
    assert judge.stdout is not None
    counts: Counter[str] = Counter()
    stricter: Counter[str] = Counter()
    surprises = []
    seed = 0
    while counts.total() < CASES:
        cluster, told = case(seed)
        judge.stdin.write(json.dumps(told) + "\n")
        judge.stdin.flush()
        verdicts = json.loads(judge.stdout.readline())
        for ours, theirs, what in _compared(cluster, told, verdicts):
            counts[f"{'refused' if ours else 'offered'}, Nova {'no' if theirs else 'yes'}"] += 1
            if theirs and not ours:
                surprises.append((seed, *what, theirs))
            elif ours and not theirs:
                stricter[ours] += 1
        seed += 1
    print(f"\n{counts.total()} cases in {seed} clouds: {dict(sorted(counts.items()))}")
    for text, number in stricter.most_common():
        print(f"  {number:7} refused by Watcher only: {text}")
    assert not surprises, surprises[:10]
    assert counts["offered, Nova yes"] > counts.total() / 20
    assert [text for text in stricter if not text.startswith(SAFE)] == []


def _compared(
    cluster: Cluster, told: dict[str, list[dict[str, str]]], verdicts: list[list[str]]
) -> Iterator[tuple[str, str, tuple[str, str]]]:
    """Our reason ('' for an offer) and theirs, for each instance that may be moved and host."""
    may_move, _ = movable(cluster)
    constraints = Constraints(Placement(cluster))
    rows, hosts = cluster.instances.row_by_uuid, cluster.hosts.row_by_name
    for instance, answers in zip(told["instances"], verdicts, strict=True):
        row = rows[uuid(instance["name"])]
        if not may_move[row]:
            continue
        reasons = constraints.why_not(row)
        for host, theirs in zip(told["hosts"], answers, strict=True):
            if host["name"] != instance["host"]:
                ours = str(reasons[hosts[host["name"]]])
                assert constraints.permits(row, hosts[host["name"]]) == (not ours)
                yield ours, theirs, (instance["name"], host["name"])
