# SPDX-License-Identifier: Apache-2.0
"""Several decision engines, killed and frozen at random and at every step of an audit."""

from __future__ import annotations

import contextlib
import itertools
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest

from tests.cloud.process import pause
from tests.integration.engines import DOWN_S, LONG, Engines, engines
from tests.integration.runner import Runner
from watcher.db import store
from watcher.db.models import Action

HOSTS = ("engine-1", "engine-2", "engine-3")
ONCE, AGAIN, EVENTS = (110, 80, 10) if LONG else (12, 6, 2)
INTERVAL_S, RUNS = (60, 4) if LONG else (20, 2)
SEED = 20261127
LAST_STEPS_S = 5
"""How soon after its audit has SUCCEEDED an engine has taken all steps of it."""


@pytest.fixture
def lab(runner: Runner, mariadb_url: str, transport_url: str) -> Iterator[Engines]:
    with engines(runner, mariadb_url, transport_url) as made:
        yield made


def crash(lab: Engines, step: int, survivor: str) -> bool:
    """Whether an engine died at this step of an audit; afterwards all is as it should be."""
    name = f"audit {step} {survivor}"
    doomed = lab.start("doomed", crash_at=step)
    lab.add(name, auto_trigger=True)
    lab.until(
        lambda: doomed.process.poll() is not None or lab.audits()[name].state == "SUCCEEDED",
        f"end of step {step}",
    )
    with contextlib.suppress(subprocess.TimeoutExpired):  # some steps come after the commit
        doomed.wait(LAST_STEPS_S)
    died = doomed.process.poll() is not None
    if died:
        lab.start(survivor)
        lab.until(lambda: lab.audits()[name].state == "SUCCEEDED", f"audit after step {step}")
        lab.running[survivor].stop()
    else:
        doomed.stop()
    audit, (plan,) = lab.audits()[name], lab.plans()[name]
    assert (audit.state, audit.running_since) == ("SUCCEEDED", None)
    assert (plan.state, plan.epoch) == ("PENDING", 0)
    with lab.database.reading() as session:
        assert len(store.every(session, Action, Action.action_plan_id == plan.id)) == 3
    return died


def test_an_engine_killed_at_any_step_of_an_audit_leaves_one_plan(lab: Engines) -> None:
    survivors = itertools.cycle(("doomed", "other"))
    if LONG:
        last = next(step for step in itertools.count(1) if not crash(lab, step, next(survivors)))
        print(f"{last - 1} steps, each killed once")
        assert last > 15
    else:
        for step in random.Random(SEED).sample(range(1, 16), 2):
            assert crash(lab, step, next(survivors))


def disturb(lab: Engines, chance: random.Random, until_s: float) -> dict[str, int]:
    """Kill or freeze an engine every few seconds, and let it come back."""
    done = {"killed": 0, "frozen": 0}
    while time.monotonic() < until_s:
        pause(chance.uniform(1, 4))
        host = chance.choice(HOSTS)
        if chance.random() < 0.6:
            lab.running[host].kill()
            pause(chance.uniform(0, 2))
            lab.start(host, ready=False)
            done["killed"] += 1
        else:
            lab.signal(host, signal.SIGSTOP)
            pause(DOWN_S + chance.uniform(1, 3))
            lab.signal(host, signal.SIGCONT)
            done["frozen"] += 1
    return done


def test_engines_that_die_and_freeze_run_every_audit_as_often_as_its_schedule_says(
    lab: Engines,
) -> None:
    lab.slow_cloud(0.3)
    for host in HOSTS:
        lab.start(host)
    due = lab.now() + timedelta(seconds=2)
    often = {f"again {number}": RUNS for number in range(AGAIN)}
    for name in often:
        lab.add(
            name,
            audit_type="CONTINUOUS",
            interval=str(INTERVAL_S),
            next_run_time=due,
            end_time=due + timedelta(seconds=INTERVAL_S * (RUNS - 0.2)),
        )
    for number in range(EVENTS):
        often[f"event {number}"] = 1
        lab.add(f"event {number}", audit_type="EVENT", next_run_time=due)
    with lab.doorbell() as ring:
        for number in range(ONCE):
            often[f"once {number}"] = 1
            uuid = lab.add(f"once {number}")
            if number % 2:
                ring(uuid)
    span_s = INTERVAL_S * (RUNS - 1) + 5
    done = disturb(lab, random.Random(SEED), time.monotonic() + span_s)
    ended = ("SUCCEEDED",)
    lab.until(
        lambda: all(row.state in ended and not row.running_since for row in lab.audits().values()),
        "end of all audits",
        INTERVAL_S + 120,
    )
    found = {name: len(plans) for name, plans in lab.plans().items()}
    said = "\n".join(running.said() for running in lab._runner.started)
    print(
        f"{len(often)} audits, {sum(found.values())} runs, {done['killed']} kills,"
        f" {done['frozen']} freezes, {said.count('is taken over')} taken over,"
        f" {said.count('was taken over by')} late writers refused"
    )
    assert found == often
    states = {plan.state for plans in lab.plans().values() for plan in plans}
    assert states == {"RECOMMENDED", "CANCELLED"}
