# SPDX-License-Identifier: Apache-2.0
"""Days of continuous consolidation and balancing of a changing cloud, on a clock that is ours.

48 hours with WATCHER_LONG=1, otherwise some hours. The load of each instance follows the hour of
the day, some by night, some by day; in the last hours it stays as it is.
"""

import gc
import math
import os
import pathlib
import resource
import time
from collections import Counter
from datetime import timedelta

import numpy as np
import pytest
from oslo_utils import timeutils

from tests.cloud.process import pause
from tests.functional.standalone import standalone
from watcher.db import store
from watcher.db.models import Action, ActionPlan, Audit
from watcher.simulator.generate import generate

LONG = bool(os.environ.get("WATCHER_LONG"))
HOURS, COOL_DOWN_H = (39, 2) if LONG else (4, 1)
"""How long the load changes; then it stays as it is for four and a half cool-downs."""
SETTLE_H, REST_H = 3 * COOL_DOWN_H, 1.5 * COOL_DOWN_H
"""In this time the cloud comes to rest; in that one nothing moves although everything may."""
STEP_H = 0.5
HIGHEST_PERCENT = 90.0
"""The limit of the consolidation is 80; what rests cannot be relieved while the load rises."""
GROWTH = 1.05
"""By how much the memory of the process may grow after its first third."""
MORE = f"""
[watcher_decision_engine]
cool_down = {COOL_DOWN_H * 3600}
continuous_audit_interval = 600
"""


class Days:
    """The running services, and an offset of their clock."""

    def __init__(self, watcher):
        self.watcher, self.passed = watcher, timedelta()
        world = watcher.simulator.world
        self.usual = {uuid: server.cpu_percent for uuid, server in world.servers.items()}

    def set_load(self, hour):
        """Each instance has a wave of its own over the day, up to 60 % around its usual load."""
        with self.watcher.simulator.cloud.lock:
            for number, (uuid, percent) in enumerate(self.usual.items()):
                wave = math.sin(2 * math.pi * (hour / 24 + (number % 3) / 3))
                self.watcher.simulator.world.servers[uuid].cpu_percent = percent * (1 + 0.6 * wave)

    def step(self):
        """Half an hour later: everything due is run and everything planned is done."""
        self.passed += timedelta(hours=STEP_H)
        deadline = time.monotonic() + 120
        while self._audits_due() or self._busy():
            self.watcher.engine._due.look()
            pause(0.05)
            assert time.monotonic() < deadline

    def _audits_due(self):
        now = timeutils.utcnow()
        with self.watcher.database.reading() as session:
            audits = store.every(session, Audit)
        assert not any(audit.failures for audit in audits), audits[0].status_message
        return any(audit.running_since or audit.next_run_time <= now for audit in audits)

    def _busy(self):
        busy = ActionPlan.state.in_(("PENDING", "ONGOING", "CANCELLING"))
        with self.watcher.database.reading() as session:
            return store.every(session, ActionPlan, busy)

    def migrations(self):
        """The instances that were migrated so far, once for each time."""
        done = (Action.action_type == "migrate", Action.state == "SUCCEEDED")
        with self.watcher.database.reading() as session:
            rows = store.every(session, Action, *done)
        return [row.input_parameters["resource_id"] for row in rows]

    def per_day(self):
        """The most migrations of one instance within any 24 hours, by the clock of the cloud."""
        done = (Action.action_type == "migrate", Action.state == "SUCCEEDED")
        with self.watcher.database.reading() as session:
            rows = store.every(session, Action, *done)
        ends = {}
        for row in rows:
            ends.setdefault(row.input_parameters["resource_id"], []).append(row.updated_at)
        day = timedelta(hours=24)
        return max(
            sum(begin <= one < begin + day for one in mine)
            for mine in ends.values()
            for begin in mine
        )

    def busiest(self):
        return float(np.nanmax(self.watcher.simulator.look()[1].host_cpu_percent))


def resident_mb():
    """Memory of this process, in MB: API, decision engine, applier and the cloud."""
    gc.collect()
    pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


@pytest.fixture
def days(tmp_path, monkeypatch):
    world = generate(seed=3, hosts=8, instances=60, cpu_median_percent=45.0)
    with standalone(tmp_path, world, more=MORE) as watcher:
        made = Days(watcher)
        real = timeutils.utcnow
        monkeypatch.setattr(timeutils, "utcnow", lambda *_: real() + made.passed)
        yield made


def test_continuous_audits_keep_a_changing_cloud_in_its_band_and_then_come_to_rest(days):
    asked = {"audit_type": "CONTINUOUS", "auto_trigger": True}
    for goal, strategy, interval in (
        ("server_consolidation", "vm_workload_consolidation", "3600"),
        ("workload_balancing", "workload_balance", "1800"),
    ):
        body = {**asked, "goal": goal, "strategy": strategy, "interval": interval}
        days.watcher.post("/v1/audits", {**body, "parameters": {}})
    busiest, memory_mb = [], []
    for step in range(round(HOURS / STEP_H)):
        days.set_load(step * STEP_H)
        days.step()
        busiest.append(days.busiest())
        memory_mb.append(resident_mb())
    moved = Counter(days.migrations())
    for _ in range(round(SETTLE_H / STEP_H)):
        days.step()
    before_rest = len(days.migrations())
    for _ in range(round(REST_H / STEP_H)):
        days.step()
    memory_mb.append(resident_mb())
    warm_mb = max(memory_mb[: len(memory_mb) // 3])
    print(
        f"{HOURS} h: {moved.total()} migrations of {len(moved)} instances, at most"
        f" {max(moved.values(), default=0)} of one, {days.per_day()} within a day; busiest host"
        f" {min(busiest[2:]):.0f} to {max(busiest[2:]):.0f} %;"
        f" {len(days.migrations()) - moved.total()} more until at rest; memory {warm_mb:.0f} MB"
        f" after a third, {memory_mb[-1]:.0f} MB at the end"
    )
    assert moved
    assert max(moved.values()) <= math.ceil(HOURS / COOL_DOWN_H)
    assert max(busiest[2:]) <= HIGHEST_PERCENT
    assert len(days.migrations()) == before_rest
    assert not LONG or memory_mb[-1] < warm_mb * GROWTH
