# SPDX-License-Identifier: Apache-2.0
"""Two APIs, three decision engines and three appliers: killed, frozen, cut off, and nothing is lost.

In short by default: 12 audits and 6 plans under kills, and each fault once. With ``WATCHER_LONG=1``
200 audits and 100 plans, and ten minutes of faults.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.chaos import verdict
from tests.chaos.faults import FAULTS, HARMLESS, SKEW_S, skewed
from tests.chaos.run import SETTLE_S, disturb, report
from tests.chaos.site import DOWN_S, Site
from tests.chaos.work import Work
from tests.cloud.process import pause

LONG = bool(os.environ.get("WATCHER_LONG"))
ONCE, PLANS, AGAIN = (90, 100, 10) if LONG else (4, 6, 2)
SEED = 20261128


@pytest.fixture
def site(tmp_path: Path, mariadb_url: str, transport_url: str) -> Iterator[Site]:
    made = Site(tmp_path, mariadb_url, transport_url, seed=SEED)
    try:
        yield made
    finally:
        made.close()


def insist(action: Callable[[], bool]) -> None:
    """Ask until it is accepted, as a client would."""
    for _ in range(60):
        if action():
            return
        pause(0.5)
    raise AssertionError("no API accepts it")


@pytest.mark.parametrize("seconds", [SKEW_S, -SKEW_S])
def test_a_wrong_clock_is_wrong_by_so_much(seconds: int) -> None:
    command = [sys.executable, "-c", "import time; print(time.time())"]
    said = subprocess.run(
        command, env={**os.environ, **skewed(seconds)}, capture_output=True, text=True, check=True
    )
    assert float(said.stdout) - time.time() == pytest.approx(seconds, abs=30)


def test_kills_at_random_change_no_count(site: Site) -> None:
    chance = random.Random(SEED)
    site.begin(apis=2, engines=3, appliers=3)
    work, done = Work(site, chance), Counter[str]()
    for many, ask in ((AGAIN, lambda: work.again(10, 2)), (ONCE, work.once), (PLANS, work.moves)):
        for number in range(many):
            insist(ask)
            if number % 6 == 5:
                done += disturb(site, chance, 1, HARMLESS, None)
    done += disturb(site, chance, 10, HARMLESS, None)
    site.until(lambda: verdict.at_rest(site), SETTLE_S)
    wrong = verdict.violations(site, work.promised, disturbed=False)
    print("\n" + report(site, work, done, wrong))
    assert wrong == []


def test_each_fault_is_survived(site: Site) -> None:
    chance = random.Random(SEED)
    site.begin(apis=1, engines=2, appliers=2)
    work, done = Work(site, chance), Counter[str]()
    for name in FAULTS:
        insist(work.moves)
        insist(work.once)
        with FAULTS[name](site, chance):
            pause(30 if LONG else DOWN_S + 1)
        done[name] += 1
    insist(work.moves)
    site.until(lambda: verdict.at_rest(site), SETTLE_S)
    wrong = verdict.violations(site, work.promised, disturbed=True)
    print("\n" + report(site, work, done, wrong))
    assert wrong == []
