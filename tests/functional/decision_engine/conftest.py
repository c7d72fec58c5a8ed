# SPDX-License-Identifier: Apache-2.0
"""All of Watcher in this process, with strategies of somebody else who makes every mistake."""

import itertools
import sys

import pytest
from oslo_messaging.notify import _impl_test

from tests.functional.standalone import standalone
from tests.vendor import STRATEGY, installed

SOURCE = (
    STRATEGY
    + """
import threading

begun, go = threading.Event(), threading.Event()
runs = []

class Breaks(Base):
    def solve(self, cluster, metrics, parameters):
        raise ZeroDivisionError("password=hunter2")

class Thinks(Base):
    def solve(self, cluster, metrics, parameters):
        runs.append(1)
        begun.set()
        assert go.wait(30)
        return super().solve(cluster, metrics, parameters)

class Exits(Base):
    def solve(self, cluster, metrics, parameters):
        raise SystemExit(3)

class Ponders(Thinks):
    def solve(self, cluster, metrics, parameters):
        super().solve(cluster, metrics, parameters)
        raise ZeroDivisionError

class Moves(Base):
    def solve(self, cluster, metrics, parameters):
        return solution.Solution((solution.migrate("no-such-instance", "h", "h2"),))

class Planless(Base):
    planner = "nowhere"

class Dances(Base):
    def solve(self, cluster, metrics, parameters):
        return solution.Solution((solution.Action("dance"),))

class Talks(Base):
    def solve(self, cluster, metrics, parameters):
        return solution.Solution(notes=("word " * 200,))

class Idle(Base):
    def solve(self, cluster, metrics, parameters):
        return solution.Solution()

@dataclass(frozen=True)
class Needy:
    target: str = param(REQUIRED, "Where to.")

class Greets(Base):
    pass

class Needs(Base):
    goal = "needy"
    parameters = Needy

NEEDY = Goal("needy", "Needy goal")
"""
)
NAMES = (
    *("breaks", "thinks", "exits", "ponders", "moves", "planless"),
    *("dances", "talks", "idle", "greets", "needs"),
)
MORE = """
[oslo_messaging_notifications]
driver = test
[watcher_strategies]
defaults = vendor:v_idle, server_consolidation:dummy
[watcher_planners.weight]
weights = nop:20, sleep:10, migrate:30, change_nova_service_state:40, dance:50
"""


@pytest.fixture(scope="module")
def vendor(tmp_path_factory):
    """The module of the strategies."""
    strategies = {f"v_{name}": name.capitalize() for name in NAMES}
    goals = {"vendor": "GOAL", "needy": "NEEDY"}
    folder = tmp_path_factory.mktemp("vendor")
    with installed(folder, SOURCE, watcher_strategies=strategies, watcher_goals=goals) as name:
        yield name


@pytest.fixture(scope="module")
def shared(vendor, tmp_path_factory):
    with standalone(tmp_path_factory.mktemp("watcher"), more=MORE) as running:
        yield running


@pytest.fixture
def watcher(shared, vendor, monkeypatch):
    """Nothing is wrong, nobody has thought, and nothing was told yet."""
    monkeypatch.setattr("watcher.db.engine.Database.pauses_s", lambda _: itertools.repeat(0.05))
    thoughts = sys.modules[vendor]
    thoughts.begun.clear()
    thoughts.go.clear()
    thoughts.runs.clear()
    _impl_test.reset()
    yield shared
    thoughts.go.set()
    with shared.simulator.cloud.lock:
        shared.simulator.faults.clear()


@pytest.fixture
def thoughts(watcher, vendor):
    """``begun``, ``go`` and ``runs`` of the strategy that thinks until it is told to go on."""
    return sys.modules[vendor]
